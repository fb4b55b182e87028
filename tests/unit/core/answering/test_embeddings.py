"""Embeddings of a server of one's own: the real client over servers that work, refuse, babble and say nothing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from langchain_core.embeddings import Embeddings

from core.answering.embeddings import LangChainEmbedder
from core.errors import ConfigError, FootnoteError
from core.settings import Settings
from tests.emulators.openai import OpenAIServer


def settings(url: str, key: str = "sk-emulator-key") -> Settings:
    return Settings(_env_file=None, openai_base_url=url, openai_api_key=key)


def vectors(*vectors: list[float] | None) -> dict[str, Any]:
    return {"object": "list", "model": "m", "data": [{"embedding": vector, "index": i} for i, vector in enumerate(vectors)]}


class Server:
    """Answers every request with what ``reply`` holds."""

    def __init__(self, reply: Callable[[], web.StreamResponse]) -> None:
        self.reply = reply
        self.url = ""

    async def __aenter__(self) -> Server:
        async def answer(_: web.Request) -> web.StreamResponse:
            return self.reply()

        app = web.Application()
        app.router.add_post("/v1/embeddings", answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def test_texts_and_questions_become_vectors_of_unit_length() -> None:
    async with OpenAIServer(dimension=48) as server:
        embedder = await LangChainEmbedder.connect("openai:text-embedding-3-small", settings(server.url))
        assert (embedder.name, embedder.dimension) == ("openai:text-embedding-3-small", 48)
        texts = [f"text number {number}" for number in range(40)]
        found = await embedder.embed_documents(texts)
        assert [math.hypot(*vector) for vector in found] == pytest.approx([1.0] * 40)
        assert await embedder.embed_query(texts[7]) == pytest.approx(found[7], abs=1e-5)


async def test_without_a_key_it_is_said_which_one_is_missing() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        await LangChainEmbedder.connect("openai:text-embedding-3-small", Settings(_env_file=None))


async def test_a_wrong_key_is_named_and_not_shown() -> None:
    async with OpenAIServer() as server:
        with pytest.raises(ConfigError, match="OPENAI_API_KEY") as caught:
            await LangChainEmbedder.connect("openai:m", settings(server.url, key="sk-wrong-and-secret"))
    assert "sk-wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (lambda: web.json_response({"error": {"message": "No such model."}}, status=404), "404"),
        (lambda: web.json_response({"error": {"message": "What?"}}, status=400), "400"),
        (lambda: web.Response(text="<html>Welcome</html>", content_type="text/html"), "OPENAI_BASE_URL"),
        (lambda: web.Response(text='{"data": [', content_type="application/json"), "OPENAI_BASE_URL"),
        (lambda: web.json_response([1]), "OPENAI_BASE_URL"),
        (lambda: web.json_response(vectors()), "OPENAI_BASE_URL"),
        (lambda: web.json_response(vectors(None)), "empty vectors"),
        (lambda: web.json_response(vectors([])), "empty vectors"),
    ],
    ids=["unknown model", "bad request", "a website", "cut off", "another shape", "no vector", "null", "empty"],
)
async def test_a_server_that_does_not_embed_is_a_setting_to_mend(reply: Callable[[], web.StreamResponse], said: str) -> None:
    async with Server(reply) as server:
        with pytest.raises(ConfigError, match=f"FOOTNOTE_EMBEDDINGS.*{said}"):
            await LangChainEmbedder.connect("openai:m", settings(server.url))


async def test_a_server_that_is_away_is_a_setting_to_mend() -> None:
    with pytest.raises(ConfigError, match=r"FOOTNOTE_EMBEDDINGS.*does not answer"):
        await LangChainEmbedder.connect("openai:m", settings("http://127.0.0.1:9/v1"))


async def test_a_model_that_was_exchanged_while_we_run_never_fills_the_index_with_other_vectors() -> None:
    async with Server(lambda: web.json_response(vectors([1.0, 0.0]))) as server:
        embedder = await LangChainEmbedder.connect("openai:m", settings(server.url))
        server.reply = lambda: web.json_response(vectors([1.0, 0.0, 0.0]))
        with pytest.raises(FootnoteError, match="3 dimensions instead of 2"):
            await embedder.embed_documents(["text"])
        with pytest.raises(FootnoteError, match="3 dimensions instead of 2"):
            await embedder.embed_query("text")
        server.reply = lambda: web.json_response(vectors([1.0, 0.0], [0.0, 1.0]))
        with pytest.raises(FootnoteError, match="1 texts with 2 vectors"):
            await embedder.embed_documents(["text"])


class Narrow:
    """Takes ``most`` texts in a request, and never one with the word poison; counts those of each request."""

    def __init__(self, most: int = 32) -> None:
        self.most = most
        self.requests: list[int] = []

    async def __aenter__(self) -> LangChainEmbedder:
        app = web.Application()
        app.router.add_post("/v1/embeddings", self._embed)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        embedder = await LangChainEmbedder.connect("openai:m", settings(url))
        self.requests.clear()
        return embedder

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _embed(self, http: web.Request) -> web.Response:
        texts = (await http.json())["input"]
        self.requests.append(len(texts))
        await asyncio.sleep(0.02)
        if len(texts) > self.most or any("poison" in text for text in texts):
            return web.json_response({"error": {"message": "too large"}}, status=413)
        return web.json_response(vectors(*([float(len(text)), 1.0] for text in texts)))


def asked_at_once(embedder: LangChainEmbedder, *texts: str) -> asyncio.Future[list[list[float] | BaseException]]:
    return asyncio.gather(*map(embedder.embed_query, texts), return_exceptions=True)


async def test_questions_that_come_together_share_a_request() -> None:
    server = Narrow()
    async with server as embedder:
        texts = ["a" * length for length in range(1, 101)]
        found = await asked_at_once(embedder, *texts)
        assert sum(server.requests) == 100
        assert max(server.requests) <= 32
        assert len(server.requests) <= 8
        alone = [await embedder.embed_query(text) for text in texts[::20]]
    assert found[::20] == alone


async def test_a_server_that_takes_fewer_is_asked_for_each_alone() -> None:
    server = Narrow(most=1)
    async with server as embedder:
        found = await asked_at_once(embedder, "one", "three", "seventeen")
    assert server.requests == [3, 1, 1, 1]
    assert all(isinstance(vector, list) for vector in found)


async def test_a_question_that_the_server_refuses_spoils_no_other() -> None:
    async with Narrow() as embedder:
        good, bad, other = await asked_at_once(embedder, "good", "poison", "other")
    assert isinstance(bad, FootnoteError)
    assert isinstance(good, list)
    assert isinstance(other, list)


async def test_questions_of_models_that_tell_them_from_documents_are_embedded_as_questions() -> None:
    class Telling(Embeddings):
        def embed_query(self, text: str) -> list[float]:
            return [1.0, 0.0]

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[0.0, 1.0] for _ in texts]

    embedder = LangChainEmbedder("other:m", 2, Telling())
    assert await asked_at_once(embedder, "one", "two") == [[1.0, 0.0]] * 2
    assert await embedder.embed_documents(["one"]) == [[0.0, 1.0]]
