"""Docket on a real server: what it is trusted with, and what not."""

from __future__ import annotations

import asyncio
import os
import pickle
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from docket import Worker
from docket.dependencies import TaskKey
from docket.strikelist import Operator, Strike
from redis.asyncio import Redis

from bots.redis import connect_redis
from core.indexing.jobs import Jobs, Schedule
from core.indexing.jobs.docket import Docket, speaks
from core.indexing.jobs.ticks import Ticks
from core.models import SyncStatus, now
from tests.redis_servers import behind_password
from tests.sources import NOON
from tests.unit.core.indexing.jobs.conftest import Valkey


@asynccontextmanager
async def running(*parts):
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_waiting(jobs: Jobs, *names: str) -> None:
    async with asyncio.timeout(60):
        while {name for name, state in (await jobs.states()).items() if state.status is SyncStatus.WAITING} != set(names):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("url", "can"),
    [
        ("redis://:pw@r:6379/1", True),
        ("rediss://r", True),
        ("unix:///run/r.sock", True),
        ("redis+cluster://r", False),
        ("redis+sentinel://r/mymaster", False),
        (None, False),
    ],
)
def test_single_servers_are_what_it_speaks(url: str | None, can: bool):
    assert speaks(url) is can


class Touch:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


async def test_nothing_that_somebody_left_in_redis_is_unpickled(valkey: Valkey, redis: Redis, tmp_path: Path):
    done = asyncio.Event()
    keys = []

    async def task(key: str = TaskKey()) -> None:
        keys.append(key)
        done.set()

    async with Docket("trap", valkey.url) as docket, Worker(docket, schedule_automatic_tasks=False) as worker:
        docket.register(task)
        await docket.add(task, key="ours")()
        trap = pickle.dumps(Touch(tmp_path / "sprung"))
        [(_, [(message_id, message)])] = await redis.xread({docket.stream_key: 0})
        await redis.xdel(docket.stream_key, message_id)
        await redis.xadd(docket.stream_key, {**message, b"args": trap, b"kwargs": trap})
        await redis.xadd("trap:strikes", {**Strike("task", "key", Operator.EQUAL, 1).as_message(), b"value": trap})
        async with asyncio.timeout(30):
            work = asyncio.create_task(worker.run_forever())
            await done.wait()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert keys == ["ours"]
    assert not (tmp_path / "sprung").exists()


class TestTicks:
    @pytest.fixture
    def jobs(self, redis: Redis) -> Jobs:
        return Jobs(redis)

    def schedule(self, jobs: Jobs, interval: timedelta = timedelta(minutes=10)) -> Schedule:
        return Schedule(jobs, ["pages", "wiki"], interval, clock=lambda: NOON)

    async def test_of_many_workers_make_one_request_for_each_source(self, valkey: Valkey, jobs: Jobs):
        async with running(*(Ticks(valkey.url, self.schedule(jobs)) for _ in range(3))):
            await until_waiting(jobs, "pages", "wiki")
            await asyncio.sleep(0.5)
        for name in ("pages", "wiki"):
            assert len((await jobs.record(name)).waiting) == 1

    @pytest.mark.slow
    async def test_come_again_when_the_interval_is_over(self, valkey: Valkey, jobs: Jobs):
        schedule = Schedule(jobs, ["pages"], timedelta(seconds=2))
        async with running(Ticks(valkey.url, schedule)):
            for _ in range(2):
                await until_waiting(jobs, "pages")
                claim = await jobs.claim("pages")
                await claim.finish(replace(claim.state, status=SyncStatus.DONE, request=claim.request, finished_at=now()))

    async def test_need_a_password_where_the_server_does(self, data_dir: Path):
        async with behind_password(data_dir) as url:
            client = connect_redis(url)
            jobs = Jobs(client)
            async with running(Ticks(url, self.schedule(jobs))):
                await until_waiting(jobs, "pages", "wiki")
            await client.aclose()

    async def test_outlive_an_outage_of_redis(self, valkey: Valkey, jobs: Jobs):
        valkey.kill()
        async with running(Ticks(valkey.url, self.schedule(jobs))):
            await asyncio.sleep(0.5)
            await valkey.start()
            await until_waiting(jobs, "pages", "wiki")
