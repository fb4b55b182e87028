"""The bot's connection to Discord, kept for as long as the process lives."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bots.discord.audience import AddressesOf, DiscordAudience
from bots.discord.buttons import pressed
from bots.discord.inbox import Inbox
from bots.discord.slash import build_tree, sync_commands
from bots.platform import Groups
from core.errors import ConfigError, TransientError
from core.models import now
from core.settings import Settings

if TYPE_CHECKING:
    from bots.commands import Commands
    from bots.responder import Responder

log = structlog.get_logger(__name__)

_LAST_BACKOFF = 60.0
"""Seconds. Discord allows 1,000 identifications a day, and most attempts do not get that far."""

_FATAL_CLOSES = {
    4004: "DISCORD_BOT_TOKEN was refused: copy a new one from the Developer Portal, page Bot",
    4010: "it refuses this process as a shard, though Footnote needs none",
    4011: "the bot is in more servers than one connection may serve (2,500)",
    4012: "the gateway that DISCORD_API_URL names does not speak version 10",
    4013: "the gateway that DISCORD_API_URL names does not know the intents that Footnote asks for",
    4014: "it refuses the intents that Footnote asks for, though none is privileged",
}
_GOODBYE = 3.0
"""Seconds that a connection may take to close; a dead one would take 30."""
_UNREACHABLE = (aiohttp.ClientError, OSError, discord.HTTPException, discord.GatewayNotFound)


class DiscordBot:
    """A :class:`bots.platform.Platform`. discord.py keeps Discord's addresses for the process: one bot in each."""

    name = "discord"

    def __init__(
        self,
        settings: Settings,
        responder: Responder,
        commands: Commands,
        groups: Groups,
        addresses_of: AddressesOf,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._settings = settings
        self._inbox = Inbox(responder, commands, DiscordAudience(groups, addresses_of), clock)
        self._client: _Client | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._down_told = False
        self._stopping = False

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    async def start(self) -> None:
        """Connect and return once connected, however long Discord cannot be reached. Raises ConfigError."""
        _quiet_the_library()
        self._supervisor = asyncio.create_task(self._stay_connected(), name="discord")
        up = asyncio.create_task(self._up.wait())
        try:
            await asyncio.wait({self._supervisor, up}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.stop(drain=0)
            raise
        finally:
            up.cancel()
        if self._supervisor.done():
            self._supervisor.result()
        self._supervisor.add_done_callback(_log_end)

    async def stop(self, drain: float = 25.0) -> None:
        """Take no new events, let running answers finish for ``drain`` seconds, then close."""
        self._stopping = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        self._up.clear()
        if self._client is not None:
            if self._client.ws is not None and self._client.ws.open:
                await _within(_GOODBYE, self._client.ws.close(code=1000))
            await self._inbox.close(drain)
            await _within(_GOODBYE, self._client.close())

    async def check(self) -> str:
        """One line that says who the bot is and where. Raises ConfigError or TransientError."""
        client = discord.Client(intents=_intents())
        try:
            await self._login(client)
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
            client = self._client = _Client(self._inbox, came_up=self._came_up, went_down=self._went_down)
            try:
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
                if not self._stopping:
                    await _within(_GOODBYE, client.close())
            failures = failures + 1 if time.monotonic() - begun < _LAST_BACKOFF else 1
            await asyncio.sleep(_backoff(failures))

    async def _login(self, client: discord.Client) -> None:
        """Point discord.py at the API and at the gateway that the API names, and prove who we are."""
        Route.BASE = self._settings.discord_api_url.rstrip("/")
        token = self._settings.discord_bot_token
        try:
            await client.login(token.get_secret_value() if token else "")
            _, gateway, _ = await client.http.get_bot_gateway()
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

    async def _sync_commands(self, client: _Client) -> None:
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
        if not self._up.is_set() and not self._stopping:
            self._up.set()
            self._down_told = False
            log.info("discord.connected")

    def _went_down(self, reason: str) -> None:
        self._up.clear()
        if not self._down_told and not self._stopping:
            self._down_told = True
            log.warning("discord.disconnected", reason=reason)


class _Client(discord.Client):
    """discord.py's client with our events. It pings nobody and keeps no members and no messages."""

    def __init__(self, inbox: Inbox, *, came_up: Callable[[], None], went_down: Callable[[str], None]) -> None:
        super().__init__(
            intents=_intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
        )
        self.tree = build_tree(self, inbox)
        self._inbox = inbox
        self._came_up = came_up
        self._went_down = went_down

    async def on_connect(self) -> None:
        self._came_up()

    async def on_resumed(self) -> None:
        self._came_up()

    async def on_disconnect(self) -> None:
        self._went_down("the connection was lost")

    async def on_message(self, message: discord.Message) -> None:
        if self.user is not None:
            await self._inbox.hear(message, self.user)

    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        # Commands go to the tree.
        if command := pressed(interaction):
            await self._inbox.command(interaction, *command)

    async def on_error(self, event_method: str, /, *args: Any, **_: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and args and isinstance(args[0], discord.Message):
            await self._inbox.failed_to_hear(args[0], error)
        else:
            log.exception("event.failed", discord_event=event_method)


def _wrong_address(what: str) -> str:
    return f"DISCORD_API_URL {Route.BASE} {what}: the base of Discord's REST API ends in /api/v10."


def _intents() -> discord.Intents:
    """None that is privileged: Discord delivers the text of mentions, of replies that ping and of direct messages."""
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True)


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
    logging.getLogger("discord.client").setLevel(logging.CRITICAL)


def _log_end(supervisor: asyncio.Task[None]) -> None:
    if not supervisor.cancelled() and (error := supervisor.exception()):
        log.error("discord.gave_up", error=str(error), exc_info=None if isinstance(error, ConfigError) else error)
