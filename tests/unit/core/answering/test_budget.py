"""What the model may use in a day: counted as its server reports it, and quotes when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from core.answering.assistant import Assistant
from core.answering.budget import Budget
from core.answering.memory import Memory
from core.answering.model import build_model
from core.models import ANYONE, Answer, AnswerMode
from core.settings import Settings
from tests.answering import LEAVE_HIT, TRAVEL_HIT, ScriptedSearch, asked
from tests.emulators.openai import Hangs, OpenAIServer, Refuses, Request, Says
from tests.fakes import message
from tests.one_redis import redis_away

QUESTION = "How many days of paid leave do employees get?"
SAID = "Employees get 30 days of paid leave a year [1]."


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 21, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        server.script(SAID)
        yield server


class Team:
    """One process of several, with its own budget around a shared Redis."""

    def __init__(
        self,
        redis: Redis,
        server: OpenAIServer,
        clock: Clock,
        *,
        daily: int | None = None,
        per_person: int | None = None,
        reported: bool = True,
        patience: float = 15.0,
    ) -> None:
        search = ScriptedSearch(LEAVE_HIT, TRAVEL_HIT)
        settings = Settings(
            _env_file=None,
            openai_base_url=server.url,
            openai_api_key=server.key,
            footnote_daily_tokens=daily if reported else None,
            footnote_daily_tokens_per_person=per_person if reported else None,
        )
        self.budget = Budget(redis, daily=daily, per_person=per_person, clock=clock)
        self.assistant = Assistant(
            search=search,
            accesses=search.accesses,
            model=build_model(settings),
            memory=Memory(redis, turns=10, ttl=timedelta(minutes=5), accesses=search.accesses),
            model_timeout=timedelta(seconds=patience),
            search_timeout=timedelta(seconds=30),
            budget=self.budget,
        )

    async def asks(self, user: str = "test:ana", text: str = QUESTION, *, conversation: str = "") -> Answer:
        said = message(text, user=user, conversation_id=conversation or user)
        return (await asked(self.assistant, said, ANYONE))[1]


async def counted(redis: Redis, clock: Clock, whose: str = "all") -> int:
    return int(await redis.hget(f"footnote:tokens:{clock.now:%Y-%m-%d}", whose) or 0)


def billed(request: Request, said: str = SAID) -> int:
    """As the emulator's server counts and reports."""
    from tests.emulators.openai import tokens_of

    return len(tokens_of(request.prompt)) + len(tokens_of(said))


async def test_tokens_are_counted_as_the_server_reports_them_for_everybody_and_for_the_person(
    redis: Redis, server: OpenAIServer, clock: Clock
) -> None:
    team = Team(redis, server, clock, daily=10**6, per_person=10**6)
    await team.asks()
    await team.asks("test:ben")
    first, second = (billed(request) for request in server.requests)
    assert await counted(redis, clock) == first + second
    assert (await counted(redis, clock, "test:ana"), await counted(redis, clock, "test:ben")) == (first, second)
    assert 0 < await redis.ttl("footnote:tokens:2026-11-02") <= timedelta(days=2).total_seconds()


async def test_condensing_counts_as_answering_does(redis: Redis, server: OpenAIServer, clock: Clock) -> None:
    team = Team(redis, server, clock, daily=10**6)
    await team.asks(conversation="thread")
    before = await counted(redis, clock)
    server.script("How much paid leave is there in France?", SAID)
    await team.asks(text="And in France?", conversation="thread")
    _, condense, answer = server.requests
    assert await counted(redis, clock) - before == billed(condense, "How much paid leave is there in France?") + billed(answer)


async def test_where_none_are_reported_characters_are_counted(redis: Redis, server: OpenAIServer, clock: Clock) -> None:
    await Team(redis, server, clock, daily=10**6, reported=False).asks()
    assert "stream_options" not in server.requests[0].body
    prompt = sum(len(text) for _, text in server.requests[0].messages)
    assert await counted(redis, clock) == pytest.approx((prompt + len(SAID)) / 4, abs=2)


async def test_when_the_budget_of_all_is_used_up_everybody_gets_quotes_until_midnight(
    redis: Redis, server: OpenAIServer, clock: Clock
) -> None:
    team, other = (Team(redis, server, clock, daily=10) for _ in range(2))
    assert (await team.asks()).mode is AnswerMode.GENERATED
    for process in (team, other):
        answer = await process.asks("test:ben")
        assert answer.mode is AnswerMode.QUOTES
        assert answer.notice == (
            "Today's tokens for the chat model are used up until 00:00 UTC (in 3 h), so these are quotes from the documents."
        )
        assert answer.citations
    assert len(server.requests) == 1
    clock.now += timedelta(hours=2, minutes=30)
    assert (await other.asks("test:ben")).mode is AnswerMode.GENERATED


async def test_who_used_up_their_own_budget_gets_quotes_and_nobody_else_does(
    redis: Redis, server: OpenAIServer, clock: Clock
) -> None:
    team = Team(redis, server, clock, per_person=10)
    await team.asks()
    answer = await team.asks()
    assert (answer.mode, answer.notice.partition(" for ")[0]) == (AnswerMode.QUOTES, "Your tokens of today")
    assert (await team.asks("test:ben")).mode is AnswerMode.GENERATED


async def test_a_follow_up_is_not_condensed_either_when_the_budget_is_used_up(
    redis: Redis, server: OpenAIServer, clock: Clock
) -> None:
    team = Team(redis, server, clock, daily=10)
    await team.asks(conversation="thread")
    answer = await team.asks(text="And how much in France?", conversation="thread")
    assert answer.mode is AnswerMode.QUOTES
    assert len(server.requests) == 1


async def test_what_was_said_before_somebody_went_away_is_charged(redis: Redis, server: OpenAIServer, clock: Clock) -> None:
    server.script(Says(text=f"{SAID} " * 50, between_tokens=0.02))
    team = Team(redis, server, clock, daily=10**6)
    parts = team.assistant.answer(message(QUESTION), ANYONE)
    await anext(parts)
    await parts.aclose()
    assert await counted(redis, clock) > sum(len(text) for _, text in server.requests[0].messages) / 4


async def test_a_cancelled_answer_is_charged(redis: Redis, server: OpenAIServer, clock: Clock) -> None:
    server.script(Says(text=f"{SAID} " * 50, between_tokens=0.02))
    team = Team(redis, server, clock, daily=10**6)
    started = asyncio.Event()

    async def listen() -> None:
        async for _ in team.assistant.answer(message(QUESTION), ANYONE):
            started.set()

    task = asyncio.create_task(listen())
    await started.wait()
    task.cancel()
    await asyncio.wait({task})
    assert await counted(redis, clock) > 0


@pytest.mark.parametrize("step", [Refuses(status=503, message="busy"), Hangs()], ids=["refused", "silent"])
async def test_a_model_that_says_nothing_is_not_paid(redis: Redis, server: OpenAIServer, clock: Clock, step: object) -> None:
    server.script(step)
    await Team(redis, server, clock, daily=10**6, patience=0.5).asks()
    assert await counted(redis, clock) == 0


async def test_without_redis_the_budget_holds_within_the_process(server: OpenAIServer, clock: Clock) -> None:
    team = Team(redis_away(), server, clock, daily=10)
    assert (await team.asks()).mode is AnswerMode.GENERATED
    assert (await team.asks()).mode is AnswerMode.QUOTES
    clock.now += timedelta(days=1)
    assert (await team.asks()).mode is AnswerMode.GENERATED


async def test_a_redis_that_came_back_empty_gives_this_process_no_second_budget(
    redis: Redis, server: OpenAIServer, clock: Clock
) -> None:
    team = Team(redis, server, clock, daily=10)
    await team.asks()
    await redis.flushall()
    assert (await team.asks()).mode is AnswerMode.QUOTES


async def test_without_a_limit_redis_is_not_asked(server: OpenAIServer, redis: Redis, clock: Clock) -> None:
    await Team(redis, server, clock).asks()
    assert not await redis.keys("footnote:tokens:*")
