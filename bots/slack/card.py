"""A message that shows progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from core.errors import FootnoteError

log = structlog.get_logger(__name__)

_EDITED_SECONDS = 1.0
"""Slack tolerates about one edit of a message a second."""


class Card:
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
