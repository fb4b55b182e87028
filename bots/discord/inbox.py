"""Messages as they come in: translated, handed on, and answered where they were said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog

from bots.discord.audience import DiscordAudience
from bots.discord.cards import Card
from bots.discord.chains import Chains
from bots.discord.edits import Edits, delete
from bots.discord.finding import Finder
from bots.discord.gates import refusal
from bots.discord.in_channel import InChannel
from bots.discord.policies import Policies
from bots.discord.reply import DiscordReply
from bots.discord.running import Running, apology
from bots.discord.spots import Spots, spot_of_message
from bots.discord.translate import (
    Person,
    chain_conversation,
    is_private,
    private_conversation,
    reworded,
    spoken,
    thread_conversation,
    to_message,
)
from bots.pending import LeftBehind, Question, Spot
from bots.questions import is_farewell
from core.errors import FootnoteError, TransientError
from core.models import Principal
from core.retry import retry

if TYPE_CHECKING:
    from bots.responder import Responder

log = structlog.get_logger(__name__)

_FAREWELL = "I am quiet here now, until somebody mentions me."
_ALONE = "Here I answer each person alone, and you take no direct messages from me. Ask me with `/ask` instead."


class Inbox:
    """Every message that is for us becomes one reply."""

    def __init__(
        self,
        responder: Responder,
        audience: DiscordAudience,
        *,
        policies: Policies,
        edits: Edits,
        chains: Chains,
        spots: Spots,
        finder: Finder,
        running: Running,
        admins: frozenset[Principal],
    ) -> None:
        self._responder = responder
        self._audience = audience
        self._policies = policies
        self._edits = edits
        self._chains = chains
        self._spots = spots
        self._finder = finder
        self._running = running
        self._admins = admins
        self._resumed: set[asyncio.Task[None]] = set()

    async def hear(self, message: discord.Message, me: discord.ClientUser) -> None:
        """Answer a message if it is for us."""
        if self._running.closed:
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
            async with self._running.reply(reply):
                audience_of = self._audience.of(asker, message.channel)
                if refused:
                    await self._responder.tell(asked, reply, audience_of, refused)
                    return
                if heard.addressed and isinstance(message.channel, discord.Thread) and is_farewell(asked.text):
                    await self._policies.leave(message.channel)
                    await self._responder.stop(conversation)
                    await self._responder.tell(asked, reply, audience_of, _FAREWELL)
                    return
                join = partial(self._policies.join, message.channel)
                await self._responder.respond(asked, reply, audience_of, spot=spot, join=join)
            if alone and reply.spoken and not sent and heard.addressed:
                await self._say_how_to_ask(message)

    async def hear_edit(self, client: discord.Client, message: discord.Message, me: discord.ClientUser) -> None:
        """Replace what we replied to a message, if it says something else now."""
        if self._running.closed or message.author.bot:
            return
        async with self._edits.edited(message) as stands:
            if stands is None:
                return
            config = await self._policies.of(message.channel)
            if refusal(config, await _asker(message), message.channel, self._admins):
                return
            heard = await self._policies.heard(message, me)
            place, addressed = stands.place, heard is not None and heard.addressed
            alone = stands.conversation_id == private_conversation(message.channel.id, message.author.id)
            asked = to_message(message, me, stands.conversation_id, private=alone, addressed=addressed)
            asked = reworded(asked, message)
            try:
                question = Question(message=asked, place=place)
                found = await retry(lambda: self._finder.find(client, question), attempts=5, budget=10)
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
                async with self._running.reply(reply):
                    await self._responder.respond(asked, reply, self._audience.of(found.person, found.channel), spot=spot)
                if first and not reply.spoken and not self._running.closed:
                    # What it said before is no answer to what is asked now.
                    await delete(client, place, [first])

    async def hear_deletion(self, client: discord.Client, message_id: int) -> None:
        """Delete what we replied to a message that is gone."""
        if not self._running.closed:
            await self._edits.deleted(client, message_id)

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
            found = await retry(lambda: self._finder.find(client, left.question), attempts=10, budget=10)
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
        channel, unacknowledged = int(spot.fields["channel"]), int(spot.fields.get("interaction", 0))
        if message.conversation_id == chain_conversation(channel, unacknowledged):
            # It was kept before the message was known that holds its answer.
            message = replace(message, conversation_id=chain_conversation(channel, found.root))
            left = replace(left, question=replace(left.question, message=message))
        async with self._running.reply(reply):
            await self._responder.resume(left, reply, self._audience.of(found.person, found.channel))
        await self._edits.resumed(message, spot, sent)

    async def failed_to_hear(self, message: discord.Message, error: BaseException) -> None:
        with suppress(FootnoteError, discord.HTTPException):
            await InChannel(message.channel).send(Card(text=apology("message.failed", error), failed=True))

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
