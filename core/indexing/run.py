"""What a source tells, carried out in the right order.

Whoever lost the right to read is shut out first: what is gone is removed before anything is added, a change of access
is written as soon as it is known, and a document whose content *and* access changed is hidden until its new content
is in the index, because the access of the new content says nothing about the old one.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime

import structlog

from core.errors import DocumentError, FootnoteError, UserError
from core.indexing.ledger import Ledger
from core.indexing.pipeline import Outcome, Pipeline
from core.indexing.tally import Tally
from core.indexing.tombstones import FORGOTTEN
from core.indexing.writes import Writes
from core.models import (
    FAILED,
    NOBODY,
    PUSH,
    AccessChanged,
    Change,
    Checkpoint,
    Chunk,
    Coverage,
    Document,
    Failed,
    Groups,
    Listed,
    Remove,
    Skipped,
    SyncReport,
    SyncRequest,
    SyncState,
    Upsert,
)
from core.ports import Source

REMOVE_UNASKED = 20
REMOVE_UNASKED_SHARE = 0.1
PROGRESS_SECONDS = 0.5
FETCHED_AT_ONCE = 4
_HASHED_AT_ONCE = 256 * 1024
_REMOVED_AT_ONCE = 256

log = structlog.get_logger(__name__)


def may_remove_unasked(documents: int) -> int:
    """How many of a source's documents a sync may remove without being asked to: 20, or a tenth if that is more."""
    return max(REMOVE_UNASKED, int(documents * REMOVE_UNASKED_SHARE))


class Run:
    """One sync of one source."""

    def __init__(
        self,
        source: Source,
        request: SyncRequest,
        state: SyncState,
        writes: Writes,
        ledger: Ledger,
        clock: Callable[[], datetime],
        timer: Callable[[], float],
    ) -> None:
        self._source = source
        self._request = request
        self._state = state
        self._writes = writes
        self._ledger = ledger
        self._clock = clock
        self._timer = timer
        self._began = self._shown = timer()
        self._touched: set[str] = set()
        self._reported_gone: set[str] = set()
        self._held_cursor: str | None = None
        self._whole = True
        self._listed: set[str] | None = None
        self._listed_at = state.listed_at
        self._allowance = 0
        self._confirmed = request.force or request.prune
        self._tally = Tally(dry_run=request.dry_run)

    async def all(self, pipeline: Pipeline) -> None:
        count = await self._writes.load(self._source.name)
        self._allowance = may_remove_unasked(count)
        await self._leave_out_forgotten()
        selected = await self._selected()
        if selected is None:
            await self._changes(count, pipeline)
            await pipeline.drain()
            await self._let_in()
            selected = self._due()
        else:
            forgotten = selected & self._writes.forgotten.keys()
            await self._writes.leave_out(forgotten)
            selected -= forgotten
            self._whole, self._tally.expected = False, len(selected)
        await self._fetch_all(selected, pipeline)
        await pipeline.drain()
        if await self._remove(self._reported_gone) and self._held_cursor is not None and not self._tally.withheld:
            self._writes.cursor = self._held_cursor
        await self._writes.look_for_forgotten(self._source.name)
        await self._leave_out_forgotten()
        if self._listed is not None:
            self._tally.unchanged += len((self._listed & self._writes.known.keys()) - self._touched)
            self._writes.forget(self._writes.rows.keys() - self._listed - self._writes.known.keys())
        await self._writes.keep()

    async def finish(self) -> SyncReport:
        """The report of a sync that is over, with where every document of the source is."""
        if self._whole and not self._request.dry_run:
            self._tally.coverage = await self._coverage()
        return self._tally.report(self._timer() - self._began)

    async def done(self, outcome: Outcome) -> None:
        """The pipeline is through with a document."""
        document = outcome.document
        if outcome.error == FORGOTTEN:
            await self._leave_out(document.id, document.version)
        elif outcome.error is not None:
            self._fail(document.id, outcome.error, document.version)
        elif outcome.same:
            await self._unchanged(document)
        else:
            self._writes.indexed(document)
            self._tally.indexed += 1
            self._tally.chunks += outcome.chunks
        await self._tick()

    def is_same(self, document: Document, chunks: Sequence[Chunk]) -> bool:
        return not self._request.force and self._writes.has_text(document, chunks)

    async def _changes(self, count: int, pipeline: Pipeline) -> None:
        again = self._request.full or self._request.force
        # An index that lost its documents must not believe a cursor that says they are there.
        cursor = None if again or not count else self._writes.cursor
        async with aclosing(self._source.changes(cursor, self._writes.told(again=again))) as changes:
            async for change in changes:
                await self._apply(change, pipeline)

    async def _selected(self) -> set[str] | None:
        """The documents that the request is about; None for all."""
        scope = self._request.scope
        if scope is None:
            return None
        if scope == FAILED:
            return {document_id for document_id, row in self._writes.rows.items() if row.reason and not row.skipped}
        try:
            return {document_id async for document_id in self._source.select(scope)}
        except UserError:
            if self._request.requested_by != PUSH:
                raise
            # What it tells of is out of our sight now, and perhaps what hung on it.
            return None

    async def _apply(self, change: Change, pipeline: Pipeline) -> None:
        match change:
            case (
                Upsert(document=Document(id=document_id, version=version))
                | Skipped(document_id=document_id, version=version)
                | Failed(document_id=document_id, version=version)
            ) if document_id in self._writes.forgotten:
                await pipeline.settled(document_id)
                await self._leave_out(document_id, version)
            case Upsert(document=document):
                if self._writes.somebody_waits and document.id not in self._writes.known:
                    # All that is known was told before: nobody has to wait for the end of a long sync.
                    await pipeline.drain()
                    await self._let_in()
                await self._upsert(document, pipeline)
            case AccessChanged(document_id=document_id, access=access):
                await pipeline.settled(document_id)
                # Of a stale document the index has an older version, for which this access was never meant.
                access = NOBODY if self._writes.is_stale(document_id) else access
                self._tally.access_changed += await self._writes.set_access(document_id, access)
            case Remove(document_id=document_id):
                await pipeline.settled(document_id)
                await self._note_removal(document_id)
            case Skipped(document_id=document_id, reason=reason, version=version):
                await pipeline.settled(document_id)
                await self._skip(document_id, reason, version)
            case Failed(document_id=document_id, error=error, version=version):
                self._fail(document_id, error, version)
            case Listed(document_ids=listed, expected=expected):
                await self._list(listed, expected, pipeline)
            case Groups(members=members):
                await self._writes.groups(members)
                if not self._writes.known:
                    await self._let_in()
            case Checkpoint(cursor=cursor):
                self._checkpoint(cursor, pipeline)
        await self._tick()

    async def _let_in(self) -> None:
        await self._writes.let_in(all_told=self._listed is not None and not self._tally.withheld)

    async def _list(self, listed: frozenset[str], expected: int | None, pipeline: Pipeline) -> None:
        held = self._writes.known.keys()
        if not listed and held and not self._confirmed:
            raise FootnoteError(
                f"{self._source.name} lists no documents, but the index holds {len(held)} of it: nothing was removed. "
                "Check that it is reachable and shared with Footnote; if it is meant to be empty, reindex it with --prune."
            )
        self._listed, self._listed_at = set(listed), self._clock()
        self._tally.expected = expected
        # At once: the cursor that is saved next comes after this listing, and nothing else tells that they are gone.
        self._writes.forget(self._writes.rows.keys() - listed - held)
        await self._leave_out_forgotten()
        gone = held - listed
        if not self._may_remove(gone):
            return
        if not self._confirmed:
            gone = await self._surely_gone(gone, pipeline)
        await self._remove(gone)

    async def _surely_gone(self, gone: Collection[str], pipeline: Pipeline) -> set[str]:
        """Those that the source has not when it is asked for each. A listing may have passed one that was being moved."""
        surely = set()
        async for document_id, document, error in _in_order(self._source, sorted(gone)):
            if document is not None:
                await self._upsert(document, pipeline)
            elif error is not None:
                await self._writes.hide(document_id)
                self._fail(document_id, str(error), "")
            else:
                surely.add(document_id)
        return surely

    async def _upsert(self, document: Document, pipeline: Pipeline) -> None:
        self._touched.add(document.id)
        self._reported_gone.discard(document.id)
        if self._listed is not None:
            self._listed.add(document.id)
        await pipeline.settled(document.id)
        if len(document.body) > _HASHED_AT_ONCE:
            await asyncio.to_thread(lambda: document.content_hash)
        known = self._writes.known.get(document.id)
        if known and known.content_hash == document.content_hash and not self._request.force:
            await self._unchanged(document)
        elif self._request.dry_run:
            self._tally.indexed += 1
            self._tally.would_index.append(document.id)
        elif not document.body.strip():
            await self._writes.remove([document.id])
            self._fail(document.id, "it is empty", document.version)
        else:
            await self._writes.shut_out(document)
            await pipeline.put(document)

    async def _unchanged(self, document: Document) -> None:
        self._writes.settled(document.id)
        self._tally.unchanged += 1
        self._tally.access_changed += await self._writes.set_access(document.id, document.access)
        await self._writes.relabel(document)

    def _may_remove(self, gone: Collection[str]) -> bool:
        """Whether so many may go unasked; if not, they are counted as withheld."""
        if len(gone) <= self._allowance or self._confirmed or self._request.dry_run:
            return True
        self._tally.withheld += len(gone)
        return False

    async def _remove(self, gone: Collection[str]) -> bool:
        """Remove documents from the index, unless they are too many; then False."""
        if not self._may_remove(gone):
            return False
        if self._request.dry_run:
            self._tally.removed += len(gone)
            self._tally.would_remove += sorted(gone)
            return True
        self._allowance -= len(gone)
        ids = sorted(gone)
        for start in range(0, len(ids), _REMOVED_AT_ONCE):
            batch = ids[start : start + _REMOVED_AT_ONCE]
            await self._writes.remove(batch)
            self._tally.removed += len(batch)
            await self._tick()
        return True

    async def _note_removal(self, document_id: str) -> None:
        """Gone, or out of our sight: hidden at once, removed at the end, when it is known how many there are."""
        self._touched.add(document_id)
        if self._listed is not None:
            self._listed.discard(document_id)
        if document_id in self._writes.forgotten:
            await self._writes.remove([document_id])
            self._writes.forget([document_id])
        elif document_id in self._writes.known:
            self._reported_gone.add(document_id)
            await self._writes.hide(document_id)
        else:
            self._writes.forget([document_id])

    async def _skip(self, document_id: str, reason: str, version: str) -> None:
        self._touched.add(document_id)
        self._tally.skipped[reason] += 1
        self._writes.skipped(document_id, reason, version)
        if document_id in self._writes.known:
            self._reported_gone.add(document_id)
            await self._writes.hide(document_id)

    async def _leave_out(self, document_id: str, version: str) -> None:
        self._touched.add(document_id)
        if self._listed is not None:
            self._listed.add(document_id)
        self._tally.skipped[FORGOTTEN] += 1
        await self._writes.leave_out([document_id], version)

    async def _leave_out_forgotten(self) -> None:
        """All that the source is known to have."""
        there = self._writes.known.keys() | self._writes.rows.keys() | (self._listed or set())
        await self._writes.leave_out(there & self._writes.forgotten.keys())

    def _checkpoint(self, cursor: str, pipeline: Pipeline) -> None:
        if self._reported_gone or self._tally.withheld:
            # They are told once: only a cursor from before them makes the source repeat them.
            self._held_cursor = cursor
            return

        async def save() -> None:
            self._writes.cursor = cursor
            await self._writes.keep()

        pipeline.after(save)

    def _due(self) -> set[str]:
        """Documents to try again, or in doubt, and listed ones that the index lost, though no change was told of them."""
        lost = set(self._listed or ()) - self._writes.known.keys() - self._writes.rows.keys()
        return (lost | self._writes.due()) - self._touched

    async def _fetch_all(self, ids: Collection[str], pipeline: Pipeline) -> None:
        """Ask for documents one by one, and bring the index in step with each answer."""
        async for document_id, document, error in _in_order(self._source, sorted(ids)):
            if error is not None:
                self._fail(document_id, str(error), "")
            elif document is not None:
                await self._upsert(document, pipeline)
            else:
                await pipeline.settled(document_id)
                await self._note_removal(document_id)
            await self._tick()

    def _fail(self, document_id: str, error: str, version: str) -> None:
        self._touched.add(document_id)
        self._tally.fail(document_id, error)
        self._writes.failed(document_id, error, version)

    async def _coverage(self) -> Coverage:
        rows = self._writes.rows
        whole = await self._writes.whole(self._source.name)
        there = self._listed if self._listed is not None else whole | rows.keys()
        left_out = {document_id: row for document_id, row in rows.items() if row.reason and document_id in there}
        in_index = len((whole & there) - left_out.keys())
        missing = len(there) - in_index - len(left_out)
        if missing:
            log.warning("coverage.incomplete", in_source=len(there), in_index=in_index, missing=missing)
        return Coverage(
            in_source=len(there),
            in_index=in_index,
            skipped=Counter(row.reason for row in left_out.values() if row.skipped),
            failed=sum(not row.skipped for row in left_out.values()),
            missing=missing,
            listed_at=self._listed_at,
        )

    async def _tick(self) -> None:
        moment = self._timer()
        if moment - self._shown >= PROGRESS_SECONDS:
            self._shown = moment
            await self._ledger.progress(self._tally.report(moment - self._began))


async def _in_order(source: Source, ids: Iterable[str]) -> AsyncIterator[tuple[str, Document | None, DocumentError | None]]:
    """Documents as they are now, some asked for ahead of time."""

    async def fetch(document_id: str) -> tuple[str, Document | None, DocumentError | None]:
        try:
            return document_id, await source.fetch(document_id), None
        except DocumentError as error:
            return document_id, None, error

    asked: deque[asyncio.Task[tuple[str, Document | None, DocumentError | None]]] = deque()
    try:
        for document_id in ids:
            asked.append(asyncio.create_task(fetch(document_id)))
            if len(asked) >= FETCHED_AT_ONCE:
                yield await asked.popleft()
        while asked:
            yield await asked.popleft()
    finally:
        for task in asked:
            task.cancel()
