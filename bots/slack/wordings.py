"""Which wording of a question is the latest, and that only one is worked on at a time, whichever process heard of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bots.slack.place import Place
from core.errors import TransientError
from core.outage import Outage
from core.together import cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEPT_SECONDS = 3600
GONE = "gone"
"""The last wording of a question that was deleted: later than the ts of any edit, as texts compare."""

_PREFIX = "footnote:slack:wording"
_LEASE_SECONDS = 3.0
_LOOK_SECONDS = 0.5
_TIMEOUT = 1.0
_PATIENCE_SECONDS = 60.0
"""Nothing is worked on for longer once a later wording is known."""

# One hash a question: its latest wording, who works on it until when (by the server's clock), and the stream that they left.
# Returns whether it is our turn: 1; 0: not yet; -1: never, because there is a later wording or another one works on this one.
_BEGIN = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local latest, busy, till, on = unpack(redis.call('HMGET', KEYS[1], 'latest', 'busy', 'till', 'on'))
if latest and latest > ARGV[1] then return -1 end
if busy and tonumber(till) > now then return (on == ARGV[1] and ARGV[5] == '0') and -1 or 0 end
redis.call('HSET', KEYS[1], 'latest', ARGV[1], 'on', ARGV[1], 'busy', ARGV[2], 'till', now + ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
# Prolongs the lease and returns the latest wording; '' when somebody forgot it all.
_RENEW = """
local time = redis.call('TIME')
if redis.call('HGET', KEYS[1], 'busy') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'till', time[1] + time[2] / 1e6 + ARGV[2])
end
return redis.call('HGET', KEYS[1], 'latest') or ''
"""
_END = """
if redis.call('HGET', KEYS[1], 'busy') == ARGV[1] then redis.call('HDEL', KEYS[1], 'busy', 'till', 'on') end
return 1
"""
# Nothing for all but the first who tells of this wording, and where a later one is known; else whether there was one before.
_TELL = """
local latest = redis.call('HGET', KEYS[1], 'latest')
if latest and latest >= ARGV[1] then return false end
redis.call('HSET', KEYS[1], 'latest', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return latest and 1 or 0
"""


@dataclass
class Turn:
    """The right to reply to one wording."""

    stream: str = ""
    """The ts of a message that an earlier wording's reply left unfinished."""


class Wordings:
    """In Redis, for an hour. Without it questions are answered as they were said first, and their edits are not heard."""

    def __init__(self, redis: Redis, team: str) -> None:
        self._redis = redis
        self._team = team
        self._outage = Outage("edits and deletions of questions are not heard", timeout=_TIMEOUT)
        self._working: dict[str, asyncio.Event] = {}

    async def tell(self, place: Place, wording: str) -> bool | None:
        """There is a new wording: whoever works on an earlier one stops. Whether an earlier one was heard; None when this one, or
        a later one, is known already, and when it cannot be told.
        """
        key = self._key(place)
        try:
            before = await self._eval(_TELL, key, wording, KEPT_SECONDS)
        except TransientError:
            return None
        if before is not None and (working := self._working.get(key)):
            working.set()
        return None if before is None else bool(before)

    def at_work(self, place: Place) -> bool:
        """Whether this process has a turn."""
        return self._key(place) in self._working

    @asynccontextmanager
    async def turn(
        self, place: Place, wording: str, withdraw: Callable[[], None], *, wait: bool = False
    ) -> AsyncIterator[Turn | None]:
        """Our turn to reply to this wording; None when there is a later one, or, unless we ``wait``, when somebody is at it.

        ``withdraw`` is called, again and again, once there is a later one: the work shall end.
        """
        key, owner = self._key(place), secrets.token_hex(8)
        try:
            mine = await self._begun(key, wording, owner, wait=wait)
        except TransientError:
            yield Turn()
            return
        if not mine:
            yield None
            return
        changed = self._working[key] = asyncio.Event()
        watching = asyncio.create_task(self._watch(key, wording, owner, changed, withdraw))
        turn = Turn()
        try:
            with suppress(TransientError):
                turn.stream = _text(await self._outage.reach(lambda: cast("Any", self._redis.hget(key, "stream"))))
            yield turn
        finally:
            await cancelled(watching)
            if self._working.get(key) is changed:
                del self._working[key]
            with suppress(TransientError):
                await self._ended(key, owner, turn)

    async def _begun(self, key: str, wording: str, owner: str, *, wait: bool) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while True:
                    turn = await self._eval(_BEGIN, key, wording, owner, _LEASE_SECONDS, KEPT_SECONDS, int(wait))
                    if turn:
                        return int(turn) > 0
                    await asyncio.sleep(_LOOK_SECONDS / 5)
        return False

    async def _ended(self, key: str, owner: str, turn: Turn) -> None:
        if turn.stream:
            await self._outage.reach(lambda: cast("Any", self._redis.hset(key, "stream", turn.stream)))
        else:
            await self._outage.reach(lambda: cast("Any", self._redis.hdel(key, "stream")))
        await self._eval(_END, key, owner)

    async def _watch(self, key: str, wording: str, owner: str, changed: asyncio.Event, withdraw: Callable[[], None]) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await changed.wait()
            with suppress(TransientError):
                if _text(await self._eval(_RENEW, key, owner, _LEASE_SECONDS)) > wording:
                    changed.set()
            if changed.is_set():
                withdraw()
                # What has not begun to be answered yet cannot be withdrawn yet.
                await asyncio.sleep(_LOOK_SECONDS / 10)

    async def _eval(self, script: str, key: str, *arguments: object) -> Any:
        return await self._outage.reach(lambda: cast("Any", self._redis.eval(script, 1, key, *map(str, arguments))))

    def _key(self, place: Place) -> str:
        return f"{_PREFIX}:{self._team}:{place.user}:{place.channel}:{place.ts}"


async def forget_person(redis: Redis, user: str) -> int:
    """Drop what is kept of a person's questions (``slack:U1``): of how many. Raises what the client raises."""
    forgotten = 0
    async for key in redis.scan_iter(match=f"{_PREFIX}:*:{user.removeprefix('slack:')}:*", count=1000):
        forgotten += int(await redis.delete(key))
    return forgotten


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
