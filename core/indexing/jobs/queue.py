"""The queue of sync requests, and what became of them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from core.errors import TransientError, UserError
from core.indexing.jobs.claim import Claim
from core.indexing.jobs.ledger import load_rows
from core.indexing.jobs.records import (
    CLAIM,
    REQUESTS,
    SOURCES,
    STATES,
    SUBMIT,
    WAKE,
    WITHDRAW,
    Keys,
    Record,
    ask,
    read,
    script,
    stored_state,
    wake,
)
from core.indexing.ledger import Row
from core.models import PUSH, SCHEDULE, SyncRequest, SyncState, SyncStatus
from core.redis import AWAY, text

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

LOCK_SECONDS = 30.0
"""How long a worker that died keeps others away."""
_LOOK_SECONDS = 2.0
"""How often a follower looks although nothing was told: messages are lost when a connection is."""
_OUTAGE_SECONDS = 120.0
"""How long a follower waits for Redis to come back."""
Told = Callable[[float], Coroutine[None, None, None]]
"""Returns when something was told, after so many seconds at the latest."""
MAX_WAITING = 20
"""Requests with a scope that wait for one source; more are refused."""
_MAY_WAIT_BEHIND = {SCHEDULE, PUSH}


@dataclass(frozen=True, kw_only=True)
class Submitted:
    accepted: bool
    state: SyncState
    """Of the request, or of the one that runs or waits in its place when it was not accepted."""


class Jobs:
    """All methods raise TransientError while Redis does not answer."""

    def __init__(self, redis: Redis, *, ttl: float = LOCK_SECONDS) -> None:
        """``ttl``: seconds after which the request of a worker that died is taken up again."""
        self._redis = redis
        self._ttl = ttl

    async def submit(self, request: SyncRequest) -> Submitted:
        """Let a worker know. Requests that ask for the same are one: it is not accepted a second time while it waits or
        runs, except from timer and push, behind a running one: what they announce may have happened after the running sync
        had passed it. Those that ask for something else wait, in the order in which they came.

        When too many with a scope wait already, timer and push ask for the whole source; to others it raises UserError.
        """
        keys = Keys(request.source)
        await ask(self._redis.sadd(SOURCES, request.source))
        behind = "1" if request.requested_by in _MAY_WAIT_BEHIND else "0"
        work = REQUESTS.dump_json(request).decode()
        before = text(await script(self._redis, SUBMIT, (keys.record, keys.waiting), work, behind, str(MAX_WAITING)))
        if before == "full" and request.requested_by in _MAY_WAIT_BEHIND:
            return await self.submit(replace(request, scope=None))
        if before == "full":
            raise UserError(f"{MAX_WAITING} requests for parts of {request.source} wait already: ask again when they are done.")
        if not before:
            await wake(self._redis, request.source)
        followed = REQUESTS.validate_json(before) if before else request
        return Submitted(accepted=not before, state=(await self._look(followed)).state)

    async def state(self, source: str) -> SyncState:
        """The state of one source; ``NEVER`` when it was never synced."""
        return (await self.record(source)).shown

    async def record(self, source: str) -> Record:
        """All that is recorded of one source, read at one moment."""
        return await read(self._redis, source)

    async def rows(self, source: str) -> dict[str, Row]:
        """Why documents are not in the index as the source has them, by document id."""
        return await load_rows(self._redis, Keys(source))

    async def states(self) -> dict[str, SyncState]:
        """The states of all sources that were ever requested, by name."""
        return {name: await self.state(name) for name in await self._sources()}

    async def withdraw(self, requested_by: str) -> int:
        """Take back what somebody asked for and no worker has taken up yet: how many requests. What runs goes on."""
        withdrawn = 0
        for keys in map(Keys, await self._sources()):
            withdrawn += int(await script(self._redis, WITHDRAW, (keys.record, keys.waiting), requested_by))
        return withdrawn

    async def _sources(self) -> list[str]:
        return sorted(text(name) for name in await ask(cast("Awaitable[set[Any]]", self._redis.smembers(SOURCES))))

    async def follow(self, request: SyncRequest) -> AsyncIterator[SyncState]:
        """The state whenever it changes, WAITING while others are before it, until this very request is finished.

        Ends with a state FAILED when the queue lost the request, as an emptied Redis does.
        """
        last: SyncState | None = None
        away_since: float | None = None
        async with self._told(Keys(request.source).record) as told:
            while True:
                try:
                    seen = await self._look(request)
                    away_since = None
                except TransientError:
                    away_since = away_since or time.monotonic()
                    if time.monotonic() - away_since > _OUTAGE_SECONDS:
                        raise
                    await asyncio.sleep(_LOOK_SECONDS)
                    continue
                if seen.state != last:
                    last = seen.state
                    yield last
                if seen.finished:
                    return
                await told(_LOOK_SECONDS)

    async def claim(self, source: str) -> Claim | None:
        """Take up the request of a worker that died, else the one that waits; None when there is nothing to do."""
        keys = Keys(source)
        began = time.monotonic()
        ttl = str(int(self._ttl * 1000))
        found = await script(self._redis, CLAIM, (keys.record, keys.lock, keys.waiting), uuid.uuid4().hex, ttl)
        if not found:
            return None
        owner, work, takeovers, state, cursor = found
        return Claim(
            self._redis,
            owner=text(owner),
            request=REQUESTS.validate_json(work),
            state=stored_state(source, state, cursor),
            takeovers=int(takeovers),
            ttl=self._ttl,
            claimed_at=began,
        )

    @asynccontextmanager
    async def woken(self) -> AsyncIterator[Told]:
        """Gives a function that returns when a request was submitted anywhere, or after so many seconds."""
        async with self._told(WAKE) as told:
            yield told

    @asynccontextmanager
    async def _told(self, channel: str) -> AsyncIterator[Told]:
        pubsub: Any = self._redis.pubsub(ignore_subscribe_messages=True)

        async def told(seconds: float) -> None:
            nonlocal pubsub
            until = time.monotonic() + seconds
            try:
                if not pubsub.subscribed:
                    await pubsub.subscribe(channel)
                while (left := until - time.monotonic()) > 0:
                    if await pubsub.get_message(timeout=left):
                        return
            except AWAY:
                # Its news will be looked up. Made anew, because a cluster's stays with its node, even when that is gone.
                await pubsub.aclose()
                pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
                await asyncio.sleep(max(0.0, until - time.monotonic()))

        try:
            # Before anything is looked up, so that nothing is missed between looking and listening.
            with suppress(*AWAY):
                # A cluster's client must have asked for the nodes before.
                await self._redis.initialize()
                await pubsub.subscribe(channel)
            yield told
        finally:
            await pubsub.aclose()

    async def _look(self, request: SyncRequest) -> _Seen:
        record = await self.record(request.source)
        if record.running and record.running.id == request.id:
            return _Seen(state=record.shown)
        if any(waiting.id == request.id for waiting in record.waiting):
            return _Seen(state=record.waits(request))
        # After the record: a request leaves it in the same moment as its end is written.
        end = await ask(cast("Awaitable[Any]", self._redis.get(Keys(request.source).finished(request.id))))
        if end:
            return _Seen(state=STATES.validate_json(end), finished=True)
        lost = f"the queue of {request.source} lost this request before it was finished: ask again"
        return _Seen(state=replace(record.kept, status=SyncStatus.FAILED, request=request, error=lost), finished=True)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    state: SyncState
    finished: bool = False
