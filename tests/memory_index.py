"""The index in memory: quick, exact about what a crash leaves behind, and able to crash between any two steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import DocumentError
from core.indexing.blocks import Block
from core.indexing.index import Guard, Opened, Record, unguarded
from core.indexing.ledger import Row
from core.indexing.payloads import text_hash
from core.indexing.tombstones import Forgotten, Tombstone
from core.models import NOBODY, Access, Chunk, Document, Principal, SyncReport


class Crash(BaseException):
    """The process is gone: nothing that it does later has an effect."""


@dataclass(frozen=True, kw_only=True)
class Point:
    document_id: str
    position: int
    source: str
    text: str
    access: Access | None
    """None while it is being changed: nobody may read it then."""
    content_hash: str
    title: str
    chunks: int
    version: str = ""
    url: str = ""
    updated_at: datetime | None = None
    text_hash: str = ""
    owners: tuple[Principal, ...] = ()


class MemoryIndex:
    """Writes chunk by chunk. Like the real one, a document's record stands on its first chunk, is taken back before the
    others change, and comes last.
    """

    name = "memory"

    def __init__(self) -> None:
        self.points: dict[tuple[str, int], Point] = {}
        self.embedded: list[str] = []
        """Ids of documents in the order in which they were embedded."""
        self.writes = 0
        self.crash_after: int | None = None
        """Steps until :class:`Crash`; None for never."""
        self.crashed = False
        self.refuse: Callable[[Document], str | None] = lambda document: None
        self.tombstones: dict[str, Tombstone] = {}

    def step(self) -> None:
        """One thing that happens or does not."""
        if self.crashed or self.crash_after == 0:
            self.crashed = True
            raise Crash
        if self.crash_after is not None:
            self.crash_after -= 1
        self.writes += 1

    def restart(self, crash_after: int | None = None) -> None:
        self.crashed = False
        self.crash_after = crash_after

    async def upsert(self, pairs: Sequence[tuple[Document, Sequence[Chunk]]], guard: Guard = unguarded) -> int:
        for document, _ in pairs:
            if reason := self.refuse(document):
                raise DocumentError(reason)
        await self._refuse_forgotten(pairs)
        await guard()
        for document, chunks in pairs:
            self.embedded.append(document.id)
            self._change_head(document.id, content_hash="")
            for chunk in (*chunks[1:], None, *chunks[:1]):
                if chunk is None:
                    for key in [key for key in self.points if key[0] == document.id and key[1] >= len(chunks)]:
                        self.step()
                        del self.points[key]
                    continue
                self.step()
                self.points[document.id, chunk.position] = Point(
                    document_id=document.id,
                    position=chunk.position,
                    source=document.source,
                    text=chunk.text,
                    access=chunk.access,
                    content_hash=document.content_hash,
                    title=chunk.title,
                    chunks=len(chunks),
                    version=document.version,
                    url=chunk.url,
                    updated_at=chunk.updated_at,
                    text_hash=text_hash(chunks),
                    owners=document.owners,
                )
        await self._refuse_forgotten(pairs)
        return sum(len(chunks) for _, chunks in pairs)

    async def _refuse_forgotten(self, pairs: Sequence[tuple[Document, Sequence[Chunk]]]) -> None:
        if forgotten := [document.id for document, _ in pairs if document.id in self.tombstones]:
            await self.remove(forgotten)
            raise Forgotten

    async def forget(self, document_ids: Collection[str], source: str, *, by: str, at: datetime) -> set[str]:
        before = set(self.tombstones)
        for document_id in sorted(document_ids):
            head = self.points.get((document_id, 0))
            self.step()
            self.tombstones.setdefault(
                document_id,
                Tombstone(document_id=document_id, source=source, version=head.version if head else "", by=by, at=at),
            )
        await self.remove(sorted(document_ids))
        return set(document_ids) - before

    async def readmit(self, document_ids: Collection[str]) -> set[str]:
        self.step()
        return {document_id for document_id in document_ids if self.tombstones.pop(document_id, None)}

    async def forgotten(self, source: str) -> dict[str, Tombstone]:
        return {document_id: tombstone for document_id, tombstone in self.tombstones.items() if tombstone.source == source}

    async def remove(self, document_ids: Sequence[str]) -> None:
        for document_id in document_ids:
            for key in sorted((key for key in self.points if key[0] == document_id), reverse=True):
                self.step()
                del self.points[key]

    async def open(self) -> Opened:
        return Opened(id="")

    async def tidy(self) -> None:
        """There is one collection only."""

    async def set_access(self, document_id: str, access: Access, content_hash: str) -> None:
        self._change_head(document_id, access=None)
        for key in sorted((key for key in self.points if key[0] == document_id), reverse=True):
            self.step()
            point = self.points[key]
            self.points[key] = _changed(point, access=access if point.content_hash == content_hash else NOBODY)

    async def relabel(self, document: Document) -> None:
        for key in sorted((key for key in self.points if key[0] == document.id), reverse=True):
            self.step()
            changed = {"url": document.url, "updated_at": document.updated_at, "content_hash": document.content_hash}
            changed |= {"owners": document.owners}
            self.points[key] = _changed(self.points[key], **changed, version=document.version if key[1] == 0 else "")

    async def counts(self) -> dict[str, int]:
        return Counter(point.source for point in self.points.values() if point.position == 0)

    async def records(self, source: str) -> AsyncIterator[Record]:
        for point in list(self.points.values()):
            if point.source == source and point.position == 0:
                yield Record(
                    document_id=point.document_id,
                    content_hash=point.content_hash,
                    access_class=point.access.class_id if point.access else "",
                    title=point.title,
                    chunks=point.chunks,
                    version=point.version if point.content_hash and point.access else "",
                    text_hash=point.text_hash if point.content_hash and point.access else "",
                )

    def text_of(self, document_id: str) -> str:
        found = sorted((point for point in self.points.values() if point.document_id == document_id), key=lambda p: p.position)
        return "\n".join(point.text for point in found)

    def access_of(self, document_id: str) -> Access | None:
        """The one access of all its chunks; an AssertionError when they differ."""
        accesses = {point.access for point in self.points.values() if point.document_id == document_id}
        assert len(accesses) == 1, f"{document_id} has chunks with different accesses: {accesses}"
        return accesses.pop()

    @property
    def documents(self) -> set[str]:
        return {document_id for document_id, _ in self.points}

    def _change_head(self, document_id: str, **fields: object) -> None:
        if head := self.points.get((document_id, 0)):
            self.step()
            self.points[document_id, 0] = _changed(head, **fields)


class MemoryLedger:
    """What a worker would keep in Redis. Each write is a step of the index, so that a crash may come before it."""

    def __init__(self, index: MemoryIndex) -> None:
        self.rows: dict[str, Row] = {}
        self.cursor: str | None = None
        self.members: Mapping[Principal, frozenset[Principal]] = {}
        self.reports: list[SyncReport] = []
        self._index = index

    async def load(self) -> dict[str, Row]:
        return dict(self.rows)

    async def keep(self, cursor: str | None, rows: Mapping[str, Row | None]) -> None:
        self._index.step()
        for document_id, row in rows.items():
            if row is None:
                self.rows.pop(document_id, None)
            else:
                self.rows[document_id] = row
        self.cursor = cursor or self.cursor

    async def told_groups(self) -> Mapping[Principal, frozenset[Principal]]:
        return dict(self.members)

    async def groups(self, members: Mapping[Principal, frozenset[Principal]]) -> None:
        self._index.step()
        self.members = members

    async def progress(self, report: SyncReport) -> None:
        self.reports.append(report)

    def guard(self) -> None:
        pass

    @property
    def in_doubt(self) -> set[str]:
        return {document_id for document_id, row in self.rows.items() if row.in_doubt}

    @property
    def failed(self) -> dict[str, int]:
        """Failed documents with their attempts."""
        return {document_id: row.attempts for document_id, row in self.rows.items() if row.attempts}


def _changed(point: Point, **fields: object) -> Point:
    return Point(**{**vars(point), **fields})


class LineParser:
    """A line is a block, ``# `` makes it a heading. Documents in ``broken`` fail; ``parsed`` counts the calls."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.parsed: list[str] = []

    async def parse(self, document: Document) -> list[Block]:
        self.parsed.append(document.id)
        if document.id in self.broken:
            raise DocumentError("damaged")
        body = document.body if isinstance(document.body, str) else document.body.decode()
        lines = [line for line in body.splitlines() if line.strip()]
        return [Block("heading", line.removeprefix("# "), 1) if line.startswith("# ") else Block("text", line) for line in lines]


class WordEmbedder:
    """Vectors from the words of a text: cheap, the same every time, alike for texts that share words."""

    name = "words"
    dimension = 32

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._vector(text) for text in texts]

    async def embed_query(self, text: str) -> list[float]:
        return self._vector(text)

    def count(self, text: str) -> int:
        return len(text.split())

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dimension
        for word in text.casefold().split():
            vector[sum(word.encode()) % self.dimension] += 1.0
        length = sum(value * value for value in vector) ** 0.5 or 1.0
        return [value / length for value in vector]
