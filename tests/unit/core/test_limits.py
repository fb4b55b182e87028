"""Limiters with a clock of the test's own, and over a real server with the server's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bots.redis import connect_redis
from core.limits import LocalLimiter, RedisLimiter


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class TestALocalLimiter:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def limiter(self, clock: Clock) -> LocalLimiter:
        return LocalLimiter(10, 5, clock=clock, sleep=clock.sleep)

    async def times(self, limiter: LocalLimiter, clock: Clock, count: int) -> list[float]:
        """When each of so many requests goes, in seconds from now."""
        began, times = clock(), []
        for _ in range(count):
            await limiter.acquire()
            times.append(round(clock() - began, 3))
        return times

    async def test_lets_a_burst_through_and_then_keeps_to_the_rate(self, limiter: LocalLimiter, clock: Clock):
        assert await self.times(limiter, clock, 8) == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]

    async def test_has_a_burst_again_after_a_rest(self, limiter: LocalLimiter, clock: Clock):
        await self.times(limiter, clock, 8)
        clock.now += 10
        assert await self.times(limiter, clock, 6) == [0, 0, 0, 0, 0, 0.1]

    async def test_is_silent_as_long_as_it_was_asked_to_be_and_goes_half_as_fast_then(self, limiter: LocalLimiter, clock: Clock):
        await limiter.pause(30)
        times = await self.times(limiter, clock, 4)
        assert times == pytest.approx([30, 30.2, 30.4, 30.6], abs=0.01)

    async def test_takes_complaints_of_the_same_moment_as_one(self, limiter: LocalLimiter, clock: Clock):
        for _ in range(8):
            await limiter.pause(1)
        assert await self.times(limiter, clock, 2) == pytest.approx([1, 1.2], abs=0.01)

    async def test_is_never_slower_than_a_sixteenth(self, limiter: LocalLimiter, clock: Clock):
        for _ in range(10):
            await limiter.pause(0)
            clock.now += 0.001
        first, second = await self.times(limiter, clock, 2)
        assert second - first == pytest.approx(1.6, rel=0.1)

    async def test_is_as_fast_as_before_after_five_minutes_without_complaint(self, limiter: LocalLimiter, clock: Clock):
        await limiter.pause(1)
        clock.now += 301
        assert await self.times(limiter, clock, 7) == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2], abs=0.001)

    async def test_holds_those_who_wait_already_when_a_silence_begins(self):
        limiter = LocalLimiter(20, 1)
        await limiter.acquire()
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        began = time.monotonic()
        await limiter.pause(0.5)
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert time.monotonic() - began >= 0.5
        await asyncio.gather(*waiting)


class TestLimitersOfSeveralWorkers:
    @pytest.fixture
    async def others(self, redis: Redis) -> AsyncIterator[Redis]:
        client = connect_redis(None, Path(redis.connection_pool.connection_kwargs["path"]))
        yield client
        await client.aclose()

    async def test_stay_below_the_rate_together(self, redis: Redis, others: Redis):
        limiters = [RedisLimiter(client, "confluence:acme", 40, 4) for client in (redis, others)]
        times: list[float] = []

        async def ask(limiter: RedisLimiter) -> None:
            for _ in range(5):
                await limiter.acquire()
                times.append(time.monotonic())

        began = time.monotonic()
        await asyncio.gather(*(ask(limiter) for limiter in limiters for _ in range(2)))
        assert len(times) == 20
        for number, at in enumerate(sorted(times)):
            assert at - began >= (number - 4) / 40 - 0.01, "no more than the burst and what the rate allows until then"
        assert max(times) - began < 3

    async def test_are_all_silent_in_the_window_that_one_was_asked_for(self, redis: Redis, others: Redis):
        asked, other = (RedisLimiter(client, "drive:acme", 50, 1) for client in (redis, others))
        stop, passed, windows = asyncio.Event(), [], []

        async def ask(limiter: RedisLimiter) -> None:
            while not stop.is_set():
                await limiter.acquire()
                passed.append(time.monotonic())

        asking = [asyncio.create_task(ask(limiter)) for limiter in (asked, other, other)]
        for _ in range(2):
            await asyncio.sleep(0.4)
            await asked.pause(0.6)
            windows.append(time.monotonic())
            await asyncio.sleep(0.6)
        stop.set()
        await asyncio.gather(*asking)
        for silent_from in windows:
            # An answer that was on its way when the pause was noted may arrive a moment later.
            assert not [at for at in passed if silent_from + 0.05 < at < silent_from + 0.59]
        assert [at for at in passed if windows[0] + 0.6 <= at < windows[1]], "it goes on after the window"

    async def test_of_different_credentials_do_not_wait_for_each_other(self, redis: Redis):
        await RedisLimiter(redis, "one").pause(60)
        async with asyncio.timeout(5):
            await RedisLimiter(redis, "two").acquire()

    async def test_store_nothing_of_the_name_of_a_credential(self, redis: Redis):
        await RedisLimiter(redis, "ana@acme.com").acquire()
        [key] = await redis.keys()
        assert b"ana" not in key
        assert await redis.ttl(key) > 0

    async def test_go_on_by_themselves_while_redis_is_away_and_keep_the_silence(self):
        clock = Clock()
        nowhere = connect_redis("redis://127.0.0.1:1")
        limiter = RedisLimiter(nowhere, "any", 10, 2, clock=clock, sleep=clock.sleep)
        await limiter.acquire()
        await limiter.pause(5)
        began = clock()
        await limiter.acquire()
        assert clock() - began == pytest.approx(5)
        await nowhere.aclose()
