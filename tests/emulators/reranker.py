"""A local server that reranks as Cohere, Jina, vLLM and text-embeddings-inference do, strictly, and can fail.

    async with RerankServer() as server:
        reranker = HostedReranker("rerank-test", server.url, server.key)

A text is worth the share of the question's words that it has. Its results come best first, as those servers send them.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Self

from aiohttp import web

_HOSTED = {"model": str, "query": str, "documents": list, "top_n": int}
_TEI = {"query": str, "texts": list}


class RerankServer:
    """``status``, ``delay`` (seconds) and ``body`` replace what it would answer."""

    def __init__(self, *, key: str = "rerank-emulator-key", tei: bool = False, model: str = "rerank-test") -> None:
        self.key = key
        self.url = ""
        self.status = 200
        self.delay = 0.0
        self.body: Any = None
        self.asked: list[tuple[str, list[str]]] = []
        """Question and texts of each request that was in order."""
        self._tei = tei
        self._model = model

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/rerank", self._rerank)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _rerank(self, http: web.Request) -> web.Response:
        if http.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"message": "invalid api token"}, status=401)
        try:
            body = await http.json()
        except json.JSONDecodeError:
            return web.json_response({"message": "not JSON"}, status=400)
        if wrong := self._wrong(body):
            return web.json_response({"message": wrong}, status=422)
        texts = body["texts" if self._tei else "documents"]
        self.asked.append((body["query"], texts))
        await asyncio.sleep(self.delay)
        if self.status != 200:
            return web.json_response({"message": "told to fail"}, status=self.status)
        scored = sorted(((_share(body["query"], text), index) for index, text in enumerate(texts)), key=lambda pair: -pair[0])
        if self.body is not None:
            return web.json_response(self.body)
        if self._tei:
            return web.json_response([{"index": index, "score": score} for score, index in scored])
        results = [{"index": index, "relevance_score": score} for score, index in scored[: body["top_n"]]]
        return web.json_response({"id": "rerank-1", "results": results})

    def _wrong(self, body: Any) -> str:
        expected = _TEI if self._tei else _HOSTED
        if not isinstance(body, dict) or body.keys() != expected.keys():
            return f"expected {', '.join(expected)}"
        if unlike := [name for name, kind in expected.items() if type(body[name]) is not kind]:
            return f"{unlike[0]} is of another type"
        texts = body["texts" if self._tei else "documents"]
        if not body["query"].strip() or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            return "query and texts must not be empty"
        if not self._tei and body["model"] != self._model:
            return f"no model {body['model']}"
        return ""


def _share(question: str, text: str) -> float:
    wanted, found = (set(re.findall(r"\w+", said.casefold())) for said in (question, text))
    return len(wanted & found) / len(wanted)
