"""Where answers go: the thread of a question, or the person who gave a command."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient

from bots.command import Button
from bots.private import ASK
from bots.slack.card import Card
from bots.slack.poster import GoneError, OutOfReachError, Poster
from bots.slack.render import SlackMessage, render, render_card, render_offer, render_text
from bots.slack.status import Status
from bots.slack.translate import Given, Heard
from core.errors import FootnoteError
from core.models import Answer


class ThreadReply:
    """The reply to a question, in its thread. ``status`` calls go through a client that does not retry."""

    def __init__(self, said: Heard, key: str, poster: Poster, hasty: AsyncWebClient) -> None:
        self._said = said
        self._key = key
        self._poster = poster
        self._status = Status(hasty, said.channel, said.thread)
        self._card = Card(self._show)
        self._card_ts: str | None = None
        self._posted = 0
        self.complete = False
        """True once an answer or a notice was shown whole."""

    async def working(self) -> None:
        self._status.show()

    async def stream(self, text: str) -> None:
        """Slack gets whole answers."""

    async def answer(self, answer: Answer) -> None:
        # A long one takes some tenths of a second.
        await self._post(await asyncio.to_thread(render, answer))

    async def say(self, text: str) -> None:
        """In a channel only the person who asked sees it."""
        messages = render_text(text)
        if self._said.private:
            await self._post(messages)
            return
        await self._status.settle()
        await self._whisper(messages)
        self.complete = True

    async def offer_private(self, answer_id: str) -> None:
        button = Button(label="Answer with my access", command=f"{ASK} {answer_id}")
        await self._whisper(render_offer("You may read more than everybody in this channel.", [button]))

    async def show(self, text: str) -> None:
        self._card.want(text)

    async def close(self) -> None:
        """Leave nothing half shown behind."""
        await self._card.finish()
        await self._status.clear()

    async def _whisper(self, messages: list[SlackMessage]) -> None:
        for message in messages:
            await self._poster.whisper(message, channel=self._said.channel, thread=self._said.thread, user=self._said.user)

    async def _post(self, messages: list[SlackMessage]) -> None:
        await self._status.settle()
        for message in messages:
            await self._post_one(message)
            self._status.replaced()
        self.complete = True

    async def _post_one(self, message: SlackMessage) -> str:
        said, key = self._said, f"{self._key}/{self._posted}"
        ts = await self._poster.post(message, channel=said.channel, thread=said.thread, after=said.ts, key=key)
        self._posted += 1
        return ts

    async def _show(self, text: str) -> None:
        card = render_card(text)
        if self._card_ts is not None:
            with contextlib.suppress(GoneError):
                await self._poster.update(card, channel=self._said.channel, ts=self._card_ts)
                return
        self._card_ts = await self._post_one(card)


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

    async def working(self) -> None:
        """The acknowledgement is sign enough."""

    async def stream(self, text: str) -> None:
        """Slack gets whole answers."""

    async def answer(self, answer: Answer) -> None:
        await self._tell(await asyncio.to_thread(render, answer))

    async def say(self, text: str) -> None:
        await self._tell(render_text(text))

    async def offer(self, text: str, buttons: Sequence[Button]) -> None:
        await self._tell(render_offer(text, buttons))

    async def offer_private(self, answer_id: str) -> None:
        """Only the person sees this answer, so it is made with their access already."""

    async def publish(self, answer: Answer) -> None:
        for message in await asyncio.to_thread(render, answer):
            await self._post(message)

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
