"""Messages that are edited or deleted after they were put to us: what was replied to them follows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog

from bots.discord.reply import STANDS
from bots.discord.spots import DIRECT, THREAD
from bots.discord.translate import message_id
from bots.discord.wordings import GONE, USER, Stands, Wordings, wording_of

if TYPE_CHECKING:
    from bots.pending import Spot
    from bots.responder import Responder
    from core.models import Message

log = structlog.get_logger(__name__)

WITHIN = timedelta(minutes=10)
"""A message that is edited later says something new to nobody."""
_WORDING = "wording"
"""What a place that is kept says besides: how its message was worded."""


class Edits:
    """Every process hears of them all, and stops what it writes; the first to tell of one does the rest."""

    def __init__(self, wordings: Wordings, responder: Responder) -> None:
        self._wordings = wordings
        self._responder = responder
        self._answering: dict[int, str] = {}

    @asynccontextmanager
    async def answering(self, message: discord.Message, conversation: str, spot: Spot) -> AsyncIterator[list[int]]:
        """Around the reply to a message. The ids of what is sent are to be put into the list."""
        async with (
            self._wordings.turn(message.id, wording_of(message.content)),
            self.answering_anew(message, conversation, spot) as sent,
        ):
            yield sent

    @asynccontextmanager
    async def edited(self, message: discord.Message) -> AsyncIterator[Stands | None]:
        """Our turn to reply to a message anew, once nothing is written for an earlier wording: with what stands of its reply.
        None for what was not said to us, is worded as before, or is somebody else's turn.
        """
        wording = wording_of(message.content)
        if not message.content.strip() or message.edited_at is None or message.edited_at - message.created_at > WITHIN:
            yield None
            return
        if self._answering.get(message.id, wording) != wording:
            self._responder.withdraw(message_id(message.id))
        if not await self._wordings.told(message.id, wording):
            yield None
            return
        async with self._wordings.turn(message.id, wording, wait=True) as latest:
            stands = await self._wordings.stands(message.id) if latest else None
            if stands is not None:
                log.info("message.edited", message=message_id(message.id))
                await self._responder.forget(stands.conversation_id, message_id(message.id))
            yield stands if stands is not None and stands.place else None

    @asynccontextmanager
    async def answering_anew(self, message: discord.Message, conversation: str, spot: Spot) -> AsyncIterator[list[int]]:
        """As :meth:`answering`, in the turn of an edit."""
        wording, place = wording_of(message.content), {USER: str(message.author.id)}
        self._answering[message.id] = wording
        spot.fields[_WORDING] = wording
        sent: list[int] = []
        try:
            await self._wordings.begun(message.id, conversation, {**spot.fields, **place})
            yield sent
        finally:
            if self._answering.get(message.id) == wording:
                del self._answering[message.id]
            if sent:
                await self._wordings.replied(message.id, {**spot.fields, **place}, sent)

    async def overtaken(self, spot: Spot) -> bool:
        """Whether the message of a question that another process left behind was edited or deleted meanwhile: whoever heard of
        that does what is to be done.
        """
        wording = spot.fields.get(_WORDING, "")
        return bool(wording) and await self._wordings.overtaken(int(spot.fields["message"]), wording)

    async def resumed(self, asked: Message, spot: Spot, sent: Iterable[int]) -> None:
        """What another process left behind was answered by these; that to a command cannot be edited."""
        if "token" not in spot.fields:
            place = {**spot.fields, USER: asked.user.removeprefix("discord:")}
            await self._wordings.replied(int(spot.fields["message"]), place, sent)

    async def deleted(self, client: discord.Client, id: int) -> None:
        """Delete what was replied to a message that is gone, and remember neither."""
        self._responder.withdraw(message_id(id))
        if not await self._wordings.told(id, GONE):
            return
        async with self._wordings.turn(id, GONE, wait=True):
            stands = await self._wordings.stands(id)
            log.info("message.deleted", message=message_id(id))
            await self._responder.forget(stands.conversation_id, message_id(id))
            await delete(client, stands.place, stands.message_ids)


async def delete(client: discord.Client, place: Mapping[str, str], ids: Iterable[int]) -> None:
    """Delete messages of ours, as far as they are still there."""
    name, _, _ = place.get(STANDS, "").partition(" ")
    with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
        if name == DIRECT:
            channel: discord.PartialMessageable | discord.DMChannel = await client.create_dm(discord.Object(int(place[USER])))
        else:
            channel = client.get_partial_messageable(int(place["message"] if name == THREAD else place["channel"]))
        for id in ids:
            with suppress(discord.NotFound):
                await channel.get_partial_message(id).delete()
