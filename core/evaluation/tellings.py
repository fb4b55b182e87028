"""Which owner of a document was told of which gap: once, until the gap is done and open again.

One hash in Redis, in the slot of the gaps. Losing it means that somebody may be told a second time, and that the buttons of what
they were told do nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter

from core.errors import TransientError
from core.models import Principal
from core.outage import Outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

TOLD_TTL = timedelta(days=90)
"""After so long an owner may be told again."""

_TIMEOUT = 3.0
_TOLD = "footnote:{gaps}:told"

# KEYS: told. A later word takes the place of one from before ARGV[2] (seconds), and of no other.
_CLAIM = """
local before = redis.call('HGET', KEYS[1], ARGV[1])
if before and cjson.decode(before).at >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""


@dataclass(frozen=True, kw_only=True)
class Telling:
    gap: str
    owner: Principal
    """As the document names them."""
    at: float
    """Seconds since 1970."""
    account: str = ""
    """Whom we wrote to, ``slack:U123``; empty while that is being done."""
    theirs: bool = True
    """False once they said that it is not theirs."""

    @property
    def day(self) -> str:
        return f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%d}"


_TELLING: TypeAdapter[Telling] = TypeAdapter(Telling)


class Tellings:
    """Methods raise TransientError while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._outage = Outage("owners of documents are not told of gaps", timeout=_TIMEOUT)

    async def claim(self, telling: Telling, since: datetime | None) -> bool:
        """Whether this owner was not told of the gap ``since`` it was done last, or within :data:`TOLD_TTL`: now they are."""
        oldest = telling.at - TOLD_TTL.total_seconds()
        since_at = max(oldest, since.timestamp() if since else 0.0)
        for old in [known for known in await self.all() if known.at < oldest]:
            await self.drop(old)
        arguments = [_name(telling), str(since_at), _stored(telling), str(int(TOLD_TTL.total_seconds()))]
        claimed = await self._reach(lambda: cast("Any", self._redis.eval(_CLAIM, 1, _TOLD, *arguments)))
        return bool(claimed)

    async def keep(self, telling: Telling) -> None:
        await self._reach(lambda: cast("Any", self._redis.hset(_TOLD, _name(telling), _stored(telling))))

    async def drop(self, telling: Telling) -> None:
        await self._reach(lambda: cast("Any", self._redis.hdel(_TOLD, _name(telling))))

    async def refuse(self, telling: Telling) -> None:
        """They said that it is not theirs."""
        await self.keep(replace(telling, theirs=False))

    async def all(self) -> list[Telling]:
        values = await self._reach(lambda: cast("Any", self._redis.hvals(_TOLD)))
        return [_TELLING.validate_json(value) for value in values]

    async def to(self, gap: str, account: str) -> Telling | None:
        """What this account was told of a gap."""
        return next((telling for telling in await self.all() if (telling.gap, telling.account) == (gap, account)), None)

    async def forget_person(self, account: str) -> int:
        """Delete what an account was told: of how many gaps."""
        gone = [telling for telling in await self.all() if telling.account == account]
        for telling in gone:
            await self.drop(telling)
        return len(gone)

    async def _reach(self, call: Callable[[], Any]) -> Any:
        try:
            return await self._outage.reach(call)
        except TransientError as error:
            raise TransientError("I cannot look up right now who was told of what. Please try again in a minute.") from error


def since_done(tellings: list[Telling], gap: str, done_at: datetime | None) -> dict[Principal, Telling]:
    """Of one gap, by owner, since it was done last."""
    after = done_at.timestamp() if done_at else 0.0
    return {telling.owner: telling for telling in tellings if telling.gap == gap and telling.at >= after}


def _name(telling: Telling) -> str:
    return f"{telling.gap}|{telling.owner}"


def _stored(telling: Telling) -> str:
    return _TELLING.dump_json(telling).decode()
