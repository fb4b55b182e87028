"""Questions on their way to an answer: kept before anything is done for them, and finished by whoever finds them left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import structlog
from pydantic import TypeAdapter, ValidationError

from core.errors import TransientError
from core.models import Message
from core.outage import Outage
from core.together import cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis


LEASE_SECONDS = 15.0
"""After which a question counts as left behind by a process that died: as long as nobody renews it."""
KEPT = timedelta(days=1)
"""How long a question waits for somebody to finish it."""
ASKED_AGAIN = timedelta(hours=1)
"""How long the button that asks again works."""
TRIES = 3
"""Processes that may die of one question."""

log = structlog.get_logger(__name__)

_TIMEOUT = 2.0
_AT_ONCE = 20
_REMEMBERED = 10_000


@dataclass(frozen=True, kw_only=True)
class Question:
    """A message that was addressed to us, and where its reply goes."""

    message: Message
    place: Mapping[str, str] = field(default_factory=dict)
    """What its platform needs to know to reply there once more, from another process."""
    tries: int = 1
    """Processes that began with it, this one included."""


_QUESTION: TypeAdapter[Question] = TypeAdapter(Question)

# A question is a hash: what was said, how often it was begun, and what was noted of its place.
# The leases of a platform are a sorted set. The server's clock decides, so that all processes agree.
_BEGIN = """
local now = redis.call('TIME')
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'question', ARGV[1], 'tries', 1)
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], now[1] + now[2] / 1e6 + ARGV[3], KEYS[1])
return 1
"""
_RENEW = """
local now = redis.call('TIME')
return redis.call('ZADD', KEYS[2], 'XX', now[1] + now[2] / 1e6 + ARGV[1], KEYS[1])
"""
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local taken = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  if redis.call('HEXISTS', key, 'question') == 1 then
    redis.call('ZADD', KEYS[1], now + ARGV[1], key)
    redis.call('HINCRBY', key, 'tries', 1)
    table.insert(taken, redis.call('HGETALL', key))
  else
    redis.call('ZREM', KEYS[1], key)
    redis.call('DEL', key)
  end
end
return taken
"""
_AGAIN = """
local question = redis.call('HGET', KEYS[1], 'question')
if not question or redis.call('ZSCORE', KEYS[2], KEYS[1]) then return 0 end
if cjson.decode(question).message.user ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'tries', 0)
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], 0, KEYS[1])
return 1
"""
# Not of one that is gone: it would come back without its words and stay for ever.
_NOTE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSET', KEYS[1], unpack(ARGV))
"""
_NOTED = "place:"

_Command = Callable[[Any], object]
"""What is put into a pipeline."""


class Held:
    """A question that this process works on. Nothing here raises: without Redis it is lost with the process, which :attr:`kept`
    tells.
    """

    def __init__(self, pending: Pending, message: Message, *, kept: bool) -> None:
        self.kept = kept
        """Whether somebody else will finish it if this process does not."""
        self._pending = pending
        self._key, self._leases = _key(message.id), _leases(message.platform)

    @asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Nobody else takes it meanwhile."""
        renewing = asyncio.create_task(self._renew()) if self.kept else None
        try:
            yield
        finally:
            if renewing is not None:
                await cancelled(renewing)

    async def note(self, **place: str) -> None:
        """Add to what its platform needs to know to reply there once more: the id of a message that stands there already."""
        if self.kept and place:
            fields = [part for name, value in place.items() for part in (f"{_NOTED}{name}", value)]
            with suppress(TransientError):
                await self._pending.reach(_NOTE, [self._key], *fields)

    async def resolved(self) -> None:
        """It has its reply."""
        await self._end(lambda pipeline: pipeline.delete(self._key))

    async def failed(self) -> None:
        """Its reply was an error: for an hour a button has it tried again."""
        await self._end(lambda pipeline: pipeline.expire(self._key, ASKED_AGAIN))

    async def leave(self) -> None:
        """This process stops before it is done: the next one may take it at once."""
        with suppress(TransientError):
            await self._pending.write(lambda pipeline: pipeline.zadd(self._leases, {self._key: 0}, xx=True))

    async def _end(self, then: _Command) -> None:
        await self._pending.write_surely(self._key, lambda pipeline: pipeline.zrem(self._leases, self._key), then)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._pending.lease / 3)
            with suppress(TransientError):
                await self._pending.reach(_RENEW, [self._key, self._leases], self._pending.lease)


class Spot:
    """Where the reply to a question goes, in its platform's words; kept with the question, so that another process finds it."""

    def __init__(self, **fields: str) -> None:
        self.fields = fields
        self.held: Held | None = None
        self.begun = asyncio.Event()
        """Set once the question is kept, or known to be somebody else's: it cannot be lost any more."""

    @property
    def kept(self) -> bool:
        """Whether somebody else will finish the question if this process does not."""
        return self.held is not None and self.held.kept

    async def note(self, **more: str) -> None:
        """Something came to stand there: the id of a message that is to be finished, not written again."""
        self.fields |= more
        if self.held is not None:
            await self.held.note(**more)


@dataclass(frozen=True, kw_only=True)
class LeftBehind:
    question: Question
    held: Held


class Pending:
    """In Redis. Without it questions are answered all the same, and lost with the process that answers them."""

    def __init__(self, redis: Redis, *, lease: float = LEASE_SECONDS) -> None:
        """``lease`` in seconds."""
        self.lease = lease
        self._redis = redis
        self._outage = Outage("questions that are being answered are lost if this process dies", timeout=_TIMEOUT)
        self._unwritten: dict[str, tuple[_Command, ...]] = {}

    async def begin(self, question: Question) -> Held | None:
        """Keep it before anything is done for it. None when it is kept already: somebody works on it, or will."""
        message = question.message
        keys, kept = [_key(message.id), _leases(message.platform)], int(KEPT.total_seconds())
        try:
            began = await self.reach(_BEGIN, keys, _QUESTION.dump_json(question).decode(), kept, self.lease)
        except TransientError:
            return Held(self, message, kept=False)
        return Held(self, message, kept=True) if began else None

    async def again(self, platform: str, message_id: str, user: str) -> bool:
        """Have a question that failed answered after all. False when it is not known any more, is being answered already, or was
        asked by somebody else. Raises TransientError.
        """
        keys, kept = [_key(message_id), _leases(platform)], int(KEPT.total_seconds())
        return bool(await self.reach(_AGAIN, keys, kept, user))

    async def left_behind(self, platform: str) -> list[LeftBehind]:
        """Take over what nobody works on any more. Raises TransientError."""
        # First what is done with: it must not be taken for left behind.
        for key, commands in list(self._unwritten.items()):
            await self.write(*commands)
            self._unwritten.pop(key, None)
        taken = []
        for fields in await self.reach(_TAKE, [_leases(platform)], self.lease, _AT_ONCE):
            values = {name.decode(): value.decode() for name, value in zip(fields[::2], fields[1::2], strict=True)}
            try:
                question = _QUESTION.validate_json(values["question"])
            except ValidationError as error:
                # Of another version: it goes by itself, after a day.
                log.error("question.unreadable", platform=platform, problems=error.error_count())
                continue
            noted = {name.removeprefix(_NOTED): value for name, value in values.items() if name.startswith(_NOTED)}
            question = replace(question, place={**question.place, **noted}, tries=int(values["tries"]))
            taken.append(LeftBehind(question=question, held=Held(self, question.message, kept=True)))
        return taken

    async def forget_person(self, user: str) -> int:
        """Drop what is kept of a person's questions, of those that are being answered, too: how many. Raises what the client
        raises.
        """
        forgotten = 0
        async for key in self._redis.scan_iter(match=_key("*"), count=1000):
            raw = await cast("Any", self._redis.hget(key, "question"))
            if raw and json.loads(raw)["message"]["user"] == user:
                forgotten += int(await self._redis.delete(key))
        return forgotten

    async def reach(self, script: str, keys: list[str], *arguments: object) -> Any:
        """What a script gives. Raises TransientError."""
        return await self._outage.reach(lambda: cast("Any", self._redis.eval(script, len(keys), *keys, *map(str, arguments))))

    async def write(self, *commands: _Command) -> None:
        """All of them in one step. Raises TransientError."""

        async def written() -> None:
            async with self._redis.pipeline(transaction=True) as pipeline:
                for command in commands:
                    command(pipeline)
                await pipeline.execute()

        await self._outage.reach(written)

    async def write_surely(self, key: str, *commands: _Command) -> None:
        """Now, or as soon as Redis is back. What is over and still looks left behind would be answered twice."""
        try:
            await self.write(*commands)
        except TransientError:
            self._unwritten[key] = commands
            while len(self._unwritten) > _REMEMBERED:
                self._unwritten.pop(next(iter(self._unwritten)))


def _key(message_id: str) -> str:
    # One hash tag, hence one slot of a cluster: a script touches a question and the leases in one step.
    return f"footnote:{{pending}}:question:{message_id}"


def _leases(platform: str) -> str:
    return f"footnote:{{pending}}:leases:{platform}"
