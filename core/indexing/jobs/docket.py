"""Docket as it is used here: tasks without arguments, on one Redis server.

Docket writes the arguments of a task as a pickle, and reads them so: whoever can write to Redis could run a program in our
workers. Therefore a task is known by its name and its key alone, and nothing that comes from Redis is unpickled.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import docket
from docket import Worker
from docket.strikelist import StrikeList

from core.redis import AWAY

REDELIVERY = timedelta(seconds=5)
"""A task whose worker does not renew its lease for so long is given to another one: workers do every 1.25 s."""
CHECK = timedelta(milliseconds=100)
"""How often a worker with a free hand looks what has ended. 1 % of a core when idle; a batch takes seconds."""

_PAUSE_SECONDS = 5.0

_NO_ARGUMENTS = {b"args": pickle.dumps(()), b"kwargs": pickle.dumps({})}

# It logs each task, and a traceback for each second of an outage, which our workers report once.
logging.getLogger("docket").setLevel(logging.CRITICAL)


def speaks(url: str | None) -> bool:
    """Whether Docket can use this REDIS_URL as we do: of a cluster it knows one address, and of sentinels another syntax."""
    return url is not None and url.partition(":")[0] in {"redis", "rediss", "unix"}


class Docket(docket.Docket):
    def __init__(self, name: str, url: str) -> None:
        # What became of a task is not Docket's to tell: its results would be pickles, too.
        super().__init__(name=name, url=url, execution_ttl=timedelta(0))

    @asynccontextmanager
    async def redis(self) -> AsyncGenerator[Any, None]:
        async with super().redis() as client:
            yield _WithoutArguments(client)

    @property
    def strike_list(self) -> StrikeList:
        return self._own_strikes

    @strike_list.setter
    def strike_list(self, _shared: StrikeList) -> None:
        # Tasks that an operator strikes are pickles in a stream; ours are never struck.
        self._own_strikes = StrikeList()


async def work_off(tasks: Docket, **options: Any) -> None:
    """Run a worker with these options until cancelled, whatever becomes of Redis; what was begun is brought to its end."""
    while True:
        try:
            async with Worker(tasks, redelivery_timeout=REDELIVERY, minimum_check_interval=CHECK, **options) as worker:
                return await worker.run_forever()
        except (*AWAY, ExceptionGroup):
            # It waits for Redis by itself; this is what it does not know to come from there.
            await asyncio.sleep(_PAUSE_SECONDS)


class _WithoutArguments:
    """A client whose messages all say that a task has no arguments, whatever they carry."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def xreadgroup(self, *args: Any, **kwargs: Any) -> list[Any]:
        found = await self._client.xreadgroup(*args, **kwargs)
        return [(stream, _emptied(messages)) for stream, messages in found]

    async def xautoclaim(self, *args: Any, **kwargs: Any) -> list[Any]:
        cursor, messages, *rest = await self._client.xautoclaim(*args, **kwargs)
        return [cursor, _emptied(messages), *rest]


def _emptied(messages: Any) -> list[tuple[bytes, Any]]:
    return [(id, message and {**message, **_NO_ARGUMENTS}) for id, message in messages]
