"""Any LangChain embeddings by their ``provider:model`` name, behind Footnote's own port."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from core.batches import Batches
from core.errors import ConfigError, FootnoteError, TransientError
from core.retry import retry
from core.settings import Settings

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_QUERY_SECONDS = 10.0
_BATCH_SECONDS = 120.0
"""How long a server may think about one request; one of one's own without a GPU takes its time over a batch."""
_TOGETHER = 32
"""Questions in one request: what servers take that are set to take little."""
_AT_ONCE = 4
"""Such requests side by side."""


class LangChainEmbedder:
    """An :class:`core.ports.Embedder`; vectors are scaled to unit length whatever the provider returns."""

    def __init__(self, name: str, dimension: int, embeddings: Embeddings) -> None:
        self.name = name
        self.dimension = dimension
        self._embeddings = embeddings
        self._questions = Batches(self._embed_questions, most=_TOGETHER, at_once=_AT_ONCE)
        self._alike = name.startswith("openai:")
        """Questions are embedded as documents are. Other providers' models may tell them apart, and take one at a time."""

    @classmethod
    async def connect(cls, name: str, settings: Settings) -> LangChainEmbedder:
        """Build ``name`` and embed one word, because only the provider knows its dimension.

        Raises ConfigError for an unknown name, a missing package, a refused key or a server that does not answer.
        """
        from langchain.embeddings import init_embeddings

        options: dict[str, Any] = {}
        if name.startswith("openai:"):
            if not (settings.openai_api_key or settings.openai_base_url):
                raise ConfigError(
                    f"FOOTNOTE_EMBEDDINGS is {name}, which needs a key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server "
                    "of your own; or unset it to use the bundled model"
                )
            options["max_retries"] = 0
            # Servers of one's own often need no key, but the client insists on one.
            options["api_key"] = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
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
            vector = await retry(
                lambda: _translated(lambda: embeddings.aembed_query("footnote"), _QUERY_SECONDS), attempts=3, budget=20
            )
        except FootnoteError as error:
            raise ConfigError(f"FOOTNOTE_EMBEDDINGS {name!r} cannot be used: {error}") from error
        if not vector:
            raise ConfigError(f"FOOTNOTE_EMBEDDINGS {name!r} cannot be used: the server answers with empty vectors")
        return cls(name, len(vector), embeddings)

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        vectors = await retry(lambda: _translated(lambda: self._embeddings.aembed_documents(list(texts)), _BATCH_SECONDS))
        return self._units(vectors, texts)

    async def embed_query(self, text: str) -> list[float]:
        if self._alike:
            return await self._questions(text)
        return self._unit(await _soon(lambda: self._embeddings.aembed_query(text)))

    async def _embed_questions(self, texts: Sequence[str]) -> list[list[float] | Exception]:
        try:
            return list(await self._embed_together(texts))
        except (TransientError, ConfigError):
            raise
        except FootnoteError as error:
            if len(texts) == 1:
                raise
            log.info("questions.refused_together", count=len(texts), reason=str(error))
        # One of them may be too much for the server, or all of them together: each for itself.
        return await asyncio.gather(*map(self._embed_alone, texts))

    async def _embed_alone(self, text: str) -> list[float] | Exception:
        try:
            return (await self._embed_together([text]))[0]
        except FootnoteError as error:
            return error

    async def _embed_together(self, texts: Sequence[str]) -> list[list[float]]:
        vectors = await _soon(lambda: self._embeddings.aembed_documents(list(texts)))
        return self._units(vectors, texts)

    def count(self, text: str) -> int:
        """About as many wordpieces as ``text`` has: providers do not say, and chunks need not be exact."""
        return max(1, math.ceil(len(text) / 4))

    def _units(self, vectors: Sequence[Sequence[float]], texts: Sequence[str]) -> list[list[float]]:
        if len(vectors) != len(texts):
            raise FootnoteError(f"the embeddings server answered {len(texts)} texts with {len(vectors)} vectors")
        return [self._unit(vector) for vector in vectors]

    def _unit(self, vector: Sequence[float]) -> list[float]:
        if len(vector) != self.dimension:
            raise FootnoteError(
                f"the embeddings server now answers with {len(vector)} dimensions instead of {self.dimension}: "
                "was its model exchanged? Bring it back, or restart Footnote"
            )
        length = math.sqrt(sum(value * value for value in vector)) or 1.0
        return [value / length for value in vector]


async def _soon(call: Callable[[], Awaitable[Result]]) -> Result:
    """A person waits: better a clear error now than an answer in five minutes."""
    return await retry(lambda: _translated(call, _QUERY_SECONDS), attempts=2, budget=3)


async def _translated(call: Callable[[], Awaitable[Result]], seconds: float) -> Result:
    import httpx
    import openai

    try:
        async with asyncio.timeout(seconds):
            return await call()
    except TimeoutError as error:
        raise TransientError(f"the embeddings server has not answered for {seconds:.0f} s") from error
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
    except openai.APIStatusError as error:
        raise FootnoteError(f"the embeddings server refused the request ({error.status_code})") from error
    # Any provider's package may raise anything over an answer that is none.
    except Exception as error:
        raise FootnoteError(
            f"the embeddings server's answer was not understood ({type(error).__name__}): check OPENAI_BASE_URL and the name"
        ) from error
