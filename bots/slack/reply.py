"""Where answers go: the thread of a question, or the person who gave a command."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from bots.command import Button, retry
from bots.commands.private import ASK
from bots.pending import Spot
from bots.slack.card import Card
from bots.slack.place import Place
from bots.slack.poster import GoneError, OutOfReachError, Poster, Standing
from bots.slack.render import (
    SlackMessage,
    render,
    render_call,
    render_card,
    render_error,
    render_offer,
    render_settled,
    render_text,
)
from bots.slack.status import Status
from bots.slack.stream import Stopped, StreamedMessage
from bots.slack.translate import Given
from bots.slack.workspace import Workspace
from core.errors import FootnoteError, TransientError
from core.models import Answer

log = structlog.get_logger(__name__)


EARLIER = "earlier"
"""Of a spot: the ts of the messages whose place the reply takes, one behind the other."""


class ThreadReply:
    """The reply to a question, in its thread. Of a resumed one something may stand there already."""

    def __init__(
        self,
        place: Place,
        key: str,
        workspace: Workspace,
        spot: Spot,
        stopped: Stopped,
        *,
        resumed: bool = False,
        title: str = "",
    ) -> None:
        """``key`` is what its messages are known by; ``stopped`` is called when Slack says that somebody pressed Stop; the
        ``title`` is what the conversation is called from then on.
        """
        self._place = place
        self._key = key
        self._poster = workspace.poster
        self._spot = spot
        self._status = Status(workspace.hasty, workspace.sessions, place.channel, place.thread, title)
        self._stream = StreamedMessage(workspace.streams, place, key, spot, self._status, stopped)
        self._card = Card(self._show)
        self._card_ts: str | None = None
        self._resumed = resumed
        self._begun = False
        """Some of its messages stand there already: they become the answer, so that its parts keep their order."""
        self._earlier = spot.fields.get(EARLIER, "").split()
        """The messages that an earlier wording of the question was answered with: they become what this one is."""

    async def finished(self) -> bool:
        """Whether all of the reply stands there, and whoever wrote it only did not come to say so. Raises FootnoteError."""
        standing = await self._standing()
        self._begun = bool(standing.parts)
        if standing.whole:
            await self._status.left_behind()
        return standing.whole

    async def working(self, before: int = 0) -> None:
        self._status.show(before)

    async def stream(self, text: str) -> None:
        if not self._earlier and not self._begun and not self._place.alone:
            self._stream.feed(text)

    async def answer(self, answer: Answer) -> None:
        # A long one takes some tenths of a second.
        # What is asked by a button is asked in front of everybody: not where each is answered alone.
        messages = await asyncio.to_thread(render, answer, follow_ups=not self._place.alone)
        if self._place.alone:
            await self._whisper_alone(messages)
        else:
            await self._post(messages, await self._stream.end())

    async def say(self, text: str) -> None:
        """In a channel only the person who asked sees it; but where a part of an answer stands, it takes the place of that: what
        its footnotes do not hold is not left standing.
        """
        messages, ts = render_text(text), await self._stream.end()
        if self._place.private or ts is not None or self._earlier:
            await self._post(messages, ts)
        else:
            await self._whisper_alone(messages)

    async def fail(self, text: str, again: str) -> None:
        """In a channel only the person who asked sees it. What an earlier wording was answered with stays for now."""
        messages, ts = render_error(text, retry(again)), await self._stream.end()
        if ts is not None and not self._place.private and await self._removed(ts):
            ts = None
        if self._place.private or ts is not None:
            # None of it is final: it is tried again, and the answer takes its place.
            await self._post(messages, ts, final=False)
        else:
            await self._whisper_alone(messages)

    async def offer_private(self, answer_id: str) -> None:
        button = Button(label="Answer with my access", command=f"{ASK} {answer_id}")
        await self._whisper(render_offer("You may read more than everybody in this channel.", [button]))

    async def show(self, text: str) -> None:
        self._card.want(text)

    async def close(self) -> None:
        """Leave nothing half shown behind, except what another process will finish."""
        await self._stream.close()
        await self._card.finish()
        await self._status.clear()

    async def _whisper_alone(self, messages: list[SlackMessage]) -> None:
        await self._status.settle()
        await self._whisper(messages)

    async def _whisper(self, messages: list[SlackMessage]) -> None:
        place = self._place
        for message in messages:
            await self._poster.whisper(message, channel=place.channel, thread=place.thread, user=place.user)

    async def _post(self, messages: list[SlackMessage], ts: str | None, *, final: bool = True) -> None:
        """The first of them becomes what the message ``ts`` says, if there is one."""
        await self._status.settle()
        parts = len(messages) if final else 0
        there = {f"{self._key}/{number}": earlier for number, earlier in enumerate(self._earlier)}
        if self._resumed or self._stream.unclear:
            there |= (await self._standing()).parts
        for number, message in enumerate(messages):
            key = f"{self._key}/{number}"
            standing = there.pop(key, None)
            if number == 0:
                standing = ts or standing
            if standing is None or not await self._replaced(message, standing, key, parts):
                await self._post_one(message, key, parts)
                self._status.replaced()
        for left_over in there.values():
            await self._poster.remove(channel=self._place.channel, ts=left_over)

    async def _post_one(self, message: SlackMessage, key: str, parts: int = 0) -> str:
        place = self._place
        return await self._poster.post(message, channel=place.channel, thread=place.thread, after=place.ts, key=key, parts=parts)

    async def _replaced(self, message: SlackMessage, ts: str, key: str, parts: int) -> bool:
        """False when there is nothing any more that could be replaced."""
        channel = self._place.channel
        try:
            await self._poster.replace(message, channel=channel, ts=ts, key=key, parts=parts, streaming=self._stream.open)
        except GoneError:
            return False
        except TransientError:
            raise
        except FootnoteError as error:
            log.warning("message.not_replaced", reason=str(error))
            # Both must not stand there.
            await self._removed(ts)
            return False
        self._stream.open = False
        return True

    async def _removed(self, ts: str) -> bool:
        if self._stream.open:
            await self._poster.stop(channel=self._place.channel, ts=ts)
            self._stream.open = False
        if not await self._poster.remove(channel=self._place.channel, ts=ts):
            return False
        await self._spot.note(stream="", opening="")
        return True

    async def _standing(self) -> Standing:
        place = self._place
        return await self._poster.standing(channel=place.channel, thread=place.thread, after=place.ts, key=f"{self._key}/")

    async def _show(self, text: str) -> None:
        card = render_card(text)
        if self._card_ts is not None:
            with contextlib.suppress(GoneError):
                await self._poster.update(card, channel=self._place.channel, ts=self._card_ts)
                return
        self._card_ts = await self._post_one(card, f"{self._key}#card")


class CommandReply:
    """The reply to a command: answers and notices to the person alone, progress in the channel where everybody can follow
    it; all in the thread of the button, if it was one.
    """

    def __init__(self, given: Given, key: str, after: str, poster: Poster) -> None:
        self._given = given
        self._key = key
        self._after = after
        self._poster = poster
        self._card = Card(self._show)
        self._card_ts: str | None = None
        self._posted = 0
        self._alone: str | None = None
        """The card's text as the person alone saw it, where we cannot post in the channel."""

    async def working(self, before: int = 0) -> None:
        """The acknowledgement is sign enough."""

    async def stream(self, text: str) -> None:
        """Slack gets whole answers."""

    async def answer(self, answer: Answer) -> None:
        # What is asked by a button is asked in front of everybody.
        await self._tell(await asyncio.to_thread(render, answer, follow_ups=False))

    async def say(self, text: str) -> None:
        await self._tell(render_text(text))

    async def fail(self, text: str, again: str) -> None:
        await self._tell(render_error(text, retry(again)))

    async def offer(self, text: str, buttons: Sequence[Button]) -> None:
        await self._tell(render_offer(text, buttons))

    async def offer_private(self, answer_id: str) -> None:
        """Only the person sees this answer, so it is made with their access already."""

    async def publish(self, answer: Answer) -> None:
        # They were made of all that one person may read.
        for message in await asyncio.to_thread(render, answer, follow_ups=False):
            await self._post(message)

    async def call(self, who: str, text: str, buttons: Sequence[Button]) -> None:
        await self._post(render_call(who, text, buttons))

    async def settle(self, text: str) -> None:
        if self._given.message is None or not self._given.blocks:
            await self.say(text)
            return
        settled = render_settled(self._given.blocks, text)
        try:
            await self._poster.update(settled, channel=self._given.channel, ts=self._given.message)
        except GoneError:
            await self.say(text)

    async def show(self, text: str) -> None:
        self._card.want(text)

    async def close(self) -> None:
        last = await self._card.finish()
        if self._alone is not None and last is not None and last != self._alone:
            with contextlib.suppress(FootnoteError):
                await self._tell([render_card(last)])

    async def _tell(self, messages: list[SlackMessage]) -> None:
        for message in messages:
            await self._poster.respond(message, self._given.response_url, self._given.thread)

    async def _post(self, message: SlackMessage) -> str:
        given, key = self._given, f"{self._key}/{self._posted}"
        ts = await self._poster.post(message, channel=given.channel, thread=given.thread, after=self._after, key=key)
        self._posted += 1
        return ts

    async def _show(self, text: str) -> None:
        if self._alone is not None:
            return  # A response_url works five times: the first and the last text are shown.
        card = render_card(text)
        if self._card_ts is not None:
            with contextlib.suppress(GoneError):
                await self._poster.update(card, channel=self._given.channel, ts=self._card_ts)
                return
        try:
            self._card_ts = await self._post(card)
        except OutOfReachError:
            self._alone = text
            await self._tell([card])
