"""Sentinels and a cluster of six that lose a primary: what is kept there is kept on, without a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from bots.redis import connect_redis
from core.answering.gate import Gate
from core.answering.memory import Memory
from core.indexing.jobs import Jobs, Worker
from core.indexing.jobs.records import WAKE
from core.indexing.sync import Syncer
from core.models import ANYONE, PUBLIC, SyncRequest, SyncStatus, Turn
from tests.answering import public
from tests.fakes import message
from tests.memory_index import LineParser, MemoryIndex, WordEmbedder
from tests.redis_servers import PASSWORD, cluster_of, userinfo, watched_by_sentinel
from tests.sources import NOON, MemorySource

pytestmark = [pytest.mark.slow, pytest.mark.fault]

CONVERSATION = "slack:T1:C1:1.0"


@dataclass(frozen=True)
class Site:
    url: str
    lose: Callable[[], Awaitable[None]]
    """Kill the primary that workers hear of requests from, and wait until another took over."""


@asynccontextmanager
async def sentinels(folder: Path) -> AsyncIterator[Site]:
    async with watched_by_sentinel(folder, replicas=1) as (primary, [replica], [first, second]):
        await until(lambda: replica.says("master_link_status:up", "INFO", "replication"))
        await until(lambda: second.says("slaves=1,sentinels=2", "INFO", "sentinel"))

        async def lose() -> None:
            # The sentinel that was asked first goes with it.
            primary.kill()
            await until(lambda: second.says(f"address=127.0.0.1:{replica.port}", "INFO", "sentinel"))
            first.kill()

        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        yield Site(f"redis+sentinel://{userinfo(PASSWORD)}{hosts}/mymaster", lose)


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Site]:
    async with cluster_of(folder, nodes=3, replicas=3) as servers:
        holder = key_slot(WAKE.encode()) * 3 // 16384
        replica = servers[3 + holder]
        await until(lambda: replica.says("master_link_status:up", "INFO", "replication"))

        async def lose() -> None:
            servers[holder].kill()
            await until(lambda: replica.says("role:master", "INFO", "replication"))
            for server in servers:
                if server is not servers[holder]:
                    await until(partial(server.says, "cluster_state:ok", "CLUSTER", "INFO"))

        yield Site(f"redis+cluster://127.0.0.1:{servers[0].port},127.0.0.1:{servers[1].port}", lose)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.1)


@pytest.fixture(params=[sentinels, cluster])
async def site(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[Site]:
    async with request.param(data_dir) as site:
        yield site


@pytest.fixture
async def redis(site: Site) -> AsyncIterator[Redis]:
    redis = connect_redis(site.url)
    yield redis
    await redis.aclose()


def turn(question: str) -> Turn:
    return Turn(
        question=question,
        answer="30",
        accesses=(PUBLIC,),
        documents=("wiki:leave",),
        asked_by="slack:a",
        asked_by_name="A",
        at=datetime.now(UTC),
    )


async def test_memory_claims_and_syncs_go_on_with_another_primary(site: Site, redis: Redis) -> None:
    elsewhere = connect_redis(site.url)
    memory, gate = Memory(redis, turns=5, ttl=timedelta(minutes=5), accesses=public), Gate(redis, rate_limit=5)
    jobs, asked = Jobs(redis), Jobs(elsewhere)
    worker = asyncio.create_task(
        Worker(jobs, {"pages": MemorySource()}, Syncer(MemoryIndex(), LineParser(), WordEmbedder())).run()
    )
    conversations = [f"{CONVERSATION}{number}" for number in range(20)]
    for conversation in conversations:
        await memory.add(conversation, turn("one"))
    assert await gate.claim(message(id="m1"))
    await finished(asked, "r1")
    await asyncio.sleep(1)

    await site.lose()
    await until(lambda: told(memory, conversations))
    assert not await Gate(elsewhere, rate_limit=5).claim(message(id="m1"))
    assert await gate.claim(message(id="m2"))
    await finished(asked, "r2")
    assert not worker.done()
    # The worker is woken again, and does not merely look now and then.
    await asyncio.sleep(10)
    began = time.monotonic()
    for id in ("r3", "r4", "r5", "r6", "r7"):
        await finished(asked, id)
    # Looking now and then would take some 18 s for the five.
    assert time.monotonic() - began < 16
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await elsewhere.aclose()


async def told(memory: Memory, conversations: list[str]) -> bool:
    return all([len(await memory.read(conversation, ANYONE)) == 1 for conversation in conversations])


async def finished(jobs: Jobs, id: str) -> None:
    request = SyncRequest(id=id, source="pages", requested_by="slack:ana", at=NOON)
    await jobs.submit(request)
    async with asyncio.timeout(40):
        assert [state.status async for state in jobs.follow(request)][-1] is SyncStatus.DONE
