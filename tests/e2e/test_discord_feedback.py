"""What can be done below an answer on Discord: rate it and say why, ask on, try again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from bots.command import Command, CommandReply
from bots.commands.escalate import ESCALATE, RESOLVED, Escalation
from bots.commands.feedback import RATE
from bots.desk import AnswerDesk
from core.errors import TransientError
from core.models import Answer, Audience, Message
from tests.e2e.discord_dialogue import TRAVEL, Dialogue, dialogue, scene, writes
from tests.e2e.scripted_syncs import nothing
from tests.emulators.discord_components import buttons_of
from tests.fakes import answer

RATED = replace(
    answer("You have **30 days** [1].", id="4f1c2b7a9d3e48f0a6b5c4d3e2f10987"),
    citations=(TRAVEL,),
    follow_ups=("How do I ask for leave?", "And in Spain?", "x" * 76),
)


class Ratings:
    """What was rated, as the command was given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str]] = []

    async def rate(self, command: Command, reply: CommandReply) -> None:
        self.given.append((command.user, command.text))
        await reply.say("Thank you.")


def rated_by(ratings: Ratings) -> Callable[[Dialogue], None]:
    def prepare(talk: Dialogue) -> None:
        talk.more[RATE] = ratings.rate

    return prepare


async def test_a_thumb_up_is_noted_and_thanked_for_to_the_person_alone() -> None:
    ratings = Ratings()
    async with dialogue(writes(whole=RATED), prepare=rated_by(ratings)) as talk:
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        pressed = await talk.discord.press(talk.root, shown, "👍")
        assert await talk.discord.finished(pressed) == ["Thank you."]
        assert pressed.ephemeral
        assert ratings.given == [(f"discord:{talk.root.id}", f"{RATED.id} good")]


async def test_a_thumb_down_asks_at_once_what_was_wrong_and_notes_it_with_a_comment() -> None:
    ratings = Ratings()
    async with dialogue(writes(whole=RATED), prepare=rated_by(ratings)) as talk:
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        pressed = await talk.discord.press(talk.ana, shown, "👎")
        await talk.discord.until(lambda: pressed.form is not None, what="the form")
        assert pressed.acknowledged_after is not None
        assert pressed.acknowledged_after < 1
        assert not ratings.given, "who thinks better of it and closes the form has rated nothing"
        handed_in = await talk.discord.submit(pressed, reason="outdated", comment="It is 32 days\nsince May.")
        assert await talk.discord.finished(handed_in) == ["Thank you."]
        assert handed_in.ephemeral
        assert ratings.given == [(f"discord:{talk.ana.id}", f"{RATED.id} bad outdated It is 32 days since May.")]


async def test_a_thumb_down_needs_a_reason_and_no_comment() -> None:
    ratings = Ratings()
    async with dialogue(writes(whole=RATED), prepare=rated_by(ratings)) as talk:
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        pressed = await talk.discord.press(talk.ana, shown, "👎")
        await talk.discord.until(lambda: pressed.form is not None, what="the form")
        with pytest.raises(AssertionError, match="reason"):
            await talk.discord.submit(pressed)
        await talk.discord.finished(await talk.discord.submit(pressed, reason="private"))
        assert ratings.given == [(f"discord:{talk.ana.id}", f"{RATED.id} bad private")]


async def test_buttons_and_forms_work_after_a_restart() -> None:
    ratings = Ratings()
    async with scene(writes(whole=RATED)) as talk:
        rated_by(ratings)(talk)
        async with talk.running():
            shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        async with talk.running():
            opened = await talk.discord.press(talk.ana, shown, "👎")
            await talk.discord.until(lambda: opened.form is not None, what="the form")
        async with talk.running():
            await talk.discord.finished(await talk.discord.submit(opened, reason="wrong"))
            await talk.discord.finished(await talk.discord.press(talk.ana, shown, "👍"))
        assert [text.partition(" ")[2] for _, text in ratings.given] == ["bad wrong", "good"]


async def test_a_question_below_an_answer_is_asked_for_all_who_see_it_and_continues_the_conversation() -> None:
    async with dialogue(writes(whole=RATED)) as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        shown = await talk.discord.answer_to(question)
        labels = [button["label"] for button in buttons_of(shown.components)]
        assert labels == ["👍", "👎", "Answer with my access", "How do I ask for leave?", "And in Spain?"]
        pressed = await talk.discord.press(talk.root, shown, "And in Spain?")
        [text] = await talk.discord.finished(pressed)
        assert text.startswith("-# Root asked: And in Spain?\nYou have **30 days**")
        assert not pressed.ephemeral
        first, second = (message for message, _ in talk.assistant.asked)
        assert second.text == "And in Spain?"
        assert second.user == f"discord:{talk.root.id}"
        assert first.conversation_id == second.conversation_id == f"discord:{talk.general.id}:{question.id}"
        assert talk.assistant.asked[1][1] == talk.members


async def test_a_question_below_an_answer_that_one_person_sees_is_asked_for_them_alone() -> None:
    async with dialogue(writes(whole=RATED)) as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?", private=True)
        await talk.discord.finished(asked)
        assert asked.original is not None
        pressed = await talk.discord.press(talk.ana, asked.original, "And in Spain?")
        await talk.discord.finished(pressed)
        assert pressed.ephemeral
        assert talk.assistant.asked[1][0].private
        assert talk.discord.seen_by(talk.root, talk.general) == []


async def test_below_a_private_answer_nothing_offers_one() -> None:
    async with dialogue(writes(whole=RATED)) as talk:
        shown = await talk.discord.answer_to(await talk.discord.dm(talk.ana, "How many days?"))
        await talk.discord.until(lambda: bool(buttons_of(shown.components)), what="the buttons")
        assert "Answer with my access" not in [button["label"] for button in buttons_of(shown.components)]


async def test_only_who_asked_can_have_a_question_tried_again() -> None:
    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        if len(talk.assistant.asked) == 1:
            raise TransientError("The model is away.")
        yield answer("Thirty days.", question=message.text)

    async with dialogue(script) as talk:
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        assert "The model is away" in shown.content
        [refused] = await talk.discord.finished(await talk.discord.press(talk.root, shown, "Try again"))
        assert "somebody else" in refused
        await talk.discord.finished(await talk.discord.press(talk.ana, shown, "Try again"))
        await talk.discord.until(lambda: shown.content == "Thirty days.", what="the answer in the place of the error")
        assert [button["label"] for button in buttons_of(shown.components)][:2] == ["👍", "👎"]


async def test_a_form_for_a_press_that_came_too_late_costs_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async with dialogue(writes(whole=RATED)) as talk:
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        talk.discord.extra_latency = 3.5
        await talk.discord.press(talk.ana, shown, "👎")
        await talk.discord.until(lambda: bool(talk.discord.calls("POST", "/callback$")), what="the attempt")
        talk.discord.extra_latency = 0
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you still there?"))
    assert "Traceback" not in caplog.text


async def test_a_person_is_called_by_a_message_that_notifies_them_and_settles_it_below() -> None:
    whole = replace(RATED, escalates=True)
    async with scene(writes(whole=whole)) as talk:
        escalation = Escalation(talk.channels, AnswerDesk(talk.redis, nothing), clock=talk.discord.clock)
        await talk.set(talk.general, escalate_to=f"discord:role:{talk.people_ops.id}")
        talk.more |= {ESCALATE: escalation.escalate, RESOLVED: escalation.resolved}
        async with talk.running():
            shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
            pressed = await talk.discord.press(talk.ana, shown, "Escalate")
            assert await talk.discord.finished(pressed) == ["They are called, in this channel."]
            [call] = [said for said in talk.discord.said_by_bot(talk.general) if said.content.startswith("<@&")]
            assert call.content == f"<@&{talk.people_ops.id}> Ana asks for a person's answer here."
            assert call.payload["allowed_mentions"]["roles"] == [talk.people_ops.id]
            await talk.discord.finished(await talk.discord.press(talk.root, call, "Mark resolved"))
            assert "✅ Resolved by Root" in call.content
            assert not call.components
