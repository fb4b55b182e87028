"""How many calls of a method a process makes, so that Slack never has to refuse one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Allowance:
    """At most ``burst`` + ``per_minute`` calls in any minute, of which ``burst`` may come at once."""

    def __init__(
        self,
        *,
        burst: int,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._burst = burst
        self._rate = per_minute / 60
        self._clock = clock
        self._sleep = sleep
        self._left = float(burst)
        self._filled_at = clock()
        self._silent_until = 0.0

    def take(self) -> float:
        """Take one: 0 if there is one, else how many seconds to wait before asking again."""
        now = self._clock()
        if now < self._silent_until:
            return self._silent_until - now
        self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._left < 1:
            # Never nothing, or rounding would have it asked for ever.
            return max(0.001, (1 - self._left) / self._rate)
        self._left -= 1
        return 0.0

    async def wait(self) -> None:
        """Take one, as soon as there is one."""
        while wait := self.take():
            await self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Slack asked for silence."""
        self._silent_until = max(self._silent_until, self._clock() + seconds)
