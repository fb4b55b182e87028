"""Slack: Socket Mode comes back by itself, and ``connected`` says the truth meanwhile.

The bots of these tests ping twice a second and are patient for 2 s; in production it is every 5 s and 15 s.
"""

from __future__ import annotations

import asyncio

import pytest

from bots.slack.app import SlackBot
from tests.e2e.slack_dialogue import ANA, GENERAL, Dialogue, dialogue

pytestmark = [pytest.mark.fault]


async def comes_back(talk: Dialogue, bot: SlackBot) -> None:
    question = await talk.slack.mention(ANA, GENERAL, "are you there?")
    await talk.slack.until_reply(question)
    await talk.slack.until(lambda: bot.connected, what="connected")
    await talk.slack.settled()
    assert len(talk.slack.replies(question)) == 1


async def is_down(talk: Dialogue, bot: SlackBot) -> None:
    await talk.slack.until(lambda: not bot.connected, what="not connected")


async def test_after_a_disconnect_message() -> None:
    async with dialogue() as talk, talk.running() as bot:
        await talk.slack.courier.say_goodbye()
        await talk.slack.until(lambda: talk.slack.courier.handshakes == 2, what="a new connection")
        await comes_back(talk, bot)


async def test_after_a_cut() -> None:
    async with dialogue() as talk, talk.running() as bot:
        talk.slack.courier.cut()
        await is_down(talk, bot)
        await comes_back(talk, bot)


@pytest.mark.slow
async def test_after_the_other_side_froze_and_the_unacknowledged_question_is_answered_once() -> None:
    async with dialogue(retry_seconds=(0.1, 0.5, 1, 2, 4)) as talk, talk.running() as bot:
        talk.slack.courier.freeze()
        question = await talk.slack.mention(ANA, GENERAL, "are you there?")
        await is_down(talk, bot)
        await talk.slack.until_reply(question)
        await talk.slack.settled()
        assert len(talk.slack.replies(question)) == 1


async def test_after_refused_handshakes() -> None:
    async with dialogue() as talk, talk.running() as bot:
        talk.slack.courier.refuse_handshakes = 6
        talk.slack.courier.cut()
        await is_down(talk, bot)
        await comes_back(talk, bot)


async def test_after_the_first_handshakes_were_refused() -> None:
    async with dialogue() as talk:
        talk.slack.courier.refuse_handshakes = 5
        async with talk.running() as bot:
            assert bot.connected
            await comes_back(talk, bot)


async def test_after_the_first_address_had_expired() -> None:
    async with dialogue() as talk:
        talk.slack.courier.expire_urls = 3
        async with talk.running() as bot:
            assert bot.connected
            assert talk.slack.courier.issued_urls > 3
            await comes_back(talk, bot)


async def test_after_slack_could_not_say_where_to_connect() -> None:
    async with dialogue() as talk, talk.running() as bot:
        talk.slack.fail("apps.connections.open", status=500, times=12)
        talk.slack.courier.cut()
        await is_down(talk, bot)
        await comes_back(talk, bot)


async def test_answers_go_out_while_the_socket_is_down() -> None:
    async with dialogue() as talk, talk.running() as bot:
        question = await talk.slack.mention(ANA, GENERAL, "are you there?")
        await asyncio.sleep(0.05)
        talk.slack.courier.refuse_handshakes = 4
        talk.slack.courier.cut()
        await talk.slack.until_reply(question)
        await is_down(talk, bot)
        await comes_back(talk, bot)
