"""The workspace that our tokens open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
from redis.asyncio import Redis
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.platform import Groups
from bots.slack.audience import SlackAudience
from bots.slack.changes import SlackChanges
from bots.slack.channels import SlackChannels
from bots.slack.client import DEAD, UNANSWERED, build_client, failure
from bots.slack.files import SlackFiles
from bots.slack.installations import Installed
from bots.slack.people import SlackPeople
from bots.slack.policies import Policies
from bots.slack.poster import Poster
from bots.slack.session import Sessions
from bots.slack.stream import Streams
from bots.slack.threads import SlackThreads
from bots.slack.translate import Identity
from bots.slack.wordings import Wordings
from core.channels import Channels
from core.errors import ConfigError
from core.settings import Settings

Verdict = TypeVar("Verdict")

_VERDICT_SECONDS = 9.0
"""Slack's verdict on the tokens is waited for this long."""


class Workspace:
    """Who we are there, and what is needed to talk. Made by :func:`enter` and :func:`entered`."""

    def __init__(
        self,
        settings: Settings,
        session: aiohttp.ClientSession,
        client: AsyncWebClient,
        redis: Redis,
        groups: Groups,
        me: Identity,
        team_name: str,
        user_name: str,
        channels: Channels | None = None,
        dead: Callable[[], None] | None = None,
    ) -> None:
        """``dead`` is called whenever Slack does not take the token."""
        self.client = client
        self.me = me
        self.team_name = team_name
        self.user_name = user_name
        self.paused = ""
        """Why nobody is heard there; empty where everybody is."""
        self.installed: Installed | None = None
        """Where there are several workspaces."""
        self.hasty = build_client(client.token or "", client.base_url, session, patient=False, dead=dead)
        self.people = SlackPeople(client, me.team, domains=settings.footnote_email_domains)
        seen = SlackChannels(client, organisation=me.organisation)
        self.audience = SlackAudience(me, self.people, seen, SlackChanges(redis, me.team), groups)
        self.threads = SlackThreads(redis, me.team, settings.footnote_memory_ttl)
        self.poster = Poster(client, session)
        self.files = SlackFiles(client, session)
        self.streams = Streams(self.hasty, self.poster, me.team)
        self.sessions = Sessions(self.hasty, client)
        self.policies = Policies(me, channels or Channels(redis), self.threads)
        self.wordings = Wordings(redis, me.team)

    def renew(self, installed: Installed) -> None:
        """From the next call on its token is used."""
        self.installed = installed
        self.client.token = self.hasty.token = installed.token

    async def refused(self) -> str | None:
        """Why Slack does not take our token; empty when it does, None when it does not say."""
        try:
            await self.client.auth_test()
        except UNANSWERED as error:
            return failure(error) if failure(error) in DEAD else None
        return ""


def entered(
    settings: Settings,
    session: aiohttp.ClientSession,
    redis: Redis,
    groups: Groups,
    channels: Channels | None,
    installed: Installed,
    dead: Callable[[], None] | None = None,
) -> Workspace:
    """One that installed Footnote. Slack is not asked."""
    client = build_client(installed.token, settings.slack_api_url, session, dead=dead)
    me = Identity(team=installed.id, user=installed.user, bot=installed.bot, realm=installed.id)
    workspace = Workspace(settings, session, client, redis, groups, me, installed.name, installed.user, channels, dead)
    workspace.renew(installed)
    return workspace


async def enter(
    settings: Settings, session: aiohttp.ClientSession, redis: Redis, groups: Groups, channels: Channels | None = None
) -> Workspace:
    """Ask Slack about the tokens. Raises ConfigError, which names the setting to mend, within 10 s."""
    if settings.slack_bot_token is None:
        raise ConfigError("SLACK_BOT_TOKEN is not set: copy the Bot User OAuth Token (xoxb-...) from OAuth & Permissions")
    client = build_client(settings.slack_bot_token.get_secret_value(), settings.slack_api_url, session)
    app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else None
    who, _ = await _verdict(client, _identify(client), _may_connect(client, app_token))
    me = Identity(team=who["team_id"], user=who["user_id"], bot=who["bot_id"])
    return Workspace(settings, session, client, redis, groups, me, who["team"], who["user"], channels)


async def prove_app(client: AsyncWebClient, app_token: str | None, prove: Callable[[], Awaitable[None]]) -> None:
    """Where there are several workspaces: ask Slack about the app, by what ``prove`` does. Raises ConfigError within 10 s."""
    await _verdict(client, prove(), _may_connect(client, app_token))


async def _verdict(client: AsyncWebClient, first: Awaitable[Verdict], second: Awaitable[None]) -> tuple[Verdict, None]:
    try:
        async with asyncio.timeout(_VERDICT_SECONDS):
            return await asyncio.gather(first, second)
    except TimeoutError as error:
        raise ConfigError(
            f"SLACK_API_URL {client.base_url} did not answer within {_VERDICT_SECONDS:.0f} s: "
            "is it right and reachable from here?"
        ) from error
    except (aiohttp.ClientError, SlackApiError, AttributeError) as error:  # slack_sdk trips over an answer in plain text
        raise ConfigError(
            f"SLACK_API_URL {client.base_url} does not answer as Slack does ({failure(error)}): "
            "check the address, the network and the proxy, and try again"
        ) from error


async def _identify(client: AsyncWebClient) -> dict[str, str]:
    try:
        who = (await client.auth_test()).data
    except SlackApiError as error:
        if failure(error).isdigit():
            raise
        raise ConfigError(
            f"SLACK_BOT_TOKEN was refused by Slack ({failure(error)}): copy the Bot User OAuth Token (xoxb-...) from "
            "OAuth & Permissions again"
        ) from error
    if not isinstance(who, dict) or not who.get("bot_id"):
        raise ConfigError("SLACK_BOT_TOKEN is not a bot's token: copy the one that begins with xoxb-, not xoxp-")
    return who


async def _may_connect(client: AsyncWebClient, app_token: str | None) -> None:
    if app_token is None:
        return
    try:
        await client.apps_connections_open(app_token=app_token)
    except SlackApiError as error:
        if failure(error).isdigit():
            raise
        raise ConfigError(
            f"SLACK_APP_TOKEN was refused by Slack ({failure(error)}): make an app-level token (xapp-...) with the scope "
            "connections:write under Basic Information, and switch Socket Mode on"
        ) from error
