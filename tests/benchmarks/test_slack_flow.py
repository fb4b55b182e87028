"""From a Slack event to the first request at the model, and how soon a burst of mentions is acknowledged."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection

import pytest
from redis.asyncio import Redis

from bots.responder import Responder
from bots.slack.app import SlackBot
from core.answering.assistant import Assistant
from core.answering.gate import Gate
from core.answering.memory import Memory
from core.answering.model import build_model
from core.settings import Settings
from core.telemetry import configure_logging
from tests.answering import public
from tests.benchmarks.test_overhead import Remote, SlowSearch, remote
from tests.emulators.slack import SlackServer
from tests.fakes import groups

__all__ = ["remote"]

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]

IN_FLIGHT = 20
BURST = 100
LIMIT_MS = 50.0
ACK_LIMIT_MS = 500.0


@dataclass(frozen=True)
class Workspace:
    """An emulated Slack in a process of its own: its work must not be counted as ours."""

    url: str
    bot_token: str
    app_token: str
    pipe: Connection

    async def do(self, what: str, *args: object) -> object:
        self.pipe.send((what, args))
        return await asyncio.to_thread(self.pipe.recv)


def serve(pipe: Connection) -> None:
    async def main() -> None:
        async with SlackServer() as slack:
            slack.channel("C1")
            for number in range(BURST):
                slack.user(f"U{number}", email=f"u{number}@acme.com")
            pipe.send((slack.url, slack.bot_token, slack.app_token))
            while True:
                what, args = await asyncio.to_thread(pipe.recv)
                if what == "stop":
                    return
                pipe.send(await {"in_flight": in_flight, "burst": burst}[what](slack, *args))

    asyncio.run(main())


async def in_flight(slack: SlackServer, name: str, rounds: int) -> dict[str, float]:
    """Twenty people who ask again when they were answered: question to when its event was sent."""
    asked: dict[str, float] = {}

    async def person(number: int) -> None:
        await asyncio.sleep(0.15 * number)
        for turn in range(rounds):
            question = f"{name} {number}-{turn}?"
            asked[question] = time.perf_counter()
            await slack.until_reply(await slack.mention(f"U{number}", "C1", question), timeout=60)

    await asyncio.gather(*(person(number) for number in range(IN_FLIGHT)))
    return asked


async def burst(slack: SlackServer) -> list[float]:
    """A hundred mentions at once; seconds until each event was acknowledged."""
    before = len(slack.deliveries)
    posts = [await slack.mention(f"U{number}", "C1", f"Burst {number}?") for number in range(BURST)]
    for post in posts:
        await slack.until_reply(post, timeout=120)
    await slack.settled()
    return [delivery.seconds if delivery.seconds is not None else 3.0 for delivery in slack.deliveries[before:]]


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    url, bot_token, app_token = ours.recv()
    yield Workspace(url, bot_token, app_token, ours)
    ours.send(("stop", ()))
    process.join(10)


async def test_a_mention_reaches_the_model_soon_and_a_burst_is_acknowledged_at_once(
    redis: Redis, remote: Remote, workspace: Workspace, full: bool
) -> None:
    settings = Settings(
        _env_file=None,
        openai_base_url=remote.url,
        openai_api_key=remote.key,
        slack_bot_token=workspace.bot_token,
        slack_app_token=workspace.app_token,
        slack_api_url=workspace.url,
    )
    configure_logging("warning")
    search = SlowSearch()
    memory = Memory(redis, turns=5, ttl=timedelta(minutes=5), accesses=public)
    assistant = Assistant(search=search, accesses=public, model=build_model(settings), memory=memory)
    bot = SlackBot(settings, Responder(assistant, Gate(redis, rate_limit=1000)), None, redis, groups({}))
    await bot.start()
    try:
        await workspace.do("in_flight", "Warm", 1)
        gc.collect()
        gc.freeze()
        asked = await workspace.do("in_flight", "Ours", 10 if full else 3)
        acknowledged = await workspace.do("burst")
    finally:
        gc.unfreeze()
        await bot.stop(5)
    arrived = remote.collect()
    ours = [1000 * (arrived[question] - began - search.seconds[question]) for question, began in asked.items()]
    p95 = statistics.quantiles(ours, n=20)[-1]
    print(f"\nevent to model, {IN_FLIGHT} in flight: n={len(ours)} p50={statistics.median(ours):.1f} p95={p95:.1f} ms")
    acks = [1000 * seconds for seconds in acknowledged]
    p99 = statistics.quantiles(acks, n=100)[-1]
    print(f"acknowledged, burst of {BURST}: n={len(acks)} p50={statistics.median(acks):.1f} p99={p99:.1f} ms")
    assert p95 <= LIMIT_MS
    assert p99 <= ACK_LIMIT_MS
