"""The connection to Discord's gateway, kept for as long as the process lives."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bots.discord.claims import OVERTAKEN
from bots.discord.events import Client, ShardedClient
from bots.discord.inbox import Inbox
from bots.discord.interactions import Interactions
from bots.discord.missed import Missed
from bots.discord.slash import sync_commands
from core.errors import ConfigError, TransientError
from core.settings import Settings

if TYPE_CHECKING:
    pass

log = structlog.get_logger(__name__)

_LAST_BACKOFF = 60.0
"""Seconds. Discord allows 1,000 identifications a day, and most attempts do not get that far."""

_FATAL_CLOSES = {
    4004: "DISCORD_BOT_TOKEN was refused: copy a new one from the Developer Portal, page Bot",
    4010: "it refuses the number of shards: unset DISCORD_SHARDS, and as many are used as Discord recommends",
    4011: "the bot is in more servers than so few connections may serve (2,500 each): unset DISCORD_SHARDS, or "
    "set a larger number",
    4012: "the gateway that DISCORD_API_URL names does not speak version 10",
    4013: "the gateway that DISCORD_API_URL names does not know the intents that Footnote asks for",
    4014: "the bot may not read the content of messages: switch on Message Content Intent in the Developer Portal, page Bot, "
    "under Privileged Gateway Intents, or unset DISCORD_MESSAGE_CONTENT",
}
_GOODBYE = 3.0
"""Seconds that a connection may take to close; a dead one would take 30."""
_UNREACHABLE = (aiohttp.ClientError, OSError, discord.HTTPException, discord.GatewayNotFound)


class Connection:
    """discord.py keeps Discord's addresses for the process: one in each."""

    def __init__(self, settings: Settings, inbox: Inbox, interactions: Interactions, missed: Missed) -> None:
        self._settings = settings
        self._takers = inbox, interactions, missed
        self._intents = _intents(content=settings.discord_message_content)
        self._shards = settings.discord_shards or 1
        self._supervisor: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._down_told = False
        self.client: Client | None = None
        self.closing = False

    @property
    def up(self) -> bool:
        return self._up.is_set()

    async def open(self) -> None:
        """Connect and return once connected, however long Discord cannot be reached. Raises ConfigError."""
        _quiet_the_library()
        self._supervisor = asyncio.create_task(self._stay_connected(), name="discord")
        up = asyncio.create_task(self._up.wait())
        try:
            await asyncio.wait({self._supervisor, up}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.hang_up()
            await self.close()
            raise
        finally:
            up.cancel()
        if self._supervisor.done():
            self._supervisor.result()
        self._supervisor.add_done_callback(_log_end)

    async def hang_up(self) -> None:
        """Get no more events; what is being written can still be written."""
        self.closing = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        self._up.clear()
        if self.client is not None:
            await _within(_GOODBYE, self.client.hang_up())

    async def close(self) -> None:
        if self.client is not None:
            await _within(_GOODBYE, self.client.close())

    async def check(self) -> str:
        """One line that says who the bot is and where. Raises ConfigError or TransientError."""
        client = discord.Client(intents=self._intents)
        try:
            await self._login(client)
            self._require_granted(client)
        except _UNREACHABLE as error:
            raise TransientError(f"{self._settings.discord_api_url} does not answer ({type(error).__name__})") from error
        finally:
            await client.close()
        servers = (client.application.approximate_guild_count if client.application else 0) or 0
        if not servers:
            return f"{client.user}, in no server yet: invite it from the Developer Portal, page Installation"
        return f"{client.user} in {servers} server{'s' if servers != 1 else ''}"

    async def _stay_connected(self) -> None:
        """Connect anew, each time a little later, until stopped. Raises ConfigError when only a person can help."""
        failures = 0
        while True:
            begun = time.monotonic()
            client = self._renewed()
            try:
                recommended = await self._login(client)
                if self._settings.discord_shards is None and recommended != self._shards:
                    self._shards = recommended
                    await _within(_GOODBYE, client.close())
                    client = self._renewed()
                    await self._login(client)
                await self._sync_commands(client)
                await self._connect(client)
            except _UNREACHABLE as error:
                self._went_down(type(error).__name__)
            except discord.ConnectionClosed as error:
                if reason := _FATAL_CLOSES.get(error.code):
                    raise ConfigError(f"Discord closed the connection with code {error.code}: {reason}.") from error
                self._went_down(f"close code {error.code}")
            except discord.PrivilegedIntentsRequired as error:
                raise ConfigError(f"Discord closed the connection with code 4014: {_FATAL_CLOSES[4014]}.") from error
            except ConfigError:
                raise
            except Exception:
                # The outermost loop: discord.py lets errors of its parsers out, and a bot that stays down helps nobody.
                log.exception("discord.failed")
                self._went_down("an error in the connection")
            finally:
                self._up.clear()
                if not self.closing:
                    await _within(_GOODBYE, client.close())
            failures = failures + 1 if time.monotonic() - begun < _LAST_BACKOFF else 1
            await asyncio.sleep(_backoff(failures))

    def _renewed(self) -> Client:
        kind = Client if self._shards == 1 else ShardedClient
        self.client = kind(*self._takers, self._intents, self._shards, came_up=self._came_up, went_down=self._went_down)
        return self.client

    def _require_granted(self, client: discord.Client) -> None:
        """Raises ConfigError when the portal does not grant what the gateway will refuse."""
        granted = client.application_flags
        if self._intents.message_content and not (granted.gateway_message_content or granted.gateway_message_content_limited):
            raise ConfigError(f"DISCORD_MESSAGE_CONTENT is set, but {_FATAL_CLOSES[4014]}.")

    async def _login(self, client: discord.Client) -> int:
        """Point discord.py at the API and at the gateway that the API names, and prove who we are: how many shards Discord
        recommends.
        """
        Route.BASE = self._settings.discord_api_url.rstrip("/")
        token = self._settings.discord_bot_token
        try:
            await client.login(token.get_secret_value() if token else "")
            shards, gateway, _ = await client.http.get_bot_gateway()
        except discord.LoginFailure as error:
            raise ConfigError(
                "Discord refused DISCORD_BOT_TOKEN (401): copy the bot's token from the Developer Portal, page Bot, "
                "or reset it there."
            ) from error
        except discord.HTTPException as error:
            if error.status not in {403, 404, 405}:
                raise
            raise ConfigError(_wrong_address(f"answered {error.status} to GET /users/@me")) from error
        except (TypeError, KeyError) as error:
            raise ConfigError(_wrong_address("answered GET /users/@me with something that is no user")) from error
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        return int(shards)

    async def _sync_commands(self, client: Client) -> None:
        try:
            changed = await sync_commands(client, client.tree)
        except discord.DiscordException as error:
            # Mentions and direct messages work without commands.
            log.warning("commands.refused", error=str(error))
        else:
            log.info("commands.written" if changed else "commands.unchanged")

    async def _connect(self, client: discord.Client) -> None:
        """Run the gateway connection, which discord.py renews and resumes by itself."""
        failures = 0
        while not client.is_closed():
            try:
                await client.connect()
            except AttributeError:
                # discord.py 2.7.1 asks a connection that never was for its sequence when the first handshake fails.
                if client.ws is not None:
                    raise
                self._went_down("the first handshake failed")
                failures += 1
                await asyncio.sleep(_backoff(failures))

    def _came_up(self) -> None:
        if not self._up.is_set() and not self.closing:
            self._up.set()
            self._down_told = False
            log.info("discord.connected")

    def _went_down(self, reason: str) -> None:
        self._up.clear()
        if not self._down_told and not self.closing:
            self._down_told = True
            log.warning("discord.disconnected", reason=reason)


def _wrong_address(what: str) -> str:
    return f"DISCORD_API_URL {Route.BASE} {what}: the base of Discord's REST API ends in /api/v10."


def _intents(*, content: bool) -> discord.Intents:
    """None that is privileged but on demand: Discord delivers the text of mentions, of replies that ping and of direct
    messages in any case.
    """
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=content)


def _backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: full jitter, so that many processes do not return together."""
    return random.uniform(0.2, 1) * min(_LAST_BACKOFF, 2.0 ** min(failures, 10) / 2)


async def _within(seconds: float, closing: Awaitable[None]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closing


def _quiet_the_library() -> None:
    """Its DEBUG lines carry texts and interaction tokens, and a lost connection costs it a traceback each time."""
    for name in ("discord.http", "discord.gateway", "discord.webhook.async_", "discord.state", "markdown_it"):
        logging.getLogger(name).setLevel(logging.INFO)
    for name in ("discord.client", "discord.shard"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("discord.app_commands.tree").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that what somebody typed was completed by another process, or that they typed on."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, discord.HTTPException) and error.code in OVERTAKEN)


def _log_end(supervisor: asyncio.Task[None]) -> None:
    if not supervisor.cancelled() and (error := supervisor.exception()):
        log.error("discord.gave_up", error=str(error), exc_info=None if isinstance(error, ConfigError) else error)
