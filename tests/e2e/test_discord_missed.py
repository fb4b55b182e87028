"""What people say on Discord while the bot has no session: answered when it has one again, once, unless nobody waits any more."""

from __future__ import annotations

import asyncio

import pytest

from bots.discord.missed import forget_person
from core.channels import Policy
from tests.e2e.discord_dialogue import Dialogue, dialogue, says, scene
from tests.emulators.discord_permissions import HISTORY, VIEW

pytestmark = pytest.mark.fault


async def _once(talk: Dialogue, questions: int) -> None:
    """As many answers as questions, and no more."""
    await talk.discord.until(lambda: len(talk.assistant.asked) == questions, what="all questions to be heard")
    await talk.discord.stays(lambda: len(talk.assistant.asked) == questions)


@pytest.mark.slow
async def test_what_is_asked_between_two_sessions_is_answered_once() -> None:
    async with scene() as talk, talk.running() as bot:
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you there?"))
        await talk.discord.answer_to(await talk.discord.dm(talk.ana, "And here?"))
        await talk.discord.gateway.invalidate_sessions()
        await talk.discord.until(lambda: not bot.connected, what="the bot to notice")
        question = await talk.discord.mention(talk.ana, talk.general, "Did you miss this?")
        direct = await talk.discord.dm(talk.ana, "And this?")
        # discord.py waits 5 s before it identifies again.
        await asyncio.gather(talk.discord.answer_to(question), talk.discord.answer_to(direct))
        await _once(talk, 4)


@pytest.mark.parametrize("shards", [1, 2])
async def test_what_is_asked_while_no_process_runs_is_answered_by_the_next_one_once(shards: int) -> None:
    async with scene() as talk:
        talk.discord.gateway.shards = shards
        async with talk.running():
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you there?"))
            await talk.discord.answer_to(await talk.discord.dm(talk.ana, "And here?"))
        elsewhere, thread = talk.discord.channel("elsewhere"), talk.discord.thread(talk.general, "Leave")
        places = [talk.general, elsewhere, thread, talk.discord.voice("Standup")]
        questions = [await talk.discord.mention(talk.ana, place, "Did you miss this?") for place in places]
        questions.append(await talk.discord.dm(talk.ana, "And this?"))
        async with talk.running(), talk.running():
            await asyncio.gather(*(talk.discord.answer_to(question) for question in questions))
            await _once(talk, 7)
        async with talk.running():
            await _once(talk, 7)


async def test_it_is_answered_from_what_the_channel_and_the_person_may_read() -> None:
    async with scene() as talk:
        alone = talk.discord.channel("alone")
        await talk.set(alone, private=True)
        async with talk.running():
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you there?"))
        await talk.discord.mention(talk.ana, talk.general, "Who earns what?")
        await talk.discord.mention(talk.ana, alone, "Who earns what?")
        async with talk.running():
            await _once(talk, 3)
        heard_by = {message.private: audience for message, audience in talk.assistant.asked[1:]}
        assert heard_by[False] == talk.members
        [reader] = heard_by[True].readers
        assert f"role:discord:{talk.people_ops.id}" in reader


async def test_a_policy_and_a_conversation_go_on_where_they_were() -> None:
    async with scene() as talk:
        talk.discord.grant_message_content()
        help_forum = talk.discord.forum("help")
        await talk.set(help_forum, policy=Policy.QUESTIONS)
        async with talk.running(talk.bot(discord_message_content=True)):
            thread = talk.discord.thread(talk.general, "Leave")
            answer = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, thread, "How many days?"))
        await talk.discord.say(talk.ana, talk.general, "And in Spain?", reply_to=answer)
        await talk.discord.say(talk.ana, thread, "And in France?")
        await talk.discord.post(talk.ana, help_forum, "Leave", "How many days do we have?")
        await talk.discord.say(talk.root, talk.general, "Lunch?")
        async with talk.running(talk.bot(discord_message_content=True)):
            await _once(talk, 5)
        chain, in_thread = (message.conversation_id for message, _ in talk.assistant.asked[:2])
        further = {message.text: message.conversation_id for message, _ in talk.assistant.asked[2:]}
        assert (further["And in Spain?"], further["And in France?"]) == (chain, in_thread)


async def test_what_was_taken_back_is_left_alone_and_what_was_reworded_answered_as_it_reads_now() -> None:
    async with scene() as talk:
        async with talk.running():
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you there?"))
        await talk.discord.delete(await talk.discord.mention(talk.ana, talk.general, "Never mind"))
        reworded = await talk.discord.mention(talk.ana, talk.general, "How meny days?")
        await talk.discord.edit(reworded, f"{talk.discord.bot.mention} How many days?")
        async with talk.running():
            await talk.discord.answer_to(reworded)
            await _once(talk, 2)
        assert talk.assistant.asked[1][0].text == "How many days?"


async def test_nobody_is_answered_who_asked_too_long_ago_or_where_the_bot_was_never_before() -> None:
    async with scene() as talk:
        async with talk.running():
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you there?"))
        await talk.discord.mention(talk.ana, talk.general, "Is it urgent?")
        talk.discord.clock.advance(16 * 60)
        late = await talk.discord.mention(talk.ana, talk.general, "Is it still?")
        async with talk.running():
            await talk.discord.answer_to(late)
            await _once(talk, 2)
    async with scene() as talk:
        await talk.discord.mention(talk.ana, talk.general, "Before you were invited")
        async with talk.running():
            await talk.discord.stays(lambda: not talk.assistant.asked)


async def test_channels_in_which_nothing_was_said_or_that_it_may_not_read_are_not_asked_for() -> None:
    async with scene() as talk:
        quiet, closed, forgetful = (talk.discord.channel(name) for name in ("quiet", "closed", "forgetful"))
        async with talk.running():
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, quiet, "Are you there?"))
            talk.discord.clock.advance(60)
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "And here?"))
        for channel, right in ((closed, VIEW), (forgetful, HISTORY)):
            await talk.discord.mention(talk.ana, channel, "Is it urgent?")
            talk.discord.overwrite(channel, talk.discord.bot, deny=right)
        question = await talk.discord.mention(talk.ana, talk.general, "Did you miss this?")
        async with talk.running():
            await talk.discord.answer_to(question)
            await _once(talk, 3)
        [call] = [call for call in talk.discord.rest.calls if call.method == "GET" and call.path.endswith("/messages")]
        assert str(talk.general.id) in call.path


@pytest.mark.parametrize("kind", [429, 500, "refused", 403])
async def test_a_look_up_that_fails_is_repeated_or_costs_that_channel_alone(kind: int | str) -> None:
    async with scene(says("Thirty days.")) as talk:
        async with talk.running():
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you there?"))
        first = await talk.discord.mention(talk.ana, talk.general, "Did you miss this?")
        talk.discord.clock.advance(1)
        other = await talk.discord.mention(talk.ana, talk.discord.channel("other"), "And this?")
        talk.discord.fail("GET", f"{other.channel.id}/messages$", kind)
        async with talk.running():
            await talk.discord.answer_to(first)
            await _once(talk, 2 if kind == 403 else 3)


async def test_of_a_person_who_is_forgotten_nothing_is_looked_up() -> None:
    async with scene() as talk:
        async with talk.running():
            for person in (talk.ana, talk.root):
                await talk.discord.answer_to(await talk.discord.dm(person, "How many days?"))
        await forget_person(talk.redis, f"discord:{talk.ana.id}")
        _, missed = [await talk.discord.dm(person, "And in Spain?") for person in (talk.ana, talk.root)]
        async with talk.running():
            await talk.discord.answer_to(missed)
            await _once(talk, 3)


async def test_without_redis_the_bot_goes_on_with_what_is_said_from_then_on() -> None:
    async with dialogue() as talk:
        await talk.redis.shutdown(nosave=True)
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
