"""What is answered on Discord, as each channel has it set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.channels import Policy
from core.errors import ConfigError
from tests.e2e.discord_dialogue import TRAVEL, Dialogue, dialogue, held, says, scene
from tests.emulators.discord_permissions import MANAGE_CHANNELS, PUBLIC_THREADS
from tests.emulators.discord_world import Channel
from tests.fakes import Script

DEAF = "cannot work yet"


@asynccontextmanager
async def all_ears(script: Script | None = None) -> AsyncIterator[Dialogue]:
    """A bot that may read all messages, in the portal and by its settings."""
    async with scene(script) as talk:
        talk.discord.grant_message_content()
        async with talk.running(talk.bot(discord_message_content=True)):
            yield talk


async def _asked_in_a_thread(talk: Dialogue) -> Channel:
    thread = talk.discord.thread(talk.general, "Leave")
    await talk.discord.answer_to(await talk.discord.mention(talk.ana, thread, "How many days?"))
    return thread


async def _left_alone(talk: Dialogue, asked: int) -> None:
    """A mention afterwards is answered, and nothing between: events are taken in order."""
    await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "The last question"))
    assert len(talk.assistant.asked) == asked + 1


async def test_in_a_thread_in_which_it_was_asked_people_go_on_without_a_mention() -> None:
    async with all_ears() as talk:
        thread = await _asked_in_a_thread(talk)
        await talk.discord.answer_to(await talk.discord.say(talk.root, thread, "And in Spain?"))
        first, second = (message for message, _ in talk.assistant.asked)
        assert first.conversation_id == second.conversation_id
        assert second.text == "And in Spain?"


async def test_it_goes_on_in_its_threads_after_a_restart() -> None:
    async with scene() as talk:
        talk.discord.grant_message_content()
        async with talk.running(talk.bot(discord_message_content=True)):
            thread = await _asked_in_a_thread(talk)
        async with talk.running(talk.bot(discord_message_content=True)):
            await talk.discord.answer_to(await talk.discord.say(talk.ana, thread, "And in Spain?"))


async def test_a_thread_in_which_it_was_not_asked_is_left_alone() -> None:
    async with all_ears() as talk:
        await talk.discord.say(talk.ana, talk.discord.thread(talk.general, "Lunch"), "How many days do we have?")
        await _left_alone(talk, 0)


async def test_people_who_speak_to_each_other_in_its_thread_are_left_alone() -> None:
    async with all_ears() as talk:
        thread = await _asked_in_a_thread(talk)
        said = await talk.discord.say(talk.ana, thread, f"{talk.root.mention} do you know?")
        await talk.discord.say(talk.root, thread, "Yes, I do.", reply_to=said)
        await _left_alone(talk, 1)


@pytest.mark.parametrize(("policy", "answered"), [(Policy.MENTION, 1), (Policy.STICKY, 2), (Policy.QUESTIONS, 2)])
async def test_a_reply_that_does_not_ping_goes_on_where_more_than_mentions_count(policy: Policy, answered: int) -> None:
    async with all_ears() as talk:
        await talk.set(talk.general, policy=policy)
        answer = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        await talk.discord.say(talk.ana, talk.general, "And in Spain?", reply_to=answer, ping=False)
        await _left_alone(talk, answered)


async def test_what_people_tell_each_other_in_its_thread_stays_between_them() -> None:
    async with all_ears() as talk:
        thread = await _asked_in_a_thread(talk)
        for told in ("As of May it is thirty-two days.", "Thanks, Root!", "really?"):
            await talk.discord.say(talk.ana, thread, told)
        await _left_alone(talk, 1)


async def test_a_reply_to_it_that_only_thanks_is_no_question() -> None:
    async with all_ears() as talk:
        answer = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        await talk.discord.say(talk.ana, talk.general, "Thank you!", reply_to=answer)
        await talk.discord.say(talk.ana, talk.general, "As of May it is thirty-two.", reply_to=answer, ping=False)
        await _left_alone(talk, 1)


async def test_told_to_stop_it_is_quiet_in_a_thread_until_it_is_mentioned_again() -> None:
    async with all_ears() as talk:
        thread = await _asked_in_a_thread(talk)
        told = await talk.discord.answer_to(await talk.discord.say(talk.ana, thread, "please stop"))
        assert "quiet" in told.content
        await talk.discord.say(talk.ana, thread, "What do you think, Root?")
        await _left_alone(talk, 1)
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, thread, "How many days?"))
        await talk.discord.answer_to(await talk.discord.say(talk.ana, thread, "And in Spain?"))


async def test_told_to_stop_while_it_answers_it_ends_that_too() -> None:
    script, _released = held("Thirty days.")
    async with all_ears(script) as talk:
        thread = talk.discord.thread(talk.general, "Leave")
        question = await talk.discord.mention(talk.ana, thread, "How many days?")
        await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the question to be heard")
        await talk.discord.say(talk.ana, thread, "Stop!")
        assert "Stopped" in (await talk.discord.answer_to(question)).content


async def test_by_the_policy_mention_it_replies_to_mentions_alone_also_in_threads_of_the_channel() -> None:
    async with all_ears() as talk:
        await talk.set(talk.general, policy=Policy.MENTION)
        thread = await _asked_in_a_thread(talk)
        await talk.discord.say(talk.ana, thread, "And in Spain?")
        await _left_alone(talk, 1)


async def test_without_the_privileged_intent_a_policy_comes_down_to_mentions() -> None:
    async with dialogue() as talk:
        await talk.set(talk.general, policy=Policy.QUESTIONS)
        thread = await _asked_in_a_thread(talk)
        for where in (thread, talk.general):
            await talk.discord.say(talk.ana, where, "How many days of leave do I have?")
        await _left_alone(talk, 1)


async def test_by_the_policy_questions_a_question_to_nobody_is_answered_and_talk_is_not() -> None:
    async with all_ears() as talk:
        await talk.set(talk.general, policy=Policy.QUESTIONS)
        await talk.discord.say(talk.root, talk.general, "Nice weather today.")
        await talk.discord.answer_to(await talk.discord.say(talk.ana, talk.general, "How many days of leave do we have?"))
        [(asked, _)] = talk.assistant.asked
        assert not asked.addressed


async def test_a_question_to_nobody_that_finds_nothing_is_passed_over_in_silence() -> None:
    async with all_ears(says("I did not find this.")) as talk:
        await talk.set(talk.general, policy=Policy.QUESTIONS)
        await talk.discord.say(talk.ana, talk.general, "How loud is the colour of a Tuesday?")
        await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the question to be heard")
        await talk.discord.stays(lambda: not talk.discord.said_by_bot(talk.general) and not talk.general.typing)


async def test_a_mention_in_code_is_no_question_to_the_bot_by_any_policy() -> None:
    async with all_ears() as talk:
        await talk.discord.say(talk.ana, talk.general, f"type `{talk.discord.bot.mention} how many days?`")
        await _left_alone(talk, 0)


async def test_each_mention_gets_a_thread_of_its_own_where_a_channel_wants_that() -> None:
    async with all_ears(says("Thirty days.", TRAVEL)) as talk:
        await talk.set(talk.general, threads=True)
        question = await talk.discord.mention(talk.ana, talk.general, "How many days of leave do I have? " + "Please! " * 20)
        await talk.discord.until(lambda: question.id in talk.discord.channels, what="the thread")
        thread = talk.discord.channels[question.id]
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(thread)), what="the answer in the thread")
        assert thread.name.startswith("How many days of leave do I have?")
        assert len(thread.name) <= 100
        assert talk.discord.said_by_bot(talk.general) == []
        await talk.discord.answer_to(await talk.discord.say(talk.root, thread, "And in Spain?"))
        assert {message.conversation_id for message, _ in talk.assistant.asked} == {f"discord:{thread.id}"}


async def test_where_it_may_not_begin_threads_it_answers_in_the_channel() -> None:
    async with dialogue() as talk:
        await talk.set(talk.general, threads=True)
        talk.discord.overwrite(talk.general, talk.discord.bot, deny=PUBLIC_THREADS)
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        assert talk.discord.calls("POST", "/threads$") == []


@pytest.mark.fault
async def test_a_thread_that_is_refused_costs_no_answer() -> None:
    async with dialogue() as talk:
        await talk.set(talk.general, threads=True)
        talk.discord.fail("POST", "/threads$", 400)
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))


@pytest.mark.fault
@pytest.mark.parametrize("kind", ["lost", "refused", 500])
async def test_a_thread_whose_making_is_interrupted_is_made_once(kind: int | str) -> None:
    async with dialogue() as talk:
        await talk.set(talk.general, threads=True)
        talk.discord.fail("POST", "/threads$", kind)
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        await talk.discord.until(lambda: question.id in talk.discord.channels, what="the thread")
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(talk.discord.channels[question.id])), what="the answer")


async def test_where_each_is_answered_alone_a_mention_is_answered_in_a_direct_message() -> None:
    async with dialogue() as talk:
        await talk.set(talk.general, private=True)
        await talk.discord.mention(talk.ana, talk.general, "Who earns what?")
        direct = talk.discord.dm_channel(talk.ana)
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(direct)), what="a direct message")
        assert "In #general I answer each person alone." in talk.discord.said_by_bot(direct)[0].content
        assert talk.discord.said_by_bot(talk.general) == []
        [(asked, audience)] = talk.assistant.asked
        assert asked.private
        [reader] = audience.readers
        assert f"user:discord:{talk.ana.id}" in reader


async def test_where_each_is_answered_alone_ask_is_private_by_itself() -> None:
    async with dialogue() as talk:
        await talk.set(talk.general, private=True)
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="Who earns what?")
        await talk.discord.finished(asked)
        assert asked.ephemeral


async def test_who_takes_no_direct_messages_is_told_how_to_ask_where_each_is_answered_alone() -> None:
    async with dialogue(says("A secret.")) as talk:
        await talk.set(talk.general, private=True)
        talk.ana.takes_dms = False
        reply = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Who earns what?"))
        assert "/ask" in reply.content
        assert "secret" not in reply.content


async def test_an_intent_that_is_not_switched_on_in_the_portal_is_an_error_that_says_where_to() -> None:
    async with scene() as talk:
        bot = talk.bot(discord_message_content=True)
        with pytest.raises(ConfigError, match=r"4014.*Message Content Intent in the Developer Portal"):
            await bot.start()
        await bot.stop()
        with pytest.raises(ConfigError, match="DISCORD_MESSAGE_CONTENT is set"):
            await bot.check()


async def test_config_shows_what_is_set_with_a_list_of_policies_from_which_one_is_chosen() -> None:
    async with all_ears() as talk:
        given = await talk.discord.slash(talk.root, "config", channel=talk.general)
        await talk.discord.until(lambda: len(given.shown) == 2, what="the settings and the list")
        assert "sticky-thread" in given.texts[0]
        assert DEAF not in "".join(given.texts)
        chosen = await talk.discord.choose(talk.root, given.shown[1], "questions")
        [text] = await talk.discord.finished(chosen)
        assert "questions" in text
        assert chosen.ephemeral
        assert (await talk.channels.of("discord", str(talk.general.id))).policy is Policy.QUESTIONS


async def test_config_says_that_a_policy_cannot_work_without_the_privileged_intent() -> None:
    async with dialogue() as talk:
        given = await talk.discord.slash(talk.root, "config", channel=talk.general, policy="questions")
        await talk.discord.until(lambda: len(given.shown) == 2, what="the warning")
        assert DEAF in given.texts[1]
        assert "DISCORD_MESSAGE_CONTENT=true" in given.texts[1]
        mention = await talk.discord.slash(talk.root, "config", channel=talk.general, policy="mention")
        await talk.discord.finished(mention)
        await talk.discord.stays(lambda: len(mention.shown) == 1)


async def test_config_sets_everything_at_once() -> None:
    async with dialogue() as talk:
        given = await talk.discord.slash(
            talk.root,
            "config",
            channel=talk.general,
            policy="mention",
            sources="handbook",
            language="German",
            tone="brief, for engineers",
            escalate=talk.people_ops,
            private=False,
            threads=True,
        )
        await talk.discord.finished(given)
        config = await talk.channels.of("discord", str(talk.general.id))
        assert config.policy is Policy.MENTION
        assert (config.sources, config.language, config.tone) == (("handbook",), "German", "brief, for engineers")
        assert (config.escalate_to, config.private, config.threads) == (f"discord:role:{talk.people_ops.id}", False, True)
        person = await talk.discord.slash(talk.root, "config", channel=talk.general, escalate=talk.ana, clear="tone")
        await talk.discord.finished(person)
        config = await talk.channels.of("discord", str(talk.general.id))
        assert (config.escalate_to, config.tone, config.language) == (f"discord:{talk.ana.id}", "", "German")


async def test_what_is_set_in_a_thread_is_set_for_its_channel() -> None:
    async with dialogue() as talk:
        thread = talk.discord.thread(talk.general, "Leave")
        await talk.discord.finished(await talk.discord.slash(talk.root, "config", channel=thread, policy="mention"))
        assert (await talk.channels.of("discord", str(talk.general.id))).policy is Policy.MENTION


async def test_a_plain_member_sees_the_settings_and_changes_none() -> None:
    async with dialogue() as talk:
        with pytest.raises(AssertionError, match="does not offer"):
            await talk.discord.slash(talk.ana, "config", channel=talk.general, policy="mention")
        given = await talk.discord.slash(talk.ana, "config", channel=talk.general, hidden=True, policy="mention")
        [text] = await talk.discord.finished(given)
        assert "may change them" in text
        shown = await talk.discord.slash(talk.ana, "config", channel=talk.general, hidden=True)
        await talk.discord.finished(shown)
        await talk.discord.stays(lambda: len(shown.shown) == 1 and len(given.shown) == 1)
        assert (await talk.channels.of("discord", str(talk.general.id))).policy is Policy.STICKY


async def test_who_manages_one_channel_sets_that_one_and_no_other() -> None:
    async with dialogue() as talk:
        other = talk.discord.channel("other")
        talk.discord.overwrite(talk.general, talk.ana, allow=MANAGE_CHANNELS)
        for channel in (talk.general, other):
            given = await talk.discord.slash(talk.ana, "config", channel=channel, hidden=True, policy="mention")
            await talk.discord.finished(given)
        assert (await talk.channels.of("discord", str(talk.general.id))).policy is Policy.MENTION
        assert (await talk.channels.of("discord", str(other.id))).policy is Policy.STICKY


async def test_the_list_of_policies_changes_nothing_for_who_lost_the_right_to_it() -> None:
    async with scene() as talk:
        talk.admins.clear()
        async with talk.running():
            given = await talk.discord.slash(talk.root, "config", channel=talk.general)
            await talk.discord.until(lambda: len(given.shown) == 2, what="the list")
            talk.root.admin = False
            chosen = await talk.discord.choose(talk.root, given.shown[1], "mention")
            [text] = await talk.discord.finished(chosen)
            assert "may change them" in text
