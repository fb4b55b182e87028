"""Where the answer to one message or command goes on Discord: a :class:`core.ports.Reply`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain

import aiohttp
import discord
import structlog

from bots.command import Button, retry
from bots.commands.escalate import ESCALATE
from bots.commands.feedback import RATE
from bots.commands.private import ASK
from bots.discord.calls import called, settle
from bots.discord.cards import Card, length, rows
from bots.discord.in_channel import InChannel
from bots.discord.places import Closed, Gone, Place, written
from bots.discord.render import notice, render
from bots.discord.stream import Posted, Stream
from bots.pending import Spot
from core.errors import FootnoteError, UserError
from core.models import Answer

log = structlog.get_logger(__name__)

FOLLOW_UP = "ask"
"""The command that asks a question, which is the rest of it."""
STANDS = "stands"
"""What a spot notes: the place and the id of the first message of the reply."""

_LABEL_LENGTH = 75
_ERROR_ID = re.compile(r" \(error `([0-9a-f]+)`\)")


class DiscordReply:
    """Writes in the first place that takes it, and moves on for good when a place is closed.

    ``places`` are in order of preference; all of them show the text to the same people or to fewer. Below an answer that
    is not ``private`` stands the button for one that is, for everybody alike: it tells nothing of what there is.

    Another process may have begun with it: then the message that is ``standing`` already is written anew. For one that takes
    over from this process, where the first message stands is noted in the ``spot``.
    """

    def __init__(
        self,
        places: Sequence[Place],
        *,
        typing_in: discord.abc.Messageable | None = None,
        on_sent: Callable[[int], None] = lambda _: None,
        private: bool = True,
        publish_in: discord.abc.Messageable | None = None,
        pressed: discord.Message | None = None,
        spot: Spot | None = None,
        standing: Posted | None = None,
    ) -> None:
        self._places = list(places)
        self._typing_in = typing_in
        self._typing: asyncio.Task[None] | None = None
        self._on_sent = on_sent
        self._private = private
        self._publish_in = publish_in
        self._pressed = pressed
        self._spot = spot if standing is None else None
        self._stream = Stream(self.post, self.leave, standing)
        self._card = _Card(self)
        self._writing = asyncio.Lock()
        self._closed_because = "there is no place to write in"
        self.spoken = False
        """True once an answer or a notice was written whole."""

    async def working(self, before: int = 0) -> None:
        """Type until the reply is sent; a command shows that it thinks by itself."""
        if self._typing_in is not None and self._typing is None:
            self._typing = asyncio.create_task(_type(self._typing_in))

    async def stream(self, text: str) -> None:
        self._stream.more(text)

    async def answer(self, answer: Answer) -> None:
        # A long one takes some tenths of a second.
        *before, last = await asyncio.to_thread(render, answer)
        await self._speak([*before, replace(last, rows=self._foot(answer))])

    async def say(self, text: str) -> None:
        await self._speak(notice(text))

    async def fail(self, text: str, again: str) -> None:
        found = _ERROR_ID.search(text)
        *before, last = notice(_ERROR_ID.sub("", text))
        small = f"-# Error `{found[1]}`" if found else ""
        await self._speak([*before, replace(last, small=small, rows=rows(retry(again)), failed=True)])

    async def offer(self, text: str, buttons: Sequence[Button]) -> None:
        *before, last = notice(text)
        await self._speak([*before, replace(last, rows=rows(buttons))])

    async def offer_private(self, answer_id: str) -> None:
        """The button stands below the answer: after it, nothing could be shown to one person alone."""

    async def publish(self, answer: Answer) -> None:
        """Raises UserError where the bot may not write."""
        *before, last = await asyncio.to_thread(render, answer)
        try:
            if self._publish_in is None:
                raise Closed("there is nobody to share it with")
            place = InChannel(self._publish_in)
            for card in (*before, replace(last, rows=rows([_for_oneself(answer)]))):
                await place.send(card)
        except Closed as closed:
            raise UserError(f"It could not be shared here: {closed}.") from closed
        await self.say("It is in the channel now.")

    async def call(self, who: str, text: str, buttons: Sequence[Button]) -> None:
        """Raises UserError where ``who`` cannot be called, or the bot may not write."""
        mention, allowed = called(who)
        try:
            if self._publish_in is None:
                raise Closed("there is nobody to call")
            await InChannel(self._publish_in).call(mention, notice(text)[0].text, allowed, buttons)
        except Closed as closed:
            raise UserError(f"I could not call anybody here: {closed}.") from closed
        await self.say("They are called, in this channel.")

    async def settle(self, text: str) -> None:
        message = self._pressed
        if message is None or message.flags.ephemeral:
            await self.say(text)
            return
        try:
            await written(lambda: settle(message, text))
        except Closed:
            await self.say(text)
        else:
            await self.say("Noted.")

    async def show(self, text: str) -> None:
        await self._card.show(text)

    async def close(self) -> None:
        """Stop typing and streaming, and wait until the progress card shows its last state."""
        if self._typing is not None:
            self._typing.cancel()
        await self._stream.close()
        await self._card.close()

    def _foot(self, answer: Answer) -> tuple[tuple[Button, ...], ...]:
        """What one can do below an answer: rate it, have it for oneself, call a person, ask on."""
        rating = [Button(label="👍", command=f"{RATE} {answer.id} good"), Button(label="👎", command=f"{RATE} {answer.id} bad")]
        first = rating if self._private else [*rating, _for_oneself(answer)]
        if answer.escalates and not self._private:
            first.append(Button(label="Escalate", command=f"{ESCALATE} {answer.id}"))
        return tuple(chain(rows(first), rows(_follow_ups(answer))))

    async def _speak(self, cards: Sequence[Card]) -> None:
        if self._typing is not None:
            self._typing.cancel()
        standing = await self._stream.settle()
        for card in cards:
            if standing is None or not await self._replace(standing, card):
                await self.post(card)
            standing = None
        self.spoken = True

    async def _replace(self, standing: Posted, card: Card) -> bool:
        """Whether a message that stands could be written anew."""
        await standing.sent.pace.turn(last=True)
        try:
            await standing.sent.edit(card)
        except Gone:
            return False
        except Closed as closed:
            self.leave(standing.place, str(closed))
            await self._stream.hand_over(standing)
            return False
        return True

    async def post(self, card: Card) -> Posted | None:
        """Write one message in the first open place; None when every place is closed."""
        async with self._writing:
            while self._places:
                place = self._places[0]
                try:
                    sent = await place.send(card)
                except Closed as closed:
                    self.leave(place, str(closed))
                else:
                    self._on_sent(sent.id)
                    if self._spot is not None:
                        spot, self._spot = self._spot, None
                        await spot.note(**{STANDS: f"{place.name} {sent.id}"})
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


def _follow_ups(answer: Answer) -> list[Button]:
    """A question is its own label and command: one that is too long to be read there is not offered."""
    questions = dict.fromkeys(" ".join(question.split()) for question in answer.follow_ups)
    fitting = [question for question in questions if 0 < length(question) <= _LABEL_LENGTH]
    return [Button(label=question, command=f"{FOLLOW_UP} {question}") for question in fitting[:3]]


class _Card:
    """A message that shows the latest of many states, at the pace of its place."""

    def __init__(self, reply: DiscordReply) -> None:
        self._reply = reply
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
                for card in notice(self._wanted)[1:]:
                    await self._reply.post(card)
            except (FootnoteError, discord.HTTPException) as error:
                log.warning("progress.failed", error=str(error))

    async def _follow(self) -> None:
        shown: str | None = None
        while shown != self._wanted:
            if self._posted is not None:
                await self._posted.sent.pace.turn()
            shown = self._wanted
            try:
                await self._put(notice(shown)[0])
            except (FootnoteError, discord.HTTPException) as error:
                log.warning("progress.failed", error=str(error))
            finally:
                self._begun.set()

    async def _put(self, card: Card) -> None:
        if self._posted is not None:
            try:
                await self._posted.sent.edit(card)
            except Closed as closed:
                self._reply.leave(self._posted.place, str(closed))
            else:
                return
        self._posted = await self._reply.post(card)


async def _type(channel: discord.abc.Messageable) -> None:
    try:
        async with channel.typing():
            await asyncio.Event().wait()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        # A sign of life only; the answer itself tells what is wrong.
        log.debug("typing.failed", error=type(error).__name__)
