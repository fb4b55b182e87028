"""Replies on their way: finished before the bot stops, or ended with a word."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import discord
import structlog

from bots.discord.reply import DiscordReply
from bots.responder import RESTARTING
from core.errors import FootnoteError

log = structlog.get_logger(__name__)

_FAREWELL_SECONDS = 4.0
"""Of the time to drain: for ending what runs too long, and for telling who waits for it."""


class Running:
    def __init__(self) -> None:
        self.closed = False
        """True once nothing new is taken."""
        self._replies: dict[asyncio.Task[object], DiscordReply] = {}
        self._commanded: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def reply(self, reply: DiscordReply, *, command: bool = False) -> AsyncIterator[None]:
        """Around what writes it: the answer to a question, or to a ``command``, which no other process finishes."""
        task = asyncio.current_task()
        assert task is not None
        self._replies[task] = reply
        if command:
            self._commanded.add(task)
        try:
            yield
        finally:
            try:
                await reply.close()
            finally:
                del self._replies[task]
                self._commanded.discard(task)

    async def close(self, drain: float) -> None:
        """Take nothing new, wait for what runs, then cancel the rest and tell who waits for it: ``drain`` seconds in all."""
        self.closed = True
        if not self._replies:
            return
        farewell = min(_FAREWELL_SECONDS, drain / 2)
        _, late = await asyncio.wait(set(self._replies), timeout=drain - farewell)
        # The responder tells those who asked.
        unfinished = [self._replies[task] for task in late if task in self._commanded]
        for task in late:
            task.cancel()
        if late:
            # Whoever waits for Discord's leave to write is not waited for.
            await asyncio.wait(late, timeout=farewell / 2)
        await asyncio.gather(*(_abandon(reply, farewell / 2) for reply in unfinished if not reply.spoken))


async def _abandon(reply: DiscordReply, seconds: float) -> None:
    log.warning("reply.abandoned")
    with suppress(FootnoteError, discord.HTTPException, TimeoutError):
        async with asyncio.timeout(seconds):
            await reply.say(RESTARTING)


def apology(event: str, error: BaseException) -> str:
    """What to say of an error that nobody foresaw, once it is logged under its id."""
    error_id = secrets.token_hex(4)
    log.error(event, error_id=error_id, exc_info=error)
    return f"Something went wrong on my side (error `{error_id}`). Please try again."
