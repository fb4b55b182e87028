"""Slack: to which messages of a channel the bot replies, and who sees it, as the channel has it set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.channels import ChannelConfig, Channels, Policy
from core.errors import TransientError, UserError
from core.models import Answer, AnswerMode, Audience, Citation, Message
from core.telemetry import MESSAGES, RESOLVED
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, Dialogue, dialogue
from tests.emulators.slack_workspace import BOT_USER, Post
from tests.fakes import answer

PAGE = Citation(
    number=1,
    document_id="handbook:leave",
    title="Leave",
    url="https://wiki.acme.com/leave",
    quote="Everybody has thirty days.",
    updated_at=datetime(2026, 3, 3, tzinfo=UTC),
)
LEAVE = "how many days of leave do I have?"
FOLLOW_UP = "and for part-timers?"


async def knows_of_leave(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    """Thirty days, footnoted; of anything else nothing is known."""
    yield "Let me see"
    found = answer("Thirty days [1].", question=message.text)
    if "leave" in message.text or message.text == FOLLOW_UP:
        yield replace(found, citations=(PAGE,))
    else:
        yield replace(found, text="I did not find this.", mode=AnswerMode.NOT_FOUND)


async def sets(talk: Dialogue, channel: str = GENERAL, **config: object) -> None:
    await Channels(talk.redis).change("slack", channel, ChannelConfig(**config))  # type: ignore[arg-type]


async def is_silent_about(talk: Dialogue, *posts: Post) -> None:
    await talk.slack.settled()
    await talk.slack.until_reply(await talk.slack.dm(ANA, LEAVE))
    assert [len(talk.slack.replies(post)) for post in posts] == [0] * len(posts)
    await talk.slack.until(lambda: talk.slack.workspace.statuses == {}, what="clearing the status")


def unresolved() -> float:
    addressed = sum(sample.value for metric in MESSAGES.collect() for sample in metric.samples if sample.name.endswith("_total"))
    resolved = sum(sample.value for metric in RESOLVED.collect() for sample in metric.samples if sample.name.endswith("_total"))
    return addressed - resolved


# mention


async def test_where_only_mentions_count_a_thread_goes_on_without_the_bot() -> None:
    async with dialogue(knows_of_leave) as talk:
        await sets(talk, policy=Policy.MENTION)
        async with talk.running():
            question = await talk.slack.mention(ANA, GENERAL, LEAVE)
            await talk.slack.until_reply(question)
            await talk.slack.say(BEN, GENERAL, FOLLOW_UP, thread=question)
            await talk.slack.say(BEN, GENERAL, "how many days of leave are there in France?")
            await talk.slack.settled()
            await talk.slack.mention(BEN, GENERAL, FOLLOW_UP, thread=question)
            await talk.slack.until_reply(question, 2)
            assert [message.text for message, _ in talk.assistant.asked] == [LEAVE, FOLLOW_UP]


# sticky-thread


async def test_by_default_questions_at_the_top_of_a_channel_are_left_to_people() -> None:
    async with dialogue(knows_of_leave) as talk, talk.running():
        await is_silent_about(talk, await talk.slack.say(ANA, GENERAL, LEAVE))


async def test_in_its_thread_what_people_tell_each_other_stays_between_them() -> None:
    async with dialogue(knows_of_leave) as talk, talk.running():
        before = unresolved()
        question = await talk.slack.mention(ANA, GENERAL, LEAVE)
        await talk.slack.until_reply(question)
        for told in ("As of May it is thirty-two days.", "Thanks, Ben!", "really?", "good to know"):
            await talk.slack.say(BEN, GENERAL, told, thread=question)
        await talk.slack.settled()
        await talk.slack.say(ANA, GENERAL, FOLLOW_UP, thread=question)
        await talk.slack.until_reply(question, 2)
        assert [message.text for message, _ in talk.assistant.asked] == [LEAVE, FOLLOW_UP]
        assert talk.slack.whispers(BEN) == []
        await talk.slack.until(lambda: unresolved() == before, what="counting")


async def test_it_leaves_its_thread_without_a_mention_too() -> None:
    async with dialogue(knows_of_leave) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, LEAVE)
        await talk.slack.until_reply(question)
        await talk.slack.say(BEN, GENERAL, "please stop", thread=question)
        assert (await talk.slack.until_whisper(BEN)).shown.startswith("I have left this thread.")


@pytest.mark.parametrize("said", ["stop", "leave", "Please leave this thread!"])
async def test_told_to_leave_a_thread_it_says_so_to_the_person_and_answers_only_mentions_there(said: str) -> None:
    async with dialogue(knows_of_leave) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, LEAVE)
        await talk.slack.until_reply(question)
        await talk.slack.mention(ANA, GENERAL, said, thread=question, times=2)
        assert (await talk.slack.until_whisper(ANA)).shown.startswith("I have left this thread.")
        await talk.slack.settled()
        await talk.slack.say(BEN, GENERAL, FOLLOW_UP, thread=question)
        await talk.slack.settled()
        await talk.slack.until_reply(await talk.slack.dm(ANA, LEAVE))
        assert len(talk.slack.replies(question)) == 1
        assert len(talk.slack.whispers(ANA)) == 1
        await talk.slack.mention(BEN, GENERAL, FOLLOW_UP, thread=question)
        await talk.slack.until_reply(question, 2)
        await talk.slack.say(BEN, GENERAL, FOLLOW_UP, thread=question)
        await talk.slack.until_reply(question, 3)


async def test_told_to_stop_while_it_answers_it_stops() -> None:
    async def thinks(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await asyncio.sleep(30)
        yield answer(question=message.text)

    async with dialogue(thinks) as talk, talk.running(drain=1):
        question = await talk.slack.mention(ANA, GENERAL, LEAVE)
        await talk.slack.until(lambda: talk.assistant.asked, what="the question")
        await talk.slack.mention(ANA, GENERAL, "stop", thread=question)
        await talk.slack.until_whisper(ANA, 2)
        assert sorted(whisper.shown.split()[0] for whisper in talk.slack.whispers(ANA)) == ["I", "Stopped."]


async def test_the_word_stop_at_the_top_of_a_channel_is_a_question_like_any_other() -> None:
    async with dialogue(knows_of_leave) as talk, talk.running():
        await talk.slack.until_reply(await talk.slack.mention(ANA, GENERAL, "stop"))


# questions


async def test_a_question_to_nobody_is_answered_in_a_thread_that_goes_on() -> None:
    async with dialogue(knows_of_leave) as talk:
        await sets(talk, policy=Policy.QUESTIONS)
        async with talk.running():
            before = unresolved()
            question = await talk.slack.say(ANA, GENERAL, LEAVE, times=3)
            assert "Thirty days" in (await talk.slack.until_reply(question)).shown
            await talk.slack.settled()
            await talk.slack.say(BEN, GENERAL, FOLLOW_UP, thread=question)
            await talk.slack.until_reply(question, 2)
            first, second = (message for message, _ in talk.assistant.asked)
            assert (first.addressed, second.addressed) == (False, True)
            assert talk.slack.whispers(ANA) == []
            await talk.slack.until(lambda: unresolved() == before, what="counting")


async def test_a_question_to_nobody_of_which_nothing_is_known_stays_with_people() -> None:
    async with dialogue(knows_of_leave) as talk:
        await sets(talk, policy=Policy.QUESTIONS)
        async with talk.running():
            before = unresolved()
            question = await talk.slack.say(ANA, GENERAL, "Who ate the last piece of cake?")
            await talk.slack.until(lambda: talk.assistant.asked, what="the question")
            await talk.slack.say(BEN, GENERAL, "it was me", thread=question)
            await is_silent_about(talk, question)
            assert talk.slack.whispers(ANA) == []
            assert [message.text for message, _ in talk.assistant.asked] == ["Who ate the last piece of cake?", LEAVE]
            await talk.slack.until(lambda: unresolved() == before, what="counting")


@pytest.mark.parametrize("error", [UserError("You asked too much."), TransientError("Away."), RuntimeError("bug")], ids=repr)
async def test_of_trouble_with_a_question_to_nobody_nobody_hears(error: Exception) -> None:
    async def fails(message: Message, audience: Audience) -> AsyncIterator[str | Answer]:
        if not message.addressed:
            raise error
        async for part in knows_of_leave(message, audience):
            yield part

    async with dialogue(fails) as talk:
        await sets(talk, policy=Policy.QUESTIONS)
        async with talk.running():
            before = unresolved()
            question = await talk.slack.say(ANA, GENERAL, LEAVE)
            await talk.slack.until(lambda: talk.assistant.asked, what="the question")
            await is_silent_about(talk, question)
            assert talk.slack.whispers(ANA) == []
            await talk.slack.until(lambda: unresolved() == before, what="counting")


async def test_where_questions_are_answered_talk_is_not() -> None:
    talk_of_people = [
        "Good morning!",
        "Shall we meet at noon?",
        f"<@{BEN}> how many days of leave do I have?",
        "she asked `how many days of leave do I have?`",
        f"```\n{LEAVE}\n```",
        f"&gt; {LEAVE}",
        "see https://wiki.acme.com/leave?year=2026",
        "We have thirty days of leave.",
    ]
    async with dialogue(knows_of_leave) as talk:
        await sets(talk, policy=Policy.QUESTIONS)
        async with talk.running():
            posts = [await talk.slack.say(ANA, GENERAL, text) for text in talk_of_people]
            posts.append(await talk.slack.say("U9BOT", GENERAL, LEAVE, bot_id="B9"))
            posts.append(await talk.slack.say(ANA, GENERAL, LEAVE, subtype="channel_topic"))
            await is_silent_about(talk, *posts)


async def test_a_bare_mention_is_greeted_where_questions_are_answered_too() -> None:
    async with dialogue(knows_of_leave) as talk:
        await sets(talk, policy=Policy.QUESTIONS)
        async with talk.running():
            await talk.slack.mention(ANA, GENERAL, "")
            assert (await talk.slack.until_whisper(ANA)).shown.startswith("Hello!")


# private


async def test_where_each_is_answered_alone_nobody_else_sees_the_answer_or_goes_on_from_it() -> None:
    async with dialogue(knows_of_leave) as talk:
        await sets(talk, private=True)
        async with talk.running():
            question = await talk.slack.mention(ANA, GENERAL, LEAVE)
            whisper = await talk.slack.until_whisper(ANA)
            assert "Thirty days" in whisper.shown
            assert whisper.thread_ts == question.ts
            message, audience = talk.assistant.asked[0]
            assert message.private
            assert audience == Audience.of(
                {"user:ana@acme.com", "domain:acme.com", "workspace:slack:T0FOOT", f"channel:slack:{GENERAL}"}
            )
            await talk.slack.say(BEN, GENERAL, FOLLOW_UP, thread=question)
            await talk.slack.settled()
            await talk.slack.say(ANA, GENERAL, FOLLOW_UP, thread=question)
            await talk.slack.until_whisper(ANA, 2)
            await talk.slack.mention(BEN, GENERAL, FOLLOW_UP, thread=question)
            await talk.slack.until_whisper(BEN)
            first, second, third = (message for message, _ in talk.assistant.asked)
            assert first.conversation_id == second.conversation_id != third.conversation_id
            await talk.slack.settled()
            assert talk.slack.replies(question) == []
            await talk.slack.until(lambda: talk.slack.status(question) is None, what="clearing the status")


async def test_a_change_of_the_policy_counts_within_seconds() -> None:
    async with dialogue(knows_of_leave) as talk, talk.running():
        await is_silent_about(talk, await talk.slack.say(ANA, GENERAL, LEAVE))
        await sets(talk, policy=Policy.QUESTIONS)
        await asyncio.sleep(5)
        await talk.slack.until_reply(await talk.slack.say(ANA, GENERAL, LEAVE))


async def test_a_mention_is_answered_whatever_the_policy_and_without_redis() -> None:
    async with dialogue(knows_of_leave) as talk:
        await sets(talk, policy=Policy.MENTION)
        async with talk.running():
            await talk.redis.shutdown(nosave=True)
            question = await talk.slack.say(ANA, GENERAL, f"{LEAVE} <@{BOT_USER}>")
            await talk.slack.until_reply(question)
