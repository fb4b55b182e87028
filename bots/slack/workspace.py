"""The workspace that our tokens open."""

from __future__ import annotations

import asyncio

import aiohttp
from redis.asyncio import Redis
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.platform import Groups
from bots.slack.audience import SlackAudience
from bots.slack.changes import SlackChanges
from bots.slack.channels import SlackChannels
from bots.slack.client import build_client, failure
from bots.slack.people import SlackPeople
from bots.slack.poster import Poster
from bots.slack.threads import SlackThreads
from bots.slack.translate import Identity
from core.errors import ConfigError
from core.settings import Settings

_VERDICT_SECONDS = 9.0
"""Slack's verdict on the tokens is waited for this long."""


class Workspace:
    """Who we are there, and what is needed to talk. Made by :func:`enter`."""

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
    ) -> None:
        self.session = session
        self.client = client
        self.me = me
        self.team_name = team_name
        self.user_name = user_name
        self.hasty = build_client(client.token or "", client.base_url, session, patient=False)
        self.people = SlackPeople(client, me.team, domains=settings.footnote_email_domains)
        self.audience = SlackAudience(me, self.people, SlackChannels(client), SlackChanges(redis, me.team), groups)
        self.threads = SlackThreads(redis, me.team, settings.footnote_memory_ttl)
        self.poster = Poster(client, session)


async def enter(settings: Settings, session: aiohttp.ClientSession, redis: Redis, groups: Groups) -> Workspace:
    """Ask Slack about the tokens. Raises ConfigError, which names the setting to mend, within 10 s."""
    if settings.slack_bot_token is None:
        raise ConfigError("SLACK_BOT_TOKEN is not set: copy the Bot User OAuth Token (xoxb-...) from OAuth & Permissions")
    client = build_client(settings.slack_bot_token.get_secret_value(), settings.slack_api_url, session)
    app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else None
    try:
        async with asyncio.timeout(_VERDICT_SECONDS):
            who, _ = await asyncio.gather(_identify(client), _may_connect(client, app_token))
    except TimeoutError as error:
        raise ConfigError(
            f"SLACK_API_URL {settings.slack_api_url} did not answer within {_VERDICT_SECONDS:.0f} s: "
            "is it right and reachable from here?"
        ) from error
    except (aiohttp.ClientError, SlackApiError, AttributeError) as error:  # slack_sdk trips over an answer in plain text
        raise ConfigError(
            f"SLACK_API_URL {settings.slack_api_url} does not answer as Slack does ({failure(error)}): "
            "check the address, the network and the proxy, and try again"
        ) from error
    me = Identity(team=who["team_id"], user=who["user_id"], bot=who["bot_id"])
    return Workspace(settings, session, client, redis, groups, me, who["team"], who["user"])


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
