"""What a person may choose from while they type: nothing that they may not know of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from core.errors import FootnoteError, UserError
from core.models import Audience

log = structlog.get_logger(__name__)

MOST = 25
"""Discord shows no more; Slack would show 100."""
_SECONDS = 0.8
"""Who types does not wait longer."""


class Choices:
    """Sources, by name."""

    def __init__(self, readable: Callable[[Audience], Awaitable[Collection[str]]], *, seconds: float = _SECONDS) -> None:
        """``readable`` tells in which sources there is something that all of an audience may read. Raises FootnoteError."""
        self._readable = readable
        self._seconds = seconds

    async def sources(self, typed: str, audience: Awaitable[Audience]) -> list[str]:
        """At most 25 names that fit what was typed so far, those that begin with it first; none while it cannot be told."""
        try:
            async with asyncio.timeout(self._seconds):
                names = await self._readable(await audience)
        except (FootnoteError, TimeoutError) as error:
            log.info("choices.unknown", error=type(error).__name__)
            return []
        wanted = typed.strip().casefold()
        fitting = [name for name in names if wanted in name.casefold()]
        return sorted(fitting, key=lambda name: (not name.casefold().startswith(wanted), name))[:MOST]

    async def require(self, name: str, audience: Audience) -> None:
        """Raises UserError unless the audience may know that there is such a source, in the same words if there is none."""
        if name not in await self._readable(audience):
            raise UserError(f"I know no source `{name}` that I could answer you from. Choose one of those offered as you type.")
