"""discord.py's client with our events, over one connection or over several."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import discord
import structlog

from bots.discord.buttons import pressed
from bots.discord.config import chosen
from bots.discord.inbox import Inbox
from bots.discord.interactions import Interactions
from bots.discord.missed import Missed
from bots.discord.modals import form_for
from bots.discord.reply import FOLLOW_UP
from bots.discord.slash import build_tree

log = structlog.get_logger(__name__)

_DIRECT = 0
"""The shard that has the direct messages."""


class Client(discord.Client):
    """It pings nobody and keeps no members and no messages."""

    def __init__(
        self,
        inbox: Inbox,
        interactions: Interactions,
        missed: Missed,
        intents: discord.Intents,
        shards: int,
        *,
        came_up: Callable[[], None],
        went_down: Callable[[str], None],
    ) -> None:
        super().__init__(
            intents=intents,
            shard_count=shards if shards > 1 else None,
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
        )
        self.tree = build_tree(self, interactions)
        self._inbox = inbox
        self._interactions = interactions
        self._missed = missed
        self._came_up = came_up
        self._went_down = went_down

    async def hang_up(self) -> None:
        """Get no more events; what is being written can still be written."""
        if self.ws is not None and self.ws.open:
            await self.ws.close(code=1000)

    async def on_connect(self) -> None:
        """There is a new session."""
        self._missed.fell_behind(self.guilds)
        self._came_up()
        await self._missed.from_people(self)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        await self._missed.in_server(self, guild)

    async def on_resumed(self) -> None:
        self._came_up()

    async def on_disconnect(self) -> None:
        self._went_down("the connection was lost")

    async def on_message(self, message: discord.Message) -> None:
        if self.user is not None:
            await asyncio.gather(self._inbox.hear(message, self.user), self._missed.heard(message))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        if self.user is not None:
            await self._inbox.hear_edit(self, payload.message, self.user)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        await self._inbox.hear_deletion(self, payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in payload.message_ids:
            await self._inbox.hear_deletion(self, message_id)

    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        # Commands go to the tree.
        if wanted := chosen(interaction):
            await self._interactions.configure(interaction, wanted)
        elif form := form_for(interaction):
            await self._interactions.open(interaction, form)
        elif command := pressed(interaction):
            name, text = command
            if name == FOLLOW_UP:
                await self._interactions.ask_on(interaction, text)
            else:
                await self._interactions.command(interaction, name, text)

    async def on_error(self, event_method: str, /, *args: Any, **_: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and args and isinstance(args[0], discord.Message):
            await self._inbox.failed_to_hear(args[0], error)
        else:
            log.exception("event.failed", discord_event=event_method)


class ShardedClient(Client, discord.AutoShardedClient):
    """The same over several connections, which is up while all of them are. It repeats refused first handshakes by itself."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._away = set(range(self.shard_count or 0))

    async def hang_up(self) -> None:
        await asyncio.gather(*(shard.disconnect() for shard in self.shards.values()))

    # These come for each shard, and say not for which.

    async def on_connect(self) -> None: ...

    async def on_resumed(self) -> None: ...

    async def on_disconnect(self) -> None: ...

    async def on_shard_connect(self, shard: int) -> None:
        self._missed.fell_behind(guild for guild in self.guilds if guild.shard_id == shard)
        self._is_back(shard)
        if shard == _DIRECT:
            await self._missed.from_people(self)

    async def on_shard_resumed(self, shard: int) -> None:
        self._is_back(shard)

    async def on_shard_disconnect(self, shard: int) -> None:
        self._away.add(shard)
        self._went_down(f"the connection of shard {shard} was lost")

    def _is_back(self, shard: int) -> None:
        self._away.discard(shard)
        if not self._away:
            self._came_up()
