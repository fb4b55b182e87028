"""Commands, buttons and forms as they come in: acknowledged in time, and each answered once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog
from discord import app_commands

from bots.commands.config import CONFIG
from bots.commands.private import ASK
from bots.commands.reviewed import KEEP
from bots.discord.audience import DiscordAudience
from bots.discord.chains import Chains
from bots.discord.claims import Claims, Ours
from bots.discord.config import notice, policies, written
from bots.discord.files import attached, place_of
from bots.discord.gates import refusal
from bots.discord.places import Place
from bots.discord.policies import Policies
from bots.discord.reply import DiscordReply
from bots.discord.running import Running, apology
from bots.discord.spots import Spots, asked_line, spot_of_interaction
from bots.discord.translate import (
    Asked,
    chain_conversation,
    manages,
    own_conversation,
    private_conversation,
    shown,
    spoken,
    to_asked,
    to_command,
)
from core.channels import Policy
from core.errors import FootnoteError
from core.models import Attachment, Principal

if TYPE_CHECKING:
    from bots.choices import Choices
    from bots.commands.registry import Commands
    from bots.responder import Responder

log = structlog.get_logger(__name__)

_OUTDATED = "Discord showed you an old version of this command. Reload Discord (Ctrl+R) and try again."


class Interactions:
    """Every command becomes one reply."""

    def __init__(
        self,
        responder: Responder,
        commands: Commands,
        audience: DiscordAudience,
        clock: Callable[[], datetime],
        *,
        policies: Policies,
        chains: Chains,
        spots: Spots,
        running: Running,
        choices: Choices,
        admins: frozenset[Principal],
        content: bool,
    ) -> None:
        """``content``: Discord gives us the text of all messages."""
        self._responder = responder
        self._commands = commands
        self._audience = audience
        self._policies = policies
        self._chains = chains
        self._spots = spots
        self._running = running
        self._choices = choices
        self._admins = admins
        self._content = content
        self._claims = Claims(clock)

    async def ask(
        self,
        interaction: Asked,
        question: str,
        *,
        private: bool,
        source: str | None = None,
        below: discord.Message | None = None,
        files: tuple[Attachment, ...] = (),
    ) -> None:
        """Answer ``/ask``, the message menu, and what was asked ``below`` an answer. Who sees the answer is fixed by the
        acknowledgement.
        """
        config = await self._policies.of(interaction.channel)
        refused = refusal(config, interaction.user, interaction.channel, self._admins)
        private = private or interaction.guild_id is None or config.private or bool(refused)
        sources = (source,) if source is not None else ()
        # Until the message is known that will hold the answer, the interaction stands for it.
        conversation = _conversation(interaction, interaction.id, private=private)
        message = to_asked(interaction, question, conversation, private=private, sources=sources, files=files)
        spot = spot_of_interaction(interaction, root=interaction.id, original=interaction.id, named=below is not None)

        async def keep() -> Ours:
            if not await self._responder.keep(message, spot):
                return Ours.NO
            return Ours.YES if spot.kept else Ours.UNKNOWN

        try:
            original = await self._claims.acknowledge(
                interaction, private=private, closed=self._running.closed, keep=None if refused else keep
            )
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            if spot.held is None or not spot.kept:
                raise
            # It is answered all the same, as what a process left behind that died.
            log.warning("interaction.not_acknowledged", error=type(error).__name__)
            await spot.held.leave()
            return
        if original is None:
            return
        root = original
        if below is not None and not private:
            await self._chains.conversation(below)
            root = self._chains.root(below.id)
        await spot.note(message=str(original), root=str(root))
        message = replace(message, conversation_id=_conversation(interaction, root, private=private))
        asked = asked_line(interaction.user.display_name, question)
        self._chains.add(original, root)
        reply = DiscordReply(
            self._places(message.id, interaction, original, asked, private=private, preface=asked if below else ""),
            on_sent=lambda sent: self._chains.add(sent, root),
            private=private,
            spot=spot,
        )
        audience_of = self._audience.of(interaction.user, interaction.channel)
        async with self._running.reply(reply):
            if refused:
                await self._responder.tell(message, reply, audience_of, refused)
                return
            if source is not None:
                try:
                    await self._choices.require(source, await self._audience.alone(interaction.user, interaction.channel))
                except FootnoteError as error:
                    await reply.say(str(error))
                    if spot.held is not None:
                        await spot.held.resolved()
                    return
            if not private:
                await self._policies.join(interaction.channel)
            await self._responder.respond(message, reply, audience_of, spot=spot)

    async def ask_about(self, interaction: Asked, message: discord.Message) -> None:
        """Answer what a message says to whoever chose it, from the files on it, too."""
        if (me := interaction.client.user) is not None:
            said, files = shown(message, me)
            await self.ask(interaction, said, private=True, files=attached(files, interaction.channel, message.jump_url))

    async def ask_on(self, interaction: Asked, question: str) -> None:
        """Answer the question on a button below an answer: for those who see that one."""
        below = interaction.message
        await self.ask(interaction, question, private=below is None or below.flags.ephemeral, below=below)

    async def open(self, interaction: Asked, form: discord.ui.Modal) -> None:
        """Show a form, which has to be the first that comes of the press of its button."""
        if self._running.closed or not self._claims.is_new(interaction):
            return
        try:
            await interaction.response.send_modal(form)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # Discord tells them itself that it failed; they can press it again.
            log.warning("form.not_opened", error=type(error).__name__)

    async def keep(self, interaction: Asked, message: discord.Message) -> None:
        """Keep what somebody wrote in the thread or chain of an answer as what is answered from now on."""
        me = interaction.client.user
        text = message.content if me is None else spoken(message, me)
        seen_by = place_of(interaction.channel)
        await self.command(interaction, KEEP, f"{message.jump_url} {seen_by}\n{text}", on=message)

    async def command(
        self,
        interaction: Asked,
        name: str,
        text: str,
        files: tuple[Attachment, ...] = (),
        *,
        on: discord.Message | None = None,
        everywhere: bool = False,
    ) -> None:
        """Run a command, given ``on`` a message or not, for the channel or ``everywhere`` on its server. Its answer may name
        pages that others must not know of, so only who gave it sees it.
        """
        root = await self._claims.acknowledge(interaction, private=True, closed=self._running.closed)
        if root is None:
            return
        preface = "-# Your command took longer than Discord keeps its window open."
        channel = interaction.channel if isinstance(interaction.channel, discord.abc.Messageable) else None
        key = f"discord:{interaction.id}"
        reply = DiscordReply(
            self._places(key, interaction, root, preface, private=True), publish_in=channel, pressed=interaction.message
        )
        async with self._running.reply(reply, command=True):
            config = await self._policies.of(channel)
            if name == ASK and (refused := refusal(config, interaction.user, channel, self._admins)):
                await reply.say(refused)
                return
            held = await self._audience.principals(interaction.user, interaction.channel)
            command = to_command(interaction, name, text, held, files, everywhere=everywhere)
            if on is not None:
                command = replace(command, conversation_id=await self._chains.conversation(on))
            await self._commands.run(command, reply)

    async def sources(self, interaction: Asked, typed: str) -> list[str]:
        """The sources that may be offered to somebody who types a name."""
        if self._running.closed:
            return []
        return await self._choices.sources(typed, self._audience.alone(interaction.user, interaction.channel))

    async def configure(self, interaction: Asked, wanted: Mapping[str, str], *, everywhere: bool = False) -> None:
        """Set how we behave in a channel, or ``everywhere`` on its server where nothing else is set; without anything ``wanted``
        show it, with a list to choose the channel's policy from.
        """
        await self.command(interaction, CONFIG, written(wanted), everywhere=everywhere)
        held = await self._audience.principals(interaction.user, interaction.channel)
        if self._running.closed or not (manages(interaction, everywhere=everywhere) or held & self._admins):
            return
        current = (await self._policies.of(interaction.channel)).policy
        policy = Policy(wanted.get("policy", current))
        said = notice(policy, content=self._content)
        with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
            if not wanted and not everywhere:
                await interaction.followup.send(
                    said or "To which messages I reply:", view=policies(current), ephemeral=True, suppress_embeds=True
                )
            elif said and "policy" in wanted:
                await interaction.followup.send(said, ephemeral=True, suppress_embeds=True)

    async def failed(self, interaction: Asked, error: app_commands.AppCommandError) -> None:
        """Tell the person about an error in a command, with an id to find it by."""
        if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
            log.warning("command.outdated", error=str(error))
            text = _OUTDATED
        else:
            text = apology("command.failed", getattr(error, "original", error))
        with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
            if interaction.response.is_done():
                await interaction.edit_original_response(content=text)
            else:
                await interaction.response.send_message(text, ephemeral=True)

    def _places(
        self, key: str, interaction: Asked, original: int, asked: str, *, private: bool, preface: str = ""
    ) -> list[Place]:
        acknowledged = original != interaction.id
        channel: Any = interaction.channel
        shown = isinstance(channel, discord.abc.Messageable) and acknowledged and not private
        return self._spots.of_interaction(
            key,
            asked,
            interaction.followup if acknowledged else None,
            interaction.created_at,
            channel.get_partial_message(original) if shown else None,
            channel,
            interaction.user,
            private=private,
            preface=preface,
        )


def _conversation(interaction: Asked, root: int, *, private: bool) -> str:
    own = own_conversation(interaction.channel)
    if private and (own is None or interaction.guild_id is not None):
        # Also in a thread: what others say there must not be answered from a question that they never saw.
        return private_conversation(interaction.channel_id, interaction.user.id)
    return own or chain_conversation(interaction.channel_id, root)
