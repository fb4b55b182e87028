"""Which messages are answered: each once, of a sensible size, and not too many from one person or in one channel."""

from __future__ import annotations

import math
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from core.errors import TransientError, UserError
from core.models import Message
from core.outage import Outage
from core.redis import text

LONGEST_QUESTION = 4000
"""Characters."""
CLAIM_TTL = 3600
"""Seconds. Slack repeats an event for some minutes, a gateway replays after a reconnection."""
WINDOW = 60
"""Seconds over which questions are counted."""

_TIMEOUT = 5.0
"""Seconds. Platforms have their acknowledgement by then; whoever gives up on a Redis that is only busy answers twice."""
_REMEMBERED = 10_000
_SHORTCODE = re.compile(r"<a?:\w+:\d+>|:[\w+'-]+:")

# If any id is taken the message is a repetition, and its other ids are taken too: it may come once more under those.
# What is ours already is a claim whose answer was lost on its way: this process asks once for each message. A claim names
# the process and the message that it was made for: who takes a message over from a process that died takes its claim, too.
# All claims share one hash tag, hence one slot of a cluster, because they must be checked and set in one step.
_CLAIM = """
local owner = false
for _, key in ipairs(KEYS) do owner = owner or redis.call('GET', key) end
for _, key in ipairs(KEYS) do redis.call('SET', key, owner or ARGV[1], 'EX', ARGV[2], 'NX') end
return owner or ARGV[1]
"""
_RELEASE = """
for _, key in ipairs(KEYS) do if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end end
return 1
"""
# Counts a question for its person and its channel, or for neither when one of them has reached its limit. Returns which of
# KEYS lasts longest, or 0 when the question is admitted, and the seconds to wait: a string, because Redis cuts fractions.
# All share one hash tag for the same reason as the claims.
_ADMIT = """
local now, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local full, wait = 0, 0
for number, key in ipairs(KEYS) do
  local limit = tonumber(ARGV[3 + number])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  if redis.call('ZCARD', key) >= limit then
    local oldest = redis.call('ZRANGE', key, -limit, -limit, 'WITHSCORES')
    local left = tonumber(oldest[2]) + window - now
    if left > wait then full, wait = number, left end
  end
end
if full == 0 then
  for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[3])
    redis.call('EXPIRE', key, window)
  end
end
return {full, tostring(wait)}
"""


class TooMany(UserError):
    """Too many questions were asked in the last minute. Please ask again in a minute."""


@dataclass(frozen=True, kw_only=True)
class _Limit:
    key: str
    questions: int
    asked: str
    """Who asked so many, as a refusal names them."""


class Gate:
    """Shared by all processes through Redis; while Redis is away each process counts for itself.

    ``rate_limit`` is the number of questions that a person may ask in a minute, ``channel_rate_limit`` that of all who ask
    in one channel (None: no limit), where a question that only its person sees the answer of does not count. ``clock`` gives
    seconds since the epoch.
    """

    def __init__(
        self,
        redis: Redis,
        rate_limit: int,
        channel_rate_limit: int | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._rate_limit = rate_limit
        self._channel_rate_limit = channel_rate_limit
        self._clock = clock
        self._owner = secrets.token_hex(8)
        self._outage = Outage("repetitions and rates are known within each process only", timeout=_TIMEOUT)
        self._claims: dict[str, float] = {}
        self._asked: dict[str, deque[float]] = {}

    async def claim(self, message: Message, *, taken_over: bool = False) -> bool:
        """True for the first who claims the message by its id or any of its aliases; everyone else gets False.

        Who has ``taken_over`` a message that was begun under this id gets True as well, unless it was claimed under another
        one: then its twin was answered.
        """
        ids = (message.id, *message.aliases)
        if not self._claim_here(ids) and not taken_over:
            return False
        mine = self._claim_of(message)
        try:
            owner = text(await self._eval(_CLAIM, [_claim_key(id) for id in ids], mine, CLAIM_TTL))
        except TransientError:
            return True
        return owner == mine or (taken_over and owner.partition(" ")[2] == message.id)

    async def release(self, message: Message) -> None:
        """Give the claim back, because nobody was answered: the message may be claimed again."""
        ids = (message.id, *message.aliases)
        for id in ids:
            self._claims.pop(id, None)
        with suppress(TransientError):
            await self._eval(_RELEASE, [_claim_key(id) for id in ids], self._claim_of(message))

    async def admit(self, message: Message) -> None:
        """Raises UserError, worded for the person: nothing was asked, too much, or too often."""
        text = message.text.strip()
        if not text:
            raise UserError("There is no question in your message. Ask me something about your team's documents.")
        if not any(character.isalnum() for character in _SHORTCODE.sub("", text)):
            raise UserError("I cannot read a question from that: please ask it in words.")
        if len(text) > LONGEST_QUESTION:
            raise UserError(
                f"Your question has {len(text):,} characters, and I read {LONGEST_QUESTION:,} at most. "
                "Please shorten it to what you want to know."
            )
        await self._count(self._limits(message))

    def _limits(self, message: Message) -> list[_Limit]:
        limits = [_Limit(key=f"footnote:{{rates}}:{message.user}", questions=self._rate_limit, asked="You")]
        if self._channel_rate_limit is not None and not message.private:
            key = f"footnote:{{rates}}:channel:{message.platform}:{message.channel_id}"
            limits.append(_Limit(key=key, questions=self._channel_rate_limit, asked="The people in this channel"))
        return limits

    async def _count(self, limits: list[_Limit]) -> None:
        """Raises TooMany when one of them is reached; then the question counts for none."""
        now = self._clock()
        keys = [limit.key for limit in limits]
        try:
            full, wait = await self._eval(
                _ADMIT, keys, repr(now), WINDOW, secrets.token_hex(8), *(limit.questions for limit in limits)
            )
        except TransientError:
            self._count_here(limits, now)
            return
        if full:
            raise _too_many(limits[int(full) - 1], float(wait))
        with suppress(TooMany):
            self._count_here(limits, now)

    async def _eval(self, script: str, keys: list[str], *arguments: str | int) -> Any:
        return await self._outage.reach(lambda: self._redis.eval(script, len(keys), *keys, *map(str, arguments)))

    def _claim_of(self, message: Message) -> str:
        return f"{self._owner} {message.id}"

    # The same within this process: it also knows what a Redis that came back empty has forgotten.

    def _claim_here(self, ids: tuple[str, ...]) -> bool:
        now = self._clock()
        taken = any(self._claims.get(id, 0.0) > now for id in ids)
        for id in ids:
            if self._claims.get(id, 0.0) <= now:
                # Taken out first, so that the oldest stay in front.
                self._claims.pop(id, None)
                self._claims[id] = now + CLAIM_TTL
        while len(self._claims) > _REMEMBERED:
            self._claims.pop(next(iter(self._claims)))
        return not taken

    def _count_here(self, limits: list[_Limit], now: float) -> None:
        asked = [self._asked.setdefault(limit.key, deque(maxlen=limit.questions)) for limit in limits]
        waits = [
            times[0] + WINDOW - now if len(times) == limit.questions else 0.0 for limit, times in zip(limits, asked, strict=True)
        ]
        longest = max(waits)
        if longest > 0:
            raise _too_many(limits[waits.index(longest)], longest)
        for times in asked:
            times.append(now)
        while len(self._asked) > _REMEMBERED:
            self._asked.pop(next(iter(self._asked)))


def _too_many(limit: _Limit, wait: float) -> TooMany:
    seconds = math.ceil(wait)
    return TooMany(
        f"{limit.asked} asked {limit.questions} questions in the last minute, which is the limit. "
        f"Please ask again in {seconds} second{'' if seconds == 1 else 's'}."
    )


def _claim_key(id: str) -> str:
    return f"footnote:{{claims}}:{id}"
