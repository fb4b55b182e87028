"""A worker's claim on a source: a lock that is renewed, and a fence that refuses the writes of those who lost it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from core.errors import FootnoteError, TransientError
from core.indexing.jobs.records import FINISH, FINISHED_SECONDS, RELEASE, RENEW, STATES, WRITE, Keys, script, wake
from core.models import SyncRequest, SyncState

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PAUSE_SECONDS = 0.5


class ClaimLost(FootnoteError):
    """Another worker may have taken over this sync, so this one stopped writing."""


class Claim:
    def __init__(
        self,
        redis: Redis,
        *,
        owner: str,
        request: SyncRequest,
        state: SyncState,
        takeovers: int,
        ttl: float,
        claimed_at: float,
    ) -> None:
        """``claimed_at`` is the monotonic time just before the lock was taken, which lasts ``ttl`` seconds."""
        self.owner = owner
        self.request = request
        self.state = state
        """As the last worker left it, with its cursor."""
        self.takeovers = takeovers
        """How often a worker died while it worked on this request."""
        self._redis = redis
        self._keys = (Keys(request.source).record, Keys(request.source).lock)
        self._ttl = ttl
        self._valid_until = claimed_at + ttl

    def guard(self) -> None:
        """Raises ClaimLost once the lock may have expired: after a pause of this process, or of the way to Redis."""
        if time.monotonic() >= self._valid_until:
            raise ClaimLost

    async def keep(self) -> None:
        """Renew the lock for as long as it can be renewed. Raises ClaimLost then, and never returns."""
        pause = self._ttl / 3
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._ttl / 3):
                    renewed = await script(self._redis, RENEW, self._keys, self.owner, str(int(self._ttl * 1000)))
            except (TransientError, TimeoutError):
                self.guard()
                pause = min(_PAUSE_SECONDS, self._ttl / 3)
                continue
            if not renewed:
                raise ClaimLost
            self._valid_until = began + self._ttl
            pause = self._ttl / 3

    async def write(self, state: SyncState) -> None:
        """Replace the state. Raises ClaimLost when another one holds the claim, TransientError when Redis is away."""
        self.guard()
        changed = state.cursor != self.state.cursor
        cursor = ("cursor", state.cursor or "") if changed else ("", "")
        if not await script(self._redis, WRITE, self._keys[:1], self.owner, _without_cursor(state), *cursor):
            raise ClaimLost
        self.state = state

    async def write_surely(self, state: SyncState) -> None:
        """Replace the state, however often Redis is away, for as long as the claim holds."""
        await self._surely(lambda: self.write(state))

    async def finish(self, state: SyncState) -> None:
        """Write the last state and let the request go, however often Redis is away, for as long as the claim holds."""
        keys = (*self._keys, Keys(self.request.source).finished(self.request.id))

        async def finish() -> None:
            self.guard()
            if not await script(self._redis, FINISH, keys, self.owner, _without_cursor(state), str(FINISHED_SECONDS)):
                raise ClaimLost

        await self._surely(finish)

    async def release(self) -> None:
        """Give the request back unfinished: the next worker goes on with it."""
        await script(self._redis, RELEASE, self._keys, self.owner)
        await wake(self._redis, self.request.source)

    async def _surely(self, call: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await call()
            except TransientError:
                await asyncio.sleep(_PAUSE_SECONDS)


def _without_cursor(state: SyncState) -> str:
    return STATES.dump_json(replace(state, cursor=None)).decode()
