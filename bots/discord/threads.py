"""The threads and forum posts in which the bot was asked, where people go on without mentioning it."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from core.errors import TransientError
from core.outage import Outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

_TIMEOUT = 1.0


class DiscordThreads:
    """One expiring key per thread. Losing Redis costs follow-ups without a mention, nothing else."""

    def __init__(self, redis: Redis, ttl: timedelta) -> None:
        self._redis = redis
        self._ttl = ttl
        self._outage = Outage("in threads only mentions are answered", timeout=_TIMEOUT)

    async def join(self, thread: int) -> None:
        """Remember that we were asked here; each question prolongs it."""
        with suppress(TransientError):
            await self._outage.reach(lambda: cast("Any", self._redis.set(_key(thread), 1, ex=self._ttl)))

    async def leave(self, thread: int) -> None:
        with suppress(TransientError):
            await self._outage.reach(lambda: cast("Any", self._redis.set(_key(thread), 0, ex=self._ttl)))

    async def joined(self, thread: int) -> bool | None:
        """None of a thread of which nothing is known."""
        try:
            raw = await self._outage.reach(lambda: cast("Any", self._redis.get(_key(thread))))
        except TransientError:
            return None
        return None if raw is None else bool(int(raw))


def _key(thread: int) -> str:
    return f"footnote:discord:thread:{thread}"
