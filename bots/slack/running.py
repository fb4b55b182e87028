"""Work that goes on after its event was acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from core.errors import FootnoteError

log = structlog.get_logger(__name__)


class Running:
    """Running work of one kind. The event loop itself keeps no reference to a task."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._running: dict[asyncio.Task[None], str] = {}

    def start(self, work: Coroutine[Any, Any, None], where: str = "") -> asyncio.Task[None]:
        """``where`` is the workspace that it is done in."""
        task = asyncio.create_task(work)
        self._running[task] = where
        task.add_done_callback(self._ended)
        return task

    async def start_until(self, begun: asyncio.Event, work: Coroutine[Any, Any, None], seconds: float, where: str = "") -> None:
        """Start it and wait until it has ``begun``, is over, or took so many seconds."""
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait({self.start(work, where), waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def drain(self, seconds: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, seconds))

    def cancel_in(self, where: str) -> None:
        """What is done in a workspace that is no more."""
        for task, there in self._running.items():
            if there == where:
                task.cancel()

    async def cancel(self, seconds: float) -> None:
        if self._running:
            log.warning("work.cut_short", kind=self._kind, count=len(self._running))
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running, timeout=seconds)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, FootnoteError):
                log.warning(f"{self._kind}.not_shown", reason=str(error))
            else:
                log.error(f"{self._kind}.failed", exc_info=error)
