"""What there is besides where workspaces install Footnote themselves: their tokens, the pages, and a look at how they fare."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from bots.slack.client import build_client
from bots.slack.departures import Departed, Departures
from bots.slack.install import INSTALL, Install, States
from bots.slack.installations import Installations, Installed
from bots.slack.tokens import Tokens
from bots.slack.workspace import entered, prove_app
from bots.slack.workspaces import Workspaces
from core.audit import OFF, Audit
from core.errors import ConfigError, FootnoteError

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from redis.asyncio import Redis

    from bots.platform import Groups
    from core.channels import Channels
    from core.settings import Settings

log = structlog.get_logger(__name__)


_BARE = ("slack:U", "slack:W")


class Several:
    def __init__(
        self,
        settings: Settings,
        session: ClientSession,
        redis: Redis,
        groups: Groups,
        channels: Channels | None = None,
        *,
        departed: Departed | None = None,
        audit: Audit = OFF,
        left: Callable[[str], None] = lambda _id: None,
    ) -> None:
        """``left`` is called when a workspace is no more. Raises ConfigError for an administrator who is nobody."""
        if bare := sorted(name for name in settings.admins if name.startswith(_BARE)):
            raise ConfigError(
                f"FOOTNOTE_ADMINS: {bare[0]} is nobody where several Slack workspaces install Footnote: write slack:T0123ABC:"
                f"{bare[0].removeprefix('slack:')}, with the id of the workspace"
            )
        secret = settings.slack_client_secret
        client_id, client_secret = settings.slack_client_id or "", secret.get_secret_value() if secret else ""
        app_token = settings.slack_app_token
        self._app_token = app_token.get_secret_value() if app_token else None
        self._client = build_client("", settings.slack_api_url, session)
        self._store = Installations(redis, settings.token_keys)
        self._tokens = Tokens(self._client, self._store, client_id, client_secret)
        self._audit = audit
        self._enter = partial(entered, settings, session, redis, groups, channels)
        self.workspaces = Workspaces(self._store, self._tokens, self._enter, settings.slack_teams, left)
        self.departures = Departures(self._store, self.workspaces, departed, audit=audit)
        self.install = Install(
            self._client, self._store, States(redis), client_id, client_secret, settings.slack_teams, self._arrived
        )

    async def start(self) -> None:
        """Raises ConfigError when Slack refuses the app, within 10 s."""
        await prove_app(self._client, self._app_token, self._tokens.prove)
        try:
            if changed := await self._store.encrypt_anew():
                log.info("tokens.encrypted_anew", count=changed, hint="the former FOOTNOTE_TOKEN_KEY is not needed any more")
            await self.departures.start()
        except FootnoteError as error:
            log.warning("tokens.not_read", reason=str(error))

    async def check(self) -> str:
        """The workspaces, and how they fare. Raises ConfigError when there are some and none can be talked in."""
        await prove_app(self._client, self._app_token, self._tokens.prove)
        kept = await self._store.all()
        if not kept:
            return f"no workspace has installed Footnote yet: open https://YOUR-HOST{INSTALL}"
        told = await asyncio.gather(*(self._fares(id, raw) for id, raw in sorted(kept.items())))
        lines = ", ".join(f"{name} (paused: {trouble})" if trouble else name for name, trouble in told)
        if all(trouble for _, trouble in told):
            raise ConfigError(f"no Slack workspace can be talked in: {lines}. Have them install Footnote again at {INSTALL}")
        return lines

    async def _fares(self, id: str, raw: str) -> tuple[str, str]:
        try:
            installed = self._store.read(id, raw)
        except ConfigError as error:
            return id, str(error)
        refused = await self._enter(installed).refused()
        return f"{installed.name} ({id})", refused or ("" if refused == "" else "Slack does not say")

    async def _arrived(self, installed: Installed, by: str) -> None:
        log.info("workspace.installed", workspace=installed.id, name=installed.name)
        self._audit.record("slack.installed", who=f"slack:{installed.id}:{by}", workspace=installed.id)
        try:
            await self.workspaces.look()
        except FootnoteError as error:
            log.info("workspace.not_woken", reason=str(error), consequence="it is in some seconds")
