"""Slack: what people see when Slack, or the model, is in trouble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from core.errors import TransientError
from core.models import Answer, Audience, Message
from tests.e2e.slack_dialogue import ANA, GENERAL, dialogue, says
from tests.e2e.test_slack_home import Library

pytestmark = pytest.mark.fault

METHODS = ["users.info", "conversations.info", "conversations.members", "chat.postMessage", "assistant.threads.setStatus"]


@pytest.mark.parametrize("method", METHODS)
async def test_a_rate_limit_on_any_method_delays_the_answer_by_what_slack_asks_for(method: str) -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        talk.slack.fail(method, status=429, retry_after=1)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.settled()
        refused, *later = talk.slack.calls(method)
        assert refused.error == "429"
        assert all(call.at - refused.at >= 1 for call in later)
        assert len(talk.slack.replies(question)) == 1
        assert talk.slack.status(question) is None


OTHERS = {
    "assistant.threads.setSuggestedPrompts",
    "chat.delete",
    "users.list",
    "views.open",
    "views.publish",
}
"""Those of streams are in test_slack_streams.py; those of notices, commands and looking for a post have tests of their own."""


async def test_a_rate_limit_on_any_other_method_costs_no_answer_no_home_and_no_rating() -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.overview = Library().overview
        for method in OTHERS:
            talk.slack.fail(method, status=429, retry_after=1)
        async with talk.running():
            await talk.slack.hands.open_home(ANA, "messages")
            await talk.slack.hands.open_home(ANA)
            await talk.slack.until_reply(await talk.slack.dm(ANA, "how many days?"))
            question = await talk.slack.mention(ANA, GENERAL, "how many days?")
            await talk.slack.press(ANA, await talk.slack.until_reply(question), "Bad answer")
            await talk.slack.until(lambda: talk.commands.asked, what="the rating")
            await talk.slack.delete(question)
            await talk.slack.until(lambda: not talk.slack.replies(question), what="clearing away")
            await talk.slack.hands.until_home(ANA)
        assert {call.method for call in talk.slack.api.calls if call.error == "429"} == OTHERS


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_error_on_any_method_leaves_one_answer(method: str, status: int) -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        talk.slack.fail(method, status=status)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.settled()
        assert len(talk.slack.replies(question)) == 1
        assert talk.slack.status(question) is None


@pytest.mark.parametrize("method", METHODS)
async def test_a_lost_answer_of_any_method_leaves_one_answer(method: str) -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        talk.slack.lose(method)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.settled()
        assert len(talk.slack.replies(question)) == 1
        assert talk.slack.status(question) is None


@pytest.mark.parametrize("error", ["internal_error", "service_unavailable"])
async def test_an_error_of_slack_that_passes_delays_the_answer(error: str) -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        talk.slack.fail("chat.postMessage", error=error)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        reply = await talk.slack.until_reply(question)
        await talk.slack.settled()
        assert "Thirty days." in reply.shown
        assert len(talk.slack.replies(question)) == 1


async def test_a_page_of_html_in_place_of_json_leaves_one_answer() -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        talk.slack.fail("chat.postMessage", status=502, body="<html>bad gateway</html>")
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        assert len(talk.slack.replies(question)) == 1


async def test_a_rate_limit_on_looking_for_a_lost_post_does_not_post_it_twice() -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        talk.slack.lose("chat.postMessage")
        talk.slack.fail("conversations.replies", status=429, retry_after=1)
        talk.slack.fail("conversations.replies", status=500)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until(lambda: len(talk.slack.calls("conversations.replies")) == 3, what="looking for it")
        await asyncio.sleep(0.5)
        assert len(talk.slack.replies(question)) == 1


@pytest.mark.slow
async def test_when_every_call_takes_five_seconds_events_are_acknowledged_and_answered_all_the_same() -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.slack.slow(5.0)
        async with talk.running():
            questions = [await talk.slack.mention(ANA, GENERAL, f"question {number}") for number in range(5)]
            private = await talk.slack.dm(ANA, "how many days?")
            for question in [*questions, private]:
                await talk.slack.until_reply(question)
            await talk.slack.settled()
            assert max(delivery.seconds or 9 for delivery in talk.slack.deliveries) < 1
            by_text = {message.text: audience for message, audience in talk.assistant.asked}
            assert by_text["how many days?"] == Audience.of({"user:ana@acme.com", "domain:acme.com", "workspace:slack:T0FOOT"})
        assert all(talk.slack.status(question) is None for question in questions)


async def test_a_status_that_hangs_does_not_delay_the_answer_nor_stay_behind() -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        talk.slack.slow(6.0, "assistant.threads.setStatus", times=1)
        started = time.monotonic()
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        assert time.monotonic() - started < 6
        await asyncio.sleep(max(0.0, started + 6.5 - time.monotonic()))
        await talk.slack.until(lambda: talk.slack.status(question) is None, what="clearing the status")


async def test_a_status_that_is_refused_is_no_trouble() -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        talk.slack.fail("assistant.threads.setStatus", error="missing_scope", times=99)
        await talk.slack.until_reply(await talk.slack.mention(ANA, GENERAL, "how many days?"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TransientError("The model did not answer."), "The model did not answer. Nothing was lost"),
        (RuntimeError("secret sk-1234567890"), "Something went wrong on my side."),
    ],
    ids=["model", "bug"],
)
async def test_an_error_is_told_once_to_the_person_alone_without_its_text(error: Exception, said: str) -> None:
    async def fails(_message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield "Thirty"
        await asyncio.sleep(0.1)
        raise error

    async with dialogue(fails) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        whisper = await talk.slack.until_whisper(ANA)
        await talk.slack.until(lambda: talk.slack.status(question) is None, what="clearing the status")
        await talk.slack.settled()
        assert said in whisper.shown
        assert "sk-" not in whisper.shown
        assert len(talk.slack.whispers(ANA)) == 1
        assert talk.slack.replies(question) == []


async def test_a_notice_whose_answer_is_lost_is_shown_once() -> None:
    async with dialogue() as talk, talk.running():
        talk.slack.lose("chat.postEphemeral")
        await talk.slack.mention(ANA, GENERAL, "")
        await talk.slack.until_whisper(ANA)
        await asyncio.sleep(1.0)
        assert len(talk.slack.whispers(ANA)) == 1


@pytest.mark.parametrize("fault", [{"status": 429, "retry_after": 1}, {"status": 500}], ids=["429", "500"])
async def test_a_notice_is_repeated_after_a_refusal_that_passes(fault: dict[str, int]) -> None:
    async with dialogue() as talk, talk.running():
        talk.slack.fail("chat.postEphemeral", **fault)
        await talk.slack.mention(ANA, GENERAL, "")
        await talk.slack.until_whisper(ANA)


async def test_a_channel_that_was_archived_meanwhile_stops_nothing() -> None:
    async with dialogue(says("Thirty days.", seconds=0.3)) as talk, talk.running():
        await talk.slack.mention(ANA, GENERAL, "how many days?")
        await asyncio.sleep(0.1)
        talk.slack.workspace.channels[GENERAL].archived = True
        await asyncio.sleep(0.5)
        await talk.slack.until_reply(await talk.slack.dm(ANA, "how many days?"))


async def test_without_redis_mentions_are_answered() -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running():
        await talk.redis.shutdown(nosave=True)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
