"""Many questions at once: a few search, the others stand in line, and what a search may take is counted from its turn on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from core.errors import TransientError
from core.patience import Patience

WIDTH = 8
"""Searches at once: as many as keep a remote embedder and the index busy, and few enough to be over soon on two cores."""
SOON, AGAIN = 3.0, 5.0
"""Seconds after which somebody who waits is told so, and after which again."""
PATIENCE = 120.0
"""Seconds in line after which a question is given up: who asked hears of it rather than wonder."""

Waiting = Callable[[int], Awaitable[None]]
"""Told how many questions are before this one, now and then while it waits, and 0 when its turn came after that."""


async def unheard(_before: int) -> None:
    """Nobody wants to know."""


class Line:
    """The first come are the first served.

    A turn may take ``seconds`` without any other ending well: while some do, what is behind is busy, and not away.
    """

    def __init__(self, seconds: float, width: int = WIDTH) -> None:
        self._seconds = seconds
        self._free = width
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._patience = Patience()

    @asynccontextmanager
    async def turn(self, waiting: Waiting = unheard) -> AsyncIterator[None]:
        """Wait for it, and take it. Raises TransientError, worded for the person who asked, when it does not come in time, and
        TimeoutError when it takes too long.
        """
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(called)
        self._call()
        try:
            await self._until(called, waiting)
            async with self._patience.within(self._seconds):
                yield
        finally:
            if called.done():
                self._free += 1
                self._call()
            else:
                self._waiting.remove(called)

    async def _until(self, called: asyncio.Future[None], waiting: Waiting) -> None:
        began, pause = _now(), SOON
        while not called.done():
            await asyncio.wait([called], timeout=pause)
            if called.done():
                if pause == AGAIN:
                    await waiting(0)
                return
            before = self._waiting.index(called)
            if _now() - began >= PATIENCE:
                raise TransientError(
                    f"Too many questions are asked at once: after {PATIENCE / 60:.0f} minutes yours is number {before + 1} in "
                    "line."
                )
            await waiting(before)
            pause = AGAIN

    def _call(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._waiting.popleft().set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
