"""Every addressed message ends in exactly one reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bots.responder import GREETING, Responder
from core.errors import TransientError, UserError
from core.models import ANYONE, Answer, Audience, Message
from tests.fakes import MemoryGate, RecordingReply, ScriptedAssistant, answer, message


async def anyone(_message: Message) -> Audience:
    return ANYONE


async def test_a_question_gets_a_sign_of_life_then_its_answer() -> None:
    reply = RecordingReply()
    await Responder(ScriptedAssistant(), MemoryGate()).respond(message(), reply, anyone)
    assert reply.seen == [("working", ""), ("stream", "Thirty days"), ("answer", "Thirty days [1].")]


async def test_the_answer_is_made_for_the_audience_that_will_see_it() -> None:
    assistant = ScriptedAssistant()
    audience = Audience.of({"user:ana@acme.com"})

    async def only_ana(_message: Message) -> Audience:
        return audience

    await Responder(assistant, MemoryGate()).respond(message(), RecordingReply(), only_ana)
    assert assistant.asked[0][1] == audience


async def test_the_same_message_delivered_three_times_is_answered_once() -> None:
    reply = RecordingReply()
    responder = Responder(ScriptedAssistant(), MemoryGate())
    await asyncio.gather(*(responder.respond(message(), reply, anyone) for _ in range(3)))
    assert len(reply.replies) == 1


async def test_a_twin_with_another_id_is_known_by_its_alias() -> None:
    reply = RecordingReply()
    responder = Responder(ScriptedAssistant(), MemoryGate())
    await responder.respond(message(id="a", aliases=("shared",)), reply, anyone)
    await responder.respond(message(id="b", aliases=("shared",)), reply, anyone)
    assert len(reply.replies) == 1


async def test_a_mention_without_a_question_is_greeted_without_asking_the_model() -> None:
    reply, assistant = RecordingReply(), ScriptedAssistant()
    await Responder(assistant, MemoryGate()).respond(message("  "), reply, anyone)
    assert reply.replies == [GREETING]
    assert not assistant.asked


async def test_a_refusal_is_said_with_its_reason() -> None:
    reply = RecordingReply()
    gate = MemoryGate(refusal=UserError("That is 20,000 characters; the limit is 4,000."))
    await Responder(ScriptedAssistant(), gate).respond(message(), reply, anyone)
    assert reply.replies == ["That is 20,000 characters; the limit is 4,000."]


async def test_when_search_is_down_the_person_is_told_to_ask_again() -> None:
    async def down(_message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        raise TransientError("Search is unavailable.")
        yield ""

    reply = RecordingReply()
    await Responder(ScriptedAssistant(down), MemoryGate()).respond(message(), reply, anyone)
    assert len(reply.replies) == 1
    assert "Search is unavailable" in reply.replies[0]
    assert "Ask again" in reply.replies[0]


async def test_an_unforeseen_error_is_owned_up_to_with_an_id_and_without_its_text() -> None:
    async def broken(_message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        raise RuntimeError("xoxb-secret in a foreign message")
        yield ""

    reply = RecordingReply()
    await Responder(ScriptedAssistant(broken), MemoryGate()).respond(message(), reply, anyone)
    assert len(reply.replies) == 1
    assert "error `" in reply.replies[0]
    assert "secret" not in reply.replies[0]


async def test_a_question_whose_answer_was_cut_off_by_a_stop_may_be_asked_again() -> None:
    started = asyncio.Event()

    async def slow(_message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        started.set()
        await asyncio.sleep(60)
        yield answer()

    gate = MemoryGate()
    task = asyncio.create_task(Responder(ScriptedAssistant(slow), gate).respond(message(), RecordingReply(), anyone))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not gate.claimed


async def test_a_question_whose_apology_was_cut_off_by_a_stop_may_be_asked_again() -> None:
    apologising = asyncio.Event()

    class Stuck(RecordingReply):
        async def answer(self, answer: Answer) -> None:
            raise ConnectionError

        async def say(self, text: str) -> None:
            apologising.set()
            await asyncio.sleep(60)

    gate = MemoryGate()
    task = asyncio.create_task(Responder(ScriptedAssistant(), gate).respond(message(), Stuck(), anyone))
    await apologising.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not gate.claimed


async def test_when_no_reply_could_be_delivered_a_redelivery_is_not_a_duplicate() -> None:
    class Unreachable(RecordingReply):
        async def answer(self, answer: Answer) -> None:
            raise ConnectionError

        async def say(self, text: str) -> None:
            raise ConnectionError

    gate = MemoryGate()
    responder = Responder(ScriptedAssistant(), gate)
    await responder.respond(message(), Unreachable(), anyone)
    reply = RecordingReply()
    await responder.respond(message(), reply, anyone)
    assert reply.replies == ["Thirty days [1]."]
