"""Where the answer to one message or command goes on Discord: a :class:`core.ports.Reply`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import aiohttp
import discord
import structlog

from bots.command import Button
from bots.discord.places import Closed, InChannel, Place, Sent
from bots.discord.render import notice, render
from bots.private import ASK
from core.errors import FootnoteError, UserError
from core.models import Answer

log = structlog.get_logger(__name__)

CARD_INTERVAL = 1.1
"""Seconds between two edits of a progress card; Discord takes about five edits in five seconds."""


class DiscordReply:
    """Writes in the first place that takes it, and moves on for good when a place is closed.

    ``places`` are in order of preference; all of them show the text to the same people or to fewer. Below an answer that
    is not ``private`` stands the button for one that is, for everybody alike: it tells nothing of what there is.
    """

    def __init__(
        self,
        places: Sequence[Place],
        *,
        typing_in: discord.abc.Messageable | None = None,
        on_sent: Callable[[int], None] = lambda _: None,
        private: bool = True,
        publish_in: discord.abc.Messageable | None = None,
        card_interval: float = CARD_INTERVAL,
    ) -> None:
        self._places = list(places)
        self._typing_in = typing_in
        self._typing: asyncio.Task[None] | None = None
        self._on_sent = on_sent
        self._private = private
        self._publish_in = publish_in
        self._card = _Card(self, card_interval)
        self._writing = asyncio.Lock()
        self._closed_because = "there is no place to write in"
        self.spoken = False
        """True once an answer or a notice was written whole."""

    async def working(self) -> None:
        """Type until the reply is sent; a command shows that it thinks by itself."""
        if self._typing_in is not None and self._typing is None:
            self._typing = asyncio.create_task(_type(self._typing_in))

    async def stream(self, text: str) -> None:
        """Discord shows whole answers: an edit for every few words would meet its rate limit."""

    async def answer(self, answer: Answer) -> None:
        # A long one takes some tenths of a second.
        buttons = [] if self._private else [_for_oneself(answer)]
        await self._speak(await asyncio.to_thread(render, answer), buttons)

    async def say(self, text: str) -> None:
        await self._speak(notice(text))

    async def offer(self, text: str, buttons: Sequence[Button]) -> None:
        await self._speak(notice(text), buttons)

    async def offer_private(self, answer_id: str) -> None:
        """The button stands below the answer: after it, nothing could be shown to one person alone."""

    async def publish(self, answer: Answer) -> None:
        """Raises UserError where the bot may not write."""
        *before, last = await asyncio.to_thread(render, answer)
        try:
            if self._publish_in is None:
                raise Closed("there is nobody to share it with")
            place = InChannel(self._publish_in)
            for text in before:
                await place.send(text)
            await place.send(last, [_for_oneself(answer)])
        except Closed as closed:
            raise UserError(f"It could not be shared here: {closed}.") from closed
        await self.say("It is in the channel now.")

    async def show(self, text: str) -> None:
        await self._card.show(text)

    async def close(self) -> None:
        """Stop typing, and wait until the progress card shows its last state."""
        if self._typing is not None:
            self._typing.cancel()
        await self._card.close()

    async def _speak(self, texts: Sequence[str], buttons: Sequence[Button] = ()) -> None:
        if self._typing is not None:
            self._typing.cancel()
        *before, last = texts
        for text in before:
            await self.post(text)
        await self.post(last, buttons)
        self.spoken = True

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Posted | None:
        """Write one message in the first open place; None when every place is closed."""
        async with self._writing:
            while self._places:
                place = self._places[0]
                try:
                    sent = await place.send(text, buttons)
                except Closed as closed:
                    self.leave(place, str(closed))
                else:
                    self._on_sent(sent.id)
                    return Posted(sent, place)
            log.warning("reply.undelivered", reason=self._closed_because)
            return None

    def leave(self, place: Place, reason: str) -> None:
        """Nothing can be written there any more: the next message goes to the place behind it."""
        self._closed_because = reason
        if place in self._places:
            log.info("place.closed", place=type(place).__name__, reason=reason)
            self._places.remove(place)


def _for_oneself(answer: Answer) -> Button:
    return Button(label="Answer with my access", command=f"{ASK} {answer.id}")


class Posted(NamedTuple):
    sent: Sent
    place: Place


class _Card:
    """A message that shows the latest of many states, edited at most once in ``interval`` seconds."""

    def __init__(self, reply: DiscordReply, interval: float) -> None:
        self._reply = reply
        self._interval = interval
        self._wanted = ""
        self._begun = asyncio.Event()
        self._posted: Posted | None = None
        self._task: asyncio.Task[None] | None = None

    async def show(self, text: str) -> None:
        self._wanted = text
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())
        # What is said next stands below the card.
        await self._begun.wait()

    async def close(self) -> None:
        if self._task is not None:
            await self._task
            try:
                for text in notice(self._wanted)[1:]:
                    await self._reply.post(text)
            except (FootnoteError, discord.HTTPException) as error:
                log.warning("progress.failed", error=str(error))

    async def _follow(self) -> None:
        shown: str | None = None
        while shown != self._wanted:
            shown = self._wanted
            try:
                await self._put(notice(shown)[0])
            except (FootnoteError, discord.HTTPException) as error:
                log.warning("progress.failed", error=str(error))
            finally:
                self._begun.set()
            await asyncio.sleep(self._interval)

    async def _put(self, text: str) -> None:
        if self._posted is not None:
            try:
                await self._posted.sent.edit(text)
            except Closed as closed:
                self._reply.leave(self._posted.place, str(closed))
            else:
                return
        self._posted = await self._reply.post(text)


async def _type(channel: discord.abc.Messageable) -> None:
    try:
        async with channel.typing():
            await asyncio.Event().wait()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        # A sign of life only; the answer itself tells what is wrong.
        log.debug("typing.failed", error=type(error).__name__)
