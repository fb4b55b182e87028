"""A limit on time that tells what is away from what is busy: while others are answered, or while this process itself comes to
nothing, who still waits may wait on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_MOST = 4
"""So many times its limit something may take, however well the others do."""
_STEPS = 16
"""A limit is waited for in so many steps. One that comes late, because the event loop had other things to do, counts like one
that came in time: an answer that is there and was not looked at yet is not taken for none. So many are enough to connect, too.
"""


class Patience:
    def __init__(self) -> None:
        self._waits: set[_Wait] = set()

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError when it takes so long without any other ending well."""
        async with asyncio.timeout(None) as limit:
            wait = _Wait(limit, seconds)
            self._waits.add(wait)
            try:
                yield
            finally:
                self._waits.discard(wait)
                wait.end()
        for other in self._waits:
            other.begin_anew()


class _Wait:
    def __init__(self, limit: asyncio.Timeout, seconds: float) -> None:
        self._limit = limit
        self._step = seconds / _STEPS
        self._left = _STEPS
        self._left_at_most = AT_MOST * _STEPS
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(self._step, self._came)

    def begin_anew(self) -> None:
        self._left = _STEPS

    def end(self) -> None:
        self._next.cancel()

    def _came(self) -> None:
        self._left -= 1
        self._left_at_most -= 1
        if min(self._left, self._left_at_most) > 0:
            self._next = self._loop.call_later(self._step, self._came)
        elif not self._limit.expired():
            self._limit.reschedule(self._loop.time())
