"""The timer: each source every so often, however many processes keep time."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core.errors import TransientError
from core.models import SyncRequest, SyncStatus, now

if TYPE_CHECKING:
    from core.indexing.jobs.queue import Jobs

JITTER = 0.1
"""Share of the interval by which runs are moved, so that sources do not meet at the same second forever."""
_LONGEST_SLEEP = 30.0
_REQUESTED_BY = "schedule"


class Schedule:
    def __init__(
        self,
        jobs: Jobs,
        sources: Iterable[str],
        interval: timedelta,
        *,
        clock: Callable[[], datetime] = now,
        jitter: Callable[[], float] = lambda: random.uniform(1 - JITTER, 1 + JITTER),
    ) -> None:
        """``sources`` by name; ``interval`` from the end of one sync to the next."""
        self._jobs = jobs
        self._interval = interval
        self._clock = clock
        self._jitter = jitter
        self._intervals = {name: self._next_interval() for name in sources}

    async def run(self) -> None:
        """Until cancelled. What was never synced, or is overdue, is requested at once."""
        while True:
            waits = [await self._see_to(name) for name in self._intervals]
            await asyncio.sleep(min(_LONGEST_SLEEP, *waits, self._interval.total_seconds()))

    async def _see_to(self, name: str) -> float:
        """Request a sync that is due. Returns the seconds until this source should be looked at again."""
        try:
            state = await self._jobs.state(name)
            if state.status in {SyncStatus.RUNNING, SyncStatus.WAITING}:
                return _LONGEST_SLEEP
            due = state.finished_at + self._intervals[name] if state.finished_at else self._clock()
            wait = (due - self._clock()).total_seconds()
            if wait > 0:
                return wait
            self._intervals[name] = self._next_interval()
            request = SyncRequest(id=uuid.uuid4().hex, source=name, requested_by=_REQUESTED_BY, at=self._clock())
            await self._jobs.submit(request)
        except TransientError:
            # The worker says so; here it only means later.
            return 1.0
        return _LONGEST_SLEEP

    def _next_interval(self) -> timedelta:
        return self._interval * self._jitter()
