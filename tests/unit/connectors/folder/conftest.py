from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from connectors.folder.source import FolderSource
from core.models import Change, Checkpoint, Document, Failed, Skipped, Upsert

NOBODY_USER = 65534


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that an unprivileged user can reach, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="fn-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def unprivileged(root: Path) -> Iterator[None]:
    """Permissions hold for us, too: root reads everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY_USER)
    yield
    os.seteuid(0)


class Read:
    """All that one call of changes() told."""

    def __init__(self, changes: list[Change]) -> None:
        self.changes = changes
        self.documents: dict[str, Document] = {
            c.document.id.partition(":")[2]: c.document for c in changes if isinstance(c, Upsert)
        }
        self.skipped = {c.document_id.partition(":")[2]: c.reason for c in changes if isinstance(c, Skipped)}
        self.failed = {c.document_id.partition(":")[2]: c.error for c in changes if isinstance(c, Failed)}
        self.cursor = next(c.cursor for c in changes if isinstance(c, Checkpoint))


async def read(source: FolderSource, cursor: str | None = None) -> Read:
    return Read([change async for change in source.changes(cursor)])


async def collect(items: AsyncIterator[str]) -> set[str]:
    return {item async for item in items}
