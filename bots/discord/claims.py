"""Interactions as they come in: each is acknowledged in time, and taken by one process once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from enum import Enum, auto

import aiohttp
import discord
import structlog

from bots.discord.translate import Asked
from bots.responder import RESTARTING

log = structlog.get_logger(__name__)

_REMEMBERED = 1000
"""Interactions that a resumed connection may bring again."""
_UNKNOWN_INTERACTION = 10062
_ALREADY_ACKNOWLEDGED = 40060
OVERTAKEN = frozenset({_UNKNOWN_INTERACTION, _ALREADY_ACKNOWLEDGED})
"""Discord's codes for an interaction that is over, or answered by another process."""


class Ours(Enum):
    """Whether a question is this process's to answer."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()
    """Redis is away: whoever acknowledges it first answers."""


Keep = Callable[[], Awaitable[Ours]]


class Claims:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._seen: OrderedDict[int, None] = OrderedDict()

    async def acknowledge(self, interaction: Asked, *, private: bool, closed: bool, keep: Keep | None = None) -> int | None:
        """Claim the interaction within Discord's 3 seconds: the id of the message that will hold the answer. Once we have
        ``closed``, its giver is told so. A question is kept first, or it would be lost with this process.

        None when it is not ours to answer: delivered before, or acknowledged by another process. When the 3 seconds
        are over there is no such message, and the interaction's own id stands for it.
        """
        if not self.is_new(interaction):
            return None
        if closed:
            with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
                await interaction.response.send_message(RESTARTING, ephemeral=True)
            return None
        ours = Ours.UNKNOWN if keep is None else await keep()
        return None if ours is Ours.NO else await self._defer(interaction, private=private, sure=ours is Ours.YES)

    def is_new(self, interaction: Asked) -> bool:
        if interaction.id in self._seen:
            log.debug("interaction.repeated")
            return False
        self._seen[interaction.id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True

    async def _defer(self, interaction: Asked, *, private: bool, sure: bool) -> int | None:
        """``sure`` that no other process acknowledges it."""
        again = False
        while True:
            try:
                deferred = await interaction.response.defer(thinking=True, ephemeral=private)
            except (aiohttp.ClientError, OSError):
                if again:
                    raise
                again = True
            except discord.HTTPException as error:
                if error.code == _ALREADY_ACKNOWLEDGED and (again or sure):
                    # It was us: only the answer to our first attempt was lost, or it is brought once more.
                    return (await interaction.original_response()).id
                if error.code == _ALREADY_ACKNOWLEDGED:
                    return None
                if error.code == _UNKNOWN_INTERACTION:
                    log.warning("interaction.late", seconds=(self._clock() - interaction.created_at).total_seconds())
                    return interaction.id
                raise
            else:
                return (deferred.message_id if deferred else None) or interaction.id
