"""A bot that is in so many servers that Discord wants it to come by several connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bots.discord.client import DiscordBot
from core.errors import ConfigError
from tests.e2e.discord_dialogue import Dialogue, scene

# discord.py waits 5 s between two shards, as Discord wants it.
pytestmark = pytest.mark.slow


@asynccontextmanager
async def sharded() -> AsyncIterator[tuple[Dialogue, DiscordBot]]:
    """Of two shards the second has the server, the first the direct messages."""
    async with scene() as talk:
        talk.discord.gateway.shards = 2
        async with talk.running() as bot:
            yield talk, bot


async def test_it_comes_by_as_many_connections_as_discord_recommends_and_answers_on_each() -> None:
    async with sharded() as (talk, bot):
        assert bot.connected
        assert talk.discord.gateway.connections == 2
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        await talk.discord.answer_to(await talk.discord.dm(talk.ana, "How many days?"))
        await talk.discord.finished(await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?"))
        assert len(talk.assistant.asked) == 3
        assert talk.assistant.asked[0][1] == talk.members
    assert talk.discord.gateway.connections == 0


@pytest.mark.fault
async def test_it_is_connected_only_while_all_connections_are() -> None:
    async with sharded() as (talk, bot):
        talk.discord.gateway.refused_handshakes = 1
        await talk.discord.gateway.cut(shard=1)
        await talk.discord.until(lambda: not bot.connected, what="the bot to notice")
        await talk.discord.answer_to(await talk.discord.dm(talk.ana, "How many days?"))
        await talk.discord.until(lambda: bot.connected, what="the bot to come back")
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you back?"))


@pytest.mark.fault
async def test_what_is_asked_while_one_connection_is_away_is_answered_once() -> None:
    async with sharded() as (talk, _bot):
        await talk.discord.gateway.cut(shard=1)
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Did you miss this?"))
        await talk.discord.stays(lambda: len(talk.discord.said_by_bot(talk.general)) == 1)
        assert talk.discord.gateway.resumed == 1


async def test_the_number_of_connections_can_be_set() -> None:
    async with scene() as talk, talk.running(talk.bot(discord_shards=2)):
        assert talk.discord.gateway.connections == 2


async def test_too_few_connections_are_a_configuration_error() -> None:
    async with scene() as talk:
        talk.discord.gateway.shards = 2
        bot = talk.bot(discord_shards=1)
        with pytest.raises(ConfigError, match=r"4011.*DISCORD_SHARDS"):
            await bot.start()
        await bot.stop()


@pytest.mark.fault
async def test_refused_first_handshakes_do_not_kill_it() -> None:
    async with scene() as talk:
        talk.discord.gateway.shards, talk.discord.gateway.refused_handshakes = 2, 1
        async with talk.running() as bot:
            assert bot.connected
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))


async def test_a_bad_token_and_an_intent_that_is_not_granted_are_configuration_errors_there_too() -> None:
    async with scene() as talk:
        talk.discord.gateway.shards = 2
        bot = talk.bot(discord_message_content=True)
        with pytest.raises(ConfigError, match=r"4014.*Message Content Intent"):
            await bot.start()
        await bot.stop()
