"""The timer over a real queue, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis

from core.indexing.jobs import Jobs, Schedule
from core.models import SyncStatus
from tests.sources import NOON
from tests.unit.core.indexing.jobs.conftest import Valkey, request

TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def jobs(redis: Redis) -> Jobs:
    return Jobs(redis)


@asynccontextmanager
async def running(schedule: Schedule):
    task = asyncio.create_task(schedule.run())
    await asyncio.sleep(0.3)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def finished(jobs: Jobs, source: str, at: datetime, status: SyncStatus = SyncStatus.DONE) -> None:
    one = request(source, id=f"{source}-{at}")
    await jobs.submit(one)
    claim = await jobs.claim(source)
    await claim.finish(replace(claim.state, status=status, request=claim.request, finished_at=at))


async def waiting(jobs: Jobs) -> set[str]:
    return {name for name, state in (await jobs.states()).items() if state.status is SyncStatus.WAITING}


async def until_waiting(jobs: Jobs, *names: str) -> None:
    async with asyncio.timeout(60):
        while await waiting(jobs) != set(names):
            await asyncio.sleep(0.02)


async def test_what_was_never_synced_or_is_overdue_is_requested_at_once_and_the_rest_is_not(jobs: Jobs):
    await finished(jobs, "overdue", NOON - timedelta(hours=1))
    await finished(jobs, "fresh", NOON - timedelta(minutes=1))
    async with running(Schedule(jobs, ["never", "overdue", "fresh"], TEN_MINUTES, clock=lambda: NOON)):
        await until_waiting(jobs, "never", "overdue")
        await asyncio.sleep(0.1)
        assert await waiting(jobs) == {"never", "overdue"}
    state = await jobs.state("never")
    assert (state.request.requested_by, state.request.at, state.request.full) == ("schedule", NOON, False)


@pytest.mark.parametrize("status", [SyncStatus.FAILED, SyncStatus.NEEDS_ATTENTION, SyncStatus.NEEDS_CONFIRMATION])
async def test_sources_that_ended_badly_are_tried_again_so_that_they_heal_without_a_restart(jobs: Jobs, status: SyncStatus):
    await finished(jobs, "pages", NOON - timedelta(hours=1), status)
    async with running(Schedule(jobs, ["pages"], TEN_MINUTES, clock=lambda: NOON)):
        await until_waiting(jobs, "pages")


class TestAFailedSync:
    async def fail(self, jobs: Jobs, times: int, status: SyncStatus = SyncStatus.FAILED) -> None:
        for number in range(times):
            await finished(jobs, "pages", NOON - timedelta(seconds=times - number - 1), status)

    async def wait(self, jobs: Jobs) -> float:
        schedule = Schedule(jobs, ["pages"], TEN_MINUTES, clock=lambda: NOON, jitter=lambda: 1.0)
        return await schedule.see_to("pages") / 60

    async def test_is_tried_again_soon_then_later_and_later_but_no_later_than_others(self, jobs: Jobs):
        waits = []
        for _ in range(6):
            await self.fail(jobs, 1)
            waits.append(await self.wait(jobs))
        assert waits == [1, 2, 4, 8, 10, 10]

    async def test_counts_no_more_after_one_that_went_well(self, jobs: Jobs):
        await self.fail(jobs, 3)
        await finished(jobs, "pages", NOON)
        assert await self.wait(jobs) == 10
        await self.fail(jobs, 1)
        assert await self.wait(jobs) == 1

    async def test_for_which_an_operator_must_act_is_tried_again_every_interval(self, jobs: Jobs):
        await self.fail(jobs, 3, SyncStatus.NEEDS_ATTENTION)
        assert await self.wait(jobs) == 10


async def test_a_sync_of_a_part_does_not_put_off_that_of_the_whole(jobs: Jobs):
    await finished(jobs, "pages", NOON - timedelta(hours=1))
    await jobs.submit(request(id="part", scope="ENG"))
    claim = await jobs.claim("pages")
    await claim.finish(replace(claim.state, status=SyncStatus.DONE, request=claim.request, finished_at=NOON))
    async with running(Schedule(jobs, ["pages"], TEN_MINUTES, clock=lambda: NOON)):
        await until_waiting(jobs, "pages")


async def test_a_source_is_requested_again_when_the_interval_is_over(jobs: Jobs):
    time = NOON + timedelta(seconds=1)
    await finished(jobs, "pages", NOON)
    async with running(Schedule(jobs, ["pages"], timedelta(seconds=1.5), clock=lambda: time, jitter=lambda: 1.0)):
        assert await waiting(jobs) == set()
        time = NOON + timedelta(seconds=1.5)
        await until_waiting(jobs, "pages")


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=365)])
async def test_a_clock_that_was_ahead_when_the_last_sync_ended_puts_nothing_off(jobs: Jobs, ahead: timedelta):
    await finished(jobs, "pages", NOON + ahead)
    async with running(Schedule(jobs, ["pages"], TEN_MINUTES, clock=lambda: NOON)):
        await until_waiting(jobs, "pages")


async def test_machines_whose_clocks_differ_a_little_sync_no_more_often(jobs: Jobs):
    await finished(jobs, "pages", NOON + timedelta(minutes=5))
    async with running(Schedule(jobs, ["pages"], TEN_MINUTES, clock=lambda: NOON)):
        assert await waiting(jobs) == set()


async def test_many_timers_make_one_request(jobs: Jobs, redis: Redis):
    timers = [Schedule(Jobs(redis), ["pages"], TEN_MINUTES, clock=lambda: NOON) for _ in range(3)]
    async with running(timers[0]), running(timers[1]), running(timers[2]):
        await until_waiting(jobs, "pages")
        await finished(jobs, "pages", NOON)
        await asyncio.sleep(0.3)
        assert await waiting(jobs) == set()


async def test_a_timer_outlives_an_outage_of_redis(valkey: Valkey, jobs: Jobs):
    valkey.kill()
    async with running(Schedule(jobs, ["pages"], TEN_MINUTES, clock=lambda: NOON)):
        await valkey.start()
        await until_waiting(jobs, "pages")


async def test_without_sources_it_simply_waits(jobs: Jobs):
    async with running(Schedule(jobs, [], TEN_MINUTES)):
        assert await jobs.states() == {}
