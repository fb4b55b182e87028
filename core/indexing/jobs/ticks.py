"""The timer of many machines: one tick per source, wherever a worker runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from docket import Perpetual

from core.indexing.jobs.docket import Docket, work_off
from core.indexing.jobs.schedule import LONGEST_SLEEP, Schedule

NAME = "footnote-ticks"


class Ticks:
    """Does what :meth:`Schedule.run` does, for all workers together: Docket keeps the time of the next look at a source.

    A tick that is lost comes back when a worker starts, and after a minute at the latest; one too many finds nothing due.
    """

    def __init__(self, url: str, schedule: Schedule) -> None:
        """``url`` of a server that :func:`core.indexing.jobs.docket.speaks`."""
        self._url = url
        self._schedule = schedule

    async def run(self) -> None:
        """Until cancelled."""
        async with Docket(NAME, self._url) as docket:
            for name in self._schedule.sources:
                docket.register(self._tick(name))
            # A second more or less: syncs are minutes apart.
            await work_off(docket, scheduling_resolution=timedelta(seconds=1))

    def _tick(self, name: str) -> Callable[..., Awaitable[None]]:
        # The pause is that after a tick that failed; each one says when the next is.
        perpetual = Perpetual(every=timedelta(seconds=LONGEST_SLEEP), automatic=True)

        async def tick(next: Perpetual = perpetual) -> None:
            next.after(timedelta(seconds=await self._schedule.see_to(name)))

        # What Docket knows it by, on all machines.
        tick.__name__ = f"tick {name}"
        return tick
