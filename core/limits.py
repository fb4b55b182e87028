"""How fast one credential asks, in one process or in many.

A service that asks for silence gets it, from everybody; after that it is asked half as often, and slowly more often again.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from core.patience import Patience
from core.redis import AWAY

if TYPE_CHECKING:
    from redis.asyncio import Redis

RATE = 20.0
"""Requests a second when nobody complained."""
BURST = 40
SLOWEST = 1 / 16
"""Share of the rate that is left however often a service complains."""
RECOVERY_SECONDS = 300.0
"""From nothing back to the whole rate."""
_ANSWER_SECONDS = 1.0
_AWAY_SECONDS = 5.0
"""How long a Redis that did not answer is not asked again."""
_KEPT_SECONDS = 3600


class LocalLimiter:
    """A token bucket in this process (:class:`core.ports.Limiter`)."""

    def __init__(
        self,
        rate: float = RATE,
        burst: int = BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._full_rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._slow_rate = rate
        """The rate when the last silence was over."""
        self._silent_until = self._filled_at = clock()
        self._tokens = float(burst)
        """Requests that could go at once when it was filled last."""
        self._turn = asyncio.Lock()

    async def acquire(self) -> None:
        async with self._turn:
            # Whoever waits looks again: a silence may have begun meanwhile.
            while (wait := self._wait()) > 0:
                await self._sleep(wait)
            self._tokens -= 1

    async def pause(self, seconds: float) -> None:
        now = self._clock()
        if now >= self._silent_until:
            # Those that were asked at the same time complain together: that is one complaint.
            self._slow_rate = max(self._full_rate * SLOWEST, self._rate(now) / 2)
        self._silent_until = self._filled_at = max(self._silent_until, now + seconds)
        # Whoever waited does not go all at once.
        self._tokens = 1.0

    def _wait(self) -> float:
        now = self._clock()
        if now < self._silent_until:
            return self._silent_until - now
        rate = self._rate(now)
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        # Rounded: after exactly the wait that was asked for there may be a trifle less than one.
        return round(1 - self._tokens, 9) / rate

    def _rate(self, now: float) -> float:
        quiet = max(0.0, now - self._silent_until)
        return min(self._full_rate, self._slow_rate + self._full_rate * quiet / RECOVERY_SECONDS)


# The same, with the time of the server, which is one for all.
_BUCKET = """
local full_rate, burst, slowest, recovery = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local held = redis.call('HMGET', KEYS[1], 'slow_rate', 'silent_until', 'filled_at', 'tokens')
local slow_rate, silent_until = tonumber(held[1] or full_rate), tonumber(held[2] or 0)
local filled_at, tokens = tonumber(held[3] or now), tonumber(held[4] or burst)
local rate = math.min(full_rate, slow_rate + full_rate * math.max(0, now - silent_until) / recovery)
local function keep()
  redis.call('HSET', KEYS[1], 'slow_rate', slow_rate, 'silent_until', string.format('%.6f', silent_until),
             'filled_at', string.format('%.6f', filled_at), 'tokens', string.format('%.6f', tokens))
  redis.call('EXPIRE', KEYS[1], math.ceil(math.max(0, silent_until - now)) + ARGV[5])
end
"""
_ACQUIRE = f"""{_BUCKET}
if now < silent_until then return string.format('%.6f', silent_until - now) end
tokens = math.min(burst, tokens + math.max(0, now - filled_at) * rate)
filled_at = now
if tokens < 1 then return string.format('%.6f', (1 - tokens) / rate) end
tokens = tokens - 1
keep()
return '0'
"""
_PAUSE = f"""{_BUCKET}
if now >= silent_until then slow_rate = math.max(full_rate * slowest, rate / 2) end
silent_until = math.max(silent_until, now + ARGV[6])
filled_at, tokens = silent_until, 1
keep()
"""


class RedisLimiter:
    """A token bucket that all workers share; while Redis is away, one of their own."""

    def __init__(
        self,
        redis: Redis,
        credential: str,
        rate: float = RATE,
        burst: int = BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``credential`` is a name for it; only its hash is stored."""
        self._redis = redis
        self._key = f"footnote:limit:{hashlib.sha256(credential.encode()).hexdigest()[:32]}"
        self._settings = tuple(str(value) for value in (rate, burst, SLOWEST, RECOVERY_SECONDS, _KEPT_SECONDS))
        self._local = LocalLimiter(rate, burst, clock=clock, sleep=sleep)
        self._clock = clock
        self._sleep = sleep
        self._away_until = clock()
        self._turn = asyncio.Lock()

    async def acquire(self) -> None:
        async with self._turn:
            while (wait := await self._ask(_ACQUIRE)) is not None:
                if float(wait) == 0:
                    return
                await self._sleep(float(wait))
        await self._local.acquire()

    async def pause(self, seconds: float) -> None:
        await self._local.pause(seconds)
        await self._ask(_PAUSE, str(seconds))

    async def _ask(self, lua: str, *arguments: str) -> Any:
        """The script's answer; None when there is none."""
        if self._clock() < self._away_until:
            return None
        try:
            async with Patience().within(_ANSWER_SECONDS):
                return await self._redis.eval(lua, 1, self._key, *self._settings, *arguments)
        except AWAY:
            self._away_until = self._clock() + _AWAY_SECONDS
            return None
