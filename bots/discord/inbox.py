"""Messages and commands as they come in: acknowledged, translated, handed on, and finished before the bot stops."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
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
from bots.discord.cards import Card
from bots.discord.chains import Chains
from bots.discord.claims import Claims
from bots.discord.config import notice, policies, written
from bots.discord.edits import Edits, delete
from bots.discord.files import attached, place_of
from bots.discord.gates import refusal
from bots.discord.places import InChannel, Place
from bots.discord.policies import Policies
from bots.discord.reply import DiscordReply
from bots.discord.spots import Spots, asked_line, spot_of_interaction, spot_of_message
from bots.discord.translate import (
    Asked,
    Person,
    chain_conversation,
    is_private,
    manages,
    own_conversation,
    private_conversation,
    reworded,
    shown,
    spoken,
    thread_conversation,
    to_asked,
    to_command,
    to_message,
)
from bots.pending import LeftBehind, Question, Spot
from bots.questions import is_farewell
from bots.responder import RESTARTING
from core.channels import Policy
from core.errors import FootnoteError, TransientError
from core.models import Attachment, Principal
from core.retry import retry

if TYPE_CHECKING:
    from bots.choices import Choices
    from bots.commands.registry import Commands
    from bots.responder import Responder

log = structlog.get_logger(__name__)

_FAREWELL_SECONDS = 4.0
"""Of the time to drain: for ending what runs too long, and for telling who waits for it."""

_FAREWELL = "I am quiet here now, until somebody mentions me."
_ALONE = "Here I answer each person alone, and you take no direct messages from me. Ask me with `/ask` instead."
_OUTDATED = "Discord showed you an old version of this command. Reload Discord (Ctrl+R) and try again."


class Inbox:
    """Every message and every command becomes one reply."""

    def __init__(
        self,
        responder: Responder,
        commands: Commands,
        audience: DiscordAudience,
        clock: Callable[[], datetime],
        *,
        policies: Policies,
        edits: Edits,
        choices: Choices,
        admins: frozenset[Principal] = frozenset(),
        content: bool = False,
    ) -> None:
        """``content``: Discord gives us the text of all messages."""
        self._responder = responder
        self._commands = commands
        self._audience = audience
        self._clock = clock
        self._policies = policies
        self._choices = choices
        self._admins = admins
        self._content = content
        self._edits = edits
        self._chains = Chains()
        self._spots = Spots(clock)
        self._claims = Claims(clock)
        self._replies: dict[asyncio.Task[object], DiscordReply] = {}
        self._commanded: set[asyncio.Task[object]] = set()
        self._resumed: set[asyncio.Task[None]] = set()
        self._closed = False

    async def hear(self, message: discord.Message, me: discord.ClientUser) -> None:
        """Answer a message if it is for us."""
        if self._closed:
            return
        heard = await self._policies.heard(message, me)
        if heard is None:
            return
        asker = await _asker(message)
        refused = refusal(heard.config, asker, message.channel, self._admins)
        if refused and not heard.addressed:
            return
        # A channel's settings may have each person answered alone.
        alone = heard.config.private and not is_private(message)
        thread = heard.config.threads and not alone and not refused and _takes_threads(message)
        conversation = await self._chains.conversation(message)
        root = self._chains.root(message.id)
        if alone:
            conversation = private_conversation(message.channel.id, message.author.id)
        elif thread:
            conversation = thread_conversation(message)
        asked = to_message(message, me, conversation, private=alone, addressed=heard.addressed)
        spot = spot_of_message(message, root=root, thread=thread)
        async with self._edits.answering(message, conversation, spot) as sent:
            reply = DiscordReply(
                self._spots.of_message(
                    asked.id, spoken(message, me), message, message.channel, message.author, thread=thread, alone=alone
                ),
                typing_in=message.channel,
                on_sent=self._noting(sent, root),
                private=alone or is_private(message),
                spot=spot,
            )
            async with self._running(reply):
                audience_of = self._audience.of(asker, message.channel)
                if refused:
                    await self._responder.tell(asked, reply, audience_of, refused)
                    return
                if heard.addressed and isinstance(message.channel, discord.Thread) and is_farewell(asked.text):
                    await self._policies.leave(message.channel)
                    await self._responder.stop(conversation)
                    await self._responder.tell(asked, reply, audience_of, _FAREWELL)
                    return
                await self._responder.respond(asked, reply, audience_of, spot=spot)
            if not heard.addressed and sent:
                # The thread goes on from there.
                await self._policies.join(message.channel)
            if alone and reply.spoken and not sent and heard.addressed:
                await self._say_how_to_ask(message)

    async def hear_edit(self, client: discord.Client, message: discord.Message, me: discord.ClientUser) -> None:
        """Replace what we replied to a message, if it says something else now."""
        if self._closed or message.author.bot:
            return
        async with self._edits.edited(message) as stands:
            config = await self._policies.of(message.channel)
            if stands is None or refusal(config, await _asker(message), message.channel, self._admins):
                return
            heard = await self._policies.heard(message, me)
            place, addressed = stands.place, heard is not None and heard.addressed
            alone = stands.conversation_id == private_conversation(message.channel.id, message.author.id)
            asked = to_message(message, me, stands.conversation_id, private=alone, addressed=addressed)
            asked = reworded(asked, message)
            try:
                question = Question(message=asked, place=place)
                found = await retry(lambda: self._spots.find(client, question), attempts=5, budget=10)
            except TransientError as error:
                log.warning("edit.not_heard", message=asked.id, reason=str(error))
                return
            spot = Spot(**place)
            async with self._edits.answering_anew(message, stands.conversation_id, spot) as sent:
                first = found.standing.sent.id if found.standing is not None else 0
                sent += [first] if first else []
                await delete(client, place, [id for id in stands.message_ids if id != first])
                reply = DiscordReply(
                    found.places,
                    typing_in=message.channel,
                    on_sent=self._noting(sent, found.root),
                    private=asked.private,
                    spot=spot,
                    standing=found.standing,
                )
                async with self._running(reply):
                    await self._responder.respond(asked, reply, self._audience.of(found.person, found.channel), spot=spot)
                if first and not reply.spoken and not self._closed:
                    # What it said before is no answer to what is asked now.
                    await delete(client, place, [first])

    async def hear_deletion(self, client: discord.Client, message_id: int) -> None:
        """Delete what we replied to a message that is gone."""
        if not self._closed:
            await self._edits.deleted(client, message_id)

    def _noting(self, sent: list[int], root: int) -> Callable[[int], None]:
        def note(id: int) -> None:
            self._chains.add(id, root)
            sent.append(id)

        return note

    async def _say_how_to_ask(self, message: discord.Message) -> None:
        with suppress(FootnoteError, discord.HTTPException):
            reference = message.to_reference(fail_if_not_exists=False)
            reply = DiscordReply([InChannel(message.channel, reference)])
            await reply.say(_ALONE)

    async def ask_on(self, interaction: Asked, question: str) -> None:
        """Answer the question on a button below an answer: for those who see that one."""
        below = interaction.message
        await self.ask(interaction, question, private=below is None or below.flags.ephemeral, below=below)

    async def ask_about(self, interaction: Asked, message: discord.Message) -> None:
        """Answer what a message says to whoever chose it, from the files on it, too."""
        if (me := interaction.client.user) is not None:
            said, files = shown(message, me)
            await self.ask(interaction, said, private=True, files=attached(files, interaction.channel, message.jump_url))

    async def open(self, interaction: Asked, form: discord.ui.Modal) -> None:
        """Show a form, which has to be the first that comes of the press of its button."""
        if self._closed or not self._claims.is_new(interaction):
            return
        try:
            await interaction.response.send_modal(form)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # Discord tells them itself that it failed; they can press it again.
            log.warning("form.not_opened", error=type(error).__name__)

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
        original = await self._claims.acknowledge(interaction, private=private, closed=self._closed)
        if original is None:
            return
        root = original
        if below is not None and not private:
            await self._chains.conversation(below)
            root = self._chains.root(below.id)
        own = own_conversation(interaction.channel)
        if private and (own is None or interaction.guild_id is not None):
            # Also in a thread: what others say there must not be answered from a question that they never saw.
            conversation = private_conversation(interaction.channel_id, interaction.user.id)
        else:
            conversation = own or chain_conversation(interaction.channel_id, root)
        sources = (source,) if source is not None else ()
        message = to_asked(interaction, question, conversation, private=private, sources=sources, files=files)
        spot = spot_of_interaction(interaction, root=root, original=original, named=below is not None)
        asked = asked_line(interaction.user.display_name, question)
        self._chains.add(original, root)
        reply = DiscordReply(
            self._places(message.id, interaction, original, asked, private=private, preface=asked if below else ""),
            on_sent=lambda sent: self._chains.add(sent, root),
            private=private,
            spot=spot,
        )
        audience_of = self._audience.of(interaction.user, interaction.channel)
        async with self._running(reply):
            if refused:
                await self._responder.tell(message, reply, audience_of, refused)
                return
            if source is not None:
                try:
                    await self._choices.require(source, await self._audience.alone(interaction.user, interaction.channel))
                except FootnoteError as error:
                    await reply.say(str(error))
                    return
            if not private:
                await self._policies.join(interaction.channel)
            await self._responder.respond(message, reply, audience_of, spot=spot)

    def resume(self, client: discord.Client, left: LeftBehind) -> None:
        """Begin to answer what another process left behind, or what is tried again."""
        task = asyncio.create_task(self._resume(client, left))
        self._resumed.add(task)
        task.add_done_callback(self._resumed.discard)

    async def _resume(self, client: discord.Client, left: LeftBehind) -> None:
        message = left.question.message
        spot = Spot(**left.question.place)
        spot.held = left.held
        if await self._edits.overtaken(spot):
            await left.held.resolved()
            return
        try:
            found = await retry(lambda: self._spots.find(client, left.question), attempts=10, budget=10)
        except TransientError as error:
            # Whoever takes it over next, this process perhaps, tries it again.
            log.warning("message.not_resumed", message=message.id, reason=str(error))
            return
        sent = [found.standing.sent.id] if found.standing is not None else []
        reply = DiscordReply(
            found.places,
            typing_in=found.channel if isinstance(found.channel, discord.abc.Messageable) else None,
            on_sent=self._noting(sent, found.root),
            private=message.private,
            spot=spot,
            standing=found.standing,
        )
        if found.standing is not None:
            self._chains.add(found.standing.sent.id, found.root)
        async with self._running(reply):
            await self._responder.resume(left, reply, self._audience.of(found.person, found.channel))
        await self._edits.resumed(message, spot, sent)

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
        root = await self._claims.acknowledge(interaction, private=True, closed=self._closed)
        if root is None:
            return
        preface = "-# Your command took longer than Discord keeps its window open."
        channel = interaction.channel if isinstance(interaction.channel, discord.abc.Messageable) else None
        key = f"discord:{interaction.id}"
        reply = DiscordReply(
            self._places(key, interaction, root, preface, private=True), publish_in=channel, pressed=interaction.message
        )
        async with self._running(reply, command=True):
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
        if self._closed:
            return []
        return await self._choices.sources(typed, self._audience.alone(interaction.user, interaction.channel))

    async def configure(self, interaction: Asked, wanted: Mapping[str, str], *, everywhere: bool = False) -> None:
        """Set how we behave in a channel, or ``everywhere`` on its server where nothing else is set; without anything ``wanted``
        show it, with a list to choose the channel's policy from.
        """
        await self.command(interaction, CONFIG, written(wanted), everywhere=everywhere)
        held = await self._audience.principals(interaction.user, interaction.channel)
        if self._closed or not (manages(interaction, everywhere=everywhere) or held & self._admins):
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
            text = _report("command.failed", getattr(error, "original", error))
        with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
            if interaction.response.is_done():
                await interaction.edit_original_response(content=text)
            else:
                await interaction.response.send_message(text, ephemeral=True)

    async def failed_to_hear(self, message: discord.Message, error: BaseException) -> None:
        with suppress(FootnoteError, discord.HTTPException):
            await InChannel(message.channel).send(Card(text=_report("message.failed", error), failed=True))

    async def close(self, drain: float) -> None:
        """Take nothing new, wait for what runs, then cancel the rest and tell who waits for it: ``drain`` seconds in all."""
        self._closed = True
        if not self._replies:
            return
        farewell = min(_FAREWELL_SECONDS, drain / 2)
        _, late = await asyncio.wait(set(self._replies), timeout=drain - farewell)
        # The responder tells those who asked.
        unfinished = [self._replies[task] for task in late if task in self._commanded]
        for task in late:
            task.cancel()
        if late:
            # Whoever waits for Discord's leave to write is not waited for.
            await asyncio.wait(late, timeout=farewell / 2)
        await asyncio.gather(*(_abandon(reply, farewell / 2) for reply in unfinished if not reply.spoken))

    @asynccontextmanager
    async def _running(self, reply: DiscordReply, *, command: bool = False) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._replies[task] = reply
        if command:
            self._commanded.add(task)
        try:
            yield
        finally:
            try:
                await reply.close()
            finally:
                del self._replies[task]
                self._commanded.discard(task)

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


async def _asker(message: discord.Message) -> Person:
    """With the roles of a member, which a message that was looked up does not tell."""
    if message.guild is not None and not isinstance(message.author, discord.Member):
        with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
            return await message.guild.fetch_member(message.author.id)
    return message.author


def _takes_threads(message: discord.Message) -> bool:
    """Whether the answer can have a thread of its own: not where a conversation goes on, and where none can be made."""
    channel = message.channel
    if not isinstance(channel, discord.TextChannel) or message.type is not discord.MessageType.default:
        return False
    may = channel.permissions_for(channel.guild.me)
    return may.create_public_threads and may.send_messages_in_threads


async def _abandon(reply: DiscordReply, seconds: float) -> None:
    log.warning("reply.abandoned")
    with suppress(FootnoteError, discord.HTTPException, TimeoutError):
        async with asyncio.timeout(seconds):
            await reply.say(RESTARTING)


def _report(event: str, error: BaseException) -> str:
    error_id = secrets.token_hex(4)
    log.error(event, error_id=error_id, exc_info=error)
    return f"Something went wrong on my side (error `{error_id}`). Please try again."
