"""Several workers at one sync, over a real server, with an index in memory that all of them write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from core.errors import TransientError
from core.indexing.index import Guard
from core.indexing.jobs import Jobs, Worker
from core.indexing.jobs.batches import Batch, pack_outcomes, unpack_outcomes
from core.indexing.jobs.helping import Helping
from core.indexing.pipeline import AWAY_DOCUMENTS, Outcome
from core.indexing.sync import Syncer
from core.models import NOBODY, Access, Chunk, Document, SyncState, SyncStatus
from tests.memory_index import LineParser, MemoryIndex, WordEmbedder
from tests.sources import MemorySource, document
from tests.unit.core.indexing.jobs.conftest import Valkey, request

PAGES = 200
BODY = "\n\n".join(f"Sentence {number} of a page that says nothing much, but says it at length." for number in range(6))


class Desk:
    """One worker's way to the index that all share: each document takes it a while."""

    def __init__(self, index: MemoryIndex, seconds: float = 0.02) -> None:
        self._index = index
        self._seconds = seconds
        self.wrote: list[str] = []
        self.go = asyncio.Event()
        """Cleared, it writes nothing."""
        self.go.set()
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    async def upsert(self, pairs: Sequence[tuple[Document, Sequence[Chunk]]], *guard: Guard) -> int:
        await asyncio.sleep(self._seconds * len(pairs))
        await self.go.wait()
        if self.error:
            raise self.error
        self.wrote += [document.id for document, _ in pairs]
        return await self._index.upsert(pairs, *guard)


class Office:
    """Workers with a desk each, and the source that they sync."""

    def __init__(self, valkey: Valkey, redis: Redis) -> None:
        self.index = MemoryIndex()
        self.source = MemorySource()
        for number in range(PAGES):
            self.source.put(document(f"pages:{number:03}", BODY))
        self.jobs = Jobs(redis)
        self.stack = AsyncExitStack()
        self._valkey = valkey
        self._redis = redis

    async def worker(self, *sources: MemorySource) -> Desk:
        """One more at work; without sources it can only help."""
        desk = Desk(self.index)
        embedder = WordEmbedder()
        helping = Helping(self._valkey.url, self._redis, desk, LineParser(), embedder.count)
        syncer = Syncer(desk, LineParser(), embedder, helpers=helping)
        worker = Worker(self.jobs, {source.name: source for source in sources}, syncer, helping=helping)
        await self.stack.enter_async_context(working(worker))
        return desk

    async def helper(self) -> Desk:
        """One that only helps, and is known to."""
        before = await self.helpers()
        desk = await self.worker()
        async with asyncio.timeout(30):
            while await self.helpers() == before:
                await asyncio.sleep(0.02)
        return desk

    async def helpers(self) -> int:
        return await self._redis.zcard("footnote-help-memory:workers")

    async def sync(self) -> SyncState:
        await self.jobs.submit(request())
        async with asyncio.timeout(120):
            return [state async for state in self.jobs.follow(request())][-1]

    @property
    def complete(self) -> bool:
        return self.index.documents == set(self.source.pages)


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def office(valkey: Valkey, redis: Redis) -> AsyncIterator[Office]:
    office = Office(valkey, redis)
    async with office.stack:
        yield office


async def test_the_documents_of_one_sync_are_done_by_all_workers(office: Office):
    helpers = [await office.helper() for _ in range(2)]
    leader = await office.worker(office.source)
    state = await office.sync()
    assert (state.status, state.report.indexed, state.report.failures) == (SyncStatus.DONE, PAGES, 0)
    assert office.complete
    assert sorted(office.index.embedded) == sorted(office.source.pages), "each of them once"
    assert all(len(desk.wrote) >= AWAY_DOCUMENTS for desk in (leader, *helpers)), "everybody had a good part"
    assert not await office.jobs.rows("pages"), "nothing is in doubt"


async def test_a_worker_alone_hands_out_nothing(office: Office, redis: Redis):
    leader = await office.worker(office.source)
    assert (await office.sync()).report.indexed == PAGES
    assert len(leader.wrote) == PAGES
    assert await redis.xlen("footnote-help-memory:stream") == 0


async def test_who_syncs_does_not_help_and_helps_again_afterwards(office: Office):
    leader = await office.worker(office.source)
    leader.go.clear()
    sync = asyncio.create_task(office.sync())
    async with asyncio.timeout(30):
        while await office.helpers():
            await asyncio.sleep(0.02)
    leader.go.set()
    await sync
    async with asyncio.timeout(30):
        while not await office.helpers():
            await asyncio.sleep(0.02)


async def test_what_a_helper_could_not_index_is_in_the_report(office: Office):
    helper = await office.helper()
    await office.worker(office.source)
    office.index.refuse = lambda page: "it is odd" if int(page.id[-3:]) % 10 == 0 else None
    state = await office.sync()
    assert (state.report.indexed, state.report.failures) == (PAGES * 9 // 10, PAGES // 10)
    assert set(state.report.failed.values()) == {"it is odd"}
    assert helper.wrote


async def test_what_a_helper_gave_up_is_done_by_who_handed_it_out(office: Office):
    helper = await office.helper()
    helper.error = TransientError("Qdrant is not to be seen from here")
    leader = await office.worker(office.source)
    state = await office.sync()
    assert (state.status, state.report.indexed) == (SyncStatus.DONE, PAGES)
    assert (len(leader.wrote), helper.wrote) == (PAGES, [])


async def handed_out(office: Office, redis: Redis) -> None:
    async with asyncio.timeout(30):
        while not [key async for key in redis.scan_iter("*:help:*")]:
            await asyncio.sleep(0.02)


async def test_a_helper_writes_nothing_for_a_worker_that_lost_its_claim(office: Office, redis: Redis):
    helper = await office.helper()
    leader = await office.worker(office.source)
    leader.go.clear()
    await redis.hset("footnote:sync:{pages}", "fence", 7)
    sync = asyncio.create_task(office.sync())
    await handed_out(office, redis)
    await redis.hset("footnote:sync:{pages}", "owner", "9:another")
    # The batches that it was at when the claim was lost were begun under the claim.
    begun = len(helper.wrote) + 2 * AWAY_DOCUMENTS
    await asyncio.sleep(2)
    assert len(helper.wrote) <= begun
    written = len(helper.wrote)
    await asyncio.sleep(1)
    assert len(helper.wrote) == written
    sync.cancel()


async def test_a_helper_begins_no_write_that_might_outlast_the_claim(office: Office, redis: Redis):
    """A leader that is alive renews its lock long before a third of it is left."""
    await office.jobs.submit(request())
    claim = await office.jobs.claim("pages")
    helper = await office.helper()
    documents = [office.source._document(id) for id in list(office.source.pages)[:3]]
    helping = Helping(office._valkey.url, redis, office.index, LineParser(), WordEmbedder().count)
    async with helping, helping.leading(claim):
        async with asyncio.timeout(30):
            while not helping.room():
                await asyncio.sleep(0.02)
        await redis.pexpire("footnote:sync:{pages}:lock", int(claim.ttl * 1000 / 3))
        asking = asyncio.create_task(helping.index(documents))
        await asyncio.sleep(1.5)
        assert (helper.wrote, asking.done()) == ([], False)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await redis.pexpire("footnote:sync:{pages}:lock", int(claim.ttl * 1000))
        assert [outcome.error for outcome in await helping.index(documents)] == [None] * 3
    assert helper.wrote == [document.id for document in documents]


def test_a_batch_comes_out_as_it_went_in():
    access = Access(gates=(frozenset({"group:wiki:a", "user:ana@acme.com"}), frozenset({"everyone"})))
    documents = [
        document("pages:text", "Ünï\n\ncode 🦩", access=access, path=("A", "B"), metadata={"type": "page"}, version="7"),
        document("pages:bytes", b"\x00\xff%PDF", access=NOBODY),
        document("pages:base64", "aGVsbG8="),
    ]
    batch = Batch(source="pages", owner="1:a", margin=10.0, documents=documents)
    again = Batch.unpack(batch.pack())
    assert again == batch
    assert [page.content_hash for page in again.documents] == [page.content_hash for page in documents]
    outcomes = [Outcome(document=page, chunks=number) for number, page in enumerate(documents[:2])]
    outcomes.append(Outcome(document=documents[2], error="why"))
    assert unpack_outcomes(pack_outcomes(outcomes), documents) == outcomes
