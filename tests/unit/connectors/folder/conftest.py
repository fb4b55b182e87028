from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.folder.source import FolderSource
from core.models import AccessChanged, Change, Checkpoint, Document, Failed, Known, Listed, Skipped, Upsert

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
    """All that one call of changes() told, and what is known after it."""

    def __init__(self, changes: list[Change], before: Mapping[str, Known]) -> None:
        self.changes = changes
        self.documents: dict[str, Document] = {
            c.document.id.partition(":")[2]: c.document for c in changes if isinstance(c, Upsert)
        }
        self.skipped = {c.document_id.partition(":")[2]: c.reason for c in changes if isinstance(c, Skipped)}
        self.failed = {c.document_id.partition(":")[2]: c.error for c in changes if isinstance(c, Failed)}
        self.listed = next(({*c.document_ids} for c in changes if isinstance(c, Listed)), None)
        self.known = dict(before)
        for change in changes:
            if isinstance(change, Upsert):
                access_class = change.document.access.class_id
                self.known[change.document.id] = Known(version=change.document.version, access_class=access_class)
            elif isinstance(change, AccessChanged) and change.document_id in before:
                self.known[change.document_id] = replace(before[change.document_id], access_class=change.access.class_id)
        assert isinstance(changes[-1], Checkpoint)


async def read(source: FolderSource, before: Read | None = None) -> Read:
    known = before.known if before else {}
    return Read([change async for change in source.changes(None, known)], known)
