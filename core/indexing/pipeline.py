"""Documents on their way into the index: while some are embedded, the next ones are parsed.

Order is kept, so that whatever is called through :meth:`Pipeline.after` finds everything before it in the index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from core.errors import DocumentError
from core.indexing.chunking import chunk
from core.indexing.writes import Persist
from core.models import Chunk, Document
from core.together import Together

if TYPE_CHECKING:
    from core.indexing.index import Guard, Index
    from core.indexing.parsing import Parser

MAX_BYTES = 64 * 1024 * 1024
"""Bodies in flight; a larger document travels alone."""
MAX_DOCUMENTS = 128
BATCH_CHUNKS = 128
"""At least so many chunks, if they are there already, make one call to the index: its embedder sorts them by length."""
WRITES_AT_ONCE = 2
"""Calls to the index: while one ends, or waits for the index, the next one has the processor busy."""

AWAY_DOCUMENTS = 16
"""Documents that are handed to another worker at once: some seconds of work, so that little is lost with it."""
AWAY_BYTES = 1024 * 1024
"""A larger body stays here: it costs more to send than it is worth."""

Result = TypeVar("Result")

Pair = tuple[Document, Sequence[Chunk]]
Action = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one document: its number of chunks in the index, or the error."""

    document: Document
    chunks: int = 0
    error: str | None = None
    same: bool = False
    """Its bytes are others, but what would be embedded is there already: nothing was written."""


class Helpers(Protocol):
    """Other workers, who take documents off our hands."""

    def room(self) -> int:
        """How many documents they could take now."""
        ...

    async def index(self, documents: Sequence[Document]) -> Sequence[Outcome] | None:
        """Have them parsed, embedded and written elsewhere, as by :func:`index_documents`: one outcome for each, in order.

        None when nobody did it, or nobody said so: then it is done here.
        """
        ...


async def index_documents(
    index: Index, parser: Parser, count: Callable[[str], int], documents: Sequence[Document], guard: Guard
) -> list[Outcome]:
    """What a helper does for another worker's sync. ``guard`` is awaited before each write, and may raise."""
    outcomes: dict[str, Outcome] = {}

    async def begin(_document_ids: Sequence[str]) -> None:
        await guard()

    async def done(outcome: Outcome) -> None:
        outcomes[outcome.document.id] = outcome

    pipeline = Pipeline(index, parser, count, begin=begin, done=done, guard=guard)
    async with Together() as tasks:
        tasks.create_task(pipeline.parse())
        tasks.create_task(pipeline.write())
        for document in documents:
            await pipeline.put(document)
        pipeline.close()
    return [outcomes[document.id] for document in documents]


class Pipeline:
    """Run :meth:`parse` and :meth:`write` as tasks beside the one that puts; an error in either ends all three."""

    def __init__(
        self,
        index: Index,
        parser: Parser,
        count: Callable[[str], int],
        *,
        begin: Callable[[Sequence[str]], Awaitable[None]],
        done: Callable[[Outcome], Awaitable[None]],
        guard: Guard,
        is_same: Callable[[Document, Sequence[Chunk]], bool] = lambda document, chunks: False,
        persist: Persist | None = None,
        helpers: Helpers | None = None,
    ) -> None:
        """``begin`` hears of the documents before they are written, and may raise; ``done`` of each one once; ``guard`` is
        awaited right before each write.

        ``is_same`` may say that the index has just these chunks. ``persist`` calls it again while it does not answer.
        """
        self._index = index
        self._parser = parser
        self._count = count
        self._begin = begin
        self._done = done
        self._guard = guard
        self._is_same = is_same
        self._persist = persist or _once
        self._helpers = helpers
        self._to_parse: asyncio.Queue[Document | Action | None] = asyncio.Queue()
        self._to_write: asyncio.Queue[Pair | Action | None] = asyncio.Queue()
        self._in_flight: dict[str, int] = {}
        self._changed = asyncio.Condition()

    async def put(self, document: Document) -> None:
        """Hand over a document; waits while too much is in flight. The same document twice waits for the first."""
        size = len(document.body)

        def fits() -> bool:
            held = self._in_flight
            room = len(held) < self._most() and sum(held.values()) + size <= MAX_BYTES
            return document.id not in held and (room or not held)

        async with self._changed:
            await self._changed.wait_for(fits)
            self._in_flight[document.id] = size
        self._to_parse.put_nowait(document)

    def _most(self) -> int:
        return MAX_DOCUMENTS + (self._helpers.room() if self._helpers else 0)

    async def settled(self, document_id: str) -> None:
        """Return when no older version of this document is on its way."""
        async with self._changed:
            await self._changed.wait_for(lambda: document_id not in self._in_flight)

    def after(self, action: Action) -> None:
        """Await ``action`` once everything put before is in the index or has failed."""
        self._to_parse.put_nowait(action)

    async def drain(self) -> None:
        """Return when everything put before is in the index or has failed, and every action is over."""
        reached = asyncio.Event()

        async def reach() -> None:
            reached.set()

        self.after(reach)
        await reached.wait()

    def close(self) -> None:
        """Let both tasks end once everything put before is done."""
        self._to_parse.put_nowait(None)

    async def parse(self) -> None:
        held: list[Document | Action | None] = []
        async with Together() as group:
            away: set[asyncio.Task[None]] = set()
            while True:
                item = held.pop(0) if held else await self._to_parse.get()
                if isinstance(item, Document):
                    if batch := self._to_give_away(item, held):
                        away.add(task := group.create_task(self._give_away(batch)))
                        task.add_done_callback(away.discard)
                    else:
                        await self._parse(item)
                    continue
                if away:
                    # Whoever comes after expects them to be in the index.
                    await asyncio.wait(away)
                self._to_write.put_nowait(item)
                if item is None:
                    return

    async def _parse(self, document: Document) -> None:
        try:
            pair = document, await self._chunks(document)
        except DocumentError as error:
            await self._finish(Outcome(document=document, error=str(error)))
            return
        if self._is_same(*pair):
            await self._finish(Outcome(document=document, same=True))
        else:
            self._to_write.put_nowait(pair)

    def _to_give_away(self, document: Document, held: list[Document | Action | None]) -> list[Document]:
        """This document and those behind it, if we have enough to do and somebody else has not. ``held`` takes the rest."""
        if self._helpers is None or self._to_write.empty() or self._helpers.room() < AWAY_DOCUMENTS:
            return []
        size, batch = len(document.body), [document]
        while size <= AWAY_BYTES and len(batch) < AWAY_DOCUMENTS and not self._to_parse.empty() and not held:
            item = self._to_parse.get_nowait()
            if isinstance(item, Document) and size + len(item.body) <= AWAY_BYTES:
                batch.append(item)
                size += len(item.body)
            else:
                held.append(item)
        if len(batch) > AWAY_DOCUMENTS // 2:
            return batch
        held[:0] = batch[1:]
        return []

    async def _give_away(self, batch: list[Document]) -> None:
        await self._begin([document.id for document in batch])
        assert self._helpers is not None
        outcomes = await self._helpers.index(batch)
        if outcomes is None:
            for document in batch:
                await self._parse(document)
        else:
            for outcome in outcomes:
                await self._finish(outcome)

    async def write(self) -> None:
        async with Together() as group:
            writing: set[asyncio.Task[None]] = set()
            while True:
                item = await self._to_write.get()
                while len(writing) >= WRITES_AT_ONCE:
                    await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
                batch: list[Pair] = []
                while isinstance(item, tuple):
                    batch.append(item)
                    if self._to_write.empty() or sum(len(chunks) for _, chunks in batch) >= BATCH_CHUNKS:
                        break
                    item = self._to_write.get_nowait()
                if batch:
                    writing.add(task := group.create_task(self._upsert(batch)))
                    task.add_done_callback(writing.discard)
                if isinstance(item, tuple):
                    continue
                if writing:
                    await asyncio.wait(writing)
                if item is None:
                    return
                await item()

    async def _chunks(self, document: Document) -> list[Chunk]:
        blocks = await self._parser.parse(document)
        # Counting the wordpieces of a long document takes a while.
        chunks = await asyncio.to_thread(chunk, document, blocks, self._count)
        if not chunks:
            raise DocumentError("it holds no text that could be indexed")
        return chunks

    async def _upsert(self, batch: Sequence[Pair]) -> None:
        await self._begin([document.id for document, _ in batch])
        try:
            await self._persist(lambda: self._index.upsert(batch, self._guard))
        except DocumentError as error:
            if len(batch) > 1:
                for pair in batch:
                    await self._upsert([pair])
            else:
                await self._finish(Outcome(document=batch[0][0], error=str(error)))
            return
        for document, chunks in batch:
            await self._finish(Outcome(document=document, chunks=len(chunks)))

    async def _finish(self, outcome: Outcome) -> None:
        # Before the room is given away: whoever waits for it reads what `done` has noted.
        await self._done(outcome)
        async with self._changed:
            del self._in_flight[outcome.document.id]
            self._changed.notify_all()


async def _once(call: Callable[[], Awaitable[Result]]) -> Result:
    return await call()
