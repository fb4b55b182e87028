"""A worker's claim on a source: a lock that is renewed, and a fence that refuses the writes of those who lost it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.errors import FootnoteError, TransientError
from core.indexing.jobs.records import FINISH, FINISHED_SECONDS, PROGRESS, RELEASE, RENEW, STATES, Keys, script, wake
from core.models import SyncRequest, SyncState, SyncStatus

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
        """As the last sync of the whole source left it, with the cursor."""
        self.takeovers = takeovers
        """How often a worker died while it worked on this request."""
        self.redis = redis
        self.keys = Keys(request.source)
        self.ttl = ttl
        self._valid_until = claimed_at + ttl

    @property
    def whole(self) -> bool:
        """Whether the sync can say what the state of the source is: a dry run writes nothing, and a scope is a part."""
        return not self.request.dry_run and self.request.scope is None

    def guard(self) -> None:
        """Raises ClaimLost once the lock may have expired: after a pause of this process, or of the way to Redis."""
        if time.monotonic() >= self._valid_until:
            raise ClaimLost

    async def renew(self) -> None:
        """Renew the lock for as long as it can be renewed. Raises ClaimLost then, and never returns."""
        pause = self.ttl / 3
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                async with asyncio.timeout(self.ttl / 3):
                    renewed = await self._script(RENEW, (self.keys.lock,), str(int(self.ttl * 1000)))
            except (TransientError, TimeoutError):
                self.guard()
                pause = min(_PAUSE_SECONDS, self.ttl / 3)
                continue
            if not renewed:
                raise ClaimLost
            self._valid_until = began + self.ttl
            pause = self.ttl / 3

    async def write(self, lua: str, keys: Sequence[str], *arguments: str) -> None:
        """Run a script that asks for the owner first, on the record and ``keys``, however often Redis is away, for as long
        as the claim holds. Raises ClaimLost when it does not, or when another one holds it.
        """
        while True:
            self.guard()
            try:
                if not await self._script(lua, keys, *arguments):
                    raise ClaimLost
            except TransientError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    async def begin(self, state: SyncState) -> None:
        """Say that it is worked on, and since when."""
        await self.write(PROGRESS, (), _without_cursor(state))

    async def tell(self, state: SyncState) -> None:
        """Tell those who follow. Raises TransientError when Redis is away, and ClaimLost."""
        self.guard()
        if not await self._script(PROGRESS, (), _without_cursor(state)):
            raise ClaimLost

    async def finish(self, state: SyncState) -> None:
        """Tell those who follow how it ended, and let the request go. It stays as the source's state if it was of the whole."""
        kept = "failed" if state.status is SyncStatus.FAILED else "kept"
        if not self.whole:
            kept = ""
        keys = (self.keys.lock, self.keys.finished(self.request.id))
        await self.write(FINISH, keys, _without_cursor(state), str(FINISHED_SECONDS), kept)

    async def release(self) -> None:
        """Give the request back unfinished: the next worker goes on with it."""
        await self._script(RELEASE, (self.keys.lock,))
        await wake(self.redis, self.request.source)

    async def _script(self, lua: str, keys: Sequence[str], *arguments: str) -> Any:
        return await script(self.redis, lua, (self.keys.record, *keys), self.owner, *arguments)


def _without_cursor(state: SyncState) -> str:
    return STATES.dump_json(replace(state, cursor=None)).decode()
