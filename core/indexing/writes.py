"""What one sync knows of the index and the ledger, and does to them.

That a document is being written is saved before it is. What a sync that died was writing is in doubt from then on: it
counts as unlike anything, whatever the index says of it, until it was written or removed as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from core.indexing.ledger import Ledger, Row, cursor_of, marked
from core.indexing.payloads import text_hash
from core.indexing.tombstones import FORGOTTEN, Tombstone
from core.models import NOBODY, Access, Chunk, Document, Known, Principal

if TYPE_CHECKING:
    from core.indexing.index import Index

PAUSES = (timedelta(0), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4))
"""After so many failures a document is left alone for so long; after the last one, until it changes or somebody asks."""

Result = TypeVar("Result")


class Persist(Protocol):
    """Calls the index again while it does not answer."""

    async def __call__(self, call: Callable[[], Awaitable[Result]], /) -> Result: ...


class Writes:
    """In a dry run nothing is written and nothing is saved."""

    def __init__(
        self,
        index: Index,
        index_id: str,
        ledger: Ledger,
        saved: str | None,
        persist: Persist,
        clock: Callable[[], datetime],
        *,
        dry_run: bool,
    ) -> None:
        """``saved`` is the cursor as the ledger has it: it counts if it is of the collection ``index_id``."""
        self.known: dict[str, Known] = {}
        """Documents of which the index has something."""
        self.rows: dict[str, Row] = {}
        self.forgotten: Mapping[str, Tombstone] = {}
        """By document id, as it was when it was looked for last."""
        self.cursor = cursor_of(saved, index_id)
        """Saved with everything else; set it when all before it is in the index."""
        self._index = index
        self._index_id = index_id
        self._ledger = ledger
        self._persist = persist
        self._clock = clock
        self._dry_run = dry_run
        self._saved_cursor = self.cursor
        self._texts: dict[str, str] = {}
        self._waiting: Mapping[Principal, frozenset[Principal]] | None = None
        self._told_before: Mapping[Principal, frozenset[Principal]] = {}
        self._newcomers = False
        self._unsaved: set[str] = set()
        self._written = False
        self._saving = asyncio.Lock()

    async def whole(self, source: str) -> set[str]:
        """The documents that are in the index as a whole: as the index itself says, if anything was written."""
        if not self._written:
            return {document_id for document_id, known in self.known.items() if known.content_hash}
        return {record.document_id async for record in self._index.records(source) if record.content_hash}

    async def load(self, source: str) -> int:
        """Read what the index holds of a source, and the ledger. Returns the number of documents in the index."""
        async for record in self._index.records(source):
            self.known[record.document_id] = Known(
                version=record.version, content_hash=record.content_hash, access_class=record.access_class
            )
            self._texts[record.document_id] = record.text_hash
        count = len(self.known)
        self.rows = await self._ledger.load()
        await self.look_for_forgotten(source)
        for document_id, row in self.rows.items():
            if row.reason == FORGOTTEN and document_id not in self.forgotten:
                # It may come back, and no source tells of it by itself.
                self._set(document_id, Row(in_doubt=True))
        self.known |= {document_id: Known(version="") for document_id, row in self.rows.items() if row.in_doubt}
        return count

    def told(self, *, again: bool) -> dict[str, Known]:
        """What the source should take as known: what is left out counts, what is due does not. ``again``: no version does."""
        told = {document_id: Known(version=tombstone.version) for document_id, tombstone in self.forgotten.items()} | self.known
        for document_id, row in self.rows.items():
            version = "" if self._is_due(row) else row.version
            told[document_id] = Known(version=version, access_class=told[document_id].access_class if document_id in told else "")
        if again:
            return {document_id: replace(known, version="") for document_id, known in told.items()}
        return told

    def due(self) -> set[str]:
        """Documents that failed and whose time has come, and those in doubt."""
        return {document_id for document_id, row in self.rows.items() if self._is_due(row)}

    def _is_due(self, row: Row) -> bool:
        if row.reason:
            return row.due is not None and row.due <= self._clock()
        return row.in_doubt

    async def begin(self, document_ids: Collection[str]) -> None:
        """Say durably what is written next: half of it may be all that ever is."""
        for document_id in document_ids:
            self._set(document_id, replace(self.rows.get(document_id, Row()), in_doubt=True))
        await self.keep()
        self._ledger.guard()
        self._written = True

    async def guard(self) -> None:
        """Raises ClaimLost once another worker may write."""
        self._ledger.guard()

    async def keep(self) -> None:
        if self._dry_run:
            return
        async with self._saving:
            cursor, unsaved = self.cursor, self._unsaved
            moved = cursor != self._saved_cursor
            if not moved and not unsaved:
                return
            self._unsaved = set()
            self._ledger.guard()
            try:
                saved = marked(cursor, self._index_id) if moved and cursor is not None else None
                await self._ledger.keep(saved, {document_id: self.rows.get(document_id) for document_id in unsaved})
            except BaseException:
                self._unsaved |= unsaved
                raise
            self._saved_cursor = cursor

    async def groups(self, members: Mapping[Principal, frozenset[Principal]]) -> None:
        """Who lost a place in a group loses it now; who gained one waits for :meth:`let_in`."""
        if self._dry_run:
            return
        self._told_before = told = await self._ledger.told_groups()
        lost = {group: held & members[group] for group, held in told.items() if group in members}
        if any(held != told[group] for group, held in lost.items()):
            await self._ledger.groups({**told, **lost})
        self._waiting = members
        self._newcomers = any(held - told.get(group, frozenset()) for group, held in members.items())

    @property
    def somebody_waits(self) -> bool:
        return self._waiting is not None

    async def let_in(self, *, all_told: bool) -> None:
        """Who came into a group sees what its members see, now that nothing in the index is older than that.

        What could not be brought up to date is hidden: its old text may never have been meant for newcomers. Groups of
        which nothing was told are dropped if ``all_told``; else documents that are kept may name them.
        """
        if self._waiting is None:
            return
        if self._newcomers:
            for document_id in [document_id for document_id in self.known if self.is_stale(document_id)]:
                await self.hide(document_id)
        members, self._waiting = self._waiting, None
        await self._ledger.groups(members if all_told else {**self._told_before, **members})

    def indexed(self, document: Document) -> None:
        """The document is in the index as a whole."""
        self._texts.pop(document.id, None)
        self.known[document.id] = Known(
            version=document.version, content_hash=document.content_hash, access_class=document.access.class_id
        )
        self._drop(document.id)

    def failed(self, document_id: str, reason: str, version: str) -> None:
        before = self.rows.get(document_id, Row())
        attempts = 1 + (before.attempts if before.version == version or not version else 0)
        pause = PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
        self._set(
            document_id,
            Row(
                version=version or before.version,
                reason=reason,
                attempts=attempts,
                due=None if pause is None else self._clock() + pause,
                in_doubt=before.in_doubt,
            ),
        )

    def skipped(self, document_id: str, reason: str, version: str) -> None:
        before = self.rows.get(document_id, Row())
        self._set(document_id, Row(version=version, reason=reason, skipped=True, in_doubt=before.in_doubt))

    async def look_for_forgotten(self, source: str) -> None:
        self.forgotten = await self._index.forgotten(source)

    async def leave_out(self, document_ids: Collection[str], version: str = "") -> None:
        """Forgotten documents that the source has. What the index still holds of them goes, and needs no leave to."""
        for document_id in document_ids:
            before, tombstone = self.rows.get(document_id, Row()), self.forgotten.get(document_id)
            await self.remove([document_id])
            last = version or before.version or (tombstone.version if tombstone else "")
            self._set(document_id, Row(version=last, reason=FORGOTTEN, skipped=True))

    def settled(self, document_id: str) -> None:
        """Whatever failed with it before, it did not now, and nothing of it is half written."""
        if document_id in self.rows and not self.rows[document_id].in_doubt:
            self._drop(document_id)

    def forget(self, document_ids: Collection[str]) -> None:
        """These are not in the source any more, and nothing of them is in the index."""
        for document_id in document_ids:
            self._drop(document_id)

    def has_text(self, document: Document, chunks: Sequence[Chunk]) -> bool:
        """Whether the index has this document with just these chunks."""
        known = self.known.get(document.id)
        return bool(known and known.content_hash) and self._texts.get(document.id) == text_hash(chunks)

    def is_stale(self, document_id: str) -> bool:
        """True when the index may hold another version of it than the source told last."""
        return document_id in self.rows

    async def set_access(self, document_id: str, access: Access) -> bool:
        """Change who may read a document, if the index has it and it is a change. Returns whether it was."""
        known = self.known.get(document_id)
        if known is None or known.access_class == access.class_id:
            return False
        if not self._dry_run:
            await self._set_access(document_id, access, known.content_hash, replace(known, access_class=access.class_id))
        return True

    async def hide(self, document_id: str) -> None:
        await self.set_access(document_id, NOBODY)

    async def shut_out(self, document: Document) -> None:
        """Hide what the index has of a document whose access is another one now, its new content excepted."""
        known = self.known.get(document.id)
        if known and known.access_class != document.access.class_id:
            hidden = replace(known, access_class=NOBODY.class_id)
            await self._set_access(document.id, document.access, document.content_hash, hidden)

    async def _set_access(self, document_id: str, access: Access, content_hash: str, after: Known) -> None:
        before = self.rows.get(document_id)
        await self.begin([document_id])
        await self._persist(lambda: self._index.set_access(document_id, access, content_hash))
        self.known[document_id] = after
        if before is None:
            self._drop(document_id)
        else:
            self._set(document_id, before)

    async def relabel(self, document: Document) -> None:
        """Note the version of a document that needs no embedding, and what came with it."""
        known = self.known[document.id]
        moved = (known.version, known.content_hash) != (document.version, document.content_hash)
        if moved and not self._dry_run:
            self._ledger.guard()
            await self._persist(lambda: self._index.relabel(document))
            self.known[document.id] = replace(known, version=document.version, content_hash=document.content_hash)

    async def remove(self, document_ids: Sequence[str]) -> None:
        """Remove documents that the index has, or of which it may have a part. Skipped ones keep their row."""
        present = [document_id for document_id in document_ids if document_id in self.known]
        if not present or self._dry_run:
            return
        await self.begin(present)
        await self._persist(lambda: self._index.remove(present))
        for document_id in present:
            del self.known[document_id]
            row = self.rows[document_id]
            if row.skipped:
                self._set(document_id, replace(row, in_doubt=False))
            else:
                self._drop(document_id)

    def _set(self, document_id: str, row: Row) -> None:
        if self.rows.get(document_id) != row:
            self.rows[document_id] = row
            self._unsaved.add(document_id)

    def _drop(self, document_id: str) -> None:
        if self.rows.pop(document_id, None) is not None:
            self._unsaved.add(document_id)
