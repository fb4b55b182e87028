"""A changed page becomes knowledge: one run over one source.

Whoever lost the right to read is shut out first: what is gone is removed before anything is added, a change of access
is written as soon as it is known, and a document whose content *and* access changed is hidden until its new content
is in the index, because the access of the new content says nothing about the old one.

Every write can be repeated, and is announced (see :mod:`core.indexing.writes`); the cursor is saved only when
everything before it is in the index. So a sync that dies anywhere leaves nothing that the next one does not mend.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from core.errors import DocumentError, FootnoteError
from core.indexing.pipeline import Outcome, Pipeline
from core.indexing.tally import Tally
from core.indexing.writes import Save, Writes
from core.models import (
    NOBODY,
    AccessChanged,
    Change,
    Checkpoint,
    Document,
    Failed,
    Remove,
    Skipped,
    SyncReport,
    SyncRequest,
    SyncState,
    Upsert,
)
from core.ports import Embedder, Source

if TYPE_CHECKING:
    from core.indexing.index import Index
    from core.indexing.parsing import Parser

MAX_ATTEMPTS = 5
"""Syncs that try a failed document again by themselves; then only a change of it, or a reindex, does."""
REMOVE_UNASKED = 20
REMOVE_UNASKED_SHARE = 0.1
PROGRESS_SECONDS = 0.5
_HASHED_AT_ONCE = 256 * 1024
_REMOVED_AT_ONCE = 256

Progress = Callable[[SyncReport], Awaitable[None]]

log = structlog.get_logger(__name__)


def may_remove_unasked(documents: int) -> int:
    """How many of a source's documents a sync may remove without being asked to: 20, or a tenth if that is more."""
    return max(REMOVE_UNASKED, int(documents * REMOVE_UNASKED_SHARE))


def _nothing() -> None:
    pass


class Syncer:
    """Brings the index in step with a source."""

    def __init__(self, index: Index, parser: Parser, embedder: Embedder, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._index = index
        self._parser = parser
        self._embedder = embedder
        self._clock = clock

    async def run(
        self,
        source: Source,
        request: SyncRequest,
        state: SyncState,
        progress: Progress,
        save: Save,
        guard: Callable[[], None] = _nothing,
    ) -> SyncReport:
        """One sync. ``progress`` hears at most twice a second; ``guard`` is called before each write and may raise.

        A document that fails is a row of the report. Raises AuthError, ConfigError or TransientError of the source or
        the index, and FootnoteError when the source suddenly lists nothing. A report with ``withheld`` documents
        means that more vanished than may be removed unasked: they are all still in the index.
        """
        writes = Writes(self._index, state, save, guard, dry_run=request.dry_run)
        run = _Run(source, request, writes, progress, self._clock)
        pipeline = Pipeline(self._index, self._parser, self._embedder.count, begin=writes.begin, done=run.done)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pipeline.parse())
                tasks.create_task(pipeline.write())
                report = await run.all(pipeline)
                pipeline.close()
        except ExceptionGroup as group:
            # The others are only cancellations that followed from it.
            raise group.exceptions[0] from group.exceptions[0].__cause__
        return report


class _Run:
    def __init__(
        self, source: Source, request: SyncRequest, writes: Writes, progress: Progress, clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._request = request
        self._writes = writes
        self._progress = progress
        self._clock = clock
        self._began = self._shown = clock()
        self._touched: set[str] = set()
        self._reported_gone: set[str] = set()
        self._held_cursor: str | None = None
        self._allowance = 0
        self._tally = Tally(dry_run=request.dry_run)

    async def all(self, pipeline: Pipeline) -> SyncReport:
        cursor = self._writes.cursor
        count = await self._writes.load(self._source.name)
        self._allowance = may_remove_unasked(count)
        # An index that lost its documents must not believe a cursor that says they are there.
        beginning = self._request.full or self._request.force or cursor is None or not count
        listed = await self._list() if beginning or not self._source.reports_removals else None
        if listed is not None:
            await self._remove(self._writes.known.keys() - listed)
        async for change in self._source.changes(None if beginning else cursor):
            await self._apply(change, pipeline)
        await pipeline.drain()
        if await self._remove(self._reported_gone) and self._held_cursor is not None:
            self._writes.cursor = self._held_cursor
        await self._fetch_what_is_due(listed, pipeline)
        await pipeline.drain()
        if listed is not None:
            self._tally.unchanged += len((listed & self._writes.known.keys()) - self._touched)
        await self._writes.keep()
        return self._tally.report(self._clock() - self._began)

    async def done(self, outcome: Outcome) -> None:
        """The pipeline is through with a document."""
        if outcome.error is not None:
            self._fail(outcome.document.id, outcome.error)
        else:
            self._writes.indexed(outcome.document)
            self._tally.indexed += 1
            self._tally.chunks += outcome.chunks
        await self._tick()

    async def _list(self) -> set[str] | None:
        """All document ids of the source, or None when it cannot list them all; then nothing may be removed."""
        try:
            listed = {document_id async for document_id in self._source.ids()}
        except DocumentError as error:
            log.warning("listing.was_incomplete", reason=str(error))
            return None
        held = len(self._writes.known)
        if not listed and held and not self._request.force:
            raise FootnoteError(
                f"{self._source.name} lists no documents, but the index holds {held} of it: nothing was removed. "
                "Check that it is reachable and shared with Footnote; if it is meant to be empty, reindex it with --force."
            )
        return listed

    async def _apply(self, change: Change, pipeline: Pipeline) -> None:
        match change:
            case Upsert(document=document):
                await self._upsert(document, pipeline)
            case AccessChanged(document_id=document_id, access=access):
                await pipeline.settled(document_id)
                # Of a stale document the index has an older version, for which this access was never meant.
                access = NOBODY if self._writes.is_stale(document_id) else access
                self._tally.access_changed += await self._writes.set_access(document_id, access)
            case Remove(document_id=document_id):
                await pipeline.settled(document_id)
                await self._note_removal(document_id)
            case Skipped(document_id=document_id, reason=reason):
                self._touched.add(document_id)
                self._tally.skipped[reason] += 1
            case Failed(document_id=document_id, error=error):
                self._fail(document_id, error)
            case Checkpoint(cursor=cursor):
                self._checkpoint(cursor, pipeline)
        await self._tick()

    async def _upsert(self, document: Document, pipeline: Pipeline) -> None:
        self._touched.add(document.id)
        self._reported_gone.discard(document.id)
        await pipeline.settled(document.id)
        if len(document.body) > _HASHED_AT_ONCE:
            await asyncio.to_thread(lambda: document.content_hash)
        known = self._writes.known.get(document.id)
        if known and known.content_hash == document.content_hash and not self._request.force:
            self._writes.retry.pop(document.id, None)
            self._tally.unchanged += 1
            self._tally.access_changed += await self._writes.set_access(document.id, document.access)
        elif self._request.dry_run:
            self._tally.would_index.append(document.id)
        elif not document.body.strip():
            await self._writes.remove([document.id])
            self._fail(document.id, "it is empty")
        else:
            if known and known.access_class != document.access.class_id:
                await self._writes.hide(document.id)
            await pipeline.put(document)

    async def _remove(self, gone: set[str]) -> bool:
        """Remove documents from the index, unless they are too many; then False, and they are counted as withheld."""
        if self._request.dry_run:
            self._tally.would_remove += sorted(gone)
            return True
        if len(gone) > self._allowance and not self._request.force:
            self._tally.withheld += len(gone)
            return False
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
        self._writes.retry.pop(document_id, None)
        if document_id in self._writes.known:
            self._reported_gone.add(document_id)
            await self._writes.hide(document_id)

    def _checkpoint(self, cursor: str, pipeline: Pipeline) -> None:
        if self._reported_gone:
            # They are told once: only a cursor from before them makes the source repeat them.
            self._held_cursor = cursor
            return

        async def save() -> None:
            self._writes.cursor = cursor
            await self._writes.keep()

        pipeline.after(save)

    async def _fetch_what_is_due(self, listed: set[str] | None, pipeline: Pipeline) -> None:
        """Documents that failed before or are in doubt, and listed ones that the index lost, though no change was told."""
        retry, in_doubt = self._writes.retry, self._writes.in_doubt
        missing = (listed or set()) - self._writes.known.keys() - retry.keys()
        given_up = {document_id for document_id, attempts in retry.items() if attempts >= MAX_ATTEMPTS}
        for document_id in sorted((missing | retry.keys() | in_doubt) - given_up - self._touched):
            try:
                document = await self._source.fetch(document_id)
            except DocumentError as error:
                self._fail(document_id, str(error))
                continue
            if document is not None:
                await self._upsert(document, pipeline)
            else:
                self._touched.add(document_id)
                retry.pop(document_id, None)
                if document_id in in_doubt:
                    await self._writes.remove([document_id])
            await self._tick()
        if listed is not None:
            for document_id in retry.keys() - listed - self._touched:
                del retry[document_id]

    def _fail(self, document_id: str, error: str) -> None:
        self._touched.add(document_id)
        self._tally.failed[document_id] = error
        self._writes.failed(document_id)

    async def _tick(self) -> None:
        now = self._clock()
        if now - self._shown >= PROGRESS_SECONDS:
            self._shown = now
            await self._progress(self._tally.report(now - self._began))
