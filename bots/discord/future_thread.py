"""A thread that does not exist until something is written in it."""

from __future__ import annotations

from typing import Final

import discord
import structlog

from bots.discord.places import Closed

log = structlog.get_logger(__name__)

_NAME = 100
"""Characters, as Discord allows."""
_ARCHIVED_AFTER: Final = 1440
"""Minutes without a message: a day, after which it leaves the list of channels. It comes back with the next message."""
_EXISTS = 160004


class FutureThread(discord.abc.Messageable):
    """The thread below a message, as discord.py's ``User`` is the direct messages with somebody: made when first needed, under a
    name from what was asked.
    """

    def __init__(self, message: discord.Message | discord.PartialMessage, question: str) -> None:
        self._state = message._state
        self._message = message
        self._name = name_of(question)
        self._thread: discord.Thread | None = None

    async def _get_channel(self) -> discord.Thread:
        """Raises Closed where none may be made, and what discord.py raises while Discord cannot be reached."""
        if self._thread is None:
            self._thread = await self._made()
        return self._thread

    async def _made(self) -> discord.Thread:
        try:
            return await self._message.create_thread(name=self._name, auto_archive_duration=_ARCHIVED_AFTER)
        except discord.HTTPException as error:
            if error.code == _EXISTS:
                return await self._message.fetch_thread()
            if error.status == 429 or error.status >= 500:
                raise
            log.info("thread.refused", code=error.code)
            raise Closed("I may not begin a thread there") from error


def name_of(question: str) -> str:
    """What a thread about it is called: one line of at most 100 characters, cut between words."""
    line = " ".join(question.split()) or "Question"
    if len(line) <= _NAME:
        return line
    cut = line[: _NAME - 1]
    return f"{cut.rpartition(' ')[0] or cut}…"
