"""Events, commands and checks that Slack posts over HTTP."""

from __future__ import annotations

import hashlib
import json

import structlog
from aiohttp import web
from redis.asyncio import Redis
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier

from core.patience import Patience
from core.redis import AWAY

log = structlog.get_logger(__name__)

_SECONDS = 1.0
"""For Redis: Slack wants its answer within three seconds, and the gate knows repetitions too."""
_REPLAY_SECONDS = 600
"""A signature is valid for five minutes in both directions."""


class EventsEndpoint:
    """``POST /slack/events``. Bolt answers a forged or stale request with 401 by itself, but garbage with 500 and a replayed
    request as if it were new; and nothing may be parsed before its signature is known to be Slack's.
    """

    def __init__(self, app: AsyncApp, signing_secret: str, redis: Redis) -> None:
        self._app = app
        self._verifier = SignatureVerifier(signing_secret)
        self._redis = redis
        self._patience = Patience()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        try:
            body = (await request.read()).decode()
        except UnicodeDecodeError:
            return _refused(400, "the body is not UTF-8")
        signature = request.headers.get("X-Slack-Signature", "")
        if not self._genuine(body, request.headers.get("X-Slack-Request-Timestamp", ""), signature):
            return _refused(401, "the signature is missing, wrong or older than five minutes")
        if not await self._new(signature):
            return _refused(401, "this request was received before")
        try:
            bolt_request = AsyncBoltRequest(body=body, query=request.query_string, headers=dict(request.headers))
        except (ValueError, TypeError, AttributeError, RecursionError):
            return _refused(400, "the body is neither an event nor a command")
        if not _well_formed(bolt_request):
            return _refused(400, "the body is neither an event nor a command")
        response = await self._app.async_dispatch(bolt_request)
        if response.status >= 500:
            await self._forget(signature)
        return await to_aiohttp_response(response)

    def _genuine(self, body: str, timestamp: str, signature: str) -> bool:
        # The library's verifier raises on what is not a plausible time or plain ASCII.
        plausible = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and signature.isascii()
        return plausible and self._verifier.is_valid(body, timestamp, signature)

    async def _new(self, signature: str) -> bool:
        try:
            async with self._patience.within(_SECONDS):
                return bool(await self._redis.set(_key(signature), 1, nx=True, ex=_REPLAY_SECONDS))
        except AWAY as error:
            log.warning("request.not_remembered", error=type(error).__name__)
            return True

    async def _forget(self, signature: str) -> None:
        try:
            async with self._patience.within(_SECONDS):
                await self._redis.delete(_key(signature))
        except AWAY as error:
            log.warning("request.not_forgotten", error=type(error).__name__)


def _key(signature: str) -> str:
    return f"footnote:slack:request:{hashlib.sha256(signature.encode()).hexdigest()[:32]}"


def _well_formed(request: AsyncBoltRequest) -> bool:
    body = request.body
    if body.get("type") == "event_callback":
        event = body.get("event")
        return isinstance(event, dict) and isinstance(event.get("type"), str)
    return any(isinstance(body.get(key), str) for key in ("type", "command", "ssl_check"))


def _refused(status: int, reason: str) -> web.Response:
    log.info("request.refused", status=status, reason=reason)
    return web.Response(status=status, text=json.dumps({"error": reason}), content_type="application/json")
