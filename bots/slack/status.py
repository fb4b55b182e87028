"""The signs that a question is being answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.client import failure
from bots.slack.session import Sessions

log = structlog.get_logger(__name__)

_WORKING = "is searching…"
_BEFORE = "is looking up {} other question{} first…"
_RENEWED_SECONDS = 100.0
"""Slack clears a status after two minutes."""
_PATIENCE_SECONDS = 1.0
"""An answer waits so long for a status that is being set."""


class Status:
    """The line "Footnote is searching…" under a thread, and the state of its session. It is decoration: no failure of it stops
    or delays an answer.
    """

    def __init__(self, client: AsyncWebClient, sessions: Sessions, channel: str, thread: str, title: str = "") -> None:
        self._client = client
        self._sessions = sessions
        self._channel = channel
        self._thread = thread
        self._title = title
        self._renewal: asyncio.Task[None] | None = None
        self._call: asyncio.Task[None] | None = None
        self._session: asyncio.Task[None] | None = None
        self._shown = False
        self._line = _WORKING
        self._changed = asyncio.Event()

    def show(self, before: int = 0) -> None:
        """``before``: so many other questions are looked up first."""
        self._line = _BEFORE.format(before, "s" if before > 1 else "") if before else _WORKING
        self._changed.set()
        if self._renewal is None:
            self._session = asyncio.create_task(self._sessions.begin(self._channel, self._thread, self._title))
            self._renewal = asyncio.create_task(self._renew())

    async def settle(self) -> None:
        """Let no update of ours arrive after the answer, which would make it stand there for two minutes."""
        if self._renewal is not None:
            self._renewal.cancel()
        if self._call is not None and not self._call.done():
            await asyncio.wait({self._call}, timeout=_PATIENCE_SECONDS)
            self._call.cancel()

    def replaced(self) -> None:
        """A message of ours in the thread clears the status."""
        self._shown = self._call is not None and self._call.cancelled()

    async def clear(self) -> None:
        await self.settle()
        if self._shown:
            await self._set("")
        if self._session is not None:
            # The one must not overtake the other.
            await asyncio.wait({self._session}, timeout=_PATIENCE_SECONDS)
            self._session.cancel()
            self._session = None
            await self._sessions.end(self._channel, self._thread)

    async def left_behind(self) -> None:
        """Nobody works on it any more, and whoever did could not say so. What was edited, not posted, cleared no line either."""
        await self._set("")
        await self._sessions.idle(self._channel, self._thread)

    async def _renew(self) -> None:
        while True:
            self._shown = True
            self._changed.clear()
            self._call = asyncio.create_task(self._set(self._line))
            await asyncio.wait({self._call})
            with suppress(TimeoutError):
                async with asyncio.timeout(_RENEWED_SECONDS):
                    await self._changed.wait()

    async def _set(self, status: str) -> None:
        try:
            await self._client.assistant_threads_setStatus(channel_id=self._channel, thread_ts=self._thread, status=status)
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            log.debug("status.not_set", reason=failure(error))
