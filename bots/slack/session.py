"""Whether an agent session, a thread in Slack's view of agents, is being worked on: what its Stop button goes by."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.client import UNANSWERED, failure, refused

log = structlog.get_logger(__name__)

_UNSUPPORTED_SECONDS = 3600.0
_PATIENCE_SECONDS = 10.0


class Sessions:
    """Decoration: no failure of it stops an answer. Where Slack knows no sessions it is not asked again for an hour."""

    def __init__(self, hasty: AsyncWebClient, patient: AsyncWebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        """The ``patient`` client repeats what failed: a session must not be left working for ever."""
        self._hasty = hasty
        self._patient = patient
        self._clock = clock
        self._working: Counter[tuple[str, str]] = Counter()
        self._unsupported: dict[str, float] = {}

    async def begin(self, channel: str, thread: str, title: str = "") -> None:
        """An answer is being written: Slack shows Stop. Always followed by :meth:`end`. A ``title`` is what the session is called
        from then on.
        """
        self._working[channel, thread] += 1
        await self._set(self._hasty, channel, thread, "processing", title)

    async def end(self, channel: str, thread: str) -> None:
        """It is written, or given up; others in the same thread may still be."""
        self._working[channel, thread] -= 1
        if self._working[channel, thread] <= 0:
            del self._working[channel, thread]
            await self.idle(channel, thread)

    async def idle(self, channel: str, thread: str) -> None:
        """Nobody works on it."""
        await self._set(self._patient, channel, thread, "active")

    async def _set(self, client: AsyncWebClient, channel: str, thread: str, status: str, title: str = "") -> None:
        if self._unsupported.get(channel, 0.0) > self._clock():
            return
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await client.agents_sessions_setStatus(channel_id=channel, thread_ts=thread, status=status, title=title or None)
        except UNANSWERED as error:
            log.debug("session.not_set", status=status, reason=failure(error))
            if refused(error):
                self._unsupported[channel] = self._clock() + _UNSUPPORTED_SECONDS
