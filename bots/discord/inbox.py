"""Messages and commands as they come in: acknowledged, translated, handed on, and finished before the bot stops."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog
from discord import app_commands

from bots.discord.audience import DiscordAudience
from bots.discord.chains import Chains
from bots.discord.dialect import literal
from bots.discord.places import InChannel, InInteraction, Place
from bots.discord.reply import DiscordReply
from bots.discord.translate import (
    Asked,
    chain_conversation,
    is_addressed,
    is_private,
    own_conversation,
    private_conversation,
    to_asked,
    to_command,
    to_message,
)
from core.errors import FootnoteError

if TYPE_CHECKING:
    from bots.commands import Commands
    from bots.responder import Responder

log = structlog.get_logger(__name__)

_REMEMBERED = 1000
"""Interactions that a resumed connection may bring again."""
_FAREWELL_SECONDS = 4.0
"""Of the time to drain: for ending what runs too long, and for telling who waits for it."""
_UNKNOWN_INTERACTION = 10062
_ALREADY_ACKNOWLEDGED = 40060

_RESTARTING = "I am being restarted and could not finish this. Please ask again in a minute."
_OUTDATED = "Discord showed you an old version of this command. Reload Discord (Ctrl+R) and try again."


class Inbox:
    """Every message and every command becomes one reply."""

    def __init__(
        self,
        responder: Responder,
        commands: Commands,
        audience: DiscordAudience,
        clock: Callable[[], datetime],
    ) -> None:
        self._responder = responder
        self._commands = commands
        self._audience = audience
        self._clock = clock
        self._chains = Chains()
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._replies: dict[asyncio.Task[object], DiscordReply] = {}
        self._closed = False

    async def hear(self, message: discord.Message, me: discord.ClientUser) -> None:
        """Answer a message if it is for us."""
        if self._closed or not is_addressed(message, me):
            return
        conversation = await self._chains.conversation(message)
        root = self._chains.root(message.id)
        places: list[Place] = [InChannel(message.channel, message.to_reference(fail_if_not_exists=False))]
        private = is_private(message)
        if not private:
            where = literal(getattr(message.channel, "name", "that channel"))
            places.append(InChannel(message.author, preface=f"-# I may not write in #{where}, so I answer you here."))
        reply = DiscordReply(
            places, typing_in=message.channel, on_sent=lambda sent: self._chains.add(sent, root), private=private
        )
        async with self._running(reply):
            audience_of = self._audience.of(message.author, message.channel)
            await self._responder.respond(to_message(message, me, conversation), reply, audience_of)

    async def ask(self, interaction: Asked, question: str, *, private: bool) -> None:
        """Answer ``/ask`` and the message menu. Who sees the answer is fixed by the acknowledgement."""
        private = private or interaction.guild_id is None
        root = await self._acknowledge(interaction, private=private)
        if root is None:
            return
        own = own_conversation(interaction.channel)
        if private and (own is None or interaction.guild_id is not None):
            # Also in a thread: what others say there must not be answered from a question that they never saw.
            conversation = private_conversation(interaction)
        else:
            conversation = own or chain_conversation(interaction.channel_id, root)
        asked = f"-# {literal(interaction.user.display_name)} asked: {literal(' '.join(question.split())[:300])}"
        reply = DiscordReply(
            self._places(interaction, root, asked, private=private),
            on_sent=lambda sent: self._chains.add(sent, root),
            private=private,
        )
        async with self._running(reply):
            message = to_asked(interaction, question, conversation, private=private)
            await self._responder.respond(message, reply, self._audience.of(interaction.user, interaction.channel))

    async def command(self, interaction: Asked, name: str, text: str) -> None:
        """Run a command. Its answer may name pages that others must not know of, so only who gave it sees it."""
        root = await self._acknowledge(interaction, private=True)
        if root is None:
            return
        preface = "-# Your command took longer than Discord keeps its window open."
        channel = interaction.channel if isinstance(interaction.channel, discord.abc.Messageable) else None
        reply = DiscordReply(self._places(interaction, root, preface, private=True), publish_in=channel)
        async with self._running(reply):
            held = await self._audience.principals(interaction.user, interaction.channel)
            await self._commands.run(to_command(interaction, name, text, held), reply)

    async def failed(self, interaction: Asked, error: app_commands.AppCommandError) -> None:
        """Tell the person about an error in a command, with an id to find it by."""
        if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
            log.warning("command.outdated", error=str(error))
            text = _OUTDATED
        else:
            text = _report("command.failed", getattr(error, "original", error))
        with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
            if interaction.response.is_done():
                await interaction.edit_original_response(content=text)
            else:
                await interaction.response.send_message(text, ephemeral=True)

    async def failed_to_hear(self, message: discord.Message, error: BaseException) -> None:
        with suppress(FootnoteError, discord.HTTPException):
            await InChannel(message.channel).send(_report("message.failed", error))

    async def close(self, drain: float) -> None:
        """Take nothing new, wait for what runs, then cancel the rest and tell who waits for it: ``drain`` seconds in all."""
        self._closed = True
        if not self._replies:
            return
        farewell = min(_FAREWELL_SECONDS, drain / 2)
        _, late = await asyncio.wait(set(self._replies), timeout=drain - farewell)
        unfinished = [self._replies[task] for task in late if task in self._replies]
        for task in late:
            task.cancel()
        if late:
            # Whoever waits for Discord's leave to write is not waited for.
            await asyncio.wait(late, timeout=farewell / 2)
        await asyncio.gather(*(_abandon(reply, farewell / 2) for reply in unfinished if not reply.spoken))

    @asynccontextmanager
    async def _running(self, reply: DiscordReply) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._replies[task] = reply
        try:
            yield
        finally:
            try:
                await reply.close()
            finally:
                del self._replies[task]

    async def _acknowledge(self, interaction: Asked, *, private: bool) -> int | None:
        """Claim the interaction within Discord's 3 seconds: the id of the message that will hold the answer.

        None when it is not ours to answer: delivered before, or acknowledged by another process. When the 3 seconds
        are over there is no such message, and the interaction's own id stands for it.
        """
        if interaction.id in self._seen:
            log.debug("interaction.repeated")
            return None
        self._seen[interaction.id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if self._closed:
            with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
                await interaction.response.send_message(_RESTARTING, ephemeral=True)
            return None
        return await self._defer(interaction, private=private)

    async def _defer(self, interaction: Asked, *, private: bool) -> int | None:
        unsure = False
        while True:
            try:
                deferred = await interaction.response.defer(thinking=True, ephemeral=private)
            except (aiohttp.ClientError, OSError):
                if unsure:
                    raise
                unsure = True
            except discord.HTTPException as error:
                if error.code == _ALREADY_ACKNOWLEDGED and unsure:
                    # It was us: only the answer to our first attempt was lost.
                    return (await interaction.original_response()).id
                if error.code == _ALREADY_ACKNOWLEDGED:
                    return None
                if error.code == _UNKNOWN_INTERACTION:
                    log.warning("interaction.late", seconds=(self._clock() - interaction.created_at).total_seconds())
                    return interaction.id
                raise
            else:
                return (deferred.message_id if deferred else None) or interaction.id

    def _places(self, interaction: Asked, root: int, preface: str, *, private: bool) -> list[Place]:
        places: list[Place] = []
        if root != interaction.id:
            places.append(InInteraction(interaction, self._clock, private=private))
        if not private and isinstance(interaction.channel, discord.abc.Messageable):
            reference = discord.MessageReference(
                message_id=root, channel_id=interaction.channel.id, guild_id=interaction.guild_id, fail_if_not_exists=False
            )
            places.append(InChannel(interaction.channel, reference if places else None, preface=preface))
        places.append(InChannel(interaction.user, preface=preface))
        return places


async def _abandon(reply: DiscordReply, seconds: float) -> None:
    log.warning("reply.abandoned")
    with suppress(FootnoteError, discord.HTTPException, TimeoutError):
        async with asyncio.timeout(seconds):
            await reply.say(_RESTARTING)


def _report(event: str, error: BaseException) -> str:
    error_id = secrets.token_hex(4)
    log.error(event, error_id=error_id, exc_info=error)
    return f"Something went wrong on my side (error `{error_id}`). Please try again."
