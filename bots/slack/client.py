"""Slack's Web API: one client whose retries never repeat what people would see twice."""

from __future__ import annotations

import logging

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

TIMEOUT_SECONDS = 30.0
UNANSWERED = (SlackApiError, aiohttp.ClientError, TimeoutError, AttributeError, KeyError, TypeError)
"""What a look-up raises when Slack refuses it, does not answer, or answers something that is not Slack's."""
_SEEN = ("/chat.postMessage", "/chat.postEphemeral")


class _ServerErrors(AsyncServerErrorRetryHandler):
    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if request.url.endswith(_SEEN):
            return False
        return await super()._can_retry_async(state=state, request=request, response=response, error=error)


class _ConnectionErrors(AsyncConnectionErrorRetryHandler):
    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if request.url.endswith(_SEEN):
            return False
        return await super()._can_retry_async(state=state, request=request, response=response, error=error)


def open_session() -> aiohttp.ClientSession:
    """The connections that all calls share; close it at the end."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))


def build_client(token: str, base_url: str, session: aiohttp.ClientSession, *, patient: bool = True) -> AsyncWebClient:
    """A patient client waits as long as Slack's Retry-After says and repeats what failed, except posting: after a lost
    answer or a server error only :class:`~bots.slack.poster.Poster` can tell whether the message is there.
    """
    handlers: list[AsyncRetryHandler] = []
    if patient:
        handlers = [AsyncRateLimitErrorRetryHandler(max_retry_count=3), _ServerErrors(2), _ConnectionErrors(2)]
    return AsyncWebClient(
        token=token,
        base_url=base_url,
        session=session,
        retry_handlers=handlers,
        logger=logging.getLogger("slack_sdk"),
    )


def failure(error: Exception) -> str:
    """Why a call failed: Slack's error code, the HTTP status of a server that failed, or the kind of a network error."""
    if not isinstance(error, SlackApiError):
        return type(error).__name__
    if not isinstance(error.response, AsyncSlackResponse):
        return "500"  # Something that is not JSON: a proxy, or a server on its knees.
    status, data = error.response.status_code, error.response.data
    code = data.get("error") if status < 500 and isinstance(data, dict) else None
    # Whoever else answers in Slack's place may say anything, and repeat what it was asked with.
    return code if isinstance(code, str) and code.isidentifier() else str(status)
