"""What a sync keeps beside the index: its cursor, and the documents that are not in the index as their source has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.models import Principal, SyncReport


@dataclass(frozen=True, kw_only=True)
class Row:
    """Why a document is not in the index, or not for sure. Documents that are there as they should be have no row."""

    version: str = ""
    """Of the document when it was left out: it is not told again while it is equal."""
    reason: str = ""
    """Why it was skipped, or what failed. Empty when it is only in doubt."""
    skipped: bool = False
    attempts: int = 0
    """Syncs in which it failed."""
    due: datetime | None = None
    """When a failed document is tried again; None when only a change of it, or somebody who asks for it, does."""
    in_doubt: bool = False
    """Its writing was begun and not seen to end: what the index says of it counts for nothing."""


_MARKED = re.compile(r"([0-9a-f]{32}):(.*)", re.DOTALL)


def marked(cursor: str, index_id: str) -> str:
    """A cursor as it is saved: what lies before it is in the collection of that id, and in no other one."""
    return f"{index_id}:{cursor}" if index_id else cursor


def cursor_of(saved: str | None, index_id: str) -> str | None:
    """The cursor that was saved for this collection; None when it was for another one."""
    found = _MARKED.fullmatch(saved) if saved is not None else None
    mark, cursor = found.groups() if found else ("", saved)
    return cursor if mark == index_id else None


class Ledger(Protocol):
    """The rows of one source, under a worker's claim. Every method that writes raises ClaimLost when the claim is."""

    async def load(self) -> dict[str, Row]: ...

    async def keep(self, cursor: str | None, rows: Mapping[str, Row | None]) -> None:
        """Save, all in one: the cursor (None: as it is) and the rows that changed (None: the row is gone)."""
        ...

    async def told_groups(self) -> Mapping[Principal, frozenset[Principal]]:
        """Who is in the source's groups, as it was saved last."""
        ...

    async def groups(self, members: Mapping[Principal, frozenset[Principal]]) -> None:
        """Save who is in the source's groups, in place of what was saved before."""
        ...

    async def progress(self, report: SyncReport) -> None:
        """Tell those who follow. It never fails, and may be lost."""
        ...

    def guard(self) -> None:
        """Called before each write to the index."""
        ...
