"""A Footnote over some sources: with all that it writes in memory, or on the real engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from bots.redis import connect_redis
from core.embedded.keeper import Engines
from core.groups import SourceGroups
from core.indexing.index import Index
from core.indexing.jobs import Jobs
from core.indexing.jobs.ledger import ClaimLedger
from core.indexing.qdrant import connect
from core.indexing.sync import Syncer
from core.models import Audience, Principal, SyncReport, SyncRequest, SyncState, SyncStatus
from core.ports import Source
from tests.answering import hits_of
from tests.memory_index import LineParser, MemoryIndex, MemoryLedger, WordEmbedder

MANY = 100
"""Chunks: more than there ever are."""
_LASTING = ("access", "gates", "text", "title", "pending")
"""Fields of a point that only a change of text or access may change."""
Clock = Callable[[], datetime]
Groups = Mapping[Principal, frozenset[Principal]]


class Installation(Protocol):
    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def lose_redis(self) -> None:
        """All that is in Redis is gone."""
        ...

    async def sync(self, source: Source, request: SyncRequest) -> SyncReport: ...

    async def groups(self) -> Groups:
        """As a question finds them."""
        ...

    async def found(self, audiences: Sequence[Audience]) -> list[set[str]]:
        """Of each audience the ids of all documents that a search can bring."""
        ...

    async def written(self) -> Mapping[Any, Any]:
        """All points of the index, but for what may always be brought up to date: where a document lies, and its version."""
        ...

    @property
    def embedded(self) -> int:
        """Chunks so far."""
        ...


class InMemory:
    def __init__(self, sources: Sequence[Source], clock: Clock) -> None:
        self._sources = sources
        self._index = MemoryIndex()
        self._syncer = _syncer(self._index, WordEmbedder(), clock)

    async def open(self) -> None:
        await self.lose_redis()

    async def close(self) -> None: ...

    async def lose_redis(self) -> None:
        self._ledgers = {source.name: MemoryLedger(self._index) for source in self._sources}

    async def sync(self, source: Source, request: SyncRequest) -> SyncReport:
        ledger = self._ledgers[source.name]
        return await self._syncer.run(source, request, SyncState(source=source.name, cursor=ledger.cursor), ledger)

    async def groups(self) -> Groups:
        return {group: members for ledger in self._ledgers.values() for group, members in ledger.members.items()}

    async def found(self, audiences: Sequence[Audience]) -> list[set[str]]:
        accesses = [(point.document_id, point.access) for point in self._index.points.values() if point.access]
        return [{id for id, access in accesses if audience.may_read(access)} for audience in audiences]

    async def written(self) -> Mapping[Any, Any]:
        return {key: (point.text, point.access, point.title) for key, point in self._index.points.items()}

    @property
    def embedded(self) -> int:
        return len(self._index.embedded)


class OnTheEngines:
    """The engines are its own, and emptied when it opens. Questions are asked by another process than syncs, as it were: of
    the index it knows what it finds there.
    """

    def __init__(self, engines: Engines, sources: Sequence[Source], clock: Clock) -> None:
        self._engines = engines
        self._sources = sources
        self._clock = clock
        self._embedder = _CountingEmbedder()

    async def open(self) -> None:
        self._qdrant = connect(socket=self._engines.qdrant_socket)
        self._redis = connect_redis(None, self._engines.redis_socket)
        self._jobs = Jobs(self._redis)
        index = Index(self._qdrant, self._embedder)
        await index.open()
        # It takes a second to make a collection anew.
        await index.remove([id for _, id in await self.written()])
        await self.lose_redis()
        self._syncer = _syncer(index, self._embedder, self._clock)

    async def close(self) -> None:
        await self._qdrant.close()
        await self._redis.aclose()

    async def lose_redis(self) -> None:
        await self._redis.flushall()

    async def sync(self, source: Source, request: SyncRequest) -> SyncReport:
        await self._jobs.submit(request)
        claim = await self._jobs.claim(source.name)
        assert claim
        report = await self._syncer.run(source, claim.request, claim.state, ClaimLedger(claim, claim.state, clock=self._clock))
        await claim.finish(replace(claim.state, status=SyncStatus.DONE, request=request, report=report))
        return report

    async def groups(self) -> Groups:
        return (await SourceGroups(self._redis, [source.name for source in self._sources]).read()).groups

    async def found(self, audiences: Sequence[Audience]) -> list[set[str]]:
        index = Index(self._qdrant, WordEmbedder())
        accesses = await index.accesses({id for _, id in await self.written()})
        every = []
        for audience in audiences:
            every.append(found := await _search(index, audience, MANY))
            assert found == {id for id, access in accesses.items() if audience.may_read(access)}
            # What they may not read must not take the places of what they may.
            assert await _search(index, audience, len(found)) == found
        return every

    async def written(self) -> Mapping[Any, Any]:
        points, _ = await self._qdrant.scroll("footnote", limit=MANY, with_payload=True, with_vectors=True)
        found = {(point.id, point.payload["document_id"]): (point.payload, point.vector) for point in points if point.payload}
        return {key: ({name: payload.get(name) for name in _LASTING}, vector) for key, (payload, vector) in found.items()}

    @property
    def embedded(self) -> int:
        return self._embedder.chunks


class _CountingEmbedder(WordEmbedder):
    def __init__(self) -> None:
        self.chunks = 0

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        self.chunks += len(texts)
        return await super().embed_documents(texts)


async def _search(index: Index, audience: Audience, k: int) -> set[str]:
    return {hit.chunk.document_id for hit in await hits_of(index, "granite or basalt", audience, k)}


def _syncer(index: Any, embedder: WordEmbedder, clock: Clock) -> Syncer:
    return Syncer(index, LineParser(), embedder, persist=lambda call: call(), clock=clock)
