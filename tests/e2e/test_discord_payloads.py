"""Answers as models write them, over the real client: Discord refuses none of them, and each arrives whole."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.models import Answer, Audience, Message
from tests.e2e.discord_dialogue import dialogue
from tests.emulators.discord_components import buttons_of
from tests.property.answers import generated

_AT_ONCE = 50
_CHANNELS = 120


async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    number = int(re.findall(r"\d+", message.text)[0])
    whole = generated(number)
    if number % 3:
        # Streamed as far as its first half.
        yield whole.text[: len(whole.text) // 2]
        await asyncio.sleep(0)
    yield replace(whole, question=message.text)


@pytest.mark.parametrize("count", [60, pytest.param(2_000, marks=[pytest.mark.slow, pytest.mark.long])])
async def test_no_generated_answer_is_refused(count: int) -> None:
    async with dialogue(script) as talk:
        channels = [talk.discord.channel(f"room-{number}") for number in range(_CHANNELS)]
        # One person alone would ask too much.
        people = [talk.discord.user(f"Ana {number}") for number in range(_CHANNELS)]
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(number: int) -> None:
            async with turns:
                channel = channels[number % _CHANNELS]
                question = await talk.discord.mention(people[number % _CHANNELS], channel, f"Question {number}?")
                await talk.discord.answer_to(question)
                good = f"run:rate {generated(number).id} good"

                def ended() -> bool:
                    return any(button["custom_id"] == good for said in channel.messages for button in buttons_of(said.components))

                await talk.discord.until(ended, what=f"the end of answer {number}")

        async with asyncio.TaskGroup() as asking:
            for number in range(count):
                asking.create_task(ask(number))
        refused = [call for call in talk.discord.rest.calls if call.status >= 400]
        assert not refused
        replies = [said.reply_to for channel in channels for said in talk.discord.said_by_bot(channel) if said.reply_to]
        assert len(replies) == len(set(replies)) == count
