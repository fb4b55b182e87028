"""Work that costs less together: what waits for it is done in one go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_Asked = tuple[Item, "asyncio.Future[Result]"]


class Batches(Generic[Item, Result]):
    """Whoever comes while others are worked on waits for the next batch; nobody waits for a batch to be full.

    The first come are the first served. Who is cancelled takes nothing from the others, and is left out if the work has not
    begun. What goes wrong with a batch is raised to all who are in it, and to nobody else.
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]], *, most: int, at_once: int = 1
    ) -> None:
        """``work`` gives one result for each item, in their order, or the error that is raised to that one alone. It gets
        ``most`` items at most, and is asked ``at_once`` times side by side at most.
        """
        self._work = work
        self._most = most
        self._at_once = at_once
        self._waiting: deque[_Asked[Item, Result]] = deque()
        self._workers: set[asyncio.Task[None] | None] = set()

    async def __call__(self, item: Item) -> Result:
        """Raises what the work raises."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if len(self._workers) < self._at_once:
            # In a context of its own: it works for others, too, than the one who happened to come first.
            self._workers.add(asyncio.create_task(self._work_off(), context=Context()))
        return await result

    async def _work_off(self) -> None:
        try:
            while batch := self._next():
                await self._done(batch)
        finally:
            # Here, and not in a callback: whoever comes right after the last look needs another worker.
            self._workers.discard(asyncio.current_task())

    async def _done(self, batch: list[_Asked[Item, Result]]) -> None:
        try:
            found = await self._work([item for item, _ in batch])
            if len(found) != len(batch):
                raise RuntimeError(f"{len(batch)} items have {len(found)} results")
        except Exception as error:
            for _, result in batch:
                if not result.done():
                    result.set_exception(error)
        except asyncio.CancelledError:
            for _, result in batch:
                result.cancel()
            raise
        else:
            for (_, result), value in zip(batch, found, strict=True):
                if result.done():
                    continue
                if isinstance(value, Exception):
                    result.set_exception(value)
                else:
                    result.set_result(value)

    def _next(self) -> list[_Asked[Item, Result]]:
        batch: list[_Asked[Item, Result]] = []
        while self._waiting and len(batch) < self._most:
            asked = self._waiting.popleft()
            if not asked[1].done():
                batch.append(asked)
        return batch
