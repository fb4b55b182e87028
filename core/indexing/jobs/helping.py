"""Document work is split over workers: who syncs a source hands batches of documents to workers that have none to sync.

Docket brings a batch to a helper, and to another one when that died. The batch itself and its outcomes are ours, in Redis,
beside the record of the source. The helper writes only while the claim holds under which the batch was handed out; whoever
handed it out does it himself when nobody is there or nobody answers.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import structlog
from docket.dependencies import TaskKey

from core.errors import FootnoteError, TransientError
from core.indexing.jobs.batches import Batch, pack_outcomes, unpack_outcomes
from core.indexing.jobs.claim import Claim, ClaimLost
from core.indexing.jobs.docket import Docket, work_off
from core.indexing.jobs.records import Keys, ask, script
from core.indexing.pipeline import AWAY_DOCUMENTS, Outcome, index_documents
from core.models import Document

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from core.indexing.index import Index
    from core.indexing.parsing import Parser

NAME = "footnote-help"
BATCHES = 2
"""Of one helper at once: while one is embedded, the next is parsed."""
HELD_SECONDS = 10.0
"""A batch that nobody has taken, or holds any more, for so long is done by whoever handed it out. Longer than it takes Docket
to give the batch of a helper that died to another one.
"""
_KEPT_MILLIS = "60000"
"""How long an answer waits for whoever asked."""
_LOOK_SECONDS = 1.0
"""How often it is looked who helps, and whether a batch is held."""
_HELD_MILLIS = int(HELD_SECONDS * 1000)
_TASK = "help"

# Whether the batch is still wanted, by the worker that handed it out, for as long as a write may take.
_HELD = """
local held = redis.call('HGET', KEYS[1], 'owner') == ARGV[1] and redis.call('GET', KEYS[2]) == ARGV[1]
  and redis.call('PTTL', KEYS[2]) > tonumber(ARGV[2]) and redis.call('EXISTS', KEYS[3]) == 1
"""
_MAY_WRITE = f"{_HELD} return held and 1 or 0"
_DONE = f"""{_HELD}
if not held then return 0 end
redis.call('DEL', KEYS[3])
redis.call('RPUSH', KEYS[4], ARGV[3])
redis.call('PEXPIRE', KEYS[4], ARGV[4])
return 1
"""

log = structlog.get_logger(__name__)


class Helping:
    """Both sides: :class:`core.indexing.pipeline.Helpers` for the syncs of this worker, and help for those of others.

    An async context manager: it is connected to Docket meanwhile.
    """

    def __init__(self, url: str, redis: Redis, index: Index, parser: Parser, count: Callable[[str], int]) -> None:
        """``url`` of a server that :func:`core.indexing.jobs.docket.speaks`; ``redis`` is a client of the same."""
        self._redis = redis
        self._index = index
        self._parser = parser
        self._count = count
        self._name = uuid.uuid4().hex
        # Who embeds with another model is no help.
        self._docket = Docket(f"{NAME}-{index.name}", url)
        self._docket.register(self._help, names=[_TASK])
        self._claims: dict[str, Claim] = {}
        self._helpers = 0
        self._handed_out = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Helping:
        await self._stack.enter_async_context(self._docket)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    # Who leads.

    @asynccontextmanager
    async def leading(self, claim: Claim) -> AsyncIterator[None]:
        """Documents of the claim's source may be handed out meanwhile."""
        self._claims[claim.request.source] = claim
        counting = asyncio.create_task(self._count_helpers())
        try:
            yield
        finally:
            counting.cancel()
            del self._claims[claim.request.source]

    def room(self) -> int:
        return self._helpers * BATCHES * AWAY_DOCUMENTS - self._handed_out

    async def index(self, documents: Sequence[Document]) -> Sequence[Outcome] | None:
        claim = self._claims.get(documents[0].source)
        if claim is None:
            return None
        batch = Batch(source=claim.request.source, owner=claim.owner, margin=claim.ttl / 3, documents=documents)
        self._handed_out += len(documents)
        try:
            answer = await self._answer(f"{claim.keys.record}:help:{uuid.uuid4().hex}", batch)
        except TransientError:
            return None
        finally:
            self._handed_out -= len(documents)
        return unpack_outcomes(answer, documents) if answer else None

    async def _answer(self, key: str, batch: Batch) -> bytes | None:
        """What a helper answers, if there is one who does."""
        await ask(self._redis.set(key, batch.pack(), px=_HELD_MILLIS))
        try:
            await ask(self._docket.add(_TASK, key=key)())
            while True:
                held = await ask(self._redis.exists(key))
                answer = await ask(cast("Awaitable[Any]", self._redis.blpop([f"{key}:done"], timeout=_LOOK_SECONDS)))
                if answer:
                    return cast("bytes", answer[1])
                if not held:
                    return None
        finally:
            # Taken back: nobody writes it any more.
            with suppress(TransientError):
                await ask(self._redis.delete(key))

    async def _count_helpers(self) -> None:
        while True:
            try:
                workers = await ask(self._docket.workers())
                self._helpers = sum(worker.name != self._name for worker in workers)
            except TransientError:
                self._helpers = 0
            await asyncio.sleep(_LOOK_SECONDS)

    # Who helps.

    async def run(self) -> None:
        """Help others until cancelled; a batch that was begun is brought to its end."""
        await work_off(self._docket, name=self._name, concurrency=BATCHES, schedule_automatic_tasks=False)

    async def _help(self, key: str = TaskKey()) -> None:
        packed = await ask(cast("Awaitable[Any]", self._redis.get(key)))
        if packed is None:
            return
        batch = Batch.unpack(packed)
        record = Keys(batch.source)
        keys = (record.record, record.lock, key)
        held = (batch.owner, str(int(batch.margin * 1000)))

        async def guard() -> None:
            if not await script(self._redis, _MAY_WRITE, keys, *held):
                raise ClaimLost

        holding = asyncio.create_task(self._hold(key))
        with structlog.contextvars.bound_contextvars(source=batch.source):
            try:
                outcomes = await index_documents(self._index, self._parser, self._count, batch.documents, guard)
                answer = pack_outcomes(outcomes)
            except FootnoteError as error:
                # Whoever leads does it himself, and meets what is wrong.
                log.info("help.given_up", reason=str(error), documents=len(batch.documents))
                answer = ""
            finally:
                holding.cancel()
            if await script(self._redis, _DONE, (*keys, f"{key}:done"), *held, answer, _KEPT_MILLIS) and answer:
                log.info("help.given", documents=len(batch.documents))

    async def _hold(self, key: str) -> None:
        """Say that the batch is worked on, until cancelled."""
        while True:
            with suppress(TransientError):
                await ask(self._redis.pexpire(key, _HELD_MILLIS))
            await asyncio.sleep(HELD_SECONDS / 4)
