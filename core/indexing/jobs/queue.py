"""The queue of sync requests, and what became of them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from core.errors import TransientError
from core.indexing.jobs.claim import Claim
from core.indexing.jobs.records import CLAIM, REQUESTS, SOURCES, STATES, SUBMIT, WAKE, Keys, ask, script, text, view, wake
from core.models import SyncReport, SyncRequest, SyncState, SyncStatus
from core.redis import AWAY

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
_MAY_WAIT_BEHIND = {"schedule", "push"}


@dataclass(frozen=True, kw_only=True)
class Submitted:
    accepted: bool
    state: SyncState
    """What runs or waits instead when the request was not accepted."""


class Jobs:
    """All methods raise TransientError while Redis does not answer."""

    def __init__(self, redis: Redis, *, ttl: float = LOCK_SECONDS) -> None:
        """``ttl``: seconds after which the request of a worker that died is taken up again."""
        self._redis = redis
        self._ttl = ttl

    async def submit(self, request: SyncRequest) -> Submitted:
        """Let a worker know. One request waits per source, and none behind a running one, except from timer and push:
        what they announce may have happened after the running sync had passed it. The same request twice is one.
        """
        keys = Keys(request.source)
        await ask(self._redis.sadd(SOURCES, request.source))
        behind = "1" if request.requested_by in _MAY_WAIT_BEHIND else "0"
        accepted = bool(await script(self._redis, SUBMIT, (keys.record,), REQUESTS.dump_json(request).decode(), behind))
        if accepted:
            await wake(self._redis, request.source)
        seen = await self._look(request)
        return Submitted(accepted=accepted or seen.known, state=seen.state)

    async def state(self, source: str) -> SyncState:
        """The state of one source; ``NEVER`` when it was never synced."""
        return view(source, *(await self._record(source))[:4])

    async def states(self) -> dict[str, SyncState]:
        """The states of all sources that were ever requested, by name."""
        names = sorted(text(name) for name in await ask(cast("Awaitable[set[Any]]", self._redis.smembers(SOURCES))))
        return {name: await self.state(name) for name in names}

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
        found = await script(self._redis, CLAIM, (keys.record, keys.lock), uuid.uuid4().hex, ttl)
        if not found:
            return None
        owner, work, takeovers, state, cursor = found
        return Claim(
            self._redis,
            owner=text(owner),
            request=REQUESTS.validate_json(work),
            state=view(source, state, cursor, None, None),
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

    async def _record(self, source: str) -> list[Any]:
        fields = ["state", "cursor", "running", "waiting"]
        return await ask(cast("Awaitable[list[Any]]", self._redis.hmget(Keys(source).record, fields)))

    async def _look(self, request: SyncRequest) -> _Seen:
        state, cursor, running, waiting = await self._record(request.source)
        now = view(request.source, state, cursor, running, waiting)
        if running and REQUESTS.validate_json(running).id == request.id:
            return _Seen(state=now, known=True)
        if waiting and REQUESTS.validate_json(waiting).id == request.id:
            return _Seen(state=replace(now, status=SyncStatus.WAITING, request=request, report=SyncReport()), known=True)
        # After the record: a request leaves it in the same moment as its end is written.
        end = await ask(cast("Awaitable[Any]", self._redis.get(Keys(request.source).finished(request.id))))
        if end:
            return _Seen(state=STATES.validate_json(end), known=True, finished=True)
        if running or waiting:
            return _Seen(state=now, finished=True)
        lost = f"the queue of {request.source} was emptied before this request was finished: ask again"
        return _Seen(state=replace(now, status=SyncStatus.FAILED, request=request, error=lost), finished=True)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    state: SyncState
    known: bool = False
    finished: bool = False
