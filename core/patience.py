"""A limit on time that tells what is away from what is busy: while others are answered, who still waits may wait on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_MOST = 4.0
"""So many times its limit something may take, however well the others do."""


class Patience:
    def __init__(self) -> None:
        self._limits: dict[asyncio.Timeout, tuple[float, float]] = {}
        """With their seconds, and the time to which they may be put off."""

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError when it takes so long without any other ending well."""
        async with asyncio.timeout(seconds) as limit:
            self._limits[limit] = (seconds, _now() + AT_MOST * seconds)
            try:
                yield
            finally:
                del self._limits[limit]
        for other, (its, latest) in self._limits.items():
            if not other.expired():
                other.reschedule(min(_now() + its, latest))


def _now() -> float:
    return asyncio.get_running_loop().time()
