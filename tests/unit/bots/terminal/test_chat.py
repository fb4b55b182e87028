"""The terminal as a person sees it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace

from bots.responder import Responder
from bots.terminal.chat import JsonReply, TerminalReply, chat
from core.models import ANYONE, Answer, Audience, Message
from tests.fakes import MemoryGate, ScriptedAssistant, answer

NEXT = ("Who approves leave?", "What about part-timers?")


async def offers(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    yield replace(answer(question=message.text), follow_ups=NEXT if message.text == "How many days?" else ())


async def said(*lines: str) -> tuple[list[str], str]:
    """What was asked when a person typed these lines, and what they saw."""
    assistant, out, typing = ScriptedAssistant(offers), io.StringIO(), iter(lines)

    async def typed(_prompt: str) -> str:
        return next(typing, "")

    await chat(Responder(assistant, MemoryGate()), ANYONE, "chat", typed=typed, out=out)  # type: ignore[arg-type]  # scripted
    return [message.text for message, _ in assistant.asked], out.getvalue()


async def test_what_may_be_asked_next_is_asked_by_its_number() -> None:
    asked, shown = await said("How many days?", "2", "exit")
    assert "  Ask next, by its number:\n    1. Who approves leave?\n    2. What about part-timers?\n" in shown
    assert asked == ["How many days?", "What about part-timers?"]


async def test_a_number_that_was_not_offered_or_not_in_the_last_answer_is_asked_as_it_is() -> None:
    asked, _ = await said("How many days?", "3", "1", "exit")
    assert asked == ["How many days?", "3", "1"]


async def test_one_question_shows_what_may_be_asked_next_without_numbers() -> None:
    out = io.StringIO()
    await TerminalReply(out).answer(replace(answer(), follow_ups=NEXT))
    assert out.getvalue().endswith("  Ask next:\n    - Who approves leave?\n    - What about part-timers?\n")


async def test_an_answer_that_leads_to_no_other_offers_nothing() -> None:
    out = io.StringIO()
    await TerminalReply(out).answer(answer())
    assert "Ask next" not in out.getvalue()


async def test_the_json_lists_what_may_be_asked_next() -> None:
    reply = JsonReply()
    await reply.answer(replace(answer(), follow_ups=NEXT))
    assert reply.result()["follow_ups"] == list(NEXT)
