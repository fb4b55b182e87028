"""Slack's Web API: one client whose retries never repeat what people would see twice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

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
PASSING = {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
"""Slack says so of itself with status 200, too."""
DEAD = {"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"}
"""Slack does not know our token, or not any more."""
_SEEN = ("/chat.postMessage", "/chat.postEphemeral")
_RETRY_AFTER_SECONDS = 30.0
"""Where Slack does not say how long to be silent."""


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


class _Client(AsyncWebClient):
    def __init__(self, *, dead: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._dead = dead

    async def api_call(self, *args: Any, **options: Any) -> AsyncSlackResponse:
        try:
            return await super().api_call(*args, **options)
        except SlackApiError as error:
            if failure(error) in DEAD:
                self._dead()
            raise


def open_session() -> aiohttp.ClientSession:
    """The connections that all calls share; close it at the end."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))


def build_client(
    token: str,
    base_url: str,
    session: aiohttp.ClientSession,
    *,
    patient: bool = True,
    dead: Callable[[], None] | None = None,
) -> AsyncWebClient:
    """A patient client waits as long as Slack's Retry-After says and repeats what failed, except posting: after a lost
    answer or a server error only :class:`~bots.slack.poster.Poster` can tell whether the message is there. ``dead`` is called
    whenever Slack does not take the token.
    """
    handlers: list[AsyncRetryHandler] = []
    if patient:
        handlers = [AsyncRateLimitErrorRetryHandler(max_retry_count=3), _ServerErrors(2), _ConnectionErrors(2)]
    return _Client(
        dead=dead or _nothing,
        token=token,
        base_url=base_url,
        session=session,
        retry_handlers=handlers,
        logger=logging.getLogger("slack_sdk"),
    )


def _nothing() -> None:
    """Whoever calls sees it."""


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


def refused(error: Exception) -> bool:
    """Whether Slack said that it did not do it, and will not do it next time; not that it did not answer."""
    reason = failure(error)
    return isinstance(error, SlackApiError) and not reason.isdigit() and reason not in PASSING


def retry_after(error: Exception) -> float:
    """For how many seconds Slack wants not to be asked, where it refused a call for its rate."""
    response = getattr(error, "response", None)
    headers = response.headers if isinstance(response, AsyncSlackResponse) else {}
    wait = str(headers.get("Retry-After", headers.get("retry-after", "")))
    return float(wait) if wait.isdigit() else _RETRY_AFTER_SECONDS
