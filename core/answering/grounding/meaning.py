"""Whether a sentence and a passage mean the same, by an embedding on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from core.answering.grounding.support import Spot
from core.errors import FootnoteError

log = structlog.get_logger(__name__)

Embed = Callable[[str], Awaitable[list[float]]]
"""As :meth:`core.ports.Embedder.embed_query`."""

NEAR = 0.48
"""Cosine (all-MiniLM-L6-v2) from which they do. See tests/benchmarks/test_support.py."""
PASSAGES = 8
"""Compared with a sentence at most: each is embedded."""
SENTENCES = 6
"""Of an answer at most; what is not looked at is not supported."""
_SECONDS = 1.0
"""Then something else is wrong with this machine."""


def remembering(embed: Embed) -> Embed:
    """For one question: what was embedded in one step is not embedded again in the next."""
    known: dict[str, list[float]] = {}

    async def embedded(text: str) -> list[float]:
        if text not in known:
            known[text] = await embed(text)
        return known[text]

    return embedded


class Meaning:
    """Of one answer: what was embedded for one sentence is not embedded again for the next."""

    most = PASSAGES

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._vectors: dict[Spot, list[float]] = {}
        self._left = SENTENCES

    async def same(self, sentence: str, spots: Sequence[Spot]) -> Spot | None:
        """The passage that means the same, or None."""
        if not spots or not self._left:
            return None
        self._left -= 1
        new = [spot for spot in spots if spot not in self._vectors]
        try:
            async with asyncio.timeout(_SECONDS):
                said, *vectors = await asyncio.gather(self._embed(sentence), *(self._embed(_whole(spot)) for spot in new))
        except (FootnoteError, TimeoutError) as error:
            log.warning("support.not_embedded", reason=type(error).__name__)
            return None
        self._vectors |= zip(new, vectors, strict=True)
        best = max(spots, key=lambda spot: cosine(said, self._vectors[spot]))
        return best if cosine(said, self._vectors[best]) >= NEAR else None


def _whole(spot: Spot) -> str:
    return f"{spot.passage.header}\n{spot.text}" if spot.passage.header else spot.text


def cosine(one: Sequence[float], two: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, two, strict=True))
