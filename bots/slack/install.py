"""Where a workspace installs Footnote: the way to Slack's page of consent, and what it leads back to."""

from __future__ import annotations

import hashlib
import html
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.client import UNANSWERED, failure
from bots.slack.installations import Installations, Installed, installed
from bots.slack.scopes import SCOPES
from core.errors import TransientError
from core.outage import Outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

INSTALL, REDIRECT = "/slack/install", "/slack/oauth_redirect"
"""The paths of both pages."""

_STATE_SECONDS = 600
_TIMEOUT = 2.0
_REASON = re.compile(r"[a-z_]{1,40}")
_ANEW = f'<p><a class="button" href="{INSTALL}">Install it again</a></p>'
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark }}
body {{ font: 17px/1.6 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem }}
h1 {{ font-size: 1.5rem; margin: 0 0 .5rem }}
.button {{ display: inline-block; padding: .5rem 1rem; border-radius: .5rem; background: #2b3a55; color: #fff;
  text-decoration: none }}
</style></head><body><h1>{title}</h1>{body}</body></html>
"""

Arrived = Callable[[Installed, str], Awaitable[None]]
"""Somebody, by their id in Slack, installed it in a workspace."""


class States(AsyncOAuthStateStore):
    """What tells that a redirection goes on from a visit here, minutes ago, and once. Raises TransientError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._outage = Outage("no workspace can install Footnote", timeout=_TIMEOUT)

    async def async_issue(self, *args: Any, **kwargs: Any) -> str:
        state = secrets.token_urlsafe(32)
        await self._outage.reach(lambda: cast("Any", self._redis.set(_state_key(state), 1, ex=_STATE_SECONDS)))
        return state

    async def async_consume(self, state: str) -> bool:
        return bool(await self._outage.reach(lambda: cast("Any", self._redis.getdel(_state_key(state)))))


class NotListedError(BoltError):
    """SLACK_TEAMS does not name the workspace."""


class Install:
    """Bolt's own flow, for the workspaces that may install it, with pages that people understand."""

    def __init__(
        self,
        client: AsyncWebClient,
        store: Installations,
        states: States,
        client_id: str,
        client_secret: str,
        teams: Collection[str],
        arrived: Arrived,
    ) -> None:
        """``teams`` are ids of workspaces and organisations. ``arrived`` is called when the installation is kept."""
        # https://slack.com/api/ -> https://slack.com/oauth/v2/authorize
        slack = client.base_url.rstrip("/").removesuffix("/api")
        settings = AsyncOAuthSettings(
            client_id=client_id,
            client_secret=client_secret,
            scopes=SCOPES,
            user_scopes=(),
            authorization_url=f"{slack}/oauth/v2/authorize",
            install_page_rendering_enabled=False,
            installation_store=store,
            state_store=states,
            state_expiration_seconds=_STATE_SECONDS,
            callback_options=AsyncCallbackOptions(success=_installed, failure=_not_installed),
        )
        self._flow = _Flow(client, settings, frozenset(teams), arrived)

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """``GET /slack/install``"""
        return await _served(self._flow.handle_installation, request)

    async def end(self, request: web.Request) -> web.StreamResponse:
        """``GET /slack/oauth_redirect``"""
        return await _served(self._flow.handle_callback, request)


class _Flow(AsyncOAuthFlow):
    def __init__(self, client: AsyncWebClient, settings: AsyncOAuthSettings, teams: frozenset[str], arrived: Arrived) -> None:
        super().__init__(client=client, settings=settings, logger=logging.getLogger("slack_bolt"))
        self._teams = teams
        self._arrived = arrived

    async def store_installation(self, request: AsyncBoltRequest, installation: Installation) -> None:
        if self._teams.isdisjoint({installation.team_id, installation.enterprise_id}):
            log.warning("workspace.not_listed", workspace=installation.team_id or installation.enterprise_id)
            await self._give_back(installation.bot_token)
            raise NotListedError("SLACK_TEAMS does not name the workspace")
        await super().store_installation(request, installation)
        await self._arrived(installed(installation, time.time()), installation.user_id or "")

    async def _give_back(self, token: str | None) -> None:
        try:
            await self.client.auth_revoke(token=token)
        except UNANSWERED as error:
            log.warning("token.not_given_back", error=failure(error))


async def _served(handle: Callable[[AsyncBoltRequest], Awaitable[BoltResponse]], request: web.Request) -> web.StreamResponse:
    try:
        response = await handle(await to_bolt_request(request))
    except (TransientError, aiohttp.ClientError, TimeoutError) as error:
        log.warning("installation.failed", error=type(error).__name__)
        response = _page(503, "That did not work just now", "<p>A part of Footnote or Slack does not answer.</p>" + _ANEW)
    # A code stands in the address.
    response.headers |= {"cache-control": ["no-store"], "referrer-policy": ["no-referrer"]}
    return await to_aiohttp_response(response)


async def _installed(args: AsyncSuccessArgs) -> BoltResponse:
    name = args.installation.enterprise_name if args.installation.is_enterprise_install else args.installation.team_name
    response = _page(
        200,
        f"Footnote is in {name or 'your workspace'}",
        "<p>Mention it in a channel (<code>/invite @Footnote</code> lets it in), or write it a direct message. It answers from "
        "the pages that your team has connected, with a footnote for every statement.</p><p>You can close this page.</p>",
    )
    response.headers["set-cookie"] = [args.settings.state_utils.build_set_cookie_for_deletion()]
    return response


async def _not_installed(args: AsyncFailureArgs) -> BoltResponse:
    # It may stand in the address, where anybody writes anything.
    log.info("installation.refused", reason=args.reason if _REASON.fullmatch(args.reason) else "unknown")
    if isinstance(args.error, NotListedError):
        return _page(
            403,
            "Footnote is not for this workspace",
            "<p>Whoever runs Footnote lists the workspaces that may install it, and this one is not among them. Ask them to add "
            "its id to <code>SLACK_TEAMS</code>. Nothing was kept.</p>",
        )
    if args.reason == "access_denied":
        return _page(200, "Footnote was not installed", "<p>You did not allow it, and nothing was kept.</p>" + _ANEW)
    if args.reason in {"invalid_browser", "invalid_state"}:
        return _page(
            400,
            "This page is too old",
            "<p>An installation has to be finished in the browser where it began, within ten minutes, and once.</p>" + _ANEW,
        )
    return _page(400, "Footnote was not installed", "<p>Slack did not confirm it.</p>" + _ANEW)


def _page(status: int, title: str, body: str) -> BoltResponse:
    text = _PAGE.format(title=html.escape(title), body=body)
    return BoltResponse(status=status, body=text, headers={"content-type": ["text/html; charset=utf-8"]})


def _state_key(state: str) -> str:
    return f"footnote:slack:state:{hashlib.sha256(state.encode()).hexdigest()[:32]}"
