"""Calling a person to an answer, and the word that it was taken care of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.escalate import Escalation
from bots.desk import AnswerDesk, Kept
from core.channels import ChannelConfig, Channels
from core.errors import UserError
from core.models import Audience
from tests.fakes import NOON, RecordingReply, answer

ANA = Command(
    name="escalate",
    text="a1",
    user="slack:UANA",
    user_name="Ana",
    principals=frozenset({"slack:UANA"}),
    platform="slack",
    channel_id="C1",
    conversation_id=None,
)
ASKED = Kept(user="slack:UBEN", channel_id="C1", question="How many\n days?")


async def nothing(_audience: Audience) -> Collection[str]:
    return ()


@pytest.fixture
def desk(redis: Redis) -> AnswerDesk:
    return AnswerDesk(redis, nothing)


@pytest.fixture
async def escalation(redis: Redis, desk: AnswerDesk) -> Escalation:
    channels = Channels(redis)
    await channels.change("slack", "C1", ChannelConfig(escalate_to="slack:UEVE"))
    return Escalation(channels, desk, clock=lambda: NOON)


async def called(escalation: Escalation, command: Command = ANA) -> list[tuple[str, str]]:
    reply = RecordingReply()
    await escalation.escalate(command, reply)
    assert [(button.label, button.command) for button in reply.buttons] == [("Mark resolved", f"resolved {command.text}")]
    return reply.called


async def test_whoever_the_settings_name_is_called_with_the_question(escalation: Escalation, desk: AnswerDesk) -> None:
    await desk.keep("a1", ASKED)
    assert await called(escalation) == [("slack:UEVE", "Ana asks for a person's answer to “How many days?”.")]


async def test_a_long_question_is_cut(escalation: Escalation, desk: AnswerDesk) -> None:
    await desk.keep("a1", replace(ASKED, question="x" * 2000))
    ((_, text),) = await called(escalation)
    assert len(text) < 400


async def test_nothing_is_told_of_what_was_asked_elsewhere_in_private_or_long_ago(
    escalation: Escalation, desk: AnswerDesk
) -> None:
    plain = [("slack:UEVE", "Ana asks for a person's answer here.")]
    await desk.keep("elsewhere", replace(ASKED, channel_id="C2"))
    await desk.keep("private", replace(ASKED, answer=answer()))
    for answer_id in ("long-ago", "elsewhere", "private"):
        assert await called(escalation, replace(ANA, text=answer_id)) == plain


async def test_without_anybody_in_the_settings_it_says_how_to_name_one(escalation: Escalation) -> None:
    with pytest.raises(UserError, match="names a person or a group"):
        await escalation.escalate(replace(ANA, channel_id="C2"), RecordingReply())


async def test_it_is_said_who_resolved_it_and_when(escalation: Escalation) -> None:
    reply = RecordingReply()
    await escalation.resolved(replace(ANA, name="resolved", user_name="Eve"), reply)
    assert reply.settled == ["✅ Resolved by Eve, 2026-11-02 12:00 UTC"]


async def test_two_people_who_press_the_button_call_once(escalation: Escalation) -> None:
    await called(escalation)
    reply = RecordingReply()
    with pytest.raises(UserError, match="a few minutes ago"):
        await escalation.escalate(replace(ANA, user="slack:UBEN", user_name="Ben"), reply)
    assert reply.called == []


async def test_a_call_that_failed_can_be_repeated(escalation: Escalation) -> None:
    class Shut(RecordingReply):
        async def call(self, who: str, text: str, buttons: object) -> None:
            raise UserError("I cannot write here.")

    with pytest.raises(UserError, match="cannot write"):
        await escalation.escalate(ANA, Shut())
    assert len(await called(escalation)) == 1
