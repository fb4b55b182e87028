"""Where the reply to a question goes that another process began with: found again from the words in which its spot was kept.

Nothing of what a running connection knows is needed for it but who sees a channel: the rest is asked of Discord.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import discord

from bots.discord.in_channel import InChannel
from bots.discord.in_interaction import TOKEN_LIFE, InInteraction
from bots.discord.places import Place
from bots.discord.reply import STANDS
from bots.discord.spots import CHANNEL, DIRECT, THREAD, Spots, asked_line
from bots.discord.stream import Posted
from bots.discord.translate import Person
from bots.pending import Question
from core.errors import TransientError
from core.models import Message

_LOOKED_AT = 100
"""Messages behind the question, of which one may be our reply."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a question is answered after all."""

    places: Sequence[Place]
    standing: Posted | None
    """The message that another process wrote for it."""
    person: Person
    channel: Any
    """Where it was asked, as the gateway told of it or as Discord shows it; None where we see it no longer."""
    root: int


class Finder:
    def __init__(self, spots: Spots, clock: Callable[[], datetime]) -> None:
        self._spots = spots
        self._clock = clock

    async def find(self, client: discord.Client, question: Question) -> Found:
        """Raises TransientError while Discord does not tell."""
        message, place = question.message, question.place
        try:
            channel = await _channel(client, int(place["channel"]), int(place["guild"] or 0))
            person = await _person(client, int(message.user.removeprefix("discord:")), int(place["guild"] or 0))
            if "token" in place:
                return await self._find_interaction(client, message, place, channel, person)
            return await self._find_message(client, message, place, channel, person)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            raise TransientError(f"Discord does not tell where it was asked ({type(error).__name__}).") from error

    async def _find_message(self, client: discord.Client, message: Message, place: Any, channel: Any, person: Person) -> Found:
        at = client.get_partial_messageable(int(place["channel"]), guild_id=int(place["guild"] or 0) or None)
        asked = at.get_partial_message(int(place["message"]))
        alone = message.private and bool(place["guild"])

        def places(parts: int) -> list[InChannel]:
            thread = bool(place["thread"]) and channel is not None
            asked_in = asked if channel is None else channel.get_partial_message(asked.id)
            return self._spots.of_message(
                message.id, message.text, asked_in, channel, person, thread=thread, alone=alone, parts=parts
            )

        name, _, id = place.get(STANDS, "").partition(" ")
        there = _Where(client, person, {THREAD: asked.id, CHANNEL: at.id})
        standing = await there.message(name, int(id)) if name else await there.reply_to(asked.id, alone=alone)
        return self._found(places(1 if standing else 0), standing, person, channel, int(place["root"]))

    async def _find_interaction(
        self, client: discord.Client, message: Message, place: Any, channel: Any, person: Person
    ) -> Found:
        at = client.get_partial_messageable(int(place["channel"]), guild_id=int(place["guild"] or 0) or None)
        id, root = int(place["message"]), int(place["root"])
        created_at = discord.utils.snowflake_time(int(place["interaction"]))
        webhook: discord.Webhook | None = None
        if self._clock() < created_at + TOKEN_LIFE:
            webhook = discord.Webhook.partial(int(place["application"]), place["token"], client=client)
            # What follows may be seen by one person alone, which Discord allows to those of an application.
            webhook.type = discord.WebhookType.application
        if id == int(place["interaction"]):
            # Its process died before it knew whether the interaction was acknowledged, or came too late.
            id = await _acknowledged(webhook) if webhook is not None else 0
            root = id if id and root == int(place["interaction"]) else root
        if not id:
            webhook = None
        original = at.get_partial_message(id) if id and not message.private else None

        def places(webhook: discord.Webhook | None, parts: int) -> list[Place]:
            asked = asked_line(message.user_name, message.text)
            preface = asked if place.get("named") else ""
            return self._spots.of_interaction(
                message.id,
                asked,
                webhook,
                created_at,
                original,
                channel,
                person,
                private=message.private,
                preface=preface,
                parts=parts,
            )

        name, _, stood = place.get(STANDS, "").partition(" ")
        if webhook is not None and name in ("", InInteraction.name):
            first, *further = places(webhook, 0)
            assert isinstance(first, InInteraction)
            standing = Posted(first.standing(), first)
            return Found(places=[first, *further], standing=standing, person=person, channel=channel, root=root)
        if name == InInteraction.name:
            # Of an interaction that is over, the answer is left as a message of the channel.
            name = "" if message.private else CHANNEL
        there = _Where(client, person, {CHANNEL: at.id})
        stands = await there.message(name, int(stood)) if name else None
        if stands is None and original is not None:
            stands = await there.reply_to(original.id, alone=False)
        return self._found(places(None, 1 if stands else 0), stands, person, channel, root)

    def _found(
        self,
        places: Sequence[Place],
        standing: tuple[str, discord.PartialMessage] | None,
        person: Person,
        channel: Any,
        root: int,
    ) -> Found:
        """With what stands in its place, and without the places that were closed before it was written."""
        posted = None
        if standing is not None:
            name, message = standing
            while places and places[0].name != name:
                places = places[1:]
            if places and isinstance(places[0], InChannel):
                posted = Posted(places[0].standing(message), places[0])
        return Found(places=places, standing=posted, person=person, channel=channel, root=root)


class _Where:
    """Looks for a message of ours, by the names of places."""

    def __init__(self, client: discord.Client, person: Person, channels: dict[str, int]) -> None:
        self._client = client
        self._person = person
        self._channels = channels

    async def message(self, name: str, id: int) -> tuple[str, discord.PartialMessage] | None:
        if name == DIRECT:
            with suppress(discord.Forbidden):
                return name, (await self._person.create_dm()).get_partial_message(id)
            return None
        return name, self._client.get_partial_messageable(self._channels[name]).get_partial_message(id)

    async def reply_to(self, id: int, *, alone: bool) -> tuple[str, discord.PartialMessage] | None:
        """The first message of ours that replies to this one: nobody noted it before its process died."""
        if alone:
            return None
        async for message in self._behind(self._channels[CHANNEL], id):
            if message.reference is not None and message.reference.message_id == id:
                return await self.message(CHANNEL, message.id)
        if THREAD in self._channels:
            async for message in self._behind(self._channels[THREAD], id):
                return await self.message(THREAD, message.id)
        return None

    async def _behind(self, channel: int, id: int) -> AsyncIterator[discord.Message]:
        history = self._client.get_partial_messageable(channel).history(
            after=discord.Object(id), limit=_LOOKED_AT, oldest_first=True
        )
        with suppress(discord.Forbidden, discord.NotFound):
            async for message in history:
                if self._client.user is not None and message.author.id == self._client.user.id:
                    yield message


async def _acknowledged(webhook: discord.Webhook) -> int:
    """The id of the message that holds the answer to an interaction; 0 if there is none."""
    try:
        # It is asked for by this name, which the library's types do not know.
        return (await webhook.fetch_message("@original")).id  # type: ignore[arg-type]
    except discord.NotFound:
        return 0


async def _channel(client: discord.Client, id: int, guild: int) -> Any:
    """As the gateway tells of it, once it does: who sees a channel is known from there."""
    if guild and (known := client.get_guild(guild)) and known.unavailable:
        raise TransientError("Discord did not tell of the server yet.")
    if found := client.get_channel(id):
        return found
    try:
        return await client.fetch_channel(id)
    except (discord.Forbidden, discord.NotFound, discord.InvalidData):
        return None


async def _person(client: discord.Client, id: int, guild: int) -> Person:
    """With their roles where they ask in a server that they did not leave."""
    if guild and (known := client.get_guild(guild)):
        with suppress(discord.NotFound, discord.Forbidden):
            return await known.fetch_member(id)
    return await client.fetch_user(id)
