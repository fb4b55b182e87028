"""The places where the bot may write, each with its way of refusing for good.

Sources of the limits: an interaction's token lives 15 minutes, and sends of a channel carry a nonce by which Discord
drops a repetition for some minutes. Rate limits and 5xx are waited out by discord.py; a connection that breaks is not.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import aiohttp
import discord

from bots.command import Button
from bots.discord.cards import Card, row, view
from bots.discord.pace import Pace
from core.errors import FootnoteError, TransientError
from core.retry import retry

Result = TypeVar("Result")

TOKEN_LIFE = timedelta(minutes=14)
"""Of the 15 that Discord gives: a long answer shall not be cut in the middle."""

_NO_MESSAGE = 10008
_NO_HISTORY = 160002
_REFUSALS = {
    10003: "the channel is gone",
    _NO_MESSAGE: "the message is gone",
    10015: "the interaction is over",
    10062: "the interaction is over",
    50001: "I may not see the channel",
    50007: "they take no direct messages from me",
    50013: "I may not write in the channel",
    50027: "the interaction is over",
    50083: "the thread is archived",
    160005: "the thread is locked",
    200000: "the server's AutoMod blocks the text",
    240000: "Discord's link filter blocks the text",
}
"""Discord's error codes that no repetition mends."""

ELSEWHERE = "-# This took longer than Discord lets me write here, so the whole answer follows in another message."


class Closed(FootnoteError):
    """Nothing more can be written here."""


class Gone(Closed):
    """The message was deleted; where it stood, another one can be written."""


class Sent(Protocol):
    """A message that stands, and its id where Discord told it."""

    id: int
    pace: Pace

    async def edit(self, card: Card, *, hasty: bool = False) -> None:
        """Replace it; ``hasty`` gives up when the connection breaks. Raises Gone, Closed or TransientError."""
        ...

    async def hand_over(self, card: Card) -> None:
        """Leave it as ``card``, with a word that what it began goes on elsewhere, if that can still be done."""
        ...


class Place(Protocol):
    name: str
    """By which the place of a message is found again by another process."""

    async def send(self, card: Card) -> Sent:
        """Write one message. Raises Closed or TransientError."""
        ...


class InChannel:
    """A channel, a thread or a person. The first message replies to ``reference`` and begins with ``preface``.

    What is sent for a ``key`` stands once, however often it is sent: a process that takes the key over begins with ``parts``
    that stand already, and what it sends replaces what it finds.
    """

    def __init__(
        self,
        channel: discord.abc.Messageable,
        reference: discord.MessageReference | None = None,
        *,
        name: str = "channel",
        preface: str = "",
        key: str = "",
        parts: int | None = None,
        pace: Pace | None = None,
        notifies: bool = False,
    ) -> None:
        """``notifies``: of each message people get a notification, which shall show its words. It shows those of plain text, so
        messages with components begin as such.
        """
        self.name = name
        self._channel = channel
        self._reference = reference if not parts else None
        self._preface = preface
        self._key = key or secrets.token_hex(8)
        self._parts = parts or 0
        self._taken_over = parts is not None
        self._pace = pace or Pace()
        self._notifies = notifies

    async def send(self, card: Card) -> Sent:
        preface, bare = self._preface, Card(text=card.text)
        begun = bare if self._notifies and card.text and bare.below(preface).plain else card
        message = await self._write(begun.below(preface))
        self._preface = ""
        sent = _ChannelMessage(message, self._pace, plain=not message.flags.components_v2, preface=preface)
        if self._taken_over or begun != card:
            # Discord may have taken it for a repetition, and then it has the words that another process found.
            await self._pace.turn(last=True)
            await sent.edit(card)
        return sent

    async def call(self, mention: str, text: str, allowed: discord.AllowedMentions, buttons: Sequence[Button]) -> None:
        """Write plain text that begins with a mention, so that its notification shows it. Raises Closed or TransientError."""
        nonce = _nonce(self._key, self._parts)

        async def send() -> None:
            await self._channel.send(
                f"{mention} {text}", nonce=nonce, suppress_embeds=True, allowed_mentions=allowed, view=row(buttons)
            )

        await written(send)
        self._parts += 1

    def standing(self, message: discord.PartialMessage) -> Sent:
        """The first message, which another process wrote."""
        return _ChannelMessage(message, self._pace, plain=False, preface=self._preface)

    async def _write(self, card: Card) -> discord.Message:
        nonce = _nonce(self._key, self._parts)
        more: dict[str, Any] = {"content": card.text} if card.plain else {"view": view(card)}

        async def send() -> discord.Message:
            if self._reference is None:
                return await self._channel.send(nonce=nonce, suppress_embeds=True, **more)
            try:
                return await self._channel.send(
                    nonce=nonce, suppress_embeds=True, reference=self._reference, mention_author=False, **more
                )
            except discord.HTTPException as error:
                if error.code != _NO_HISTORY:
                    raise
                # We may write there, but reply to nothing.
                self._reference = None
                return await send()

        message = await written(send)
        self._reference = None
        self._parts += 1
        return message


class _ChannelMessage:
    def __init__(self, message: discord.Message | discord.PartialMessage, pace: Pace, *, plain: bool, preface: str) -> None:
        self.id = message.id
        self.pace = pace
        self._message = message
        self._plain = plain
        self._preface = preface

    async def edit(self, card: Card, *, hasty: bool = False) -> None:
        card = card.below(self._preface)
        more = _changed(card, plain=self._plain)
        await written(lambda: self._message.edit(**more), hasty=hasty)
        self._plain = self._plain and card.plain

    async def hand_over(self, card: Card) -> None:
        """The channel refuses us: whoever is written to instead is told there."""


class InInteraction:
    """The answer to a command: first the deferred message, then what follows it. Follow-ups are of the same visibility, but
    carry no nonce; so what everybody may see goes to the ``channel`` as long as that takes it.
    """

    name = "interaction"

    def __init__(
        self,
        webhook: discord.Webhook,
        expires_at: datetime,
        clock: Callable[[], datetime],
        *,
        private: bool,
        preface: str = "",
        channel: InChannel | None = None,
        original: discord.PartialMessage | None = None,
    ) -> None:
        """``original`` is the deferred message as one of its channel, which it stays when the interaction is over; the
        ``preface`` stands above its text.
        """
        self._webhook = webhook
        self._clock = clock
        self._expires_at = expires_at
        self._private = private
        self._preface = preface
        self._channel = channel
        self._begun = False
        self._pace = Pace()
        self.original = original

    async def send(self, card: Card) -> Sent:
        if not self._begun:
            first = self.standing(plain=True)
            await self._pace.turn(last=True)
            await first.edit(card)
            return first
        self.require_token()
        if self._channel is not None:
            try:
                return await self._channel.send(card)
            except Closed:
                self._channel = None
        more: dict[str, Any] = {"content": card.text} if card.plain else {"view": view(card)}
        # Without a nonce a follow-up whose answer was lost stands twice: better than a gap in the answer.
        message: discord.WebhookMessage = await written(
            lambda: self._webhook.send(ephemeral=self._private, suppress_embeds=True, wait=True, **more)
        )
        return _FollowUp(self, message.id, self._pace, plain=card.plain)

    def standing(self, *, plain: bool = False) -> Sent:
        """The deferred message; ``plain`` if nobody wrote into it yet."""
        self._begun = True
        return _Original(self, 0, self._pace, plain=plain, preface=self._preface)

    async def edit(self, message_id: int | str, more: dict[str, Any], *, hasty: bool = False) -> int:
        self.require_token()
        # discord.py types the id as a number, and Discord's own name for the first message is none.
        webhook: Any = self._webhook
        message = await written(lambda: webhook.edit_message(message_id, **more), hasty=hasty)
        return int(message.id)

    def require_token(self) -> None:
        if self._clock() >= self._expires_at:
            raise Closed("the interaction is over")


class _FollowUp:
    def __init__(self, place: InInteraction, id: int, pace: Pace, *, plain: bool, preface: str = "") -> None:
        self.id = id
        self.pace = pace
        self._place = place
        self._plain = plain
        self._preface = preface

    async def edit(self, card: Card, *, hasty: bool = False) -> None:
        card = card.below(self._preface)
        self.id = await self._place.edit(self._address, _changed(card, plain=self._plain), hasty=hasty)
        self._plain = self._plain and card.plain

    async def hand_over(self, card: Card) -> None:
        """A follow-up is whole in itself."""

    @property
    def _address(self) -> int | str:
        return self.id


class _Original(_FollowUp):
    @property
    def _address(self) -> str:
        return "@original"

    async def hand_over(self, card: Card) -> None:
        # As a message of its channel it can be written for longer than as the answer to the interaction.
        if (original := self._place.original) is None:
            return
        left = replace(card.below(self._preface), small=ELSEWHERE, rows=())
        with suppress(FootnoteError, discord.HTTPException):
            await written(lambda: original.edit(**_changed(left, plain=False)), hasty=True)


def _changed(card: Card, *, plain: bool) -> dict[str, Any]:
    """What turns a message into ``card``. A ``plain`` one can stay plain; one with components keeps having them."""
    if plain and card.plain:
        return {"content": card.text}
    return {"content": None, "view": view(card)}


def _nonce(key: str, part: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{key}/{part}".encode()).digest()[:8]) >> 1


async def written(write: Callable[[], Awaitable[Result]], *, hasty: bool = False) -> Result:
    """Repeat ``write`` while the connection breaks. Raises Closed, TransientError, or discord's own error of a bug."""

    async def attempt() -> Result:
        try:
            return await write()
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError(f"Discord could not be reached ({type(error).__name__}).") from error

    try:
        return await retry(attempt, attempts=1 if hasty else 4, budget=60)
    except discord.HTTPException as error:
        if reason := _REFUSALS.get(error.code):
            raise (Gone if error.code == _NO_MESSAGE else Closed)(reason) from error
        if error.status in {403, 404}:
            raise Closed(f"Discord refuses it with code {error.code}") from error
        if error.status == 429 or error.status >= 500:
            raise TransientError(f"Discord answered with status {error.status}.") from error
        raise
