"""Slack: what people do below an answer: rate it, ask on, call a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import replace

import pytest

from bots.commands.escalate import ESCALATE, RESOLVED, Escalation
from bots.desk import AnswerDesk
from core.channels import ChannelConfig, Channels
from core.models import Answer, Audience, Message
from tests.e2e.scripted_syncs import ScriptedJobs, commands_over
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, SECRET, Dialogue, ScriptedCommands, dialogue
from tests.emulators.slack_views import TRIGGER_SECONDS
from tests.emulators.slack_workspace import Post
from tests.fakes import answer


async def follows_up(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    yield replace(answer("Thirty days.", question=message.text, id="a7"), follow_ups=("Who approves <it> & when?",))


async def answered(talk: Dialogue, channel: str = GENERAL) -> Post:
    question = await talk.slack.mention(ANA, channel, "How many days?")
    return await talk.slack.until_reply(question)


async def told(talk: Dialogue, count: int = 1) -> list[str]:
    """The commands that were given, once there are so many."""
    await talk.slack.until(lambda: len(talk.commands.asked) >= count, what=f"{count} commands")
    return [f"{command.name} {command.text}" for command in talk.commands.asked]


async def test_a_thumb_up_is_noted_at_once_and_thanked_for_in_private() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        reply = await answered(talk)
        await talk.slack.press(BEN, reply, "Good answer")
        thanks = await talk.slack.until_whisper(BEN)
        assert await told(talk) == ["rate a7 good"]
        assert (thanks.thread_ts, thanks.channel) == (reply.root, GENERAL)
        assert talk.slack.api.views.modals == {}


async def test_a_thumb_down_asks_for_the_reason_at_once_and_sends_it_with_the_comment() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        reply = await answered(talk)
        await talk.slack.press(BEN, reply, "Bad answer")
        form = await talk.slack.hands.until_modal(BEN)
        assert form.title == "What was wrong?"
        assert "It is outdated" in form.shown
        assert talk.commands.asked == []
        await talk.slack.hands.submit(BEN, reason="outdated", comment=" It is *28* since\nMay ")
        thanks = await talk.slack.until_whisper(BEN)
        assert await told(talk) == ["rate a7 bad outdated It is *28* since\nMay"]
        assert (thanks.thread_ts, thanks.channel) == (reply.root, GENERAL)
        assert talk.commands.asked[0].user == f"slack:{BEN}"


async def test_a_form_that_is_closed_leaves_a_bad_rating_without_a_reason() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        await talk.slack.press(BEN, await answered(talk), "Bad answer")
        await talk.slack.hands.until_modal(BEN)
        await talk.slack.hands.close(BEN)
        assert await told(talk) == ["rate a7 bad other"]


async def test_a_form_that_slack_does_not_open_costs_no_rating() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        reply = await answered(talk)
        talk.slack.fail("views.open", error="expired_trigger_id")
        await talk.slack.press(BEN, reply, "Bad answer")
        assert await told(talk) == ["rate a7 bad"]


async def test_feedback_works_after_a_restart_and_so_does_a_form_that_was_open() -> None:
    async with dialogue(follows_up) as talk:
        async with talk.running():
            reply = await answered(talk)
        async with talk.running():
            await talk.slack.press(BEN, reply, "Bad answer")
            await talk.slack.hands.until_modal(BEN)
        async with talk.running():
            await talk.slack.hands.submit(BEN, reason="private")
            await talk.slack.until_whisper(BEN)
        assert await told(talk) == ["rate a7 bad private"]


async def test_feedback_over_http_is_acknowledged_at_once() -> None:
    async with dialogue(follows_up) as talk, talk.running(talk.http_bot()):
        await talk.slack.press(BEN, await answered(talk), "Bad answer")
        await talk.slack.hands.until_modal(BEN)
        await talk.slack.hands.submit(BEN, reason="wrong")
        assert await told(talk) == ["rate a7 bad wrong"]
        await talk.slack.settled()
        assert all(delivery.seconds is not None and delivery.seconds < 1 for delivery in talk.slack.deliveries)


async def test_the_form_opens_in_time_while_slack_is_slow_to_say_who_somebody_is() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        reply = await answered(talk)
        talk.slack.user("U9NEW", name="New")
        talk.slack.slow(TRIGGER_SECONDS + 1, "users.info")
        await talk.slack.press("U9NEW", reply, "Bad answer")
        await talk.slack.hands.until_modal("U9NEW")
        assert [call.error for call in talk.slack.calls("views.open")] == [None]


async def test_a_follow_up_is_asked_in_the_thread_for_everybody_by_whoever_pressed_it() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        reply = await answered(talk)
        await talk.slack.press(BEN, reply, "Who approves <it> & when?")
        await talk.slack.until(lambda: len(talk.assistant.asked) == 2, what="the question")
        message, audience = talk.assistant.asked[1]
        assert (message.text, message.user, message.private) == ("Who approves <it> & when?", f"slack:{BEN}", False)
        assert message.conversation_id == talk.assistant.asked[0][0].conversation_id
        assert audience == talk.assistant.asked[0][1]
        await talk.slack.until(lambda: len(talk.slack.posts(GENERAL)) == 3, what="the answer")
        _, line, second = talk.slack.posts(GENERAL)
        assert line.shown == "*Ben* asks: Who approves &lt;it&gt; &amp; when?"
        assert {line.root, second.root} == {reply.root}
        assert talk.slack.whispers(BEN) == []


async def test_a_follow_up_that_is_pressed_twice_is_asked_once() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        reply = await answered(talk)
        await talk.slack.press(ANA, reply, "Who approves <it> & when?")
        await talk.slack.press(ANA, reply, "Who approves <it> & when?")
        await talk.slack.until(lambda: len(talk.slack.posts(GENERAL)) == 3, what="the answer")
        await asyncio.sleep(0.3)
        assert len(talk.assistant.asked) == 2
        assert len(talk.slack.posts(GENERAL)) == 3


async def test_a_follow_up_in_a_direct_message_is_answered_there() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        reply = await talk.slack.until_reply(await talk.slack.dm(ANA, "How many days?"))
        await talk.slack.press(ANA, reply, "Who approves <it> & when?")
        await talk.slack.until(lambda: len(talk.slack.posts(f"D{ANA}")) == 3, what="the answer")
        assert talk.assistant.asked[1][0].private


async def test_a_follow_up_in_a_channel_that_the_bot_had_to_leave_says_so() -> None:
    async with dialogue(follows_up) as talk, talk.running():
        reply = await answered(talk)
        talk.slack.workspace.channels[GENERAL].with_bot = False
        await talk.slack.press(ANA, reply, "Who approves <it> & when?")
        assert "invite me" in (await talk.slack.until_whisper(ANA)).shown
        assert len(talk.assistant.asked) == 1


@pytest.mark.fault
async def test_a_follow_up_that_a_restart_cuts_off_is_answered_by_the_next_process_once() -> None:
    async def slow_at_first(message: Message, audience: Audience) -> AsyncIterator[str | Answer]:
        if len(talk.assistant.asked) == 2:
            await asyncio.sleep(30)
        async for part in follows_up(message, audience):
            yield part

    async with dialogue(slow_at_first) as talk:
        async with talk.running(drain=0.4):
            reply = await answered(talk)
            await talk.slack.press(BEN, reply, "Who approves <it> & when?")
            await talk.slack.until(lambda: len(talk.assistant.asked) == 2, what="the question")
        assert len(talk.slack.posts(GENERAL)) == 2
        async with talk.running():
            await talk.slack.until(lambda: len(talk.slack.posts(GENERAL)) == 3, what="the answer")
            await asyncio.sleep(0.5)
    assert [post.shown.split("\n")[0] for post in talk.slack.posts(GENERAL)] == [
        "Thirty days.",
        "*Ben* asks: Who approves &lt;it&gt; &amp; when?",
        "Thirty days.",
    ]
    assert talk.assistant.asked[2][0].user == f"slack:{BEN}"


async def test_where_each_is_answered_alone_nothing_is_asked_in_front_of_others() -> None:
    async with dialogue(follows_up) as talk:
        await Channels(talk.redis).change("slack", GENERAL, ChannelConfig(private=True, escalate_to=f"slack:{ANA}"))
        async with talk.running():
            await talk.slack.mention(BEN, GENERAL, "How many days?")
            whisper = await talk.slack.until_whisper(BEN)
            assert whisper.shown == "Thirty days."
            assert [block["type"] for block in whisper.blocks] == ["section", "context_actions"]
            await talk.slack.press(BEN, whisper, "Good answer")
            assert await told(talk) == ["rate a7 good"]


EXPERT = "U7EXPERT"


async def nothing_more(_audience: Audience) -> Collection[str]:
    return ()


async def escalating(talk: Dialogue, who: str = f"slack:{EXPERT}") -> None:
    """#general has somebody to be called."""
    talk.slack.user(EXPERT, name="Eve", email="eve@acme.com")
    talk.slack.api.pings.add(EXPERT)
    talk.desk = AnswerDesk(talk.redis, nothing_more)
    channels = Channels(talk.redis)
    await channels.change("slack", GENERAL, ChannelConfig(escalate_to=who))
    escalation = Escalation(channels, talk.desk)
    more = {ESCALATE: escalation.escalate, RESOLVED: escalation.resolved}
    talk.commands = commands_over(ScriptedJobs(), talk.redis, admins=set(), more=more)


async def test_a_person_of_the_settings_is_called_by_a_mention_and_says_when_it_is_resolved() -> None:
    async with dialogue(follows_up) as talk:
        await escalating(talk)
        async with talk.running():
            reply = await answered(talk)
            await talk.slack.press(ANA, reply, "Escalate")
            await talk.slack.until(lambda: len(talk.slack.posts(GENERAL)) == 2, what="the call")
            call = talk.slack.posts(GENERAL)[1]
            assert call.root == reply.root
            assert call.text == f"<@{EXPERT}> Ana asks for a person's answer to “How many days?”."
        async with talk.running():
            await talk.slack.press(EXPERT, call, "Mark resolved")
            await talk.slack.until(lambda: "Resolved by Eve, 20" in call.shown, what="the word that it is resolved")
            assert call.shown.startswith(f"<@{EXPERT}> Ana asks for a person's answer")
            assert [block["type"] for block in call.blocks] == ["section", "context"]


async def test_where_nobody_is_named_nobody_can_be_called() -> None:
    async with dialogue(follows_up) as talk:
        await escalating(talk)
        talk.slack.channel("C9OTHER")
        async with talk.running():
            reply = await answered(talk, "C9OTHER")
            assert [block["type"] for block in reply.blocks] == ["section", "actions", "context_actions"]
            assert len(reply.blocks[1]["elements"]) == 1
            await talk.slack.command(ANA, "C9OTHER", "/footnote", "escalate a7")
            assert "Nobody is named for this channel" in (await talk.slack.until_whisper(ANA)).shown
            assert len(talk.slack.posts("C9OTHER")) == 1


async def test_a_call_tells_nothing_of_a_question_that_was_asked_elsewhere() -> None:
    async with dialogue(follows_up) as talk:
        await escalating(talk)
        async with talk.running():
            await answered(talk, SECRET)
            await talk.slack.command(BEN, GENERAL, "/footnote", "escalate a7")
            await talk.slack.until(lambda: talk.slack.posts(GENERAL), what="the call")
            assert talk.slack.posts(GENERAL)[0].text == f"<@{EXPERT}> Ben asks for a person's answer here."


async def test_a_question_cannot_choose_who_is_called() -> None:
    async with dialogue(follows_up) as talk:
        await escalating(talk, who="slack:here> <!channel")
        async with talk.running():
            await talk.slack.press(ANA, await answered(talk), "Escalate")
            assert "neither a person nor a group" in (await talk.slack.until_whisper(ANA)).shown
            assert len(talk.slack.posts(GENERAL)) == 1


async def test_buttons_below_a_private_answer_ask_nothing_in_front_of_others() -> None:
    async def to_one(_command: object, reply: object) -> None:
        await reply.answer(replace(answer(id="a9"), follow_ups=("What is Project X?",)))  # type: ignore[attr-defined]

    async with dialogue(commands=ScriptedCommands(to_one)) as talk, talk.running():
        await talk.slack.command(ANA, GENERAL, "/footnote", "private a7")
        whisper = await talk.slack.until_whisper(ANA)
        assert [block["type"] for block in whisper.blocks] == ["section", "context_actions"]
