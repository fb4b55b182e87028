"""A part that may be away without anybody being refused an answer for it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from core.errors import TransientError
from core.patience import Patience
from core.redis import AWAY

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_REST = 3.0
"""Seconds for which a part that did not answer is left alone, so that not every message waits for it."""


class Outage:
    """Calls Redis for those who can do without it. Its going is logged once, and its return once."""

    def __init__(self, consequence: str, *, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._consequence = consequence
        self._timeout = timeout
        self._clock = clock
        self._lasting = False
        self._until = 0.0
        self._patience = Patience()

    async def reach(self, call: Callable[[], Awaitable[Result]], *, timeout: float | None = None) -> Result:
        """What ``call`` gives. Raises TransientError when it fails, is not done in time, or failed moments ago."""
        if self._clock() < self._until:
            raise TransientError("Redis did not answer moments ago")
        try:
            async with self._patience.within(timeout or self._timeout):
                result = await call()
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
