"""How requests and states stand in Redis: a hash and a lock per source, in one slot of a cluster.

===========  ==========================================================================================================
field        holds
===========  ==========================================================================================================
waiting      the request that nobody has taken up yet, as JSON
running      the request that a worker took up; it stays until the worker has finished it
owner        the fence of that worker's claim: an ascending number and a random part; only its holder may write
fence        the number of the last claim
takeovers    how often the running request was taken up after the worker before had died
state        the last written SyncState as JSON, its cursor left out
cursor       the cursor
===========  ==========================================================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from core.errors import TransientError
from core.models import SyncReport, SyncRequest, SyncState, SyncStatus
from core.redis import AWAY

if TYPE_CHECKING:
    from redis.asyncio import Redis

WAKE = "footnote:sync:wake"
"""The channel on which workers hear that there is something to do."""
SOURCES = "footnote:sync:sources"
"""The set of all sources that were ever requested."""
FINISHED_SECONDS = 3600
"""How long the end of a request can be read by those who follow it."""
_ANSWER_SECONDS = 5.0

REQUESTS = TypeAdapter(SyncRequest)
STATES = TypeAdapter(SyncState)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Keys:
    source: str

    @property
    def record(self) -> str:
        """The hash, and the channel on which its changes are told."""
        return f"footnote:sync:{{{self.source}}}"

    @property
    def lock(self) -> str:
        return f"{self.record}:lock"

    def finished(self, request_id: str) -> str:
        return f"{self.record}:finished:{request_id}"


SUBMIT = """
if redis.call('HEXISTS', KEYS[1], 'waiting') == 1 then return 0 end
if redis.call('HEXISTS', KEYS[1], 'running') == 1 and ARGV[2] == '0' then return 0 end
redis.call('HSET', KEYS[1], 'waiting', ARGV[1])
redis.call('PUBLISH', KEYS[1], 'submitted')
return 1
"""

# A running request without a lock is one whose worker died: it goes before the one that waits.
CLAIM = """
local work = redis.call('HGET', KEYS[1], 'running')
local fresh = not work
if fresh then work = redis.call('HGET', KEYS[1], 'waiting') end
if not work or redis.call('EXISTS', KEYS[2]) == 1 then return false end
local owner = redis.call('HINCRBY', KEYS[1], 'fence', 1) .. ':' .. ARGV[1]
redis.call('SET', KEYS[2], owner, 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'running', work, 'owner', owner)
if fresh then
  redis.call('HDEL', KEYS[1], 'waiting')
  redis.call('HSET', KEYS[1], 'takeovers', 0)
else
  redis.call('HINCRBY', KEYS[1], 'takeovers', 1)
end
return {owner, work, redis.call('HGET', KEYS[1], 'takeovers'),
        redis.call('HGET', KEYS[1], 'state') or '', redis.call('HGET', KEYS[1], 'cursor') or ''}
"""

RENEW = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[2], ARGV[2])
"""

WRITE = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
if ARGV[3] == 'cursor' then redis.call('HSET', KEYS[1], 'cursor', ARGV[4]) end
redis.call('PUBLISH', KEYS[1], 'written')
return 1
"""

FINISH = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
redis.call('HDEL', KEYS[1], 'running', 'owner', 'takeovers')
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[3])
redis.call('PUBLISH', KEYS[1], 'finished')
return 1
"""

# The request stays recorded as running, without an owner: the next worker goes on with it at once. It counts as no
# takeover, because nobody died of it.
RELEASE = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
redis.call('HINCRBY', KEYS[1], 'takeovers', -1)
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
"""


async def ask(call: Awaitable[Result]) -> Result:
    """The wall to Redis. Raises TransientError when it does not answer."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await call
    except AWAY as error:
        raise TransientError(
            f"the queue of syncs cannot be reached: Redis does not answer ({type(error).__name__}). Check REDIS_URL"
        ) from error


async def script(redis: Redis, lua: str, keys: Sequence[str], *arguments: str) -> Any:
    """Run a script on keys of one source. EVAL and not EVALSHA: a restarted server has forgotten all scripts."""
    return await ask(redis.eval(lua, len(keys), *keys, *arguments))


async def wake(redis: Redis, source: str) -> None:
    await ask(redis.publish(WAKE, source))


def view(source: str, state: Any, cursor: Any, running: Any, waiting: Any) -> SyncState:
    """The state as a reader should see it: what was written last, corrected by what runs or waits now."""
    seen = STATES.validate_json(state) if state else SyncState(source=source)
    if cursor:
        seen = replace(seen, cursor=text(cursor))
    if running:
        request = REQUESTS.validate_json(running)
        if seen.request is None or seen.request.id != request.id:
            seen = replace(seen, request=request, report=SyncReport(), error=None)
        return replace(seen, status=SyncStatus.RUNNING)
    if waiting:
        return replace(seen, status=SyncStatus.WAITING, request=REQUESTS.validate_json(waiting))
    return seen


def text(value: str | bytes) -> str:
    """Clients answer in bytes or text, as they were configured."""
    return value.decode() if isinstance(value, bytes) else value
