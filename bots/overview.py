"""What there is to ask about, for one person: nothing that they may not know of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import structlog

from bots.prompts import MOST, questions
from core.answering.freshness import States, ago
from core.errors import FootnoteError, TransientError
from core.models import Audience, SyncState

if TYPE_CHECKING:
    from core.indexing.index import Glimpse

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A source, as one person may know it."""

    source: str
    documents: int
    """That they may read."""
    fresh_at: datetime | None
    """What is known of it is at least as new as this; None: nobody knows."""

    def told(self, at: datetime) -> str:
        """``**Wiki** · 1,240 documents · up to date 3 min ago``, in Markdown."""
        # People know it as Confluence, settings as confluence.
        name = self.source[:1].upper() + self.source[1:]
        count = f"{self.documents:,} document{'s' if self.documents != 1 else ''} that you may read"
        fresh = f"read {ago(self.fresh_at, at)}" if self.fresh_at else "being read for the first time"
        return f"**{name}** · {count} · {fresh}"


class Overview:
    """For the App Home, and for the first questions of a conversation."""

    def __init__(
        self,
        counts: Callable[[Audience], Awaitable[Mapping[str, int]]],
        glimpses: Callable[[Audience], Awaitable[Sequence[Glimpse]]],
        states: States,
        *,
        seconds: float = _SECONDS,
    ) -> None:
        """``counts`` are of the documents that an audience may read, by source; ``glimpses`` tell what some are called."""
        self._counts = counts
        self._glimpses = glimpses
        self._states = states
        self._seconds = seconds

    async def shelves(self, audience: Audience) -> list[Shelf]:
        """The sources in which there is something for them, the fullest first. Raises TransientError."""
        counts, states = await asyncio.gather(self._within(self._counts(audience)), self._known())
        shelves = [
            Shelf(source=name, documents=count, fresh_at=states[name].fresh_at if name in states else None)
            for name, count in counts.items()
        ]
        return sorted(shelves, key=lambda shelf: (-shelf.documents, shelf.source))

    async def questions(self, audience: Audience, most: int = MOST) -> list[str]:
        """That something they may read is likely to answer. None while nobody knows."""
        try:
            return questions(await self._within(self._glimpses(audience)), most)
        except FootnoteError as error:
            log.info("prompts.unknown", error=type(error).__name__)
            return []

    async def _known(self) -> Mapping[str, SyncState]:
        try:
            return await self._within(self._states())
        except TransientError:
            return {}

    async def _within(self, asked: Awaitable[Result]) -> Result:
        try:
            async with asyncio.timeout(self._seconds):
                return await asked
        except TimeoutError as error:
            raise TransientError("What I know cannot be looked up right now. Please try again in a minute.") from error
