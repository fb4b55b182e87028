"""Turns of conversations, in Redis: a list per conversation, and a sorted set per person that tells where they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from core.answering.access import readable
from core.answering.outage import Outage
from core.errors import TransientError
from core.models import Audience, Turn
from core.ports import Accesses

log = structlog.get_logger(__name__)

_TIMEOUT = 1.0
"""Seconds that an answer waits for its memory."""
_FORGETTING = 30.0
"""Seconds: somebody may have asked in thousands of conversations."""
_TURN: TypeAdapter[Turn] = TypeAdapter(Turn)


@dataclass(frozen=True)
class _Stored:
    raw: bytes | str
    turn: Turn


class Memory:
    """At most ``turns`` turns a conversation; a conversation that is silent for ``ttl`` is forgotten.

    Without Redis reading gives nothing and adding does nothing, so that an answer is given all the same. Without
    ``accesses`` reading gives nothing either. Forgetting
    raises TransientError: nobody is told that something was deleted that was not.
    """

    def __init__(self, redis: Redis, turns: int, ttl: timedelta, accesses: Accesses) -> None:
        self._redis = redis
        self._accesses = accesses
        self._turns = turns
        self._ttl = ttl
        self._outage = Outage("questions are answered without their conversation", timeout=_TIMEOUT)

    async def read(self, conversation_id: str, audience: Audience) -> list[Turn]:
        """The turns, oldest first, of which every reader might read everything that they were answered from, and still may.
        No turns while nobody knows.
        """
        try:
            stored = await self._outage.reach(lambda: self._stored(conversation_id))
            turns = [item.turn for item in stored if _might_read(audience, item.turn)]
            async with asyncio.timeout(_TIMEOUT):
                still = await readable({id for turn in turns for id in turn.documents}, audience, self._accesses)
        except (TransientError, TimeoutError):
            return []
        return [turn for turn in turns if still.issuperset(turn.documents)]

    async def add(self, conversation_id: str, turn: Turn) -> None:
        """Remember ``turn``; the oldest ones make room."""
        with suppress(TransientError):
            await self._outage.reach(lambda: self._store(conversation_id, turn))

    async def forget(self, conversation_id: str) -> int:
        """Delete a conversation: how many turns there were. Raises TransientError."""
        return await self._forgotten(lambda: self._delete(conversation_id))

    async def forget_person(self, user: str) -> int:
        """Delete what a person asked, with the answers, in every conversation: how many turns. Raises TransientError."""
        return await self._forgotten(lambda: self._delete_person(user))

    async def _forgotten(self, call: Callable[[], Awaitable[int]]) -> int:
        try:
            return await self._outage.reach(call, timeout=_FORGETTING)
        except TransientError as error:
            raise TransientError(
                "The memory of conversations does not answer right now, so not everything was deleted. Please try it again."
            ) from error

    async def _store(self, conversation_id: str, turn: Turn) -> None:
        key, person = _conversation_key(conversation_id), _person_key(turn.asked_by)
        # The person's set first: it may name a conversation too many, never one too few.
        kept = self._ttl + timedelta(days=1)
        async with self._redis.pipeline(transaction=True) as index:
            index.zadd(person, {conversation_id: turn.at.timestamp()})
            index.zremrangebyscore(person, "-inf", (turn.at - kept).timestamp())
            index.expire(person, kept)
            await index.execute()
        async with self._redis.pipeline(transaction=True) as turns:
            turns.rpush(key, _TURN.dump_json(turn))
            turns.ltrim(key, -self._turns, -1)
            turns.expire(key, self._ttl)
            await turns.execute()

    async def _delete(self, conversation_id: str) -> int:
        key = _conversation_key(conversation_id)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.llen(key)
            pipeline.delete(key)
            turns, _ = await pipeline.execute()
        return int(turns)

    async def _delete_person(self, user: str) -> int:
        forgotten = 0
        asked_in = cast("list[bytes | str]", await self._redis.zrange(_person_key(user), 0, -1))
        for member in asked_in:
            conversation_id = member.decode() if isinstance(member, bytes) else member
            key = _conversation_key(conversation_id)
            for stored in await self._stored(conversation_id):
                if stored.turn.asked_by == user:
                    forgotten += await self._redis.lrem(key, 1, cast("str", stored.raw))
            # One by one: what the person asks meanwhile elsewhere stays findable.
            await self._redis.zrem(_person_key(user), member)
        return forgotten

    async def _stored(self, conversation_id: str) -> list[_Stored]:
        """What can be read of a conversation: an entry that another version or a fault left unreadable is skipped."""
        found = []
        for raw in await self._redis.lrange(_conversation_key(conversation_id), 0, -1):
            try:
                found.append(_Stored(raw=raw, turn=_TURN.validate_json(raw)))
            except ValidationError as error:
                log.warning("turn.skipped", conversation=conversation_id, problems=error.error_count())
        return found


def _might_read(audience: Audience, turn: Turn) -> bool:
    return all(map(audience.may_read, turn.accesses)) and (bool(turn.documents) or not turn.accesses)


def _conversation_key(conversation_id: str) -> str:
    return f"footnote:turns:{{{conversation_id}}}"


def _person_key(user: str) -> str:
    return f"footnote:asked:{{{user}}}"
