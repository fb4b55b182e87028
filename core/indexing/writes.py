"""What one sync knows of the index and does to it.

The id of a document is saved before it is written. What a sync that died was writing is in doubt from then on: it
counts as unlike anything, whatever the index says of it, until it was written or removed as a whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.models import NOBODY, Access, Document, SyncState

if TYPE_CHECKING:
    from core.indexing.index import Index

Save = Callable[[str | None, Mapping[str, int], frozenset[str]], Awaitable[None]]
"""Keeps the cursor, the failed documents' attempts, and the documents in doubt, all in one."""


@dataclass(frozen=True)
class Known:
    """How a document stands in the index."""

    content_hash: str
    access_class: str


_IN_DOUBT = Known("", "")


class Writes:
    """In a dry run nothing is written and nothing is saved."""

    def __init__(self, index: Index, state: SyncState, save: Save, guard: Callable[[], None], *, dry_run: bool) -> None:
        self.known: dict[str, Known] = {}
        self.cursor = state.cursor
        """Saved with everything else; set it when all before it is in the index."""
        self.retry = dict(state.retry)
        """Documents that failed, with their attempts, this sync's included."""
        self.in_doubt = set(state.in_doubt)
        self._index = index
        self._attempts = state.retry
        self._save = save
        self._guard = guard
        self._dry_run = dry_run
        self._saved = (state.cursor, dict(state.retry), state.in_doubt)

    async def load(self, source: str) -> int:
        """Read what the index holds of a source. Returns the number of its documents."""
        async for record in self._index.records(source):
            self.known[record.document_id] = Known(record.content_hash, record.access_class)
        count = len(self.known)
        self.known |= dict.fromkeys(self.in_doubt, _IN_DOUBT)
        return count

    async def begin(self, document_ids: Sequence[str]) -> None:
        """Say durably what is written next: half of it may be all that ever is."""
        self.in_doubt.update(document_ids)
        await self.keep()
        self._guard()

    async def keep(self) -> None:
        now = (self.cursor, dict(self.retry), frozenset(self.in_doubt))
        if self._saved != now and not self._dry_run:
            self._guard()
            await self._save(*now)
            self._saved = now

    def indexed(self, document: Document) -> None:
        """The document is in the index as a whole."""
        self.known[document.id] = Known(document.content_hash, document.access.class_id)
        self.in_doubt.discard(document.id)
        self.retry.pop(document.id, None)

    def failed(self, document_id: str) -> None:
        self.retry[document_id] = self._attempts.get(document_id, 0) + 1

    def is_stale(self, document_id: str) -> bool:
        """True when the index may hold another version of it than the source told last."""
        return document_id in self.retry or document_id in self.in_doubt

    async def set_access(self, document_id: str, access: Access) -> bool:
        """Change who may read a document, if the index has it and it is a change. Returns whether it was."""
        known = self.known.get(document_id)
        if known is None or known.access_class == access.class_id:
            return False
        if not self._dry_run:
            was_in_doubt = document_id in self.in_doubt
            await self.begin([document_id])
            await self._index.set_access(document_id, access)
            self.known[document_id] = replace(known, access_class=access.class_id)
            if not was_in_doubt:
                self.in_doubt.discard(document_id)
        return True

    async def hide(self, document_id: str) -> None:
        await self.set_access(document_id, NOBODY)

    async def remove(self, document_ids: Sequence[str]) -> None:
        """Remove documents that the index has, or of which it may have a part."""
        present = [document_id for document_id in document_ids if document_id in self.known]
        if not present or self._dry_run:
            return
        await self.begin(present)
        await self._index.remove(present)
        for document_id in present:
            del self.known[document_id]
            self.in_doubt.discard(document_id)
            self.retry.pop(document_id, None)
