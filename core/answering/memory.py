"""Turns of conversations, in Redis: a list per conversation, and a sorted set per person that tells where they asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from core.answering.access import readable
from core.errors import TransientError
from core.models import Audience, Turn
from core.outage import Outage
from core.patience import Patience
from core.ports import Accesses
from core.redis import text

log = structlog.get_logger(__name__)

_TIMEOUT = 1.0
"""Seconds that an answer waits for its memory."""
_FORGETTING = 30.0
"""Seconds: somebody may have asked in thousands of conversations."""
_EXCHANGE = """
for number = 2, #ARGV do if not redis.call('LPOS', KEYS[1], ARGV[number]) then return 0 end end
redis.call('LINSERT', KEYS[1], 'BEFORE', ARGV[2], ARGV[1])
for number = 2, #ARGV do redis.call('LREM', KEYS[1], 1, ARGV[number]) end
return 1
"""
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
        self.turns = turns
        self.ttl = ttl
        self._redis = redis
        self._accesses = accesses
        self._outage = Outage("questions are answered without their conversation", timeout=_TIMEOUT)

    async def read(self, conversation_id: str, audience: Audience) -> list[Turn]:
        """The turns, oldest first, of which every reader might read everything that they were answered from, and still may.
        No turns while nobody knows.
        """
        try:
            stored = await self._outage.reach(lambda: self._of_this_topic(conversation_id))
            turns = [item.turn for item in stored if _might_read(audience, item.turn)]
            async with Patience().within(_TIMEOUT):
                still = await readable({id for turn in turns for id in turn.documents}, audience, self._accesses)
        except (TransientError, TimeoutError):
            return []
        return [turn for turn in turns if still.issuperset(turn.documents)]

    async def add(self, conversation_id: str, turn: Turn) -> None:
        """Remember ``turn``; the oldest ones make room."""
        with suppress(TransientError):
            await self._outage.reach(lambda: self._store(conversation_id, turn))

    async def condense(self, conversation_id: str, turns: Sequence[Turn], summary: Turn) -> None:
        """Put one turn in the place of these, if all of them are still there: what was forgotten meanwhile stays forgotten.
        Raises TransientError.
        """
        await self._outage.reach(lambda: self._exchange(conversation_id, turns, summary))

    async def begin_anew(self, conversation_id: str, at: datetime) -> None:
        """Another topic: what was remembered until then is not read any more. Raises TransientError."""
        await self._outage.reach(
            lambda: self._redis.set(_anew_key(conversation_id), repr(at.timestamp()), ex=int(self.ttl.total_seconds()) or 1)
        )

    async def asked(self, user: str, conversation_id: str | None = None) -> list[Turn]:
        """What is remembered of a person's questions, in one conversation or in all, oldest first. Raises TransientError."""
        return await self._outage.reach(lambda: self._asked(user, conversation_id), timeout=_FORGETTING)

    async def forget(self, conversation_id: str) -> int:
        """Delete a conversation: how many turns there were. Raises TransientError."""
        return await self._forgotten(lambda: self._delete(conversation_id))

    async def withdraw(self, conversation_id: str, said_as: str) -> int:
        """Delete the turns of a message that was edited or deleted: how many. Raises TransientError."""
        return await self._forgotten(lambda: self._delete_said(conversation_id, said_as))

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
        kept = self.ttl + timedelta(days=1)
        async with self._redis.pipeline(transaction=True) as index:
            index.zadd(person, {conversation_id: turn.at.timestamp()})
            index.zremrangebyscore(person, "-inf", (turn.at - kept).timestamp())
            index.expire(person, kept)
            await index.execute()
        async with self._redis.pipeline(transaction=True) as turns:
            turns.rpush(key, _TURN.dump_json(turn))
            turns.ltrim(key, -self.turns, -1)
            turns.expire(key, self.ttl)
            turns.expire(_anew_key(conversation_id), self.ttl)
            await turns.execute()

    async def _exchange(self, conversation_id: str, turns: Sequence[Turn], summary: Turn) -> None:
        raws = [stored.raw for stored in await self._stored(conversation_id) if stored.turn in turns]
        if len(raws) != len(turns):
            return
        kept = self.ttl + timedelta(days=1)
        for person in summary.people:
            # As long as the summary lives it is found for whoever has a part in it.
            async with self._redis.pipeline(transaction=True) as index:
                index.zadd(_person_key(person), {conversation_id: time.time()})
                index.expire(_person_key(person), kept)
                await index.execute()
        key = _conversation_key(conversation_id)
        await cast("Awaitable[object]", self._redis.eval(_EXCHANGE, 1, key, _TURN.dump_json(summary), *raws))

    async def _delete(self, conversation_id: str) -> int:
        key = _conversation_key(conversation_id)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.llen(key)
            pipeline.delete(key)
            pipeline.delete(_anew_key(conversation_id))
            turns, *_ = await pipeline.execute()
        return int(turns)

    async def _delete_said(self, conversation_id: str, said_as: str) -> int:
        key, forgotten = _conversation_key(conversation_id), 0
        for stored in await self._stored(conversation_id):
            if said_as in (stored.turn.said_as, *stored.turn.messages):
                forgotten += await self._redis.lrem(key, 1, cast("str", stored.raw))
        return forgotten

    async def _asked(self, user: str, conversation_id: str | None) -> list[Turn]:
        places = [conversation_id] if conversation_id is not None else await self._asked_in(user)
        found = [stored.turn for place in places for stored in await self._stored(place)]
        return sorted((turn for turn in found if turn.asked_by == user), key=lambda turn: turn.at)

    async def _asked_in(self, user: str) -> list[str]:
        members = cast("list[bytes | str]", await self._redis.zrange(_person_key(user), 0, -1))
        return [text(member) for member in members]

    async def _of_this_topic(self, conversation_id: str) -> list[_Stored]:
        began, stored = await self._redis.get(_anew_key(conversation_id)), await self._stored(conversation_id)
        return stored if began is None else [item for item in stored if item.turn.at.timestamp() > float(began)]

    async def _delete_person(self, user: str) -> int:
        forgotten = 0
        for conversation_id in await self._asked_in(user):
            key = _conversation_key(conversation_id)
            for stored in await self._stored(conversation_id):
                if user in (stored.turn.asked_by, *stored.turn.people):
                    forgotten += await self._redis.lrem(key, 1, cast("str", stored.raw))
            # One by one: what the person asks meanwhile elsewhere stays findable.
            await self._redis.zrem(_person_key(user), conversation_id)
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


def _anew_key(conversation_id: str) -> str:
    return f"{_conversation_key(conversation_id)}:anew"


def _person_key(user: str) -> str:
    return f"footnote:asked:{{{user}}}"
