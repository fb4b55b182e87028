"""Who is in which group, as the sources told it: written by their syncs, read when somebody asks a question.

A hash per source in Redis: each principal to the JSON list of its members, and in the field ``""`` when and under which
mark it was told. Syncs replace it as a whole (:mod:`core.indexing.jobs.ledger`).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import orjson
import structlog

from core.models import Principal, now
from core.patience import Patience
from core.redis import AWAY

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

HOLD_SECONDS = 5.0
"""How long what was read is used without a look at what is told now. So late may a lost membership be noticed."""
VALID = timedelta(hours=6)
"""How long groups are believed at least, without a word from their source on who left them meanwhile."""
_INTERVALS = 3
_ANSWER_SECONDS = 2.0
"""A question waits for this: without an answer, groups are unknown."""
_TOLD = b""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Membership:
    groups: Mapping[Principal, frozenset[Principal]] = field(default_factory=dict)
    """Principal to members, of all sources that told them lately, as :func:`core.principals.expand` takes them."""
    told_at: Mapping[str, datetime] = field(default_factory=dict)
    """When each source told its groups last. One that is missing never did, or Redis is away."""


UNKNOWN = Membership()


class SourceGroups:
    def __init__(
        self,
        redis: Redis,
        sources: Iterable[str],
        interval: timedelta = timedelta(minutes=10),
        *,
        clock: Callable[[], datetime] = now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """``sources`` by name. What one of them told more than three intervals (at least :data:`VALID`) ago counts for
        nothing.
        """
        self._redis = redis
        self._held: dict[str, _Told] = {name: _Told() for name in sources}
        self._expired: set[str] = set()
        self._valid = max(_INTERVALS * interval, VALID)
        self._clock = clock
        self._timer = timer
        self._membership = UNKNOWN
        self._until = timer()
        self._reading = asyncio.Lock()
        self._away = False

    async def read(self) -> Membership:
        """What is known now. Of a source that told nothing for too long, and while Redis is away, nobody is in any group:
        nobody keeps what he may have lost.
        """
        async with self._reading:
            if self._timer() >= self._until:
                self._membership = await self._look()
                self._until = self._timer() + HOLD_SECONDS
            return self._membership

    async def _look(self) -> Membership:
        try:
            async with Patience().within(_ANSWER_SECONDS):
                for name, told in self._held.items():
                    self._held[name] = await self._newer(name, told)
        except AWAY as error:
            if not self._away:
                log.warning("groups.lost", error=type(error).__name__, consequence="nobody is in a group of a source")
            self._away = True
            return UNKNOWN
        if self._away:
            log.info("groups.recovered")
            self._away = False
        return self._valid_ones()

    def _valid_ones(self) -> Membership:
        told_at = {name: told.at for name, told in self._held.items() if told.at is not None}
        expired = {name for name, at in told_at.items() if self._clock() - at > self._valid}
        for name in sorted(expired - self._expired):
            log.warning(
                "groups.expired", source=name, told_at=told_at[name].isoformat(), consequence="nobody is in a group of it"
            )
        for name in sorted((self._expired - expired) & told_at.keys()):
            log.info("groups.renewed", source=name, told_at=told_at[name].isoformat())
        self._expired = expired | (self._expired - told_at.keys())
        groups: dict[Principal, frozenset[Principal]] = {}
        for told in (self._held[name] for name in told_at.keys() - expired):
            for group, members in told.groups.items():
                groups[group] = groups.get(group, frozenset()) | members
        return Membership(groups=groups, told_at=told_at)

    async def _newer(self, source: str, held: _Told) -> _Told:
        mark = await cast("Awaitable[Any]", self._redis.hget(groups_key(source), ""))
        if mark is None:
            return _Told()
        if _bytes(mark) == held.mark:
            return held
        fields = await cast("Awaitable[dict[Any, Any]]", self._redis.hgetall(groups_key(source)))
        stored = {_bytes(name): value for name, value in fields.items()}
        mark = _bytes(stored.pop(_TOLD))
        # Of ten thousand members in a thread, so that answers go on.
        return _Told(mark, await asyncio.to_thread(_loaded, stored))


def groups_key(source: str) -> str:
    """In one slot of a cluster with the record of the source's syncs, whose fence guards it."""
    return f"footnote:groups:{{{source}}}"


def fields_of(members: Mapping[Principal, frozenset[Principal]], at: datetime) -> dict[str, str]:
    """The fields of a source's hash."""
    stored = {name: orjson.dumps(sorted(held)).decode() for name, held in members.items()}
    return stored | {"": orjson.dumps({"at": at, "mark": uuid.uuid4().hex}).decode()}


async def stored_groups(redis: Redis, source: str) -> dict[Principal, frozenset[Principal]]:
    """What a source told last. Raises whatever the client raises."""
    fields = await cast("Awaitable[dict[Any, Any]]", redis.hgetall(groups_key(source)))
    stored = {_bytes(name): value for name, value in fields.items()}
    stored.pop(_TOLD, None)
    return await asyncio.to_thread(_loaded, stored)


@dataclass(frozen=True)
class _Told:
    """What one source told."""

    mark: bytes | None = None
    groups: Mapping[Principal, frozenset[Principal]] = field(default_factory=dict)

    @property
    def at(self) -> datetime | None:
        return None if self.mark is None else datetime.fromisoformat(orjson.loads(self.mark)["at"])


def _loaded(stored: Mapping[bytes, Any]) -> dict[Principal, frozenset[Principal]]:
    return {name.decode(): frozenset(orjson.loads(members)) for name, members in stored.items()}


def _bytes(value: str | bytes) -> bytes:
    """Clients answer in bytes or text, as they were configured."""
    return value.encode() if isinstance(value, str) else value
