"""Stop, wherever the answer is written: Slack gives the event to any process of ours, which tells the others."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from redis.asyncio import Redis

from core.errors import TransientError
from core.outage import Outage
from core.redis import text

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.25
"""People wait for a second at most."""
_KEPT = 1_000
_KEPT_SECONDS = 60
_TIMEOUT = 0.5
_KEY = "footnote:slack:stops"
"""Of all workspaces: a conversation's id names its own."""

Stop = Callable[[str], Awaitable[object]]
"""End the answers in a conversation that are written in this process."""


class SlackStops:
    """A stream of conversations in Redis. Without it only the process that was told stops."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._me = uuid.uuid4().hex
        self._last = ""
        self._outage = Outage("the Stop button reaches only answers of the process that hears of it", timeout=_TIMEOUT)

    async def tell(self, conversation_id: str) -> None:
        fields: dict[Any, Any] = {"conversation": conversation_id, "by": self._me}

        async def write() -> None:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.xadd(_KEY, fields, maxlen=_KEPT)
                pipeline.expire(_KEY, _KEPT_SECONDS)
                await pipeline.execute()

        try:
            await self._outage.reach(write)
        except TransientError as error:
            log.warning("stop.not_told", reason=str(error))

    async def heed(self, stop: Stop) -> None:
        """Stop what others were told to stop, until cancelled; nothing that was told before."""
        while True:
            try:
                for conversation in await self._outage.reach(self._told):
                    await stop(conversation)
            except TransientError:
                # Old news by the time Redis is back.
                self._last = ""
            await asyncio.sleep(_LOOK_SECONDS)

    async def _told(self) -> list[str]:
        if not self._last:
            newest = cast("list[tuple[Any, Any]]", await self._redis.xrevrange(_KEY, count=1))
            self._last = text(newest[0][0]) if newest else "0-0"
            return []
        entries = cast("list[tuple[Any, dict[Any, Any]]]", await self._redis.xrange(_KEY, min=f"({self._last}"))
        if entries:
            self._last = text(entries[-1][0])
        told = [{text(name): text(value) for name, value in fields.items()} for _, fields in entries]
        return [fields["conversation"] for fields in told if fields["by"] != self._me]
