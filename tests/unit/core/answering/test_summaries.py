"""The beginning of a long conversation becomes one turn, for those alone who may read all that it was made from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from core.answering.assistant import Assistant
from core.answering.budget import Budget
from core.answering.history import to_messages
from core.answering.memory import Memory
from core.answering.model import build_model
from core.answering.prompts import RECENT, recent
from core.answering.summaries import LONG, Summaries
from core.models import ANYONE, PUBLIC, Access, Audience, Turn
from core.settings import Settings
from tests.answering import LEAVE_HIT, ScriptedSearch, asked
from tests.emulators.openai import Hangs, OpenAIServer, Refuses
from tests.fakes import NOON, message

HR = Access(gates=(frozenset({"group:hr"}),))
HR_READER = Audience.of({"group:hr"})
WRITTEN = "Ana and Ben asked for numbers and got them."


def turn(number: int, *, by: str = "slack:ana", access: Access = PUBLIC) -> Turn:
    return Turn(
        question=f"Question {number}?",
        answer=f"Number {number} [1].",
        accesses=(access,),
        documents=("wiki:salaries" if access is HR else "wiki:leave",),
        asked_by=by,
        asked_by_name=by.removeprefix("slack:").title(),
        at=NOON + timedelta(minutes=number),
        said_as=f"m{number}",
    )


class Talk:
    """A conversation in which Ana and Ben ask in turns."""

    def __init__(self, redis: Redis, server: OpenAIServer) -> None:
        self.server = server
        self.now: dict[str, Access] = {"wiki:leave": PUBLIC, "wiki:salaries": HR}
        self.memory = Memory(redis, turns=20, ttl=timedelta(hours=1), accesses=self.accesses)
        model = build_model(Settings(_env_file=None, openai_base_url=server.url, openai_api_key=server.key))
        assert model is not None
        self.model = model
        self.summaries = Summaries(self.memory, model, Budget(), silence=1.0)

    async def accesses(self, document_ids: Collection[str]) -> dict[str, Access]:
        return {id: self.now[id] for id in document_ids if id in self.now}

    async def goes(self, *turns: Turn) -> None:
        for item in turns:
            await self.memory.add("c1", item)

    async def condensed(self, said: str = WRITTEN, audience: Audience = ANYONE) -> list[Turn]:
        self.server.script(said)
        await self.summaries.condense("c1", audience, "slack:ana")
        return await self.read(audience)

    async def read(self, audience: Audience = ANYONE) -> list[Turn]:
        return await self.memory.read("c1", audience)


def many(count: int = LONG) -> list[Turn]:
    return [turn(number, by="slack:ben" if number % 2 else "slack:ana") for number in range(count)]


@pytest.fixture
async def talk(redis: Redis) -> AsyncIterator[Talk]:
    async with OpenAIServer() as server:
        yield Talk(redis, server)


async def test_the_first_turns_become_one_and_the_last_stay_as_they_were(talk: Talk) -> None:
    turns = many()
    await talk.goes(*turns)
    summary, *rest = await talk.condensed()
    assert rest == turns[-RECENT:]
    assert (summary.answer, summary.people, summary.messages) == (
        *(WRITTEN, ("slack:ana", "slack:ben"), tuple(f"m{number}" for number in range(LONG - RECENT))),
    )
    assert "Ana: Question 0?\nFootnote: Number 0.\nBen: Question 1?" in talk.server.requests[0].prompt


async def test_the_model_reads_the_summary_before_the_last_turns(talk: Talk) -> None:
    await talk.goes(*many())
    history = [said for item in await talk.condensed() for said in to_messages(item)]
    told = [said.text for said in recent([*history, *to_messages(turn(99))])]
    assert told[:2] == ["Somebody: What was said here before?", WRITTEN]
    assert told[-1] == "Number 99."
    assert len(told) == 2 + 2 * RECENT


async def test_a_short_conversation_is_left_alone(talk: Talk) -> None:
    await talk.goes(*many(LONG - 1))
    assert len(await talk.condensed()) == LONG - 1
    assert talk.server.requests == []


async def test_a_summary_is_condensed_with_what_came_after_it(talk: Talk) -> None:
    await talk.goes(*many())
    await talk.condensed("The first part.")
    await talk.goes(*(turn(number) for number in range(LONG, 2 * LONG - RECENT)))
    summary, *rest = await talk.condensed("Both parts.")
    assert "The first part." in talk.server.requests[1].prompt
    assert (summary.answer, len(rest)) == ("Both parts.", RECENT)
    assert set(summary.messages) == {f"m{number}" for number in range(2 * LONG - 2 * RECENT)}


async def test_who_may_not_read_one_of_its_documents_reads_nothing_of_it(talk: Talk) -> None:
    await talk.goes(turn(-1, access=HR), *many())
    assert (await talk.condensed(audience=HR_READER))[0].answer == WRITTEN
    assert WRITTEN not in [item.answer for item in await talk.read(ANYONE)]
    talk.now.pop("wiki:leave")
    assert await talk.read(HR_READER) == []


async def test_what_the_audience_may_not_read_does_not_get_into_its_summary(talk: Talk) -> None:
    await talk.goes(turn(-1, access=HR), *many())
    summary, *_ = await talk.condensed()
    assert "Number -1" not in talk.server.requests[0].prompt
    assert "m-1" not in summary.messages
    assert (await talk.read(HR_READER))[0].answer == "Number -1 [1]."


async def test_forgetting_a_person_or_a_message_takes_the_summary_that_has_it(talk: Talk) -> None:
    await talk.goes(*many())
    await talk.condensed()
    assert await talk.memory.withdraw("c1", "m3") == 1
    assert len(await talk.read()) == RECENT
    await talk.memory.forget("c1")
    await talk.goes(*many())
    await talk.condensed()
    await talk.memory.forget_person("slack:ben")
    assert {item.asked_by for item in await talk.read()} == {"slack:ana"}


async def test_what_was_forgotten_while_it_was_written_does_not_come_back(talk: Talk) -> None:
    turns = many()
    await talk.goes(*turns)
    await talk.memory.withdraw("c1", "m0")
    await talk.memory.condense("c1", turns[:RECENT], replace(turn(0), answer=WRITTEN))
    assert await talk.read() == turns[1:]


@pytest.mark.parametrize("step", [Refuses(status=500), Hangs(), ""], ids=["down", "silent", "nothing"])
async def test_a_model_that_fails_leaves_the_turns_as_they_are(talk: Talk, step: object) -> None:
    turns = many()
    await talk.goes(*turns)
    talk.server.script(step)  # type: ignore[arg-type]
    await talk.summaries.condense("c1", ANYONE, "slack:ana")
    assert await talk.read() == turns


async def test_it_is_done_beside_the_answer_that_makes_a_conversation_long(talk: Talk) -> None:
    search = ScriptedSearch(LEAVE_HIT)
    assistant = Assistant(search=search, accesses=talk.accesses, model=talk.model, memory=talk.memory)
    await talk.goes(*many(LONG - 1))
    talk.server.script("How many days of leave?", "Thirty days [1].", WRITTEN)
    _, answer = await asked(assistant, message("How many?", conversation_id="c1"), ANYONE)
    assert answer.text == "Thirty days [1]."
    async with asyncio.timeout(10):
        while (await talk.read())[0].answer != WRITTEN:
            await asyncio.sleep(0.02)
    assert len(await talk.read()) == 1 + RECENT
