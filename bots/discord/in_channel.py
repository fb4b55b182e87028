"""A channel, a thread or a person as the place of a reply.

Source of the limit: sends of a channel carry a nonce by which Discord drops a repetition for some minutes.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

import discord

from bots.command import Button
from bots.discord.cards import Card, row, view
from bots.discord.pace import Pace
from bots.discord.places import Sent, changed, written

_NO_HISTORY = 160002
"""Discord's code for a reply where we may not read what it replies to."""


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
        more = changed(card, plain=self._plain)
        await written(lambda: self._message.edit(**more), hasty=hasty)
        self._plain = self._plain and card.plain

    async def hand_over(self, card: Card) -> None:
        """The channel refuses us: whoever is written to instead is told there."""


def _nonce(key: str, part: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{key}/{part}".encode()).digest()[:8]) >> 1
