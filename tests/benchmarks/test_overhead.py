"""What Footnote adds between a question and the first request at the model, with many questions in flight."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection

import pytest
from langchain_core.messages import HumanMessage
from redis.asyncio import Redis

from core.answering.assistant import Assistant
from core.answering.memory import Memory
from core.answering.model import build_model
from core.models import ANYONE, Audience, Query, Retrieved
from core.settings import Settings
from tests.answering import hit, public
from tests.emulators.openai import OpenAIServer, Says
from tests.fakes import message

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]

IN_FLIGHT = 20
LIMIT_MS = 50.0
PARAGRAPH = "Employees get thirty days of paid leave a year, and requests go through the people portal. " * 6


@dataclass
class Remote:
    """The model's server in a process of its own: its work must not be counted as ours."""

    url: str
    key: str
    pipe: Connection

    def collect(self) -> dict[str, float]:
        """Question to the time of its request's arrival; the clock is the machine's."""
        self.pipe.send("collect")
        return dict(self.pipe.recv())


def serve(pipe: Connection) -> None:
    async def main() -> None:
        async with OpenAIServer() as server:
            # About 25 tokens a second for some three seconds, as a hosted model.
            server.script(Says(text="Thirty days of paid leave a year [1]. " * 4, first_token_after=0.4, between_tokens=0.04))
            pipe.send((server.url, server.key))
            while await asyncio.to_thread(pipe.recv) != "stop":
                pipe.send([(request.messages[-1][1].rsplit("Question: ", 1)[-1], request.arrived) for request in server.requests])

    asyncio.run(main())


@pytest.fixture
def remote() -> Iterator[Remote]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    url, key = ours.recv()
    yield Remote(url=url, key=key, pipe=ours)
    ours.send("stop")
    process.join(10)


class SlowSearch:
    """Three chunks of six documents after 30 ms; remembers how long each query really took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._hits = [
            hit(f"wiki:{document}", PARAGRAPH, position=position, score=1 - document / 100)
            for document in range(6)
            for position in range(3)
        ]

    async def __call__(self, query: Query, audience: Audience, k: int) -> Retrieved:
        began = time.perf_counter()
        await asyncio.sleep(0.03)
        self.seconds[query.text] = time.perf_counter() - began
        return Retrieved(hits=tuple(self._hits))


async def in_flight(ask: Callable[[str], Awaitable[None]], name: str, rounds: int) -> dict[str, float]:
    """Keep twenty questions in flight for ``rounds`` questions each: question to when it was asked."""
    asked: dict[str, float] = {}

    async def person(number: int) -> None:
        await asyncio.sleep(0.15 * number)
        for turn in range(rounds):
            question = f"{name} {number}-{turn}?"
            asked[question] = time.perf_counter()
            await ask(question)

    await asyncio.gather(*(person(number) for number in range(IN_FLIGHT)))
    return asked


async def test_a_question_reaches_the_model_soon_with_twenty_in_flight(redis: Redis, remote: Remote, full: bool) -> None:
    rounds = 10 if full else 3
    model = build_model(Settings(_env_file=None, openai_base_url=remote.url, openai_api_key=remote.key))
    assert model is not None
    search = SlowSearch()
    memory = Memory(redis, turns=5, ttl=timedelta(minutes=5), accesses=public)
    assistant = Assistant(search=search, accesses=public, model=model, memory=memory)

    async def through_footnote(question: str) -> None:
        async for _ in assistant.answer(message(question, conversation_id=question), ANYONE):
            pass

    async def through_the_client(question: str) -> None:
        async for _ in model.astream([HumanMessage(f"{PARAGRAPH * 18}\n\nQuestion: {question}")]):
            pass

    await through_footnote("Warm?")
    asked = await in_flight(through_footnote, "Ours", rounds)
    bare = await in_flight(through_the_client, "Bare", rounds)
    arrived = remote.collect()
    ours = [1000 * (arrived[question] - began - search.seconds[question]) for question, began in asked.items()]
    theirs = [1000 * (arrived[question] - began) for question, began in bare.items()]
    for name, values in (("footnote", ours), ("client alone", theirs)):
        spread = statistics.quantiles(values, n=20)
        print(f"{name}: n={len(values)} p50={statistics.median(values):.1f} ms p95={spread[-1]:.1f} ms max={max(values):.1f} ms")
    assert statistics.quantiles(ours, n=20)[-1] <= LIMIT_MS
