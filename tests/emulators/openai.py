"""A local server that speaks OpenAI's chat completions and embeddings, strictly, and can fail in every way.

    async with OpenAIServer() as server:
        server.script("Ten days [1].")                       # every request gets this answer
        server.script(RateLimited(retry_after=2), "Ten [1].")  # the first gets 429, all later ones the answer
        model = ChatOpenAI(base_url=server.url, api_key=server.key, model="gpt-test")

Unscripted, it answers as an obedient model would: with the sentences of the numbered sources in the prompt
that share most words with the question, each followed by its marker.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import re
import secrets
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(kw_only=True)
class Request:
    """One call as it arrived. ``aborted`` turns true when the client hung up before the answer was complete."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    arrived: float
    """time.perf_counter() at arrival."""
    aborted: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set when nothing more is sent."""

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Role and text of each message."""
        return [(message["role"], _text(message.get("content"))) for message in self.body["messages"]]

    @property
    def prompt(self) -> str:
        return "\n\n".join(text for _, text in self.messages)


@dataclass(frozen=True, kw_only=True)
class Says:
    """An answer with its pace, in seconds."""

    text: str | Callable[[Request], str]
    first_token_after: float = 0.0
    between_tokens: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Refuses:
    """An error in OpenAI's form: 401 for a wrong key, 500 when it is broken, 400 for a bad request."""

    status: int
    code: str | None = None
    message: str = "The server had an error while processing your request."
    headers: dict[str, str] = field(default_factory=dict)


def RateLimited(retry_after: float = 1) -> Refuses:
    return Refuses(
        status=429, code="rate_limit_exceeded", message="Rate limit reached.", headers={"Retry-After": f"{retry_after:g}"}
    )


@dataclass(frozen=True)
class Hangs:
    """Takes the request and says nothing until the client gives up; after ``tokens`` of ``text`` if given."""

    text: str = ""
    tokens: int = 0


@dataclass(frozen=True)
class Cuts:
    """Cuts the connection after ``tokens`` of ``text``; ``quietly``: ends the response as if it were complete."""

    text: str
    tokens: int
    quietly: bool = False


@dataclass(frozen=True)
class Garbage:
    """200 and something that is not JSON; in a stream after ``tokens`` of ``text``."""

    text: str = ""
    tokens: int = 0


Step = str | Callable[[Request], str] | Says | Refuses | Hangs | Cuts | Garbage


class OpenAIServer:
    """Async context manager; ``url`` is what goes into OPENAI_BASE_URL, ``key`` into OPENAI_API_KEY."""

    def __init__(self, *, key: str = "sk-emulator-key", dimension: int = 64) -> None:
        self.key = key
        self.url = ""
        self.requests: list[Request] = []
        self._dimension = dimension
        self._steps: list[Step] = [answer_from_sources]
        self._closing = asyncio.Event()

    def script(self, *steps: Step) -> None:
        """What the coming chat requests get, one step each; the last step stays. None: back to the default."""
        self._steps = list(steps) or [answer_from_sources]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=16 * 2**20)
        # The client keeps its connections by address and beyond its event loop, and the next test may get the same port.
        base = f"/{secrets.token_hex(4)}/v1"
        app.router.add_post(f"{base}/chat/completions", self._chat)
        app.router.add_post(f"{base}/embeddings", self._embeddings)
        app.router.add_get(f"{base}/models", self._models)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}{base}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _accept(self, http: web.Request) -> Request:
        arrived = time.perf_counter()
        if http.headers.get("Authorization") != f"Bearer {self.key}":
            raise _error(401, "Incorrect API key provided.", "invalid_api_key")
        if http.content_type != "application/json":
            raise _error(400, f"Invalid content type {http.content_type}: expected application/json.")
        try:
            body = json.loads(await http.text())
        except ValueError:
            raise _error(400, "We could not parse the JSON body of your request.") from None
        if not isinstance(body, dict):
            raise _error(400, "The body must be a JSON object.")
        request = Request(path=http.path, body=body, headers=dict(http.headers), arrived=arrived)
        self.requests.append(request)
        return request

    async def _models(self, http: web.Request) -> web.Response:
        if http.headers.get("Authorization") != f"Bearer {self.key}":
            raise _error(401, "Incorrect API key provided.", "invalid_api_key")
        return web.json_response({"object": "list", "data": [{"id": "gpt-test", "object": "model", "owned_by": "emulator"}]})

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        request = await self._accept(http)
        _check_chat(request.body)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        try:
            return await self._play(http, request, step)
        except (asyncio.CancelledError, ConnectionError):
            request.aborted = True
            raise
        finally:
            request.ended.set()

    async def _play(self, http: web.Request, request: Request, step: Step) -> web.StreamResponse:
        if isinstance(step, Refuses):
            raise _error(step.status, step.message, step.code, step.headers)
        if isinstance(step, str) or callable(step):
            step = Says(text=step)
        if not request.body.get("stream"):
            return await self._whole(http, request, step)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        if isinstance(step, Hangs) and not step.tokens:
            await self._closing.wait()
        await response.prepare(http)
        text = step.text(request) if callable(step.text) else step.text
        tokens = tokens_of(text)
        if isinstance(step, Says):
            await asyncio.sleep(step.first_token_after)
        else:
            tokens = tokens[: step.tokens]
        async for event in self._events(request, tokens, step.between_tokens if isinstance(step, Says) else 0.0):
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        match step:
            case Hangs():
                await self._closing.wait()
            case Cuts():
                if not step.quietly:
                    _reset(http)
                return response
            case Garbage():
                await response.write(b"data: {<html>Bad gateway</html>\n\n")
                return response
        await response.write(f"data: {json.dumps(_chunk(request, {}, 'stop'))}\n\n".encode())
        if (request.body.get("stream_options") or {}).get("include_usage"):
            usage = _chunk(request, {}, None) | {"choices": [], "usage": _usage(request, len(tokens))}
            await response.write(f"data: {json.dumps(usage)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _events(self, request: Request, tokens: list[str], pause: float) -> AsyncIterator[dict[str, Any]]:
        yield _chunk(request, {"role": "assistant", "content": ""}, None)
        for number, token in enumerate(tokens):
            if pause and number:
                await asyncio.sleep(pause)
            yield _chunk(request, {"content": token}, None)

    async def _whole(self, http: web.Request, request: Request, step: Says | Hangs | Cuts | Garbage) -> web.StreamResponse:
        match step:
            case Hangs():
                await self._closing.wait()
            case Cuts():
                _reset(http)
                return web.Response()
            case Garbage():
                return web.Response(text="{<html>Bad gateway</html>", content_type="application/json")
        text = step.text(request) if callable(step.text) else step.text
        tokens = tokens_of(text)
        if isinstance(step, Says):
            await asyncio.sleep(step.first_token_after + step.between_tokens * max(0, len(tokens) - 1))
        message = {"role": "assistant", "content": text, "refusal": None}
        return web.json_response(
            {
                "id": "chatcmpl-emulator",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": request.body["model"],
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
                "usage": _usage(request, len(tokens)),
            }
        )

    async def _embeddings(self, http: web.Request) -> web.Response:
        request = await self._accept(http)
        _check_embeddings(request.body)
        inputs = request.body["input"]
        texts = [inputs] if isinstance(inputs, str) else inputs
        dimension = request.body.get("dimensions") or self._dimension
        packed = request.body.get("encoding_format") == "base64"
        data = []
        for index, text in enumerate(texts):
            vector = embed(text, dimension)
            value = base64.b64encode(struct.pack(f"<{dimension}f", *vector)).decode() if packed else vector
            data.append({"object": "embedding", "index": index, "embedding": value})
        usage = {"prompt_tokens": sum(len(text.split()) for text in texts), "total_tokens": 0}
        return web.json_response({"object": "list", "data": data, "model": request.body["model"], "usage": usage})


_SOURCE = re.compile(r'<source-(\w+) number="(\d+)"[^>]*>\n(.*?)\n</source-\1>', re.DOTALL)
_QUESTION = re.compile(r"^Question: (.*)", re.MULTILINE | re.DOTALL)
_SENTINEL = re.compile(r"reply with exactly (\w+)")


def answer_from_sources(request: Request) -> str:
    """What an obedient model says: up to three supported sentences with markers, or the sentinel it was told.

    A prompt without sources asks to condense; then the question comes back unchanged.
    """
    last = request.messages[-1][1]
    asked = _QUESTION.search(last)
    question = asked.group(1).strip() if asked else last.strip()
    sources = _SOURCE.findall(last)
    if not sources and not _SENTINEL.search(request.prompt):
        return question
    best: list[tuple[int, int, str]] = []
    for _, number, text in sources:
        sentences = [line.strip() for line in re.split(r"(?<=[.!?])\s+|\n+", text) if line.strip()]
        shared, sentence = max(((len(_words(question) & _words(line)), line) for line in sentences), default=(0, ""))
        if shared:
            best.append((shared, int(number), sentence))
    if not best:
        sentinel = _SENTINEL.search(request.prompt)
        return sentinel.group(1) if sentinel else "I do not know."
    chosen = sorted(best, key=lambda item: -item[0])[:3]
    return " ".join(f"{sentence} [{number}]" for _, number, sentence in chosen)


def tokens_of(text: str) -> list[str]:
    """Pieces of at most four characters, so that words, markers and links come in parts as from a real model."""
    return re.findall(r"\s+|\S{1,4}", text)


def embed(text: str, dimension: int) -> list[float]:
    """A bag of hashed words of unit length: texts that share words are near each other."""
    vector = [0.0] * dimension
    for word in _words(text) or {""}:
        digest = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(digest[:4], "little") % dimension] += 1.0 if digest[4] % 2 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else [1.0] + [0.0] * (dimension - 1)


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content)
    return content or ""


def _chunk(request: Request, delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-emulator",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": request.body["model"],
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }


def _usage(request: Request, completion: int) -> dict[str, int]:
    prompt = len(tokens_of(request.prompt))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _reset(http: web.Request) -> None:
    if http.transport is not None:
        http.transport.abort()


def _error(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> web.HTTPException:
    kinds = {401: "authentication_error", 429: "requests", 500: "server_error", 503: "server_error"}
    body = {"error": {"message": message, "type": kinds.get(status, "invalid_request_error"), "param": None, "code": code}}

    class Failure(web.HTTPException):
        status_code = status

    return Failure(text=json.dumps(body), content_type="application/json", headers=headers)


_CHAT_FIELDS = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "n",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "user",
        "seed",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
        "verbosity",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
    }
)
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


def _check_chat(body: dict[str, Any]) -> None:
    """What the real server refuses with 400."""
    unknown = sorted(set(body) - _CHAT_FIELDS)
    if unknown:
        raise _error(400, f"Unrecognized request argument supplied: {', '.join(unknown)}", "unknown_parameter")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise _error(400, "you must provide a model parameter", "missing_required_parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _error(400, "Invalid 'messages': expected a non-empty array.", "invalid_type")
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise _error(400, f"Invalid value for '{where}.role'.", "invalid_value")
        content = message.get("content")
        parts = isinstance(content, list) and all(isinstance(p, dict) and p.get("type") == "text" for p in content) and content
        if not isinstance(content, str) and not parts:
            raise _error(400, f"Invalid type for '{where}.content': expected a string or text parts.", "invalid_type")
    if "stream_options" in body and body["stream_options"] is not None and not body.get("stream"):
        raise _error(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "invalid_value")
    temperature = body.get("temperature")
    if temperature is not None and not (isinstance(temperature, (int, float)) and 0 <= temperature <= 2):
        raise _error(400, f"Invalid 'temperature': {temperature!r} is not between 0 and 2.", "invalid_value")


def _check_embeddings(body: dict[str, Any]) -> None:
    unknown = sorted(set(body) - {"model", "input", "encoding_format", "dimensions", "user"})
    if unknown:
        raise _error(400, f"Unrecognized request argument supplied: {', '.join(unknown)}", "unknown_parameter")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise _error(400, "you must provide a model parameter", "missing_required_parameter")
    inputs = body.get("input")
    texts = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(texts, list) or not 0 < len(texts) <= 2048 or not all(isinstance(text, str) and text for text in texts):
        raise _error(400, "Invalid 'input': expected a string or 1 to 2048 non-empty strings.", "invalid_type")
    if body.get("encoding_format") not in {None, "float", "base64"}:
        raise _error(400, "Invalid 'encoding_format': expected float or base64.", "invalid_value")
