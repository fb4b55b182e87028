"""How many tokens the chat model may use in a day. When they are gone answers are quotes; nobody is refused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk, LLMResult
from redis.asyncio import Redis

from core.errors import TransientError
from core.models import now
from core.outage import Outage
from core.telemetry import TOKENS

CHARACTERS_PER_TOKEN = 4
"""Where the model's server does not tell how many tokens it used."""

_ALL = "all"
_KEPT = timedelta(days=2)
_TIMEOUT = 1.0
"""Seconds. Whoever asks waits for it."""


class Budget:
    """Counts tokens per UTC day, shared by all processes through Redis; while Redis is away each process counts for itself.

    ``daily`` is for everybody together, ``per_person`` for each; None: no limit, and nothing is counted. It is looked at
    before the model is asked and charged afterwards: it is overdrawn by what was being answered when it ran out.
    """

    def __init__(
        self,
        redis: Redis | None = None,
        *,
        daily: int | None = None,
        per_person: int | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._redis = redis
        self._daily = daily
        self._per_person = per_person
        self._clock = clock
        self._outage = Outage("tokens are counted within each process only", timeout=_TIMEOUT)
        self._day = ""
        self._here: Counter[str] = Counter()

    async def used_up(self, user: str) -> str:
        """Why the model may not be asked now: a sentence without a full stop, empty while it may."""
        limits = self._limits(user)
        if not limits:
            return ""
        at = self._clock()
        used = await self._used(_key(at), list(limits))
        full = [name for name, limit in limits.items() if used[name] >= limit]
        if not full:
            return ""
        whose = "Today's tokens" if _ALL in full else "Your tokens of today"
        midnight = datetime.combine(at.date() + timedelta(days=1), time(), at.tzinfo)
        hours = math.ceil((midnight - at) / timedelta(hours=1))
        return f"{whose} for the chat model are used up until 00:00 UTC (in {hours} h)"

    @asynccontextmanager
    async def metered(self, user: str) -> AsyncIterator[Meter]:
        """A callback for the chain that answers ``user``; what it has measured is charged at the end, however that comes."""
        meter = Meter()
        try:
            yield meter
        finally:
            # Charged also for who went away in the middle of the answer.
            await self._charge(user, meter.total())

    async def _charge(self, user: str, tokens: int) -> None:
        limits = self._limits(user)
        if not limits or not tokens:
            return
        key = _key(self._clock())
        here = self._counted_here(key)
        for name in limits:
            here[name] += tokens
        if (redis := self._redis) is None:
            return

        async def count() -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for name in limits:
                    pipeline.hincrby(key, name, tokens)
                pipeline.expire(key, _KEPT)
                await pipeline.execute()

        with suppress(TransientError):
            await self._outage.reach(count)

    async def _used(self, key: str, names: list[str]) -> dict[str, int]:
        # What this process counted itself is also what a Redis that came back empty has forgotten.
        here = self._counted_here(key)
        found: list[Any] = [None] * len(names)
        if (redis := self._redis) is not None:
            with suppress(TransientError):
                found = await self._outage.reach(lambda: redis.hmget(key, names))
        return {name: max(int(count or 0), here[name]) for name, count in zip(names, found, strict=True)}

    def _limits(self, user: str) -> dict[str, int]:
        limits = {_ALL: self._daily, user: self._per_person}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def _counted_here(self, key: str) -> Counter[str]:
        if key != self._day:
            self._day, self._here = key, Counter()
        return self._here


@dataclass
class _Call:
    """Characters."""

    prompt: int
    said: int = 0


class Meter(AsyncCallbackHandler):
    """Adds up what the chat model uses for one question, condensing included: as it reports it, or else estimated.

    A call that failed before it said anything counts nothing.
    """

    def __init__(self) -> None:
        self._tokens = 0
        self._calls: dict[UUID, _Call] = {}

    def total(self) -> int:
        """Calls that were broken off, by whomever, never come to their report: they are estimated now."""
        for run_id in list(self._calls):
            self._end(run_id)
        return self._tokens

    async def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **_: Any
    ) -> None:
        self._calls[run_id] = _Call(prompt=sum(len(message.text) for batch in messages for message in batch))

    async def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        run_id: UUID,
        **_: Any,
    ) -> None:
        if call := self._calls.get(run_id):
            call.said += len(chunk.text if chunk else token)

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        message = getattr(response.generations[0][0], "message", None)
        self._end(run_id, getattr(message, "usage_metadata", None))

    def _end(self, run_id: UUID, usage: UsageMetadata | None = None) -> None:
        call = self._calls.pop(run_id, None)
        if call is None or not (usage or call.said):
            return
        if usage:
            counted, tokens = "reported", {"input": usage["input_tokens"], "output": usage["output_tokens"]}
        else:
            counted, tokens = "estimated", {"input": _estimate(call.prompt), "output": _estimate(call.said)}
        for kind, count in tokens.items():
            TOKENS.labels(kind, counted).inc(count)
            self._tokens += count


def _estimate(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


def _key(at: datetime) -> str:
    return f"footnote:tokens:{at:%Y-%m-%d}"
