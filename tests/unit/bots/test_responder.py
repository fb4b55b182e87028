"""Every addressed message ends in exactly one reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bots.commands.memory import ANEW
from bots.responder import GREETING, Responder
from core.answering.line import Waiting, unheard
from core.answering.memory import Memory
from core.channels import DEFAULT, ChannelConfig, Channels
from core.errors import TransientError, UserError
from core.models import ANYONE, Answer, Audience, Message, Turn
from tests.answering import public
from tests.fakes import NOON, MemoryGate, RecordingReply, ScriptedAssistant, answer, message


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
    assert reply.seen[-1] == ("fail", "Search is unavailable. Please ask again in a minute.")
    assert reply.buttons == [], "nothing was kept that could be tried again"


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

        async def fail(self, text: str, again: str) -> None:
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

        async def fail(self, text: str, again: str) -> None:
            raise ConnectionError

    gate = MemoryGate()
    responder = Responder(ScriptedAssistant(), gate)
    await responder.respond(message(), Unreachable(), anyone)
    reply = RecordingReply()
    await responder.respond(message(), reply, anyone)
    assert reply.replies == ["Thirty days [1]."]


async def test_an_answer_is_made_as_its_channel_is_set(redis: Redis) -> None:
    channels = Channels(redis)
    german = ChannelConfig(language="German", sources=("wiki",), escalate_to="slack:U1")
    await channels.change("test", "test:channel", german)
    seen: list[ChannelConfig] = []

    class Listening(ScriptedAssistant):
        def answer(
            self, message: Message, audience: Audience, config: ChannelConfig = DEFAULT, *, waiting: Waiting = unheard
        ) -> AsyncIterator[str | Answer]:
            seen.append(config)
            return super().answer(message, audience, config, waiting=waiting)

    responder = Responder(Listening(), MemoryGate(), channels=channels)
    for number, channel in enumerate(["test:channel", "test:elsewhere"]):
        await responder.respond(message(id=f"m{number}", channel_id=channel), RecordingReply(), anyone)
    assert seen == [german, DEFAULT]


async def test_a_new_topic_is_begun_and_what_is_asked_with_it_is_answered(redis: Redis) -> None:
    assistant = ScriptedAssistant()
    memory = Memory(redis, turns=10, ttl=timedelta(hours=1), accesses=public)
    responder = Responder(assistant, MemoryGate(), memory=memory, clock=lambda: NOON)
    before = Turn(
        question="And?", answer="So.", accesses=(), asked_by="test:ana", asked_by_name="Ana", at=NOON - timedelta(minutes=1)
    )
    for number, text in enumerate(["New topic", "new topic: where is the office?", "New topics of the offsite?"]):
        await memory.add("test:thread", before)
        reply = RecordingReply()
        await responder.respond(message(text, id=f"m{number}"), reply, anyone)
        assert await memory.read("test:thread", ANYONE) == []
        assert (reply.replies == [ANEW]) is (number == 0)
    assert [asked.text for asked, _ in assistant.asked] == ["where is the office?", "New topics of the offsite?"]


async def test_an_answer_that_was_given_is_not_taken_back_by_what_fails_after_it() -> None:
    async def fails_late(asked: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield answer(question=asked.text)
        raise RuntimeError("after the answer")

    reply = RecordingReply()
    await Responder(ScriptedAssistant(fails_late), MemoryGate()).respond(message(), reply, anyone)
    assert reply.replies == ["Thirty days [1]."]
