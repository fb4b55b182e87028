"""Footnote on Discord: its parts, put together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from bots.discord.audience import AddressesOf, DiscordAudience
from bots.discord.chains import Chains
from bots.discord.connection import Connection
from bots.discord.direct import AccountsOf, DiscordMessenger
from bots.discord.edits import Edits
from bots.discord.files import fetch
from bots.discord.finding import Finder
from bots.discord.inbox import Inbox
from bots.discord.interactions import Interactions
from bots.discord.missed import Missed
from bots.discord.pace import INTERVAL
from bots.discord.policies import Policies
from bots.discord.running import Running
from bots.discord.spots import Spots
from bots.discord.threads import DiscordThreads
from bots.discord.wordings import Wordings
from bots.files import Fetched
from bots.platform import Groups
from core.channels import server
from core.models import Attachment, now
from core.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bots.choices import Choices
    from bots.commands.registry import Commands
    from bots.pending import LeftBehind
    from bots.responder import Responder
    from core.channels import Channels


class DiscordBot:
    """A :class:`bots.platform.Platform`."""

    name = "discord"

    def __init__(
        self,
        settings: Settings,
        responder: Responder,
        commands: Commands,
        groups: Groups,
        addresses_of: AddressesOf,
        *,
        redis: Redis,
        channels: Channels,
        choices: Choices,
        clock: Callable[[], datetime] = now,
        edit_interval: float = INTERVAL,
    ) -> None:
        """``edit_interval`` is in seconds, between two edits of a message."""
        self._settings = settings
        self._running = Running()
        audience = DiscordAudience(groups, addresses_of)
        policies = Policies(channels, DiscordThreads(redis, settings.footnote_memory_ttl))
        chains, spots = Chains(), Spots(clock, edit_interval=edit_interval)
        self._inbox = Inbox(
            responder,
            audience,
            policies=policies,
            edits=Edits(Wordings(redis), responder),
            chains=chains,
            spots=spots,
            finder=Finder(spots, clock),
            running=self._running,
            admins=settings.admins,
        )
        interactions = Interactions(
            responder,
            commands,
            audience,
            clock,
            policies=policies,
            chains=chains,
            spots=spots,
            running=self._running,
            choices=choices,
            admins=settings.admins,
            content=settings.discord_message_content,
        )
        self._connection = Connection(settings, self._inbox, interactions, Missed(redis, clock))
        channels.lie_in(self.name, self._server_of)

    @property
    def connected(self) -> bool:
        return self._connection.up

    async def start(self) -> None:
        """Connect and return once connected, however long Discord cannot be reached. Raises ConfigError."""
        await self._connection.open()

    async def stop(self, drain: float = 25.0) -> None:
        """Take no new events, let running answers finish for ``drain`` seconds, then close."""
        await self._connection.hang_up()
        await self._running.close(drain)
        await self._connection.close()

    async def check(self) -> str:
        """One line that says who the bot is and where. Raises ConfigError or TransientError."""
        return await self._connection.check()

    async def fetch(self, file: Attachment, most: int) -> Fetched:
        """See :data:`bots.files.Fetch`."""
        return await fetch(file, most, self._settings.discord_api_url)

    def messenger(self, accounts_of: AccountsOf) -> DiscordMessenger | None:
        """See :class:`bots.owners.Messenger`; None while Discord is not connected."""
        client = self._connection.client
        return DiscordMessenger(client, accounts_of) if client is not None and self.connected else None

    async def resume(self, left: LeftBehind) -> None:
        """Begin to answer what another process left behind, or what is tried again. It returns at once."""
        client = self._connection.client
        if client is not None and not self._connection.closing:
            self._inbox.resume(client, left)

    def _server_of(self, channel_id: str) -> str:
        id, client = channel_id.removeprefix(f"{self.name}:"), self._connection.client
        channel = client.get_channel(int(id)) if client is not None and id.isdigit() else None
        guild = getattr(channel, "guild", None)
        return server(guild.id) if guild is not None else ""
