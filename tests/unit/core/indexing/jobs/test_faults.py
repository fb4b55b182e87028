"""Workers as processes that are killed and frozen in the middle of a sync, over a real Qdrant and a real Redis."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient
from redis.asyncio import Redis

from bots.redis import connect_redis
from core.indexing.index import Index
from core.indexing.jobs import Jobs
from core.indexing.pipeline import MAX_DOCUMENTS
from core.indexing.qdrant import connect
from core.models import SyncRequest, SyncState, SyncStatus
from tests.emulators.qdrant_server import QdrantProcess
from tests.memory_index import WordEmbedder
from tests.redis_servers import Valkey
from tests.sources import NOON
from tests.unit.core.indexing.jobs.process import Settings, WorkerProcess, source_of

pytestmark = pytest.mark.fault

PAGES = 150
TTL = 3.0


class Fleet:
    """The servers, the workers, and what they should have made of the source."""

    def __init__(self, home: Path) -> None:
        self.qdrant = QdrantProcess(home / "q")
        self.valkey = Valkey(home / "r", "--appendonly", "yes")
        self.workers: list[WorkerProcess] = []
        self.requests = 0
        self._home = home

    async def open(self) -> None:
        await asyncio.gather(self.qdrant.start(), self.valkey.start())
        self.settings = Settings(qdrant=self.qdrant.url, redis=self.valkey.url, pages=PAGES, ttl=TTL)
        self.redis: Redis = connect_redis(self.valkey.url)
        self.client: AsyncQdrantClient = connect(url=self.qdrant.url)
        self.index = Index(self.client, WordEmbedder())
        self.jobs = Jobs(self.redis, ttl=TTL)
        await self.index.open()

    async def close(self) -> None:
        for worker in self.workers:
            worker.end()
        await self.client.close()
        await self.redis.aclose()
        self.qdrant.kill()
        self.valkey.kill()

    def worker(self, **settings: object) -> WorkerProcess:
        log = self._home / f"worker{len(self.workers)}.log"
        self.workers.append(WorkerProcess(log, replace(self.settings, **settings)))
        return self.workers[-1]

    async def helper(self, **settings: object) -> WorkerProcess:
        """One that only helps, and is known to."""
        before = await self.redis.zcard(f"footnote-help-{self.index.name}:workers")
        helper = self.worker(syncs=False, **settings)
        await self.until(lambda: self._helpers_are_more_than(before), "a helper")
        return helper

    async def _helpers_are_more_than(self, count: int) -> bool:
        return await self.redis.zcard(f"footnote-help-{self.index.name}:workers") > count

    async def submit(self) -> SyncRequest:
        self.requests += 1
        request = SyncRequest(id=f"r{self.requests}", source="pages", requested_by="schedule", at=NOON)
        await self.jobs.submit(request)
        return request

    async def end_of(self, request: SyncRequest, seconds: float = 90) -> SyncState:
        async with asyncio.timeout(seconds):
            return [state async for state in self.jobs.follow(request)][-1]

    async def written(self) -> int:
        """Documents of which the index has something."""
        return (await self.index.counts()).get("pages", 0)

    async def until(self, true, what: str, seconds: float = 60) -> None:
        began = time.monotonic()
        while not await true():
            assert time.monotonic() - began < seconds, f"waited {seconds} s for {what}"
            await asyncio.sleep(0.01)

    async def at_work(self, documents: int) -> None:
        async def reached() -> bool:
            return await self.written() >= documents

        await self.until(reached, f"{documents} documents in the index")

    async def taken_over(self, fence: int) -> None:
        async def reached() -> bool:
            return int(await self.redis.hget("footnote:sync:{pages}", "fence") or 0) >= fence

        await self.until(reached, f"claim {fence}")

    async def complete(self) -> list[str]:
        """The ids of documents that the index has whole and as they are."""
        return [record.document_id async for record in self.index.records("pages") if record.version]

    async def check(self) -> None:
        """The index is the source: every chunk of every document once, and nothing else."""
        source = source_of(self.settings.pages, self.settings.edits)
        points, _ = await self.client.scroll("footnote", limit=100_000, with_payload=True)
        chunks: dict[str, dict[int, dict]] = defaultdict(dict)
        for point in points:
            assert point.payload["position"] not in chunks[point.payload["document_id"]], "a chunk is there twice"
            chunks[point.payload["document_id"]][point.payload["position"]] = point.payload
        assert set(chunks) == set(source.pages)
        for document_id, parts in chunks.items():
            assert sorted(parts) == list(range(parts[0]["chunks"])), f"{document_id} has orphans or holes"
            text = "".join("".join(parts[position]["text"].split()) for position in sorted(parts))
            body = "".join(str(source.pages[document_id][0].body).removeprefix("#").split())
            assert body.endswith(text.removeprefix(parts[0]["title"])) or text in body, f"{document_id} has another text"
        assert sorted(await self.complete()) == sorted(source.pages), "none is pending"
        assert not [id for id, row in (await self.jobs.rows("pages")).items() if row.in_doubt]

    async def forget(self) -> None:
        """As on the first day."""
        for worker in self.workers:
            worker.end()
        await self.index.remove([record.document_id async for record in self.index.records("pages")])
        await self.redis.flushall()


@pytest.fixture
async def fleet(data_dir: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(data_dir)
    try:
        await fleet.open()
        yield fleet
    finally:
        await fleet.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seeds", [range(3), range(3, 9), pytest.param(range(9, 20), marks=pytest.mark.long)])
async def test_a_worker_that_is_killed_anywhere_in_its_writes_leaves_nothing_that_the_next_does_not_mend(
    fleet: Fleet, seeds: Iterable[int]
):
    for seed in seeds:
        chance = random.Random(seed)
        request = await fleet.submit()
        first = fleet.worker(embedding_seconds=0.005)
        await fleet.at_work(chance.randrange(1, PAGES * 2 // 3))
        await asyncio.sleep(chance.uniform(0, 0.1))
        first.send(signal.SIGKILL)
        done, rows = len(await fleet.complete()), await fleet.jobs.rows("pages")
        begun = sum(row.in_doubt for row in rows.values())
        assert begun <= MAX_DOCUMENTS, "one batch at most was begun"
        fleet.worker()
        state = await fleet.end_of(request)
        assert (state.status, state.report.failures) == (SyncStatus.DONE, 0), f"seed {seed}"
        assert state.report.indexed <= PAGES - done + begun, f"seed {seed}: what was done is not done again"
        await fleet.check()
        await fleet.forget()


async def test_a_batch_whose_cursor_was_not_saved_is_told_again_and_changes_nothing(fleet: Fleet):
    request = await fleet.submit()
    first = fleet.worker(dies_at_cursor=True)

    async def died() -> bool:
        return first.over

    await fleet.until(died, "the worker's death")
    before = sorted(await fleet.complete())
    assert (len(before), (await fleet.jobs.state("pages")).cursor) == (PAGES, None)
    fleet.worker()
    state = await fleet.end_of(request)
    assert (state.status, state.report.seen) == (SyncStatus.DONE, PAGES)
    assert state.report.indexed <= MAX_DOCUMENTS, "one batch at most is written again"
    assert state.cursor or (await fleet.jobs.state("pages")).cursor
    await fleet.check()


async def test_the_late_writes_of_a_worker_that_was_frozen_are_refused(fleet: Fleet):
    request = await fleet.submit()
    frozen = fleet.worker(embedding_seconds=0.005)
    await fleet.at_work(PAGES // 4)
    frozen.send(signal.SIGSTOP)
    # By then somebody has edited the source: what the frozen one still holds is old.
    fleet.settings = replace(fleet.settings, edits=PAGES // 4)
    fleet.worker()
    state = await fleet.end_of(request)
    assert state.status is SyncStatus.DONE
    await fleet.check()
    frozen.send(signal.SIGCONT)

    async def noticed() -> bool:
        return bool(frozen.logged("claim.lost"))

    await fleet.until(noticed, "the frozen one noticing")
    frozen.end()
    await fleet.check()


async def test_the_lock_of_a_worker_that_was_killed_is_taken_over_soon_after_it_expired(fleet: Fleet):
    await fleet.submit()
    first = fleet.worker(embedding_seconds=0.005)
    await fleet.at_work(1)
    second = fleet.worker(embedding_seconds=0.005)
    await asyncio.sleep(1.5)
    first.send(signal.SIGKILL)
    killed = time.monotonic()
    await fleet.taken_over(2)
    seconds = time.monotonic() - killed
    print(f"taken over {seconds:.1f} s after the kill, with locks of {TTL:.0f} s")
    assert seconds <= TTL + 5
    assert not second.over


async def test_a_sync_outlives_a_restart_of_redis(fleet: Fleet):
    fleet.settings = replace(fleet.settings, ttl=20.0)
    helper = await fleet.helper(embedding_seconds=0.01)
    request = await fleet.submit()
    leader = fleet.worker(embedding_seconds=0.01)
    await fleet.at_work(PAGES // 4)
    fleet.valkey.kill()
    await asyncio.sleep(2)
    await fleet.valkey.start()
    assert (await fleet.end_of(request)).status is SyncStatus.DONE
    assert int(await fleet.redis.hget("footnote:sync:{pages}", "fence")) == 1, "nobody had to take over"
    # Of its last second a killed Redis may have forgotten that documents are in doubt no more: the next sync looks at them.
    assert (await fleet.end_of(await fleet.submit())).status is SyncStatus.DONE
    await fleet.check()
    assert not helper.over
    assert not leader.over


class TestASyncOfSeveralWorkers:
    PAUSE = 0.01

    async def seconds(self, fleet: Fleet, helpers: int) -> tuple[float, list[int]]:
        """How long the first sync takes, and how many documents each helper did."""
        helping = [await fleet.helper(embedding_seconds=self.PAUSE) for _ in range(helpers)]
        fleet.worker(embedding_seconds=self.PAUSE)
        await fleet.until(lambda: fleet._helpers_are_more_than(helpers), "the leader")
        began = time.monotonic()
        state = await fleet.end_of(await fleet.submit())
        seconds = time.monotonic() - began
        assert (state.status, state.report.indexed) == (SyncStatus.DONE, fleet.settings.pages)
        await fleet.check()
        done = [sum(line["documents"] for line in helper.logged("help.given")) for helper in helping]
        await fleet.forget()
        return seconds, done

    async def test_is_over_sooner(self, fleet: Fleet):
        fleet.settings = replace(fleet.settings, pages=300)
        alone, _ = await self.seconds(fleet, 0)
        two, [one] = await self.seconds(fleet, 1)
        three, both = await self.seconds(fleet, 2)
        print(f"300 pages: alone {alone:.1f} s, two {two:.1f} s ({one} elsewhere), three {three:.1f} s ({both} elsewhere)")
        # On an idle machine 0.4 and 0.25.
        assert two < alone
        assert three < 0.8 * alone
        assert min(one, *both) > 30

    @pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
    async def test_outlives_a_helper(self, fleet: Fleet, blow: signal.Signals):
        fleet.settings = replace(fleet.settings, ttl=30.0)
        victim = await fleet.helper(embedding_seconds=0.03)
        request = await fleet.submit()
        fleet.worker(embedding_seconds=self.PAUSE)

        async def at_it() -> bool:
            return bool(victim.logged("help.given"))

        await fleet.until(at_it, "help")
        victim.send(blow)
        assert (await fleet.end_of(request)).status is SyncStatus.DONE
        victim.send(signal.SIGCONT)
        await asyncio.sleep(1)
        await fleet.check()

    async def test_outlives_who_led_it(self, fleet: Fleet):
        helper = await fleet.helper(embedding_seconds=0.02)
        request = await fleet.submit()
        leader = fleet.worker(embedding_seconds=self.PAUSE)

        async def at_it() -> bool:
            return bool(helper.logged("help.given"))

        await fleet.until(at_it, "help")
        leader.send(signal.SIGKILL)
        fleet.worker()
        assert (await fleet.end_of(request)).status is SyncStatus.DONE
        await fleet.check()
        await asyncio.sleep(2)
        await fleet.check()
