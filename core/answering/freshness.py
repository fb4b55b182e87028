"""Whether what an answer cites may be older than its source."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from core.errors import TransientError
from core.models import SyncState, SyncStatus, now

States = Callable[[], Awaitable[Mapping[str, SyncState]]]
"""The state of each source, by name. Raises TransientError while nobody knows."""
Notice = Callable[[Iterable[str]], Awaitable[str]]
"""What a reader should know of the sources of an answer, by name: empty if all is well or nothing is known."""

_INTERVALS = 3
_EARLIEST = timedelta(minutes=30)
_KNOWN_SECONDS = 5.0
_PATIENCE_SECONDS = 0.05
"""An answer that is ready waits no longer for the word on its age."""


async def nothing() -> Mapping[str, SyncState]:
    return {}


class Freshness:
    """Says of a source that it is late, when it was last read more than three intervals (at least half an hour) ago, or
    refuses us.
    """

    def __init__(
        self,
        states: States = nothing,
        interval: timedelta = timedelta(minutes=10),
        *,
        clock: Callable[[], datetime] = now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._states = states
        self._allowed = max(_INTERVALS * interval, _EARLIEST)
        self._clock = clock
        self._timer = timer
        self._known: Mapping[str, SyncState] = {}
        self._known_until = 0.0

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Notice]:
        """Look while the answer is made: gives the function that tells what was seen by then."""
        looking = asyncio.create_task(self._look())

        async def notice(sources: Iterable[str]) -> str:
            await asyncio.wait({looking}, timeout=_PATIENCE_SECONDS)
            known = looking.result() if looking.done() else {}
            return " ".join(filter(None, (self._late(known[name]) for name in sorted(set(sources)) if name in known)))

        try:
            yield notice
        finally:
            looking.cancel()

    async def _look(self) -> Mapping[str, SyncState]:
        if self._timer() >= self._known_until:
            try:
                self._known = await self._states()
            except TransientError:
                self._known = {}
            self._known_until = self._timer() + _KNOWN_SECONDS
        return self._known

    def _late(self, state: SyncState) -> str:
        # People know it as Confluence, settings as confluence.
        name = state.source[:1].upper() + state.source[1:]
        refused = state.status is SyncStatus.NEEDS_ATTENTION
        if state.fresh_at is None:
            return f"{name} cannot be read at the moment; newer edits are not in this answer." if refused else ""
        at = self._clock()
        if not refused and at - state.fresh_at <= self._allowed:
            return ""
        return f"{name} was last read {ago(state.fresh_at, at)}; newer edits are not in this answer."


def ago(then: datetime, now: datetime) -> str:
    """``3 h ago``; in whole units, rounded down."""
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
