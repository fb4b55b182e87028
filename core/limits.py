"""How fast one credential asks, in one process or in many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

RATE = 20.0
"""Requests a second when nobody complained."""
BURST = 40


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
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()
        """When the bucket would be full again, were nothing more taken."""

    async def acquire(self) -> None:
        now = self._clock()
        self._free_at = max(self._free_at, now) + 1 / self._rate
        if (wait := self._free_at - now - self._burst / self._rate) > 0:
            await self._sleep(wait)

    async def pause(self, seconds: float) -> None:
        # As if the burst were used up until then.
        self._free_at = max(self._free_at, self._clock() + seconds + self._burst / self._rate)
