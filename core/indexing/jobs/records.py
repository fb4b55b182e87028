"""How requests and states stand in Redis: some keys per source, all in one slot of a cluster.

The record is a hash:

===========  ==========================================================================================================
field        holds
===========  ==========================================================================================================
running      the request that a worker took up, as JSON; it stays until the worker has finished it
owner        the fence of that worker's claim: an ascending number and a random part; only its holder may write
fence        the number of the last claim
takeovers    how often the running request was taken up after the worker before had died
progress     the SyncState of the running request as JSON, its cursor left out
state        the SyncState at the end of the last sync of the whole source as JSON, its cursor left out
failures     how many such syncs in a row have failed
cursor       the cursor
===========  ==========================================================================================================

Beside it: the requests that nobody has taken up yet (a list, the oldest first), the rows of the ledger (a hash of document
id to Row as JSON), the lock, and the end of each finished request for those who follow it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from core.errors import TransientError
from core.indexing.ledger import Row
from core.models import SyncReport, SyncRequest, SyncState, SyncStatus
from core.redis import AWAY, text

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
ROWS = TypeAdapter(Row)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Keys:
    source: str

    @property
    def record(self) -> str:
        """The hash, and the channel on which its changes are told."""
        return f"footnote:sync:{{{self.source}}}"

    @property
    def waiting(self) -> str:
        return f"{self.record}:waiting"

    @property
    def rows(self) -> str:
        return f"{self.record}:rows"

    @property
    def lock(self) -> str:
        return f"{self.record}:lock"

    def finished(self, request_id: str) -> str:
        return f"{self.record}:finished:{request_id}"


# Answers '' when the request was accepted, 'full', or the request that stands in its way.
SUBMIT = """
local asked = cjson.decode(ARGV[1])
local function same(other)
  for _, field in ipairs({'full', 'force', 'prune', 'dry_run', 'scope'}) do
    if asked[field] ~= other[field] then return false end
  end
  return true
end
local running = redis.call('HGET', KEYS[1], 'running')
local waiting = redis.call('LRANGE', KEYS[2], 0, -1)
local current = running and cjson.decode(running)
if current and current.id == asked.id then return '' end
for _, work in ipairs(waiting) do
  local other = cjson.decode(work)
  if other.id == asked.id then return '' end
  -- What a push announces of a part, a sync of the whole that has not begun yet will see.
  if same(other) or ARGV[2] == '1' and other.scope == cjson.null and not other.dry_run then return work end
end
if current and ARGV[2] == '0' and same(current) then return running end
if asked.scope ~= cjson.null and #waiting >= tonumber(ARGV[3]) then return 'full' end
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('PUBLISH', KEYS[1], 'submitted')
return ''
"""

READ = """
return {redis.call('HMGET', KEYS[1], 'state', 'cursor', 'progress', 'running', 'failures'), redis.call('LRANGE', KEYS[2], 0, -1)}
"""

WITHDRAW = """
local withdrawn = 0
for _, work in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if cjson.decode(work).requested_by == ARGV[1] then withdrawn = withdrawn + redis.call('LREM', KEYS[2], 1, work) end
end
if withdrawn > 0 then redis.call('PUBLISH', KEYS[1], 'withdrawn') end
return withdrawn
"""

# A running request without a lock is one whose worker died: it goes before those that wait.
CLAIM = """
if redis.call('EXISTS', KEYS[2]) == 1 then return false end
local work = redis.call('HGET', KEYS[1], 'running')
local fresh = not work
if fresh then work = redis.call('LPOP', KEYS[3]) end
if not work then return false end
local owner = redis.call('HINCRBY', KEYS[1], 'fence', 1) .. ':' .. ARGV[1]
redis.call('SET', KEYS[2], owner, 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'running', work, 'owner', owner)
if fresh then
  redis.call('HSET', KEYS[1], 'takeovers', 0)
  redis.call('HDEL', KEYS[1], 'progress')
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

PROGRESS = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'progress', ARGV[2])
redis.call('PUBLISH', KEYS[1], 'progress')
return 1
"""

# Fields and values come by turns; an empty value means that there is no such field any more.
KEEP = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[2], ARGV[i]) else redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'cursor', ARGV[2]) end
return 1
"""

CLEAR = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
return 1
"""

# What was written aside takes its place, unless it has already and only the answer was lost.
SWAP = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[3]) end
return 1
"""

FINISH = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'state', ARGV[2])
  if ARGV[4] == 'failed' then redis.call('HINCRBY', KEYS[1], 'failures', 1) else redis.call('HDEL', KEYS[1], 'failures') end
end
redis.call('HDEL', KEYS[1], 'running', 'owner', 'takeovers', 'progress')
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


@dataclass(frozen=True, kw_only=True)
class Record:
    """What stands in Redis of one source, read at one moment."""

    source: str
    kept: SyncState
    """As the last sync of the whole source left it, with the cursor."""
    progress: SyncState | None
    running: SyncRequest | None
    waiting: tuple[SyncRequest, ...]

    @property
    def shown(self) -> SyncState:
        """The state as a reader should see it: what was written last, corrected by what runs or waits now."""
        if self.running:
            return self._running(self.running)
        if self.waiting:
            return self.waits(self.waiting[0])
        return self.kept

    def waits(self, request: SyncRequest) -> SyncState:
        return replace(self.kept, status=SyncStatus.WAITING, request=request)

    def _running(self, request: SyncRequest) -> SyncState:
        if self.progress and self.progress.request and self.progress.request.id == request.id:
            return replace(self.progress, status=SyncStatus.RUNNING, cursor=self.kept.cursor)
        return replace(self.kept, status=SyncStatus.RUNNING, request=request, report=SyncReport(), error=None)


async def read(redis: Redis, source: str) -> Record:
    keys = Keys(source)
    (state, cursor, progress, running, failures), waiting = await script(redis, READ, (keys.record, keys.waiting))
    return Record(
        source=source,
        kept=replace(stored_state(source, state, cursor), failures=int(failures or 0)),
        progress=STATES.validate_json(progress) if progress else None,
        running=REQUESTS.validate_json(running) if running else None,
        waiting=tuple(REQUESTS.validate_json(request) for request in waiting),
    )


def stored_state(source: str, state: Any, cursor: Any) -> SyncState:
    stored = STATES.validate_json(state) if state else SyncState(source=source)
    return replace(stored, cursor=text(cursor)) if cursor else stored


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
