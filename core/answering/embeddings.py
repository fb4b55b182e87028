"""Any LangChain embeddings by their ``provider:model`` name, behind Footnote's own port."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import ConfigError, TransientError
from core.retry import retry
from core.settings import Settings

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

Result = TypeVar("Result")


class LangChainEmbedder:
    """An :class:`core.ports.Embedder`; vectors are scaled to unit length whatever the provider returns."""

    def __init__(self, name: str, dimension: int, embeddings: Embeddings) -> None:
        self.name = name
        self.dimension = dimension
        self._embeddings = embeddings

    @classmethod
    async def connect(cls, name: str, settings: Settings) -> LangChainEmbedder:
        """Build ``name`` and embed one word, because only the provider knows its dimension.

        Raises ConfigError for an unknown name, a missing package, a refused key or a server that does not answer.
        """
        from langchain.embeddings import init_embeddings

        options: dict[str, Any] = {}
        if name.startswith("openai:"):
            options["max_retries"] = 0
            if settings.openai_api_key:
                options["api_key"] = settings.openai_api_key.get_secret_value()
            if settings.openai_base_url:
                # Servers other than OpenAI's expect text where the client would send token numbers.
                options |= {"base_url": settings.openai_base_url, "check_embedding_ctx_length": False}
        try:
            embeddings = init_embeddings(name, **options)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"FOOTNOTE_EMBEDDINGS {name!r} cannot be used: {error}") from error
        if not hasattr(embeddings, "aembed_query"):
            raise ConfigError(f"FOOTNOTE_EMBEDDINGS {name!r} does not name embeddings")
        try:
            vector = await retry(lambda: _translated(lambda: embeddings.aembed_query("footnote")), attempts=3, budget=20)
        except TransientError as error:
            raise ConfigError(f"FOOTNOTE_EMBEDDINGS {name!r} cannot be reached: {error}") from error
        return cls(name, len(vector), embeddings)

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        vectors = await retry(lambda: _translated(lambda: self._embeddings.aembed_documents(list(texts))))
        return [_unit(vector) for vector in vectors]

    async def embed_query(self, text: str) -> list[float]:
        # A person waits: better a clear error now than an answer in five minutes.
        vector = await retry(lambda: _translated(lambda: self._embeddings.aembed_query(text)), attempts=2, budget=3)
        return _unit(vector)

    def count(self, text: str) -> int:
        """About as many wordpieces as ``text`` has: providers do not say, and chunks need not be exact."""
        return max(1, math.ceil(len(text) / 4))


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


async def _translated(call: Callable[[], Awaitable[Result]]) -> Result:
    import httpx
    import openai

    try:
        return await call()
    except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
        raise ConfigError(
            f"the embeddings server refused the request ({error.status_code}): check OPENAI_API_KEY and the name"
        ) from error
    except openai.RateLimitError as error:
        wait = error.response.headers.get("retry-after", "")
        raise TransientError(
            "the embeddings server asked us to wait", retry_after=float(wait) if wait.isdigit() else None
        ) from error
    except (openai.APIConnectionError, openai.InternalServerError, httpx.TransportError) as error:
        raise TransientError(f"the embeddings server does not answer ({type(error).__name__})") from error
