"""An optional second look at the best chunks: a reranker reads question and chunk together, on a server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog

from core.errors import ConfigError, FootnoteError, TransientError
from core.models import Hit

if TYPE_CHECKING:
    import httpx

log = structlog.get_logger(__name__)

Rerank = Callable[[str, Sequence[Hit]], Awaitable[list[Hit]]]
"""The same hits for a question in another order, best first."""

TOP = 30
"""Chunks that are read again, of those that the audience may read."""
TEI = "tei"
"""Instead of a model's name: a server of Hugging Face's text-embeddings-inference, which has one model."""
_SECONDS = 1.0
"""A person waits: after that the order stays as it is."""
_READ = 4_000
"""Characters of a chunk; longer than any that we make."""


class HostedReranker:
    """A :data:`Rerank` by ``POST {url}/rerank`` as Cohere, Jina, vLLM and text-embeddings-inference answer it.

    The order stays as it is when the server fails or takes longer than ``seconds``: reranking is never why there is no answer.
    """

    def __init__(self, model: str, url: str, key: str = "", *, seconds: float = _SECONDS) -> None:
        self._model = model
        self._url = f"{url.rstrip('/')}/rerank"
        self._key = key
        self._seconds = seconds

    async def __call__(self, question: str, hits: Sequence[Hit]) -> list[Hit]:
        head, rest = hits[:TOP], hits[TOP:]
        if len(head) < 2:
            return list(hits)
        try:
            scores = await self.scores(question, [hit.chunk.indexed_text[:_READ] for hit in head])
        except FootnoteError as error:
            log.warning("reranking.failed", reason=str(error))
            return list(hits)
        order = sorted(range(len(head)), key=lambda index: -scores[index])
        # Rerankers' scores are on scales of their own. What is cut off below is measured on ours, so the places change hands.
        places = sorted((hit.score for hit in head), reverse=True)
        return [*(replace(head[index], score=score) for index, score in zip(order, places, strict=True)), *rest]

    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question; higher is better, on no particular scale.

        Raises TransientError when the server does not answer, ConfigError when it refuses us, FootnoteError when its answer
        cannot be understood.
        """
        import httpx

        body: dict[str, Any] = {"query": question, "texts": list(texts)}
        if self._model != TEI:
            body = {"model": self._model, "query": question, "documents": list(texts), "top_n": len(texts)}
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.post(self._url, json=body)
        except TimeoutError as error:
            raise TransientError(f"the reranker has not answered for {self._seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransientError(f"the reranker does not answer ({type(error).__name__})") from error
        if response.status_code == 429 or response.status_code >= 500:
            raise TransientError(f"the reranker cannot answer now ({response.status_code})")
        if response.status_code != 200:
            raise ConfigError(
                f"the reranker refused the request ({response.status_code}): check FOOTNOTE_RERANKER, its URL and its key"
            )
        return _read(response, len(texts))

    async def close(self) -> None:
        await self._client.aclose()

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(headers={"Authorization": f"Bearer {self._key}"} if self._key else {}, timeout=self._seconds)


def _read(response: httpx.Response, count: int) -> list[float]:
    """``{"results": [{"index", "relevance_score"}]}`` or ``[{"index", "score"}]``, in any order, each text once."""
    try:
        answer = response.json()
        results = answer["results"] if isinstance(answer, dict) else answer
        found = {
            int(result["index"]): float(result["relevance_score"] if "relevance_score" in result else result["score"])
            for result in results
        }
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise FootnoteError(f"the reranker's answer was not understood ({type(error).__name__}): check its URL") from error
    if found.keys() != set(range(count)) or not all(map(math.isfinite, found.values())):
        raise FootnoteError(f"the reranker scored {len(found)} of {count} texts, or with what is no number: check its URL")
    return [found[index] for index in range(count)]
