"""Slack: what becomes of an answer when its question is edited or deleted. Exactly one reply remains, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bots.redis import connect_redis
from bots.slack.wordings import forget_person
from core.channels import ChannelConfig, Channels, Policy
from core.errors import TransientError
from core.models import Answer, Audience, Message
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, Dialogue, dialogue
from tests.e2e.test_slack_questions import LEAVE
from tests.emulators.slack_workspace import BOT, BOT_USER, Post
from tests.fakes import answer

DAYS, WEEKS, MONTHS = f"<@{BOT_USER}> how many days?", f"<@{BOT_USER}> how many weeks?", f"<@{BOT_USER}> how many months?"


async def echoes(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    """Thinks half a second about ``slow`` questions."""
    if "slow" in message.text:
        for _ in range(10):
            yield "Let me see. "
            await asyncio.sleep(0.05)
    yield answer(f"You asked: {message.text}", question=message.text)


def shown(talk: Dialogue, question: Post) -> list[str]:
    return [reply.shown for reply in talk.slack.replies(question)]


async def ends_with(talk: Dialogue, question: Post, *replies: str) -> None:
    """So it is, and so it stays."""
    try:
        await talk.slack.until(lambda: shown(talk, question) == list(replies), timeout=15)
    except AssertionError:
        assert shown(talk, question) == list(replies)
    await is_quiet(talk)
    assert shown(talk, question) == list(replies)
    await talk.slack.until(lambda: not talk.slack.workspace.statuses, what="clearing the status")


async def is_quiet(talk: Dialogue) -> None:
    """All that was heard is done with."""
    await talk.slack.settled()
    await asyncio.sleep(0.3)
    await talk.slack.settled()


# Edits.


async def test_an_edited_question_is_answered_anew_in_the_same_message() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        first = await talk.slack.until_reply(question)
        await talk.slack.edit(question, WEEKS, times=3)
        await ends_with(talk, question, "You asked: how many weeks?")
        assert talk.slack.replies(question)[0].ts == first.ts
        assert len(talk.assistant.asked) == 2
        assert talk.assistant.withdrawn == [f"slack:T0FOOT:{GENERAL}:{question.ts}"] * 2, "in the thread, and with Ana alone"
        again = talk.assistant.asked[1][0]
        assert again.said_as == talk.assistant.asked[0][0].id
        assert again.conversation_id == talk.assistant.asked[0][0].conversation_id


async def test_a_question_is_edited_in_a_direct_message_and_in_a_followed_thread() -> None:
    async with dialogue(echoes) as talk, talk.running():
        private = await talk.slack.dm(ANA, "how many days?")
        await talk.slack.until_reply(private)
        await talk.slack.edit(private, "how many weeks?")
        await ends_with(talk, private, "You asked: how many weeks?")
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        follow_up = await talk.slack.say(BEN, GENERAL, "and in France?", thread=question)
        await talk.slack.until_reply(question, 2)
        await talk.slack.edit(follow_up, "and in Spain?")
        await ends_with(talk, question, "You asked: how many days?", "You asked: and in Spain?")


async def test_a_long_answer_makes_room_for_a_short_one_and_the_other_way_round() -> None:
    async def at_length(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        text = (
            "\n\n".join(f"Paragraph {number}. " + "word " * 150 for number in range(40)) if "all" in message.text else "Thirty."
        )
        yield answer(text, question=message.text)

    async with dialogue(at_length) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "tell me all")
        await talk.slack.until(lambda: any("Paragraph 39." in text for text in shown(talk, question)), what="the end")
        parts = [reply.ts for reply in talk.slack.replies(question)]
        assert len(parts) > 1
        await talk.slack.edit(question, f"<@{BOT_USER}> tell me the number")
        await ends_with(talk, question, "Thirty.")
        assert [reply.ts for reply in talk.slack.replies(question)] == parts[:1]
        await talk.slack.edit(question, f"<@{BOT_USER}> tell me all again")
        await talk.slack.until(lambda: len(talk.slack.replies(question)) == len(parts), what="all of it")
        await is_quiet(talk)
        whole = "\n".join(shown(talk, question))
        assert [whole.count(f"Paragraph {number}.") for number in range(40)] == [1] * 40


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.1, 0.3, 0.5, 0.55, 0.7], ids=lambda pause: f"after {pause} s")
async def test_an_edit_while_it_is_answered_leaves_one_answer_to_the_new_wording(pause: float) -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many slow days?")
        await asyncio.sleep(pause)
        await talk.slack.edit(question, WEEKS)
        await ends_with(talk, question, "You asked: how many weeks?")
        assert talk.slack.whispers(ANA) == []


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.2, 0.6], ids=lambda pause: f"{pause} s apart")
async def test_of_two_edits_in_a_row_the_last_one_is_answered(pause: float) -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many slow days?")
        for text in (f"{WEEKS} slow", f"{DAYS} slow", MONTHS):
            await asyncio.sleep(pause)
            await talk.slack.edit(question, text)
        await ends_with(talk, question, "You asked: how many months?")


async def test_an_edit_that_arrives_before_the_message_itself_is_answered_once() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = talk.slack.workspace.write(GENERAL, ANA, DAYS)
        first = list(talk.slack.workspace.events_of(question))
        await talk.slack.edit(question, WEEKS)
        await talk.slack.until_reply(question)
        for event in first:
            talk.slack.emit(event)
        await ends_with(talk, question, "You asked: how many weeks?")


async def test_an_edit_that_another_process_hears_of_is_answered_in_place_of_what_the_first_one_writes() -> None:
    async with dialogue(echoes) as talk, talk.running(), talk.running():
        questions = [await talk.slack.mention(ANA, GENERAL, "how many slow days?") for _ in range(4)]
        await asyncio.sleep(0.2)
        for question in questions:
            await talk.slack.edit(question, WEEKS, times=2)
        for question in questions:
            await ends_with(talk, question, "You asked: how many weeks?")


async def test_a_mention_that_is_added_later_asks() -> None:
    async with dialogue(echoes) as talk, talk.running():
        said = await talk.slack.say(ANA, GENERAL, "how many days?")
        await is_quiet(talk)
        await talk.slack.edit(said, WEEKS)
        await ends_with(talk, said, "You asked: how many weeks?")
        await talk.slack.say(BEN, GENERAL, "and months?", thread=said)
        await ends_with(talk, said, "You asked: how many weeks?", "You asked: and months?")


async def test_a_question_that_is_added_to_a_bare_mention_is_answered() -> None:
    async with dialogue(echoes) as talk, talk.running():
        said = await talk.slack.mention(ANA, GENERAL, "")
        await talk.slack.until_whisper(ANA)
        await talk.slack.edit(said, DAYS)
        await ends_with(talk, said, "You asked: how many days?")


async def test_where_each_is_answered_alone_an_edit_is_answered_to_the_person_alone() -> None:
    async with dialogue(echoes) as talk:
        await Channels(talk.redis).change("slack", GENERAL, ChannelConfig(private=True))
        async with talk.running():
            question = await talk.slack.mention(ANA, GENERAL, "how many days?")
            await talk.slack.until_whisper(ANA)
            await talk.slack.edit(question, WEEKS)
            assert (await talk.slack.until_whisper(ANA, 2)).shown == "You asked: how many weeks?"
            await ends_with(talk, question)


async def test_a_new_wording_that_cannot_be_answered_leaves_the_old_answer_and_says_so_to_the_person() -> None:
    async def fails(message: Message, audience: Audience) -> AsyncIterator[str | Answer]:
        if "weeks" in message.text:
            raise TransientError("The search is away.")
        async for part in echoes(message, audience):
            yield part

    async with dialogue(fails) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.edit(question, WEEKS)
        whisper = await talk.slack.until_whisper(ANA)
        assert "The search is away." in whisper.shown
        await ends_with(talk, question, "You asked: how many days?")


# What is no edit of a question.


async def test_links_that_unfurl_and_edits_of_our_own_answers_mean_nothing() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days, as https://acme.com says?")
        reply = await talk.slack.until_reply(question)
        await talk.slack.unfurl(question)
        await talk.slack.edit(question, DAYS)
        await ends_with(talk, question, "You asked: how many days?")
        await talk.slack.unfurl(question)
        await talk.slack.unfurl(reply)
        await is_quiet(talk)
        assert len(talk.assistant.asked) == 2


async def test_edits_of_other_bots_of_talk_and_of_questions_long_ago_mean_nothing() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        said = await talk.slack.say(ANA, GENERAL, "thirty days it is")
        bot = talk.slack.workspace.write(GENERAL, "U9BOT", "hello", bot_id="B9")
        await talk.slack.edit(said, "twenty days it is")
        await talk.slack.edit(bot, DAYS)
        await talk.slack.edit(question, WEEKS, after=601)
        await ends_with(talk, question, "You asked: how many days?")
        assert len(talk.assistant.asked) == 1
        assert talk.slack.replies(said) == []


async def test_garbage_in_place_of_an_edit_is_acknowledged() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        change = talk.slack.workspace.changed(question, WEEKS)
        for wrong in (
            {"message": None},
            {"message": 7},
            {"previous_message": None},
            {"message": {"text": "?"}},
            {"channel": None},
            {"message": change["message"] | {"edited": None}},
            {"message": change["message"] | {"edited": {"ts": "soon"}}},
            {"message": change["message"] | {"user": BOT_USER, "bot_id": BOT}},
            {"subtype": "message_deleted", "previous_message": {"ts": "1"}},
        ):
            talk.slack.emit(change | wrong)
        await ends_with(talk, question, "You asked: how many days?")
        assert {delivery.attempt for delivery in talk.slack.deliveries} == {0}


# Deletions.


async def test_the_answer_to_a_deleted_question_goes_with_it() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.delete(question, times=2)
        await ends_with(talk, question)
        assert f"slack:T0FOOT:{GENERAL}:{question.ts}" in talk.assistant.withdrawn


async def test_the_answer_to_a_deleted_follow_up_goes_and_the_others_stay() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        follow_up = await talk.slack.say(ANA, GENERAL, "and in France?", thread=question)
        await talk.slack.until_reply(question, 2)
        await talk.slack.delete(follow_up)
        await ends_with(talk, question, "You asked: how many days?")


async def test_an_answer_from_which_people_went_on_stays() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.say(BEN, GENERAL, f"<@{ANA}> I thought it was twenty", thread=question)
        await is_quiet(talk)
        await talk.slack.delete(question)
        await ends_with(talk, question, "You asked: how many days?")
        assert talk.assistant.withdrawn, "it is remembered no longer all the same"


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.1, 0.3, 0.5, 0.55], ids=lambda pause: f"after {pause} s")
async def test_a_question_that_is_deleted_while_it_is_answered_gets_nothing(pause: float) -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many slow days?")
        await asyncio.sleep(pause)
        await talk.slack.delete(question)
        await ends_with(talk, question)


async def test_a_question_that_is_edited_and_deleted_at_once_gets_nothing() -> None:
    async with dialogue(echoes) as talk, talk.running(), talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many slow days?")
        await asyncio.sleep(0.3)
        await talk.slack.edit(question, f"{WEEKS} slow")
        await talk.slack.delete(question)
        await ends_with(talk, question)


async def test_a_deletion_that_arrives_before_the_message_itself_silences_it() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = talk.slack.workspace.write(GENERAL, ANA, DAYS)
        first = list(talk.slack.workspace.events_of(question))
        await talk.slack.delete(question)
        await is_quiet(talk)
        for event in first:
            talk.slack.emit(event)
        await is_quiet(talk)
        assert talk.assistant.asked == []


async def test_a_question_to_nobody_that_is_deleted_takes_its_answer_along() -> None:
    async def knows(message: Message, audience: Audience) -> AsyncIterator[str | Answer]:
        async for part in echoes(message, audience):
            yield replace(part, citations=(LEAVE,)) if isinstance(part, Answer) else part

    async with dialogue(knows) as talk:
        await Channels(talk.redis).change("slack", GENERAL, ChannelConfig(policy=Policy.QUESTIONS))
        async with talk.running():
            question = await talk.slack.say(ANA, GENERAL, "How many days of leave do I have?")
            await talk.slack.until_reply(question)
            await talk.slack.delete(question)
            await ends_with(talk, question)


@pytest.mark.fault
async def test_without_redis_an_edit_changes_nothing() -> None:
    async with dialogue(echoes) as talk, connect_redis("redis://127.0.0.1:1") as talk.redis, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.edit(question, WEEKS)
        await ends_with(talk, question, "You asked: how many days?")


@pytest.mark.fault
async def test_an_edit_is_answered_in_place_by_another_process_though_redis_forgot_the_question() -> None:
    async with dialogue(echoes) as talk:
        async with talk.running():
            question = await talk.slack.mention(ANA, GENERAL, "how many days?")
            await talk.slack.until_reply(question)
        await talk.redis.flushall()
        async with talk.running():
            await talk.slack.edit(question, WEEKS)
            await ends_with(talk, question, "You asked: how many weeks?")


async def test_what_was_forgotten_of_a_person_leaves_nothing_behind_and_their_answers_in_place() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await is_quiet(talk)
        assert await forget_person(talk.redis, f"slack:{BEN}") == 0
        assert await forget_person(talk.redis, f"slack:{ANA}") == 1
        assert [key async for key in talk.redis.scan_iter("footnote:slack:wording:*")] == []
        await talk.slack.edit(question, WEEKS)
        await ends_with(talk, question, "You asked: how many weeks?")


@pytest.mark.fault
async def test_an_edit_whose_update_is_refused_for_a_moment_is_answered_once() -> None:
    async with dialogue(echoes) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        talk.slack.fail("chat.update", status=429, retry_after=1)
        talk.slack.fail("conversations.replies", status=500)
        talk.slack.lose("chat.update")
        await talk.slack.edit(question, WEEKS)
        await ends_with(talk, question, "You asked: how many weeks?")
