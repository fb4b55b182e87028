"""Writing to one person, whom we know by the e-mail address that their account is linked with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog

from bots.command import Button
from bots.discord.cards import Card, rows
from bots.discord.dialect import literal, masked, safe_url
from bots.discord.in_channel import InChannel
from bots.discord.render import notice
from core.errors import FootnoteError, TransientError, UserError
from core.models import Principal

AccountsOf = Callable[[Principal], Awaitable[Collection[str]]]
"""The accounts that are linked with an address."""

if TYPE_CHECKING:
    from core.indexing.index import Owned

log = structlog.get_logger(__name__)

_UNANSWERED = (discord.DiscordException, aiohttp.ClientError, OSError)


def letter(markdown: str, title: str, url: str, buttons: Sequence[Button]) -> list[Card]:
    """A notice with a link to the page that it is about, and buttons below."""
    *before, last = notice(markdown)
    target = safe_url(url)
    return [*before, replace(last, small=f"-# {masked(title, target) if target else literal(title)}", rows=rows(buttons))]


class DiscordMessenger:
    """See :class:`bots.owners.Messenger`."""

    def __init__(self, client: discord.Client, accounts_of: AccountsOf) -> None:
        self._client = client
        self._accounts_of = accounts_of

    async def account(self, address: str) -> str | None:
        try:
            found = await self._accounts_of(f"user:{address}")
        except TransientError:
            return None
        return min((account for account in found if account.startswith("discord:")), default=None)

    async def sees(self, account: str, conversation_id: str) -> bool:
        # discord:CHANNEL_OR_THREAD, or discord:CHANNEL:ROOT
        channel_id, person = int(conversation_id.split(":")[1]), int(account.removeprefix("discord:"))
        try:
            channel = self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)
            if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
                return False
            if isinstance(channel, discord.Thread) and channel.is_private():
                await channel.fetch_member(person)
            return channel.permissions_for(await channel.guild.fetch_member(person)).view_channel
        except _UNANSWERED as error:
            log.info("channel.not_seen", error=type(error).__name__)
            return False

    async def write(self, account: str, text: str, page: Owned, buttons: Sequence[Button]) -> None:
        try:
            place = InChannel(await self._client.fetch_user(int(account.removeprefix("discord:"))))
            for card in letter(text, page.title, page.url, buttons):
                await place.send(card)
        except FootnoteError as error:
            raise UserError(f"Discord does not let me ({error}).") from error
        except _UNANSWERED as error:
            raise TransientError(f"Discord did not answer ({type(error).__name__}).") from error
