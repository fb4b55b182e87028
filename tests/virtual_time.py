"""An event loop on which waiting takes no time: with nothing else to do, its clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping

_GRACE = 0.002
"""Seconds in which a thread or a socket may still say something before the clock jumps."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For peers in this process: what another one does in the meantime takes time as ever."""

    def __init__(self) -> None:
        self._jumped = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return super().time() + self._jumped

    def jump(self, seconds: float) -> None:
        self._jumped += seconds


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        found = super().select(min(timeout, _GRACE))
        if not found:
            self._loop.jump(timeout)
        return found


LOOPS: Mapping[str, type[asyncio.AbstractEventLoop]] = {"virtual": VirtualTimeLoop}
"""For ``pytest_asyncio_loop_factories`` in a conftest.py."""
