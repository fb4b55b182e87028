"""An answer that is shown while it is written: one message that grows, at the pace that Discord allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import discord
import structlog

from bots.discord.cards import PLAIN_LIMIT, Card, length
from bots.discord.places import Closed, Gone, Place, Sent
from bots.discord.render import growing
from core.errors import FootnoteError
from core.together import cancelled

log = structlog.get_logger(__name__)

_MOST_SHOWN = 6000
"""Characters of Markdown that are rendered while they are streamed: more than one message takes."""


class Posted(NamedTuple):
    sent: Sent
    place: Place


class Stream:
    """Only its first message grows; what does not fit there is written when it is whole. Nothing here raises: what could not be
    shown now is shown by the next edit, and by the final text.
    """

    def __init__(
        self,
        post: Callable[[Card], Awaitable[Posted | None]],
        leave: Callable[[Place, str], None],
        standing: Posted | None = None,
    ) -> None:
        """``post`` writes a message in the first open place, ``leave`` closes one. A message that is ``standing`` already is
        written anew.
        """
        self._post = post
        self._leave = leave
        self._posted = standing
        self._text = ""
        self._shown: Card | None = None
        self._more = asyncio.Event()
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def more(self, text: str) -> None:
        """It is shown as soon as it may be."""
        self._text += text
        self._more.set()
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def settle(self) -> Posted | None:
        """Show no more, and return the message that the final text replaces, once nothing is on its way to it any more."""
        self._over.set()
        self._more.set()
        if self._task is not None:
            await self._task
        posted, self._posted = self._posted, None
        return posted

    async def hand_over(self, posted: Posted) -> None:
        """The final text goes elsewhere than to what was streamed."""
        if self._shown is not None:
            await posted.sent.hand_over(self._shown)

    async def close(self) -> None:
        """Whatever is on its way is given up."""
        if self._task is not None:
            await cancelled(self._task)

    async def _follow(self) -> None:
        while not self._over.is_set():
            await self._more.wait()
            self._more.clear()
            if self._posted is not None and not await self._turn(self._posted.sent):
                return
            card = await asyncio.to_thread(growing, self._text[:_MOST_SHOWN])
            if card is None or card == self._shown or self._over.is_set():
                continue
            try:
                await self._show(card)
            except (FootnoteError, discord.HTTPException) as error:
                log.warning("stream.interrupted", error=str(error))

    async def _turn(self, sent: Sent) -> bool:
        """Whether there is still something to show when an edit may be made."""
        turn = asyncio.create_task(sent.pace.turn())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({turn, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelled(turn, over)
        return not self._over.is_set()

    async def _show(self, card: Card) -> None:
        if self._posted is not None:
            try:
                await self._posted.sent.edit(card, hasty=True)
            except Gone:
                self._posted = None
            except Closed as closed:
                self._leave(self._posted.place, str(closed))
                await self.hand_over(self._posted)
                self._posted = None
            else:
                self._shown = card
                return
        # Plain at first, so that a notification of it shows its words.
        if length(card.text) <= PLAIN_LIMIT:
            card = Card(text=card.text)
        if (posted := await self._post(card)) is None:
            # There is nowhere to show anything; the final text will find that out for itself.
            self._over.set()
        self._posted, self._shown = posted, card
