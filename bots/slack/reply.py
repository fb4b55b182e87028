"""Where answers go: the thread of a question, or the person who gave a command."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.client import failure
from bots.slack.poster import GoneError, OutOfReachError, Poster
from bots.slack.render import SlackMessage, render, render_card, render_text
from bots.slack.translate import Heard
from core.errors import FootnoteError
from core.models import Answer

log = structlog.get_logger(__name__)

_WORKING = "is searching…"
_RENEWED_SECONDS = 100.0
"""Slack clears a status after two minutes."""
_EDITED_SECONDS = 1.0
"""Slack tolerates about one edit of a message a second."""


class _Status:
    """The line "Footnote is searching…" under a thread. It is decoration: no failure of it stops or delays an answer."""

    def __init__(self, client: AsyncWebClient, channel: str, thread: str) -> None:
        self._client = client
        self._channel = channel
        self._thread = thread
        self._renewal: asyncio.Task[None] | None = None
        self._call: asyncio.Task[None] | None = None
        self._shown = False

    def show(self) -> None:
        self._renewal = asyncio.create_task(self._renew())

    async def settle(self) -> None:
        """Let no update of ours arrive after the answer, which would make it stand there for two minutes."""
        if self._renewal is not None:
            self._renewal.cancel()
        if self._call is not None and not self._call.done():
            await asyncio.wait({self._call}, timeout=1.0)
            self._call.cancel()

    def replaced(self) -> None:
        """A message of ours in the thread clears the status."""
        self._shown = self._call is not None and self._call.cancelled()

    async def clear(self) -> None:
        await self.settle()
        if self._shown:
            await self._set("")

    async def _renew(self) -> None:
        while True:
            self._shown = True
            self._call = asyncio.create_task(self._set(_WORKING))
            await asyncio.wait({self._call})
            await asyncio.sleep(_RENEWED_SECONDS)

    async def _set(self, status: str) -> None:
        try:
            await self._client.assistant_threads_setStatus(channel_id=self._channel, thread_ts=self._thread, status=status)
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            log.debug("status.not_set", reason=failure(error))


class _Card:
    """A text that is shown now and edited later, at most once a second; the last one always wins."""

    def __init__(self, show: Callable[[str], Awaitable[None]]) -> None:
        self._show = show
        self._wanted: str | None = None
        self._shown: str | None = None
        self._showing: asyncio.Task[None] | None = None

    def want(self, text: str) -> None:
        self._wanted = text
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._catch_up())

    async def finish(self) -> str | None:
        """Wait until the last text is shown, and return it."""
        if self._showing is not None:
            await self._showing
        return self._shown

    async def _catch_up(self) -> None:
        while self._wanted != self._shown:
            text = self._shown = self._wanted
            try:
                await self._show(text or "")
            except FootnoteError as error:
                log.warning("card.not_shown", reason=str(error))
            await asyncio.sleep(_EDITED_SECONDS)


class ThreadReply:
    """The reply to a question, in its thread. ``status`` calls go through a client that does not retry."""

    def __init__(self, said: Heard, key: str, poster: Poster, hasty: AsyncWebClient) -> None:
        self._said = said
        self._key = key
        self._poster = poster
        self._status = _Status(hasty, said.channel, said.thread)
        self._card = _Card(self._show)
        self._card_ts: str | None = None
        self._posted = 0
        self.replied = False

    async def working(self) -> None:
        self._status.show()

    async def stream(self, text: str) -> None:
        """Slack gets whole answers."""

    async def answer(self, answer: Answer) -> None:
        await self._post(render(answer))

    async def say(self, text: str) -> None:
        """In a channel only the person who asked sees it."""
        messages = render_text(text)
        if self._said.private:
            await self._post(messages)
            return
        await self._status.settle()
        for message in messages:
            await self._poster.whisper(message, channel=self._said.channel, thread=self._said.thread, user=self._said.user)
        self.replied = True

    async def show(self, text: str) -> None:
        self._card.want(text)

    async def close(self) -> None:
        """Leave nothing half shown behind."""
        await self._card.finish()
        await self._status.clear()

    async def _post(self, messages: list[SlackMessage]) -> None:
        await self._status.settle()
        for message in messages:
            await self._post_one(message)
            self.replied = True
            self._status.replaced()

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
    """The reply to a slash command: notices to the person alone, progress in the channel where everybody can follow it."""

    def __init__(self, channel: str, response_url: str, key: str, after: str, poster: Poster) -> None:
        self._channel = channel
        self._response_url = response_url
        self._key = key
        self._after = after
        self._poster = poster
        self._card = _Card(self._show)
        self._card_ts: str | None = None
        self._posted = 0
        self._alone: str | None = None
        """The card's text as the person alone saw it, where we cannot post in the channel."""

    async def working(self) -> None:
        """The acknowledgement is sign enough."""

    async def stream(self, text: str) -> None:
        """Slack gets whole answers."""

    async def answer(self, answer: Answer) -> None:
        await self._tell(render(answer))

    async def say(self, text: str) -> None:
        await self._tell(render_text(text))

    async def show(self, text: str) -> None:
        self._card.want(text)

    async def close(self) -> None:
        last = await self._card.finish()
        if self._alone is not None and last is not None and last != self._alone:
            with contextlib.suppress(FootnoteError):
                await self._poster.respond(render_card(last), self._response_url)

    async def _tell(self, messages: list[SlackMessage]) -> None:
        for message in messages:
            await self._poster.respond(message, self._response_url)

    async def _show(self, text: str) -> None:
        if self._alone is not None:
            return  # A response_url works five times: the first and the last text are shown.
        card = render_card(text)
        if self._card_ts is not None:
            with contextlib.suppress(GoneError):
                await self._poster.update(card, channel=self._channel, ts=self._card_ts)
                return
        key = f"{self._key}/{self._posted}"
        try:
            self._card_ts = await self._poster.post(card, channel=self._channel, thread=None, after=self._after, key=key)
            self._posted += 1
        except OutOfReachError:
            self._alone = text
            await self._poster.respond(card, self._response_url)
