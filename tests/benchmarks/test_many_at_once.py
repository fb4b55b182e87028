"""200 questions in 50 channels at once: the real parts, the bundled embedder, the embedded engines."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bots.app import App, open_app
from bots.pending import Spot
from bots.terminal import sync
from core.models import ANYONE, Audience, Message
from core.settings import Settings
from tests.emulators.openai import OpenAIServer
from tests.fakes import RecordingReply, message

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SAMPLE = Path(__file__).parents[2] / "deploy"
QUESTIONS, CHANNELS, PEOPLE = 200, 50, 40


def questions() -> list[str]:
    """Of the words of the pages, all different."""
    lines = [line for page in sorted((SAMPLE / "handbook").rglob("*.md")) for line in page.read_text("utf-8").splitlines()]
    words = [re.findall(r"\w+", line)[:14] for line in lines]
    facts = [" ".join(found) for found in words if len(found) > 5]
    return [f"Question {number}: what do we know about {facts[number % len(facts)]}?" for number in range(QUESTIONS)]


@pytest.fixture
async def app(data_dir: Path) -> AsyncIterator[App]:
    async with OpenAIServer() as model:
        settings = Settings(
            _env_file=None,
            footnote_data_dir=data_dir / "data",
            footnote_folder=SAMPLE / "handbook",
            footnote_config=SAMPLE / "handbook.toml",
            openai_base_url=model.url,
            openai_api_key=model.key,
        )
        async with open_app(settings) as app:
            await sync.run(app, (), quiet=True)
            await app.warm()
            yield app


async def anyone(_: Message) -> Audience:
    return ANYONE


async def ask(app: App, number: int, text: str) -> tuple[RecordingReply, float]:
    """What was seen, and after how many seconds."""
    reply, channel = RecordingReply(), f"test:{number % CHANNELS}"
    asked = message(
        text, id=f"test:{text}", channel_id=channel, conversation_id=f"{channel}:{number}", user=f"test:{number % PEOPLE}"
    )
    began = time.perf_counter()
    await app.responder.respond(asked, reply, anyone, spot=Spot())
    return reply, time.perf_counter() - began


async def embed_for_ever(app: App) -> None:
    while True:
        await app.embedder.embed_documents([f"{number} " + "many words about leave and printers " * 25 for number in range(64)])


async def test_200_questions_at_once_have_200_answers_while_documents_are_embedded(app: App) -> None:
    embedding = asyncio.create_task(embed_for_ever(app))
    began = time.perf_counter()
    found = await asyncio.gather(*(ask(app, number, text) for number, text in enumerate(questions())))
    seconds = time.perf_counter() - began
    embedding.cancel()
    times = sorted(taken for _, taken in found)
    ends = Counter(reply.seen[-1][0] for reply, _ in found)
    told = sum(any(before for kind, before in reply.seen if kind == "working") for reply, _ in found)
    print(
        f"\n{dict(ends)} in {seconds:.1f} s: p50 {times[QUESTIONS // 2]:.1f} s, "
        f"p95 {times[math.ceil(0.95 * QUESTIONS) - 1]:.1f} s; {told} were told that others are before them"
    )
    assert ends == {"answer": QUESTIONS}, [text for reply, _ in found for kind, text in reply.seen if kind == "fail"]
    assert all(len(reply.replies) == 1 for reply, _ in found)
