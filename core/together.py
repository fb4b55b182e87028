"""Tasks that begin and end together: an error of one ends the others."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")


class Together(asyncio.TaskGroup):
    """Raises what went wrong first, as it is: the rest are only cancellations that followed from it."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            return await super().__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            first = group.exceptions[0]
        raise first


async def all_of(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results, in order."""
    async with Together() as tasks:
        begun = [tasks.create_task(each) for each in work]
    return [task.result() for task in begun]


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancel until they are over: before Python 3.12 a wait_for inside a library may swallow a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1.0)
    await asyncio.gather(*tasks, return_exceptions=True)
