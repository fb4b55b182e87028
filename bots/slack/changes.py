"""What events told to be different now, passed on to the other processes: Slack gives each event to one of them."""

from __future__ import annotations

from typing import Any, cast

import structlog
from redis.asyncio import Redis

from core.patience import Patience
from core.redis import AWAY, text

log = structlog.get_logger(__name__)

_KEPT_SECONDS = 600
"""Longer than anything is believed that Slack told."""
_KEPT = 10_000
_SECONDS = 1.0
"""The client's own retries go on for longer than people wait."""


class SlackChanges:
    """A stream of ids of channels, people and workspaces. Without Redis a change is noticed as late as if no event came."""

    def __init__(self, redis: Redis, team: str) -> None:
        self._redis = redis
        self._patience = Patience()
        self._key = f"footnote:slack:changes:{team}"
        self._last = "0-0"

    async def tell(self, id: str) -> None:
        try:
            async with self._patience.within(_SECONDS):
                await self._redis.xadd(self._key, {"id": id}, maxlen=_KEPT)
                await self._redis.expire(self._key, _KEPT_SECONDS)
        except AWAY as error:
            log.warning("change.not_told", id=id, error=type(error).__name__)

    async def told(self) -> list[str]:
        """The ids since this was asked last."""
        try:
            async with self._patience.within(_SECONDS):
                entries = cast("list[tuple[Any, dict[Any, Any]]]", await self._redis.xrange(self._key, min=f"({self._last}"))
        except AWAY as error:
            log.warning("changes.not_known", error=type(error).__name__)
            return []
        if entries:
            self._last = text(entries[-1][0])
        return [text(value) for _, fields in entries for value in fields.values()]
