"""Slack: what must stay unanswered."""

from __future__ import annotations

import pytest

from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, Dialogue, dialogue
from tests.emulators.slack_workspace import BOT, BOT_USER


async def is_silent(talk: Dialogue) -> None:
    """Nothing but the control question, asked last, was answered, and everything was acknowledged."""
    control = await talk.slack.mention(ANA, GENERAL, "control question")
    await talk.slack.until_reply(control)
    await talk.slack.settled()
    assert [message.text for message, _ in talk.assistant.asked] == ["control question"]
    assert len([call for call in talk.slack.calls("chat.postMessage") if not call.error]) == 1
    assert {delivery.attempt for delivery in talk.slack.deliveries} == {0}


async def test_channel_talk_without_a_mention() -> None:
    async with dialogue() as talk, talk.running():
        await talk.slack.say(ANA, GENERAL, "how many days of leave do I have?")
        await is_silent(talk)


async def test_a_thread_that_the_bot_is_not_in() -> None:
    async with dialogue() as talk, talk.running():
        thread = await talk.slack.say(ANA, GENERAL, "how many days of leave do I have?")
        await talk.slack.say(BEN, GENERAL, "no idea, you?", thread=thread)
        await is_silent(talk)


@pytest.mark.parametrize(
    "text",
    [
        f"how do I call it? `<@{BOT_USER}> hello`",
        f"```\n<@{BOT_USER}> hello\n```",
        f"she wrote:\n&gt; <@{BOT_USER}> hello",
    ],
    ids=["inline code", "code block", "quote"],
)
async def test_a_mention_inside_code_or_a_quote(text: str) -> None:
    async with dialogue() as talk, talk.running():
        await talk.slack.say(ANA, GENERAL, text)
        await is_silent(talk)


@pytest.mark.parametrize(
    "subtype", ["channel_join", "channel_topic", "thread_broadcast", "me_message", "bot_message", "reminder_add"]
)
async def test_a_message_of_any_subtype_even_if_it_mentions_the_bot(subtype: str) -> None:
    async with dialogue() as talk, talk.running():
        await talk.slack.mention(ANA, GENERAL, "has joined the channel", subtype=subtype)
        await talk.slack.say(ANA, f"D{ANA}", "hello", subtype=subtype)
        await is_silent(talk)


async def test_other_bots() -> None:
    async with dialogue() as talk, talk.running():
        await talk.slack.say("U9BOT", GENERAL, f"<@{BOT_USER}> hello", bot_id="B9")
        await talk.slack.say("U9BOT", f"D{ANA}", "hello", bot_profile={"id": "B9"})
        await is_silent(talk)


async def test_itself() -> None:
    async with dialogue() as talk, talk.running():
        await talk.slack.say(BOT_USER, GENERAL, f"<@{BOT_USER}> hello", bot_id=BOT)
        await talk.slack.say(BOT_USER, GENERAL, f"<@{BOT_USER}> hello")
        await is_silent(talk)


async def test_its_own_answers_in_a_thread_that_it_is_in() -> None:
    async with dialogue() as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.settled()
        assert "message.channels" in talk.slack.delivered
        assert len(talk.slack.replies(question)) == len(talk.assistant.asked) == 1


async def test_a_mention_that_slack_repeats_because_it_was_edited() -> None:
    """The edit itself is heard as such, see test_slack_edits.py."""
    async with dialogue() as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        talk.slack.emit(question.payload() | {"type": "app_mention", "channel": GENERAL, "edited": {"user": ANA, "ts": "1.2"}})
        await talk.slack.settled()
        assert len(talk.assistant.asked) == 1


async def test_edits_deletions_and_unfurled_links_of_what_was_not_said_to_it() -> None:
    async with dialogue() as talk, talk.running():
        said = await talk.slack.say(ANA, GENERAL, "thirty days, see https://acme.com")
        thread = await talk.slack.say(BEN, GENERAL, "really?", thread=said)
        await talk.slack.unfurl(said)
        await talk.slack.edit(said, "twenty days, see https://acme.com")
        await talk.slack.edit(thread, "oh, really?")
        await talk.slack.delete(thread)
        await talk.slack.delete(said)
        await is_silent(talk)


async def test_a_reply_that_begins_with_a_mention_of_somebody_else() -> None:
    async with dialogue() as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.say(ANA, GENERAL, f"<@{BEN}> did you know?", thread=question)
        await talk.slack.settled()
        assert len(talk.slack.replies(question)) == 1


async def test_events_of_kinds_that_mean_nothing_to_it_are_acknowledged() -> None:
    async with dialogue() as talk, talk.running():
        talk.slack.emit({"type": "reaction_added", "user": ANA, "item": {"type": "message"}, "event_ts": "1.1"})
        talk.slack.emit({"type": "message", "channel": GENERAL})
        talk.slack.emit({"type": "message", "channel": GENERAL, "user": ANA, "text": "hi", "ts": "not a ts"})
        await is_silent(talk)
