"""What questions are answered from: the collection behind the alias, the model that made it, and who may read what in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from core.errors import FootnoteError
from core.indexing.classes import AGE, AccessClasses
from core.indexing.generations import Generation, Generations
from core.indexing.qdrant import SEARCH_SECONDS, Missing
from core.indexing.rarity import CommonWords
from core.models import Access
from core.ports import Embedder

EmbedderOf = Callable[[str], Awaitable[Embedder]]
"""The embedder of a model's name. Raises FootnoteError when this installation cannot build it."""
Facet = Callable[[str, str, Sequence[str] | None], Awaitable[Mapping[str, int]]]
"""As in :mod:`core.indexing.classes`, of a collection."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Answering:
    generation: Generation
    embedder: Embedder | None
    """None when its model cannot be had here: then words alone decide."""
    classes: AccessClasses
    common: CommonWords = field(default_factory=CommonWords)


class Answerer:
    """Follows the alias: another process's switch is known here within seconds."""

    def __init__(self, generations: Generations, embedder: Embedder, embedder_of: EmbedderOf, facet: Facet) -> None:
        self._generations = generations
        self._embedder = embedder
        self._embedder_of = embedder_of
        self._facet = facet
        self._answering: Answering | None = None
        self._looked_at = 0.0
        self._looking = asyncio.Lock()

    async def look(self, *, again: bool = False) -> Answering:
        """What answers now; ``again``: although it was looked at a moment ago. Raises Missing when there is nothing."""
        async with self._looking:
            known = self._answering
            began = time.monotonic()
            if known is None or again or known.generation.passing or began - self._looked_at > AGE:
                # While an alias takes the place of a collection of its name, there is neither for a moment.
                generation = await self._generations.answering() or await self._generations.own()
                if generation is None:
                    raise Missing
                if known is None or known.generation != generation:
                    known = self._answering = await self._from(generation)
                self._looked_at = began
            return known

    def learn(self, access: Access) -> None:
        """Know an access class that was just written."""
        if self._answering:
            self._answering.classes.learn(access)

    async def _from(self, generation: Generation) -> Answering:
        classes = AccessClasses(partial(self._facet, generation.collection))
        return Answering(generation=generation, embedder=await self._embedder_for(generation), classes=classes)

    async def _embedder_for(self, generation: Generation) -> Embedder | None:
        if generation.fits(self._embedder):
            return self._embedder
        try:
            async with asyncio.timeout(SEARCH_SECONDS):
                former = await self._embedder_of(generation.model)
        except (FootnoteError, TimeoutError) as error:
            log.warning("index.answers_by_words_alone", model=generation.model, reason=str(error))
            return None
        return former if generation.fits(former) else None
