"""How the bot behaves in a channel, as the people there have set it: in Redis, by the channel's id."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from core.errors import TransientError
from core.models import Principal
from core.outage import Outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

_SECONDS = 5.0
"""A change counts after so long in every process."""
_REMEMBERED = 10_000
_TIMEOUT = 1.0


class Policy(StrEnum):
    """To which messages of a channel the bot replies, direct messages aside."""

    MENTION = "mention"
    """Only to those that mention it."""
    STICKY = "sticky-thread"
    """Also to further questions in a thread in which it was asked; what people tell each other there is left alone."""
    QUESTIONS = "questions"
    """Also to whatever is a question, a forum post among it."""


@dataclass(frozen=True, kw_only=True)
class ChannelConfig:
    policy: Policy = Policy.STICKY
    sources: tuple[str, ...] = ()
    """Answers come from these only; from all without any."""
    language: str = ""
    """In which answers are written (``German``); that of the question when empty."""
    tone: str = ""
    """How they are written, in a few words (``brief, for engineers``)."""
    escalate_to: str = ""
    """Who is called when a person asks for a human: a platform's id of a person or group (``slack:U123``, ``discord:role:7``)."""
    private: bool = False
    """Answer each person alone, from what they may read."""
    threads: bool = False
    """Discord: answer each mention in a thread of its own."""
    askers: tuple[Principal, ...] = ()
    """Discord: who may ask here, people and roles (``discord:role:7``); everybody without any."""


DEFAULT = ChannelConfig()

_CONFIG: TypeAdapter[ChannelConfig] = TypeAdapter(ChannelConfig)


class Channels:
    """A channel for which nothing is set behaves as the server around it, where there is one. While Redis is away what was known
    last counts, else the default.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._known: dict[str, tuple[float, ChannelConfig | None]] = {}
        self._around: dict[str, Callable[[str], str]] = {}
        self._outage = Outage("channels behave as they did last, or as by default", timeout=_TIMEOUT)

    def lie_in(self, platform: str, around: Callable[[str], str]) -> None:
        """From now on ``around`` tells the id of the server around a channel of the platform, or an empty one."""
        self._around[platform] = around

    async def of(self, platform: str, channel_id: str) -> ChannelConfig:
        own = await self._set(platform, channel_id)
        return await self.around(platform, channel_id) if own is None else own

    async def around(self, platform: str, channel_id: str) -> ChannelConfig:
        """How it behaves as long as nothing is set for it."""
        server = self._around[platform](channel_id) if platform in self._around else ""
        return (server and await self._set(platform, server)) or DEFAULT

    async def change(self, platform: str, channel_id: str, config: ChannelConfig) -> None:
        """Raises TransientError when it could not be written."""
        key = _key(platform, channel_id)
        own = None if config == await self.around(platform, channel_id) else config
        if own is None:
            await self._outage.reach(lambda: cast("Any", self._redis.delete(key)))
        else:
            await self._outage.reach(lambda: cast("Any", self._redis.set(key, _CONFIG.dump_json(own))))
        self._remember(key, own)

    async def _set(self, platform: str, id: str) -> ChannelConfig | None:
        key = _key(platform, id)
        read_at, config = self._known.get(key, (0.0, None))
        if read_at and self._clock() - read_at < _SECONDS:
            return config
        try:
            raw = await self._outage.reach(lambda: cast("Any", self._redis.get(key)))
            config = _CONFIG.validate_json(raw) if raw else None
        except (TransientError, ValidationError):
            return config
        self._remember(key, config)
        return config

    def _remember(self, key: str, config: ChannelConfig | None) -> None:
        self._known.pop(key, None)
        self._known[key] = self._clock(), config
        while len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)))


def server(id: int | str) -> str:
    """What the settings of a whole server are kept under, as if it were a channel."""
    return f"server:{id}"


def _key(platform: str, channel_id: str) -> str:
    # Discord's ids come with their platform already.
    return f"footnote:channel:{platform}:{channel_id.removeprefix(f'{platform}:')}"
