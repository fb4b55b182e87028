"""What Slack told a while ago, believed for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """An answer for each key, believed for ``seconds`` after it was asked for, and asked for once at a time."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[T]],
        seconds: float,
        *,
        most: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``most`` answers are kept; the oldest go first."""
        self._ask = ask
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._known: dict[str, tuple[float, T]] = {}
        self._asked: dict[str, asyncio.Future[T]] = {}

    def known(self, key: str) -> T | None:
        """What is believed now, without asking."""
        at, value = self._known.get(key, (0.0, None))
        return value if value is not None and self._clock() - at < self._seconds else None

    async def find(self, key: str) -> T:
        """Raises what asking raises, and remembers nothing then. Whoever stops waiting does not stop the asking."""
        if (value := self.known(key)) is not None:
            return value
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.ensure_future(self._ask(key))
            asked.add_done_callback(partial(self._answered, key, self._clock()))
        return await asyncio.shield(asked)

    def keep(self, key: str, value: T, at: float | None = None) -> None:
        self._known.pop(key, None)
        while len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[key] = (self._clock() if at is None else at, value)

    def forget(self, key: str) -> None:
        """It has changed: not even the answer that is on its way is believed longer than by those who wait for it."""
        self._known.pop(key, None)
        self._asked.pop(key, None)

    def _answered(self, key: str, at: float, asked: asyncio.Future[T]) -> None:
        current = self._asked.get(key) is asked
        if current:
            del self._asked[key]
        if not asked.cancelled() and asked.exception() is None and current:
            self.keep(key, asked.result(), at)
