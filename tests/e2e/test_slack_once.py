"""Slack: exactly one answer, however often and in whatever shape a question arrives."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.slack_dialogue import ANA, GENERAL, Dialogue, dialogue, says
from tests.emulators.slack import SUBSCRIPTIONS
from tests.emulators.slack_workspace import Post


async def is_answered_once(talk: Dialogue, question: Post) -> None:
    await talk.slack.until_reply(question)
    await talk.slack.settled()
    await asyncio.sleep(0.2)
    assert len(talk.slack.replies(question)) == 1


@pytest.mark.parametrize("messages_first", [False, True], ids=["mention first", "message first"])
async def test_an_event_delivered_three_times_with_its_twin(messages_first: bool) -> None:
    async with dialogue(says("Thirty days.", seconds=0.2), messages_first=messages_first) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?", times=3)
        await is_answered_once(talk, question)
        assert len(talk.slack.deliveries) >= 6
        assert {delivery.attempt for delivery in talk.slack.deliveries} == {0}


async def test_a_mention_where_only_mentions_are_subscribed() -> None:
    async with dialogue(subscriptions=SUBSCRIPTIONS - {"message.channels"}) as talk, talk.running():
        await is_answered_once(talk, await talk.slack.mention(ANA, GENERAL, "how many days?"))


async def test_a_repetition_long_after_the_answer() -> None:
    async with dialogue() as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, question)
        for event in talk.slack.workspace.events_of(question):
            talk.slack.emit(event)
        await is_answered_once(talk, question)


async def test_one_gesture_that_arrives_as_two_messages() -> None:
    async with dialogue() as talk, talk.running():
        first = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, first)
        second = await talk.slack.say(ANA, GENERAL, first.text, client_msg_id=first.client_msg_id)
        await talk.slack.settled()
        await asyncio.sleep(0.2)
        assert talk.slack.replies(second) == []


async def test_a_redelivery_after_a_restart() -> None:
    async with dialogue() as talk:
        async with talk.running():
            question = await talk.slack.mention(ANA, GENERAL, "how many days?")
            await is_answered_once(talk, question)
        async with talk.running():
            for event in talk.slack.workspace.events_of(question):
                talk.slack.emit(event)
            await is_answered_once(talk, question)


async def test_two_processes_with_the_same_tokens() -> None:
    async with dialogue(says("Thirty days.", seconds=0.2)) as talk, talk.running(), talk.running():
        questions = [await talk.slack.mention(ANA, GENERAL, f"question {n}", times=3) for n in range(5)]
        for question in questions:
            await is_answered_once(talk, question)


async def test_a_hundred_mentions_at_once_in_two_processes() -> None:
    async with dialogue() as talk, talk.running(), talk.running():
        questions = [await talk.slack.mention(ANA, GENERAL, f"question {n}") for n in range(100)]
        for question in questions:
            await talk.slack.until_reply(question)
        await talk.slack.settled()
        await asyncio.sleep(0.5)
        assert [len(talk.slack.replies(question)) for question in questions] == [1] * 100
        # How soon they are acknowledged is measured in tests/benchmarks; here in time, or Slack would repeat them.
        assert {delivery.attempt for delivery in talk.slack.deliveries} == {0}


async def test_the_same_question_asked_twice_is_answered_twice() -> None:
    async with dialogue() as talk, talk.running():
        for _ in range(2):
            await is_answered_once(talk, await talk.slack.mention(ANA, GENERAL, "how many days?"))


@pytest.mark.fault
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
async def test_a_post_whose_answer_is_lost(times: int) -> None:
    async with dialogue() as talk, talk.running():
        talk.slack.lose("chat.postMessage", times=times)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until(lambda: talk.slack.calls("conversations.replies"), what="looking for the post")
        await is_answered_once(talk, question)


@pytest.mark.fault
async def test_a_long_answer_of_whose_posts_each_second_answer_is_lost() -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 200 for number in range(30))
    async with dialogue(says(text)) as talk, talk.running():
        talk.slack.lose("chat.postMessage", times=1)
        question = await talk.slack.mention(ANA, GENERAL, "everything")
        await talk.slack.until(lambda: any("Paragraph 29." in r.shown for r in talk.slack.replies(question)), what="the end")
        shown = "\n".join(reply.shown for reply in talk.slack.replies(question))
        assert [shown.count(f"Paragraph {number}.") for number in range(30)] == [1] * 30


@pytest.mark.fault
async def test_an_event_whose_acknowledgement_is_lost_with_the_socket() -> None:
    async with dialogue(says("Thirty days.", seconds=0.3)) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await asyncio.sleep(0.01)
        talk.slack.courier.cut()
        await is_answered_once(talk, question)
