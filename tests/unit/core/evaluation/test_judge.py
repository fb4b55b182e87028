"""A model that judges: it speaks through the same wall as the one that answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from core.answering.model import build_model, name_of, stream
from core.errors import UserError
from core.evaluation.judge import Judge
from core.evaluation.outcome import Outcome
from core.settings import load_settings
from tests.emulators.openai import OpenAIServer

LEAVE = Outcome(
    id="1",
    question="How much leave?",
    kind="lookup",
    values={"facts": 1.0},
    expected=("wiki:leave",),
    answer="Thirty days.",
    reference="30 days",
    mode="quotes",
)


def judge(server: OpenAIServer, trials: int = 3) -> Judge:
    model = build_model(load_settings(openai_api_key=server.key, openai_base_url=server.url, footnote_model="openai:gpt-judge"))
    assert model is not None

    async def say(instructions: str, material: str) -> str:
        return "".join([piece async for piece in stream(model, [SystemMessage(instructions), HumanMessage(material)], 5)])

    return Judge(name=name_of(model), say=say, trials=trials)


async def test_each_answer_is_judged_several_times_and_the_moods_of_the_judge_show() -> None:
    async with OpenAIServer() as server:
        server.script("CORRECT", "It says half of it, so PARTLY.", "CORRECT")
        (judged,) = await judge(server).judge([LEAVE])
        assert len(server.requests) == 3
        assert server.requests[0].body["model"] == "gpt-judge"
        assert "<reference>\n30 days\n</reference>" in server.requests[0].prompt
    assert judged.values == {
        "facts": 1.0,
        "judged": pytest.approx((1 + 0.5 + 1) / 3),
        "judge's agreement": pytest.approx(2 / 3),
    }


async def test_it_is_told_when_there_is_no_answer_and_what_was_said_before() -> None:
    async with OpenAIServer() as server:
        server.script("WRONG")
        refused = replace(LEAVE, expected=(), reference="", turns=(("Who are you?", "Footnote."),))
        (judged,) = await judge(server).judge([refused])
        assert "There is no answer to this" in server.requests[0].prompt
        assert "Who are you?\nFootnote." in server.requests[0].prompt
    assert judged.values["judged"] == 0.0


async def test_an_answer_without_a_reference_is_not_judged() -> None:
    async with OpenAIServer() as server:
        assert await judge(server).judge([replace(LEAVE, reference="")]) == [replace(LEAVE, reference="")]
        assert server.requests == []


async def test_a_judge_that_does_not_judge_is_named() -> None:
    async with OpenAIServer() as server:
        server.script("I would rather not.")
        with pytest.raises(UserError, match="The judge gpt-judge replied with none of"):
            await judge(server).judge([LEAVE])


async def test_fewer_than_three_trials_are_no_judgement() -> None:
    async with OpenAIServer() as server:
        with pytest.raises(UserError, match="3 times or more"):
            judge(server, trials=2)
