"""The timer: each source every so often, however many processes keep time."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core.errors import TransientError
from core.models import SCHEDULE, SyncRequest, SyncStatus, now

if TYPE_CHECKING:
    from core.indexing.jobs.queue import Jobs

JITTER = 0.1
"""Share of the interval by which runs are moved, so that sources do not meet at the same second forever."""
LONGEST_SLEEP = 30.0
"""Seconds until it is looked again whether the sync of a source is over."""
_AWAY_SECONDS = 1.0


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
        """``sources`` by name; ``interval`` from the end of one sync of the whole source to the next."""
        self._jobs = jobs
        self._interval = interval
        self._clock = clock
        self._jitter = jitter
        self._moved = {name: jitter() for name in sources}
        """By which factor the next wait of each source is longer."""

    @property
    def sources(self) -> Iterable[str]:
        return self._moved.keys()

    async def run(self) -> None:
        """Until cancelled. What was never synced, or is overdue, is requested at once."""
        while True:
            waits = [await self.see_to(name) for name in self._moved]
            await asyncio.sleep(min(LONGEST_SLEEP, *waits, self._interval.total_seconds()))

    async def see_to(self, name: str) -> float:
        """Request a sync that is due. Returns the seconds until this source should be looked at again."""
        try:
            record = await self._jobs.record(name)
            if record.shown.status in {SyncStatus.RUNNING, SyncStatus.WAITING}:
                return LONGEST_SLEEP
            if record.kept.finished_at:
                pause = record.kept.next_after(self._interval) * self._moved[name]
                wait = record.kept.finished_at + pause - self._clock()
                # A clock that was ahead when the last sync ended must not put the next one off until then.
                if timedelta() < wait <= 2 * pause:
                    return wait.total_seconds()
            self._moved[name] = self._jitter()
            request = SyncRequest(id=uuid.uuid4().hex, source=name, requested_by=SCHEDULE, at=self._clock())
            await self._jobs.submit(request)
        except TransientError:
            # The worker says so; here it only means later.
            return _AWAY_SECONDS
        return LONGEST_SLEEP
