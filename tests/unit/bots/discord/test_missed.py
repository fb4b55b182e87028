"""How far everything was heard on a server is noted now and then, and not while something may be missing before it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import discord
from redis.asyncio import Redis

from bots.discord.missed import Missed
from tests.fakes import NOON

SERVER: Any = SimpleNamespace(id=7)


def said(seconds: float) -> Any:
    """A message in a channel of the server, so long after noon."""
    at = NOON + timedelta(seconds=seconds)
    return SimpleNamespace(id=discord.utils.time_snowflake(at), created_at=at, guild=SERVER, channel=None)


async def noted(redis: Redis) -> int | None:
    """Up to which message."""
    raw = await redis.hget("footnote:discord:heard", str(SERVER.id))
    return int(raw) if raw else None


async def test_it_is_noted_every_few_seconds_and_never_backwards(redis: Redis) -> None:
    missed = Missed(redis, lambda: NOON)
    for seconds, until in ((0, 0), (1, 0), (4, 4), (2, 4), (5, 4), (9, 9)):
        await missed.heard(said(seconds))
        assert await noted(redis) == said(until).id


async def test_what_is_heard_before_a_server_was_looked_through_is_not_taken_for_the_last_that_was_said(redis: Redis) -> None:
    missed = Missed(redis, lambda: NOON)
    await missed.heard(said(0))
    missed.fell_behind([SERVER])
    await missed.heard(said(60))
    assert await noted(redis) == said(0).id
