"""Documents on their way into the index: while some are embedded, the next ones are parsed.

Order is kept, so that whatever is called through :meth:`Pipeline.after` finds everything before it in the index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import DocumentError
from core.indexing.chunking import chunk
from core.models import Chunk, Document

if TYPE_CHECKING:
    from core.indexing.index import Index
    from core.indexing.parsing import Parser

MAX_BYTES = 64 * 1024 * 1024
"""Bodies in flight; a larger document travels alone."""
MAX_DOCUMENTS = 64
BATCH_CHUNKS = 128
"""At least so many chunks, if they are there already, make one call to the index: its embedder sorts them by length."""

Pair = tuple[Document, Sequence[Chunk]]
Action = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one document: its number of chunks in the index, or the error."""

    document: Document
    chunks: int = 0
    error: str | None = None


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
    ) -> None:
        """``begin`` hears of the documents before they are written, and may raise; ``done`` of each one once."""
        self._index = index
        self._parser = parser
        self._count = count
        self._begin = begin
        self._done = done
        self._to_parse: asyncio.Queue[Document | Action | None] = asyncio.Queue()
        self._to_write: asyncio.Queue[Pair | Action | None] = asyncio.Queue()
        self._in_flight: dict[str, int] = {}
        self._changed = asyncio.Condition()

    async def put(self, document: Document) -> None:
        """Hand over a document; waits while too much is in flight. The same document twice waits for the first."""
        size = len(document.body)

        def fits() -> bool:
            held = self._in_flight
            room = len(held) < MAX_DOCUMENTS and sum(held.values()) + size <= MAX_BYTES
            return document.id not in held and (room or not held)

        async with self._changed:
            await self._changed.wait_for(fits)
            self._in_flight[document.id] = size
        self._to_parse.put_nowait(document)

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
        while True:
            item = await self._to_parse.get()
            if isinstance(item, Document):
                try:
                    pair = item, await self._chunks(item)
                except DocumentError as error:
                    await self._finish(Outcome(document=item, error=str(error)))
                    continue
                self._to_write.put_nowait(pair)
            else:
                self._to_write.put_nowait(item)
            if item is None:
                return

    async def write(self) -> None:
        while True:
            item = await self._to_write.get()
            batch: list[Pair] = []
            while isinstance(item, tuple):
                batch.append(item)
                if self._to_write.empty() or sum(len(chunks) for _, chunks in batch) >= BATCH_CHUNKS:
                    break
                item = self._to_write.get_nowait()
            if batch:
                await self._upsert(batch)
            if item is None:
                return
            if not isinstance(item, tuple):
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
            await self._index.upsert(batch)
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
