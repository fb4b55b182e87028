"""How a message was worded last, and what was replied to it: an edit replaces the reply, a deletion takes it along."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from core.errors import TransientError
from core.outage import Outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEPT_SECONDS = 3600
GONE = "gone"
"""The last wording of a message that was deleted."""
USER = "user"
"""What a place that is kept says besides: who asked."""

_TIMEOUT = 1.0
_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 10.0
"""For whoever replies to an earlier wording: they stop at once, unless their process died."""

# A hash for each message: its latest wording, who replies to it now, and what stands of a reply. Returns whether it is our turn:
# 1; 0: not yet; -1: never, because there is a later wording.
_BEGIN = """
redis.call('HSETNX', KEYS[1], 'wording', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
if redis.call('HGET', KEYS[1], 'wording') ~= ARGV[1] then return -1 end
if ARGV[4] == '1' then redis.call('HSET', KEYS[1], 'busy', ARGV[2]) return 1 end
return redis.call('HSETNX', KEYS[1], 'busy', ARGV[2])
"""
# Returns 1 to the first who tells of this wording of a message that is known.
_TELL = """
local latest = redis.call('HGET', KEYS[1], 'wording')
if not latest or latest == ARGV[1] or latest == ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'wording', ARGV[1])
return 1
"""
_END = """
if redis.call('HGET', KEYS[1], 'busy') == ARGV[1] then redis.call('HDEL', KEYS[1], 'busy') end
return 1
"""


@dataclass(frozen=True, kw_only=True)
class Stands:
    """What was replied to a message."""

    conversation_id: str = ""
    place: Mapping[str, str] = field(default_factory=dict)
    """As its spot kept it; empty of a message whose reply has not begun."""
    message_ids: tuple[int, ...] = ()


def wording_of(text: str) -> str:
    """What tells two wordings apart; the words themselves are not kept."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Wordings:
    """In Redis, for an hour. Without it messages are answered as they were said first."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._outage = Outage("edits and deletions of questions are not heard", timeout=_TIMEOUT)

    @asynccontextmanager
    async def turn(self, message_id: int, wording: str, *, wait: bool = False) -> AsyncIterator[bool]:
        """Reply to a wording; ``wait`` for those who reply to an earlier one. False when there is a later one."""
        owner = secrets.token_hex(4)
        try:
            latest = await self._begun(message_id, wording, owner, wait=wait)
        except TransientError:
            yield True
            return
        try:
            yield latest
        finally:
            with suppress(TransientError):
                await self._eval(_END, message_id, owner)

    async def told(self, message_id: int, wording: str) -> bool:
        """There is a new wording, or the message is :data:`GONE`. True for the first who tells it of a message that we heard."""
        try:
            return bool(await self._eval(_TELL, message_id, wording, GONE))
        except TransientError:
            return False

    async def overtaken(self, message_id: int, wording: str) -> bool:
        """Whether it is known that the message is worded otherwise now, or gone."""
        try:
            latest = await self._outage.reach(lambda: cast("Any", self._redis.hget(_key(message_id), "wording")))
        except TransientError:
            return False
        return latest is not None and latest.decode() != wording

    async def begun(self, message_id: int, conversation_id: str, place: Mapping[str, str]) -> None:
        """A reply to it will stand there, unless one does already."""
        fields = {"conversation": conversation_id, "place": json.dumps(dict(place))}

        async def write() -> None:
            for name, value in fields.items():
                await cast("Any", self._redis.hsetnx(_key(message_id), name, value))

        with suppress(TransientError):
            await self._outage.reach(write)

    async def replied(self, message_id: int, place: Mapping[str, str], ids: Iterable[int]) -> None:
        """These messages are the reply to it."""
        fields = {"place": json.dumps(dict(place)), "messages": " ".join(map(str, ids))}
        with suppress(TransientError):
            await self._outage.reach(lambda: cast("Any", self._redis.hset(_key(message_id), mapping=cast("Any", fields))))

    async def stands(self, message_id: int) -> Stands:
        try:
            call = self._outage.reach(lambda: cast("Any", self._redis.hgetall(_key(message_id))))
            fields: dict[str, str] = {name.decode(): value.decode() for name, value in (await call).items()}
        except TransientError:
            return Stands()
        return Stands(
            conversation_id=fields.get("conversation", ""),
            place=json.loads(fields.get("place", "{}")),
            message_ids=tuple(int(id) for id in fields.get("messages", "").split()),
        )

    async def _begun(self, message_id: int, wording: str, owner: str, *, wait: bool) -> bool:
        for _ in range(round(_PATIENCE_SECONDS / _LOOK_SECONDS) if wait else 1):
            turn = int(await self._eval(_BEGIN, message_id, wording, owner, KEPT_SECONDS, 0))
            if turn:
                return turn > 0
            if wait:
                await asyncio.sleep(_LOOK_SECONDS)
        # Who heard the same message besides finds out from the gate which of them answers it.
        return not wait or int(await self._eval(_BEGIN, message_id, wording, owner, KEPT_SECONDS, 1)) > 0

    async def _eval(self, script: str, message_id: int, *arguments: object) -> Any:
        key = _key(message_id)
        return await self._outage.reach(lambda: cast("Any", self._redis.eval(script, 1, key, *map(str, arguments))))


async def forget_person(redis: Redis, user: str) -> int:
    """Drop what is kept of the questions of a person (``discord:1``): of how many. Raises what the client raises."""
    forgotten = 0
    async for key in redis.scan_iter(match=_key("*"), count=1000):
        place = await cast("Any", redis.hget(key, "place"))
        if place and json.loads(place).get(USER) == user.removeprefix("discord:"):
            forgotten += int(await redis.delete(key))
    return forgotten


def _key(message_id: int | str) -> str:
    return f"footnote:discord:wording:{message_id}"
