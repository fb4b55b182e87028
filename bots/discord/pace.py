"""How often a message may be edited: Discord takes five edits in five seconds, of a channel or of an interaction."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakValueDictionary

INTERVAL = 1.1
"""Seconds between two edits that others will follow."""

_WINDOW = 5.2
"""Seconds; what is sent at even times does not arrive at even times."""
_MOST = 5


class Pace:
    """Shared by all who write in one place. One edit in each window is left for texts that nothing follows."""

    def __init__(self, *, interval: float = INTERVAL, clock: Callable[[], float] = time.monotonic) -> None:
        """``interval`` is in seconds; a Discord that takes edits faster takes more of them in the same proportion."""
        self._interval = interval
        self._window = _WINDOW * interval / INTERVAL
        self._clock = clock
        self._made: deque[float] = deque(maxlen=_MOST)
        self._last_ones = 0

    async def turn(self, *, last: bool = False) -> None:
        """Return when an edit may be made; ``last`` if it is the final text of its message, which the others let pass."""
        self._last_ones += last
        try:
            while True:
                seconds = self._wait(last=last)
                if seconds <= 0:
                    break
                await asyncio.sleep(seconds)
            self._made.append(self._clock())
        finally:
            self._last_ones -= last

    def _wait(self, *, last: bool) -> float:
        """Seconds until it is worth asking again."""
        now = self._clock()
        most = _MOST if last else _MOST - 1
        full = self._made[-most] + self._window - now if len(self._made) >= most else 0.0
        if last or not self._made:
            return full
        return max(full, self._made[-1] + self._interval - now, self._interval / 10 if self._last_ones else 0.0)


class Paces:
    """One for each channel that is being written in."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._paces: WeakValueDictionary[int, Pace] = WeakValueDictionary()

    def of(self, channel_id: int) -> Pace:
        return self._paces.setdefault(channel_id, self.new())

    def new(self) -> Pace:
        """That of an interaction, which is written in by nobody else."""
        return Pace(interval=self._interval)
