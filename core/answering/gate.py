"""Which messages are answered: each once, of a sensible size, and not too many from one person."""

from __future__ import annotations

import math
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from core.answering.outage import Outage
from core.errors import TransientError, UserError
from core.models import Message

LONGEST_QUESTION = 4000
"""Characters."""
CLAIM_TTL = 3600
"""Seconds. Slack repeats an event for some minutes, a gateway replays after a reconnection."""
WINDOW = 60
"""Seconds over which a person's questions are counted."""

_TIMEOUT = 5.0
"""Seconds. Platforms have their acknowledgement by then; whoever gives up on a Redis that is only busy answers twice."""
_REMEMBERED = 10_000
_SHORTCODE = re.compile(r"<a?:\w+:\d+>|:[\w+'-]+:")

# If any id is taken the message is a repetition, and its other ids are taken too: it may come once more under those.
# What is ours already is a claim whose answer was lost on its way: this process asks once for each message.
# All claims share one hash tag, hence one slot of a cluster, because they must be checked and set in one step.
_CLAIM = """
local owner = false
for _, key in ipairs(KEYS) do owner = owner or redis.call('GET', key) end
for _, key in ipairs(KEYS) do redis.call('SET', key, owner or ARGV[1], 'EX', ARGV[2], 'NX') end
return owner and owner ~= ARGV[1] and 0 or 1
"""
_RELEASE = """
for _, key in ipairs(KEYS) do if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end end
return 1
"""
# Returns the seconds to wait, as a string because Redis cuts fractions, or 0 when the question is admitted.
_ADMIT = """
local now, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) >= limit then
  local oldest = redis.call('ZRANGE', KEYS[1], -limit, -limit, 'WITHSCORES')
  return tostring(tonumber(oldest[2]) + window - now)
end
redis.call('ZADD', KEYS[1], now, ARGV[4])
redis.call('EXPIRE', KEYS[1], window)
return '0'
"""


class Gate:
    """Shared by all processes through Redis; while Redis is away each process counts for itself.

    ``rate_limit`` is the number of questions that a person may ask in a minute; ``clock`` gives seconds since the epoch.
    """

    def __init__(self, redis: Redis, rate_limit: int, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._rate_limit = rate_limit
        self._clock = clock
        self._owner = secrets.token_hex(8)
        self._outage = Outage("repetitions and rates are known within each process only", timeout=_TIMEOUT)
        self._claims: dict[str, float] = {}
        self._asked: dict[str, deque[float]] = {}

    async def claim(self, message: Message) -> bool:
        """True for the first who claims the message by its id or any of its aliases; everyone else gets False."""
        ids = (message.id, *message.aliases)
        if not self._claim_here(ids):
            return False
        keys = [_claim_key(id) for id in ids]
        try:
            return bool(int(await self._eval(_CLAIM, keys, self._owner, CLAIM_TTL)))
        except TransientError:
            return True

    async def release(self, message: Message) -> None:
        """Give the claim back, because nobody was answered: the message may be claimed again."""
        ids = (message.id, *message.aliases)
        for id in ids:
            self._claims.pop(id, None)
        with suppress(TransientError):
            await self._eval(_RELEASE, [_claim_key(id) for id in ids], self._owner)

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
        wait = await self._wait(message.user)
        if wait > 0:
            seconds = math.ceil(wait)
            raise UserError(
                f"You asked {self._rate_limit} questions in the last minute, which is the limit. "
                f"Please ask again in {seconds} second{'' if seconds == 1 else 's'}."
            )

    async def _wait(self, user: str) -> float:
        """Seconds until the person may ask again, 0 when now; then the question counts."""
        now = self._clock()
        try:
            wait = await self._eval(
                _ADMIT, [f"footnote:rate:{{{user}}}"], repr(now), WINDOW, self._rate_limit, secrets.token_hex(8)
            )
        except TransientError:
            return self._wait_here(user, now)
        if (seconds := float(wait)) <= 0:
            self._wait_here(user, now)
        return seconds

    async def _eval(self, script: str, keys: list[str], *arguments: str | int) -> Any:
        return await self._outage.reach(lambda: self._redis.eval(script, len(keys), *keys, *map(str, arguments)))

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

    def _wait_here(self, user: str, now: float) -> float:
        asked = self._asked.setdefault(user, deque(maxlen=self._rate_limit))
        if len(asked) == self._rate_limit and asked[0] > now - WINDOW:
            return asked[0] + WINDOW - now
        asked.append(now)
        while len(self._asked) > _REMEMBERED:
            self._asked.pop(next(iter(self._asked)))
        return 0.0


def _claim_key(id: str) -> str:
    return f"footnote:{{claims}}:{id}"
