"""The chat model: built from the settings, and its failures translated at the wall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage

from core.errors import AuthError, ConfigError, FootnoteError, TransientError
from core.retry import retry
from core.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

DEFAULT_MODEL = "openai:gpt-5.4-mini"
_LONGEST_ANSWER = 20_000
"""Characters; a model that loops does not talk for ever."""


def build_model(settings: Settings) -> BaseChatModel | None:
    """The chat model that the settings name, or None when they name none. It is not connected to.

    Raises ConfigError for an unknown provider, a package that is not installed, or a missing key.
    """
    if not (settings.footnote_model or settings.openai_api_key or settings.openai_base_url):
        return None
    name = settings.footnote_model or DEFAULT_MODEL
    provider, colon, rest = name.partition(":")
    if not colon:
        provider, rest = "openai", name
    # There is one retry policy, and the silence of a model is timed where its tokens are read.
    options: dict[str, Any] = {"max_retries": 0}
    if provider == "openai":
        if not (settings.openai_api_key or settings.openai_base_url):
            raise ConfigError(
                f"FOOTNOTE_MODEL is {name}, which needs a key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own"
            )
        # Servers of one's own often need no key, but the client insists on one.
        options["api_key"] = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
        if settings.openai_base_url:
            options["base_url"] = settings.openai_base_url
            # Some of them refuse to be asked for it, and for a budget alone an exact count is worth that.
            if settings.footnote_daily_tokens or settings.footnote_daily_tokens_per_person:
                options["stream_usage"] = True
    from langchain.chat_models import init_chat_model

    try:
        model: BaseChatModel = init_chat_model(rest, model_provider=provider, **options)
    except ImportError as error:
        raise ConfigError(f"FOOTNOTE_MODEL is {name}, but its package is not installed: {error}") from error
    except ValueError as error:
        raise ConfigError(
            f"FOOTNOTE_MODEL is {name}, which LangChain cannot build: write provider:model, for example {DEFAULT_MODEL}, "
            f"and set the provider's key. ({type(error).__name__})"
        ) from error
    return model


def name_of(model: BaseChatModel) -> str:
    """The model's name as its provider calls it."""
    name = getattr(model, "model_name", None) or getattr(model, "model", None)
    return str(name or type(model).__name__)


async def check_model(model: BaseChatModel | None, timeout: float = 10.0) -> str:
    """Ask the model for a word: one line that says what answered. Raises FootnoteError that says why none did."""
    if model is None:
        return "none: answers are quotes. Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own"
    async with aclosing(stream(model, [HumanMessage("Reply with OK.")], timeout)) as pieces:
        async for _ in pieces:
            break
    return f"{name_of(model)} answers"


async def stream(model: BaseChatModel, prompt: list[BaseMessage], silence: float) -> AsyncGenerator[str, None]:
    """The text of what the model says: pieces that are never empty.

    ``silence`` is the longest wait for a piece in seconds. A connection that fails before the first piece is tried once
    more. Raises FootnoteError, its text a sentence without a full stop: down, silent, refused, cut off, or nothing said.
    """

    async def opened() -> tuple[AsyncGenerator[str, None], str]:
        pieces = _pieces(model, prompt, silence)
        return pieces, await anext(pieces)

    pieces, first = await retry(opened, attempts=2, budget=silence)
    async with aclosing(pieces):
        yield first
        length = len(first)
        async for piece in pieces:
            yield piece
            length += len(piece)
            if length > _LONGEST_ANSWER:
                return


@dataclass
class _Heard:
    words: bool = False
    end: bool = False
    openai: bool = False
    """Its servers mark the last piece; without the mark the answer was cut off."""


async def _pieces(model: BaseChatModel, prompt: list[BaseMessage], silence: float) -> AsyncGenerator[str, None]:
    heard = _Heard()
    chunks = cast("AsyncGenerator[AIMessageChunk, None]", model.astream(prompt))
    async with aclosing(chunks):
        while True:
            try:
                async with asyncio.timeout(silence):
                    piece = await _next_piece(chunks, heard)
            # Any provider's package may raise anything here, and whatever it is, the answer is given in quotes.
            except Exception as error:
                raise _translated(error, silence) from error
            if not piece:
                break
            yield piece
    if not heard.words:
        raise FootnoteError("The chat model returned nothing")
    if heard.openai and not heard.end:
        raise FootnoteError("The chat model broke off in the middle of its answer")


async def _next_piece(chunks: AsyncGenerator[AIMessageChunk, None], heard: _Heard) -> str:
    """The next text, or nothing at the end. Chunks without text (a role, a keep-alive) are no sign of an answer."""
    async for chunk in chunks:
        heard.openai = heard.openai or chunk.response_metadata.get("model_provider") == "openai"
        heard.end = heard.end or bool(chunk.response_metadata.get("finish_reason"))
        if text := chunk.text:
            heard.words = heard.words or bool(text.strip())
            return str(text)
    return ""


def _translated(error: Exception, silence: float) -> FootnoteError:
    match error:
        case TimeoutError() | ModelTimeoutError():
            return FootnoteError(f"The chat model said nothing for {silence:g} seconds")
        case ModelRateLimitError():
            return FootnoteError("The chat model has too much to do (rate limit)")
        case ModelAuthenticationError() | ModelPermissionDeniedError():
            return AuthError("The chat model refused our key (an administrator must check OPENAI_API_KEY)")
        case ModelNotFoundError():
            return ConfigError("The chat model's server does not know the model (an administrator must check FOOTNOTE_MODEL)")
        case ContextOverflowError() | ModelInvalidRequestError():
            return ConfigError("The chat model's server refused the request")
        case ModelConnectionError() | ModelAPIError() | OSError():
            return TransientError("The chat model could not be reached")
        case _:
            return FootnoteError(f"The chat model's answer could not be read ({type(error).__name__})")
