"""Messages that are taken back while they are answered, and questions that were put to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bots.responder import Responder
from core.errors import TransientError, UserError
from core.models import ANYONE, Answer, Audience, Citation, Message
from tests.fakes import MemoryGate, RecordingReply, Script, ScriptedAssistant, answer, message

CITED = Citation(
    number=1, document_id="wiki:leave", title="Leave", url="", quote="Thirty.", updated_at=datetime(2026, 3, 1, tzinfo=UTC)
)


async def anyone(_message: Message) -> Audience:
    return ANYONE


def responder(script: Script | None = None) -> Responder:
    return Responder(ScriptedAssistant(script), MemoryGate())  # type: ignore[arg-type]  # scripted


async def thinks(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    yield "Let me see"
    await asyncio.sleep(30)
    yield answer(question=message.text)


async def fails(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    raise {"refused": UserError, "away": TransientError}.get(message.text, RuntimeError)("no")
    yield ""


async def knows(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    yield "Thirty"
    yield replace(answer(question=message.text), citations=(CITED,))


async def test_an_answer_to_a_withdrawn_message_ends_without_a_word() -> None:
    bot, reply = responder(thinks), RecordingReply()
    answering = asyncio.create_task(bot.respond(message(), reply, anyone))
    while not reply.seen[1:]:
        await asyncio.sleep(0)
    bot.withdraw("test:another")
    bot.withdraw("test:1")
    bot.withdraw("test:1")
    await asyncio.wait_for(answering, 1)
    assert reply.replies == []
    assert not answering.cancelled()


async def test_all_wordings_of_a_message_are_withdrawn_together_and_no_other() -> None:
    bot = responder(thinks)
    later, other = message(id="test:1:5", replaces="test:1"), message(id="test:2")
    tasks = [asyncio.create_task(bot.respond(item, RecordingReply(), anyone)) for item in (later, other)]
    await asyncio.sleep(0.01)
    bot.withdraw("test:1")
    done, pending = await asyncio.wait(tasks, timeout=0.2)
    assert (done, pending) == ({tasks[0]}, {tasks[1]})
    tasks[1].cancel()


async def test_what_is_just_being_shown_is_shown_whole_and_nothing_behind_it() -> None:
    class Slow(RecordingReply):
        async def stream(self, text: str) -> None:
            await asyncio.sleep(0.05)
            await super().stream(text)

    bot, reply = responder(thinks), Slow()
    answering = asyncio.create_task(bot.respond(message(), reply, anyone))
    await asyncio.sleep(0.01)
    bot.withdraw("test:1")
    await asyncio.wait_for(answering, 1)
    assert [kind for kind, _ in reply.seen] == ["working", "stream"]


async def test_a_question_to_nobody_that_can_be_answered_is_answered_with_no_sign_before() -> None:
    reply = RecordingReply()
    await responder(knows).respond(message(addressed=False), reply, anyone)
    assert [kind for kind, _ in reply.seen] == ["answer"]


async def test_the_thread_of_a_question_to_nobody_is_joined_before_its_answer_is_seen() -> None:
    reply, seen_when_joined = RecordingReply(), []

    async def join() -> None:
        seen_when_joined.append(len(reply.seen))

    for addressed, bot in ((True, responder(knows)), (False, responder(fails)), (False, responder(knows))):
        await bot.respond(message(id=f"{addressed}{bot}", addressed=addressed), reply := RecordingReply(), anyone, join=join)
    assert seen_when_joined == [0]


@pytest.mark.parametrize("text", ["", "refused", "away", "broken"])
async def test_a_question_to_nobody_that_cannot_be_answered_gets_nothing_at_all(text: str) -> None:
    reply = RecordingReply()
    await responder(fails).respond(message(text, addressed=False), reply, anyone)
    assert reply.seen == []


async def test_an_answer_without_footnotes_to_a_question_to_nobody_is_not_given() -> None:
    reply = RecordingReply()
    await responder().respond(message(addressed=False), reply, anyone)
    assert reply.seen == []


async def test_what_is_told_is_told_once() -> None:
    bot, reply = responder(knows), RecordingReply()
    for _ in range(2):
        await bot.tell(message("leave"), reply, anyone, "I have left.")
    assert reply.seen == [("say", "I have left.")]
