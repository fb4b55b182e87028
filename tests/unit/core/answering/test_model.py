"""The chat model behind its wall: the real client against a server that fails in every way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from core.answering.model import build_model, check_model, name_of, stream
from core.errors import AuthError, ConfigError, FootnoteError
from core.settings import Settings
from tests.emulators.openai import Cuts, Garbage, Hangs, OpenAIServer, RateLimited, Refuses, Says, Step


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def model_of(server: OpenAIServer, **values: Any) -> BaseChatModel:
    model = build_model(settings(**{"openai_base_url": server.url, "openai_api_key": server.key} | values))
    assert model is not None
    return model


async def said(model: BaseChatModel, silence: float = 30.0) -> str:
    return "".join([piece async for piece in stream(model, [HumanMessage("Hello")], silence)])


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


def test_no_settings_mean_no_model() -> None:
    assert build_model(settings()) is None


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"openai_api_key": "sk-x"}, "gpt-5.4-mini"),
        ({"openai_base_url": "http://127.0.0.1:1/v1"}, "gpt-5.4-mini"),
        ({"openai_base_url": "http://127.0.0.1:1/v1", "footnote_model": "openai:qwen3:8b"}, "qwen3:8b"),
        ({"openai_api_key": "sk-x", "footnote_model": "gpt-4.1-mini"}, "gpt-4.1-mini"),
    ],
)
def test_the_settings_name_the_model(values: dict[str, str], name: str) -> None:
    model = build_model(settings(**values))
    assert model is not None
    assert name_of(model) == name


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"footnote_model": "openai:gpt-4.1"}, "FOOTNOTE_MODEL is openai:gpt-4.1, which needs a key: set OPENAI_API_KEY"),
        ({"footnote_model": "anthropic:claude"}, r"package is not installed.*pip install langchain-anthropic"),
        ({"footnote_model": "nobody:x"}, r"FOOTNOTE_MODEL is nobody:x, which LangChain cannot build: write provider:model"),
    ],
)
def test_a_model_that_cannot_be_built_names_the_setting_and_the_remedy(values: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build_model(settings(**values))


async def test_what_the_model_says_arrives_in_pieces_and_whole(server: OpenAIServer) -> None:
    server.script("Thirty days of leave [1].")
    pieces = [piece async for piece in stream(model_of(server), [HumanMessage("Hello")], 5)]
    assert "".join(pieces) == "Thirty days of leave [1]."
    assert len(pieces) > 3
    assert all(pieces)
    assert server.requests[0].body["stream"] is True


@pytest.mark.parametrize(
    ("step", "error", "told"),
    [
        (Refuses(status=401, code="invalid_api_key"), AuthError, "refused our key"),
        (Refuses(status=403), AuthError, "refused our key"),
        (Refuses(status=404), ConfigError, "does not know the model"),
        (Refuses(status=400), ConfigError, "refused the request"),
        (RateLimited(retry_after=20), FootnoteError, "rate limit"),
        (Refuses(status=500), FootnoteError, "could not be reached"),
        (Refuses(status=503), FootnoteError, "could not be reached"),
        (Hangs(), FootnoteError, "said nothing for 1 seconds"),
        (Hangs("Thirty days of", tokens=2), FootnoteError, "said nothing for 1 seconds"),
        (Cuts("Thirty days of leave", tokens=3), FootnoteError, "could not be reached"),
        (Cuts("Thirty days of leave", tokens=0), FootnoteError, "could not be reached"),
        (Garbage(), FootnoteError, "could not be read"),
        (Garbage("Thirty days", tokens=2), FootnoteError, "could not be read"),
        ("", FootnoteError, "returned nothing"),
        (" \n ", FootnoteError, "returned nothing"),
    ],
)
async def test_every_failure_is_told_in_a_sentence(server: OpenAIServer, step: Step, error: type[Exception], told: str) -> None:
    server.script(step)
    # Whatever else goes wrong must not look like silence on a busy machine.
    with pytest.raises(error, match=told) as caught:
        await said(model_of(server), silence=1.0 if isinstance(step, Hangs) else 30.0)
    assert server.key not in str(caught.value)


async def test_a_server_that_is_not_there_is_told_too() -> None:
    model = build_model(settings(openai_base_url="http://127.0.0.1:1/v1"))
    assert model is not None
    with pytest.raises(FootnoteError, match="could not be reached"):
        await said(model)


async def test_a_stream_that_ends_without_saying_so_was_cut_off(server: OpenAIServer) -> None:
    server.script(Cuts("Thirty days of leave", tokens=3, quietly=True))
    with pytest.raises(FootnoteError, match="broke off"):
        await said(model_of(server))


async def test_a_server_that_fails_once_is_asked_again(server: OpenAIServer) -> None:
    server.script(Refuses(status=500), "Thirty days [1].")
    assert await said(model_of(server)) == "Thirty days [1]."
    assert len(server.requests) == 2


async def test_a_model_that_has_begun_to_speak_or_is_busy_is_not_asked_again(server: OpenAIServer) -> None:
    for step in (Cuts("Thirty days", tokens=2), RateLimited(retry_after=1), Hangs()):
        server.requests.clear()
        server.script(step)
        with pytest.raises(FootnoteError):
            await said(model_of(server), silence=3.0 if isinstance(step, Hangs) else 30.0)
        assert len(server.requests) == 1


async def test_a_slow_model_is_not_a_silent_one(server: OpenAIServer) -> None:
    text = "one two three four five"
    server.script(Says(text=text, first_token_after=1.0, between_tokens=0.25))
    began = time.perf_counter()
    assert await said(model_of(server), silence=3.0) == text
    assert time.perf_counter() - began > 3.0


async def test_a_model_that_loops_is_stopped(server: OpenAIServer) -> None:
    server.script("again-and-" * 2200)
    text = await said(model_of(server))
    assert 20_000 < len(text) < 20_100


async def test_who_stops_listening_ends_the_request(server: OpenAIServer) -> None:
    server.script(Hangs("Thirty days of leave", tokens=3))
    pieces = stream(model_of(server), [HumanMessage("Hello")], 30)
    assert await anext(pieces) == "Thir"
    await pieces.aclose()
    await asyncio.wait_for(server.requests[0].ended.wait(), 30)
    assert server.requests[0].aborted


async def test_the_check_says_which_model_answers_or_why_none_does(server: OpenAIServer) -> None:
    server.script("OK")
    assert await check_model(model_of(server, footnote_model="gpt-test")) == "gpt-test answers"
    assert "quotes" in await check_model(None)
    with pytest.raises(AuthError, match="OPENAI_API_KEY"):
        await check_model(model_of(server, openai_api_key="sk-wrong"))


async def test_a_wrong_key_never_appears_in_an_error(server: OpenAIServer) -> None:
    with pytest.raises(AuthError) as caught:
        await said(model_of(server, openai_api_key="sk-secret-secret"))
    assert "secret" not in str(caught.value)
