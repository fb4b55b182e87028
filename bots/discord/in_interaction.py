"""An interaction as the place of a reply. Source of the limit: its token lives 15 minutes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import discord

from bots.discord.cards import Card, view
from bots.discord.in_channel import InChannel
from bots.discord.pace import Pace
from bots.discord.places import Closed, Sent, changed, written
from core.errors import FootnoteError

TOKEN_LIFE = timedelta(minutes=14)
"""Of the 15 that Discord gives: a long answer shall not be cut in the middle."""

ELSEWHERE = "-# This took longer than Discord lets me write here, so the whole answer follows in another message."


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
        pace: Pace | None = None,
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
        self._pace = pace or Pace()
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
        self.id = await self._place.edit(self._address, changed(card, plain=self._plain), hasty=hasty)
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
            await written(lambda: original.edit(**changed(left, plain=False)), hasty=True)
