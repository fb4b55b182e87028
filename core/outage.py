"""A part that may be away without anybody being refused an answer for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from core.errors import TransientError
from core.redis import AWAY

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_REST = 3.0
"""Seconds for which a part that did not answer is left alone, so that not every message waits for it."""
_AT_MOST = 4.0
"""So many times its limit a call may take while others are answered: then we are busy, and nobody is away."""


class Outage:
    """Calls Redis for those who can do without it. Its going is logged once, and its return once."""

    def __init__(self, consequence: str, *, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._consequence = consequence
        self._timeout = timeout
        self._clock = clock
        self._lasting = False
        self._until = 0.0
        self._waiting: dict[asyncio.Timeout, tuple[float, float]] = {}
        """The limits of the calls that are made, with their seconds and the time to which they may be put off."""

    async def reach(self, call: Callable[[], Awaitable[Result]], *, timeout: float | None = None) -> Result:
        """What ``call`` gives. Raises TransientError when it fails, is not done in time, or failed moments ago."""
        if self._clock() < self._until:
            raise TransientError("Redis did not answer moments ago")
        try:
            result = await self._within(timeout or self._timeout, call)
        except AWAY as error:
            self._until = self._clock() + _REST
            if not self._lasting:
                log.warning("redis.went_away", error=type(error).__name__, consequence=self._consequence)
            self._lasting = True
            raise TransientError(f"Redis does not answer ({type(error).__name__})") from error
        if self._lasting:
            log.warning("redis.came_back")
        self._lasting = False
        return result

    async def _within(self, seconds: float, call: Callable[[], Awaitable[Result]]) -> Result:
        async with asyncio.timeout(seconds) as limit:
            self._waiting[limit] = (seconds, _now() + _AT_MOST * seconds)
            try:
                result = await call()
            finally:
                del self._waiting[limit]
        for other, (its, latest) in self._waiting.items():
            if not other.expired():
                other.reschedule(min(_now() + its, latest))
        return result


def _now() -> float:
    return asyncio.get_running_loop().time()
