"""The places where the bot may write, each with its way of refusing for good.

Rate limits and 5xx are waited out by discord.py; a connection that breaks is not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import aiohttp
import discord

from bots.discord.cards import Card, view
from bots.discord.pace import Pace
from core.errors import FootnoteError, TransientError
from core.retry import retry

Result = TypeVar("Result")

_NO_MESSAGE = 10008
_REFUSALS = {
    10003: "the channel is gone",
    _NO_MESSAGE: "the message is gone",
    10015: "the interaction is over",
    10062: "the interaction is over",
    50001: "I may not see the channel",
    50007: "they take no direct messages from me",
    50013: "I may not write in the channel",
    50027: "the interaction is over",
    50083: "the thread is archived",
    160005: "the thread is locked",
    200000: "the server's AutoMod blocks the text",
    240000: "Discord's link filter blocks the text",
}
"""Discord's error codes that no repetition mends."""


class Closed(FootnoteError):
    """Nothing more can be written here."""


class Gone(Closed):
    """The message was deleted; where it stood, another one can be written."""


class Sent(Protocol):
    """A message that stands, and its id where Discord told it."""

    id: int
    pace: Pace

    async def edit(self, card: Card, *, hasty: bool = False) -> None:
        """Replace it; ``hasty`` gives up when the connection breaks. Raises Gone, Closed or TransientError."""
        ...

    async def hand_over(self, card: Card) -> None:
        """Leave it as ``card``, with a word that what it began goes on elsewhere, if that can still be done."""
        ...


class Place(Protocol):
    name: str
    """By which the place of a message is found again by another process."""

    async def send(self, card: Card) -> Sent:
        """Write one message. Raises Closed or TransientError."""
        ...


def changed(card: Card, *, plain: bool) -> dict[str, Any]:
    """What turns a message into ``card``. A ``plain`` one can stay plain; one with components keeps having them."""
    if plain and card.plain:
        return {"content": card.text}
    return {"content": None, "view": view(card)}


async def written(write: Callable[[], Awaitable[Result]], *, hasty: bool = False) -> Result:
    """Repeat ``write`` while the connection breaks. Raises Closed, TransientError, or discord's own error of a bug."""

    async def attempt() -> Result:
        try:
            return await write()
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError(f"Discord could not be reached ({type(error).__name__}).") from error

    try:
        return await retry(attempt, attempts=1 if hasty else 4, budget=60)
    except discord.HTTPException as error:
        if reason := _REFUSALS.get(error.code):
            raise (Gone if error.code == _NO_MESSAGE else Closed)(reason) from error
        if error.status in {403, 404}:
            raise Closed(f"Discord refuses it with code {error.code}") from error
        if error.status == 429 or error.status >= 500:
            raise TransientError(f"Discord answered with status {error.status}.") from error
        raise
