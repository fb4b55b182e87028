"""The threads that the bot takes part in, where people go on without mentioning it."""

from __future__ import annotations

from datetime import timedelta

import structlog
from redis.asyncio import Redis

from core.patience import Patience
from core.redis import AWAY

log = structlog.get_logger(__name__)

_SECONDS = 1.0
"""The client's own retries go on for longer than people wait."""


class SlackThreads:
    """One expiring key per thread. Losing Redis costs follow-ups without a mention, nothing else."""

    def __init__(self, redis: Redis, team: str, ttl: timedelta) -> None:
        self._redis = redis
        self._patience = Patience()
        self._team = team
        self._ttl = ttl

    async def join(self, channel: str, thread: str) -> None:
        """Remember that we were asked here; each question prolongs it."""
        try:
            async with self._patience.within(_SECONDS):
                await self._redis.set(self._key(channel, thread), 1, ex=self._ttl)
        except AWAY as error:
            log.warning("thread.not_remembered", channel=channel, error=type(error).__name__)

    async def joined(self, channel: str, thread: str) -> bool:
        try:
            async with self._patience.within(_SECONDS):
                return bool(await self._redis.expire(self._key(channel, thread), self._ttl))
        except AWAY as error:
            log.warning("thread.not_known", channel=channel, error=type(error).__name__)
            return False

    async def leave(self, channel: str, thread: str) -> None:
        """We were told to."""
        try:
            async with self._patience.within(_SECONDS):
                await self._redis.delete(self._key(channel, thread))
        except AWAY as error:
            log.warning("thread.not_left", channel=channel, error=type(error).__name__)

    def _key(self, channel: str, thread: str) -> str:
        return f"footnote:slack:thread:{self._team}:{channel}:{thread}"
