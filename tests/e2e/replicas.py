"""Several processes of one bot, each started again whenever it dies: what keeps containers running does the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from core.together import Together

Process = asyncio.subprocess.Process


class Replicas:
    def __init__(self, start: Callable[[], AbstractAsyncContextManager[Process]], count: int) -> None:
        self.started = 0
        self._start = start
        self._count = count
        self._alive: list[Process] = []
        self._changed = asyncio.Event()

    async def kill(self) -> None:
        """``kill -9`` of the oldest one, in the middle of whatever it does, as soon as all run."""
        await self.all_run()
        self._alive.pop(0).kill()

    async def all_run(self) -> None:
        while len(self._alive) < self._count:
            self._changed.clear()
            await self._changed.wait()

    async def keep_one(self) -> None:
        """Run one, and another one once it is dead; until cancelled."""
        while True:
            async with self._start() as process:
                self.started += 1
                self._alive.append(process)
                self._changed.set()
                await process.wait()


@asynccontextmanager
async def replicas(start: Callable[[], AbstractAsyncContextManager[Process]], count: int = 2) -> AsyncIterator[Replicas]:
    """``start`` runs one process; ``count`` of them run."""
    them = Replicas(start, count)
    async with Together() as tasks:
        keeping = [tasks.create_task(them.keep_one()) for _ in range(count)]
        await them.all_run()
        yield them
        for keeper in keeping:
            keeper.cancel()
