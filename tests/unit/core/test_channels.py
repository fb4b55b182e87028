"""How the bot behaves in a channel is read from Redis, and remembered while Redis is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from core.channels import DEFAULT, ChannelConfig, Channels, Policy
from core.errors import TransientError
from tests.one_redis import redis_away

QUIET = ChannelConfig(policy=Policy.MENTION, sources=("wiki",), language="German", tone="brief", private=True)


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


async def test_a_channel_nobody_changed_behaves_as_by_default(redis: Redis) -> None:
    assert await Channels(redis).of("slack", "C1") == DEFAULT


async def test_what_was_changed_counts_here_at_once_and_in_other_processes_soon(redis: Redis) -> None:
    clock = Clock()
    here, there = Channels(redis), Channels(redis, clock=clock)
    assert await there.of("slack", "C1") == DEFAULT
    await here.change("slack", "C1", QUIET)
    assert await here.of("slack", "C1") == QUIET
    assert await there.of("slack", "C1") == DEFAULT
    clock.seconds += 6
    assert await there.of("slack", "C1") == QUIET
    assert await there.of("slack", "C2") == DEFAULT


async def test_a_discord_channel_is_the_same_with_and_without_its_platform(redis: Redis) -> None:
    await Channels(redis).change("discord", "discord:7", QUIET)
    assert await Channels(redis).of("discord", "7") == QUIET


async def test_the_default_leaves_nothing_behind(redis: Redis) -> None:
    channels = Channels(redis)
    await channels.change("slack", "C1", QUIET)
    await channels.change("slack", "C1", DEFAULT)
    assert await redis.keys("footnote:channel:*") == []
    assert await Channels(redis).of("slack", "C1") == DEFAULT


async def test_a_channel_for_which_nothing_is_set_behaves_as_the_server_around_it(redis: Redis) -> None:
    channels = Channels(redis)
    channels.lie_in("discord", lambda id: "server:1" if id in {"7", "8"} else "")
    await channels.change("discord", "server:1", QUIET)
    await channels.change("discord", "8", DEFAULT)
    assert [await channels.of("discord", id) for id in ("7", "8", "9", "server:1")] == [QUIET, DEFAULT, DEFAULT, QUIET]
    await channels.change("discord", "8", QUIET)
    assert await redis.keys("footnote:channel:*") == [b"footnote:channel:discord:server:1"]
    assert await channels.of("slack", "7") == DEFAULT


async def test_while_redis_is_away_the_last_word_counts_and_nothing_is_changed(redis: Redis) -> None:
    clock = Clock()
    channels = Channels(redis, clock=clock)
    await channels.change("slack", "C1", QUIET)
    channels._redis = redis_away()
    clock.seconds += 6
    assert await channels.of("slack", "C1") == QUIET
    assert await channels.of("slack", "C2") == DEFAULT
    with pytest.raises(TransientError):
        await channels.change("slack", "C1", DEFAULT)
    assert await channels.of("slack", "C1") == QUIET


@pytest.mark.parametrize(
    "write",
    [
        lambda redis: redis.set("footnote:channel:slack:C1", '{"policy": "shout"}'),
        lambda redis: redis.set("footnote:channel:slack:C1", "{"),
    ],
)
async def test_what_cannot_be_read_is_as_if_it_were_not_there(redis: Redis, write: Callable[[Redis], Awaitable[object]]) -> None:
    await write(redis)
    assert await Channels(redis).of("slack", "C1") == DEFAULT


async def test_a_setting_of_a_later_version_does_not_hide_the_others(redis: Redis) -> None:
    await redis.set("footnote:channel:slack:C1", '{"private": true, "from_tomorrow": 1}')
    assert (await Channels(redis).of("slack", "C1")).private
