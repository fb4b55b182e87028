"""The best chunks for a question among those that its audience may read, by meaning and by words together."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from qdrant_client import AsyncQdrantClient, models

from core.errors import TransientError
from core.indexing import sparse
from core.indexing.answering import Answering
from core.indexing.generations import DENSE, SPARSE
from core.indexing.payloads import chunk_of
from core.indexing.qdrant import SEARCH_SECONDS, ask
from core.models import Access, Audience, Hit, Query, Retrieved

PREFETCH = 100
"""Candidates of each kind before fusion."""
RARE = 10
"""Hits at most that count as exact matches of rare words."""


async def best(client: AsyncQdrantClient, answering: Answering, query: Query, audience: Audience, k: int) -> Retrieved:
    """The ``k`` best. Raises TransientError, and Missing when the collection was exchanged a moment ago."""
    sources = query.sources
    allowed = await answering.classes.readable_by(audience)
    if not allowed:
        return Retrieved()
    readable = _readable(allowed, sources)
    chunks = await _chunks(client, answering, readable) if sources else answering.classes.chunks(allowed)
    branches = await _branches(answering, query.text, readable, chunks)
    if not branches:
        return Retrieved()
    found = await ask(
        client.query_points(
            answering.generation.collection,
            prefetch=branches,
            query=models.FusionQuery(fusion=models.Fusion.DBSF),
            limit=k,
            with_payload=True,
        ),
        seconds=SEARCH_SECONDS,
    )
    hits = []
    for point in found.points:
        if point.payload and (access := allowed.get(point.payload["access"])) and audience.may_read(access):
            hits.append(Hit(chunk=chunk_of(point.payload, access), score=point.score))
    hits = [hit for hit in hits if not sources or hit.chunk.source in sources]
    return Retrieved(hits=tuple(sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))))


def _readable(allowed: Mapping[str, Access], sources: Collection[str]) -> models.Filter:
    must: list[models.Condition] = [_any("access", allowed)]
    return models.Filter(must=[*must, _any("source", sources)] if sources else must)


def _any(key: str, values: Collection[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=sorted(values)))


async def _chunks(client: AsyncQdrantClient, answering: Answering, readable: models.Filter) -> int:
    counting = client.count(answering.generation.collection, count_filter=readable, exact=False)
    return (await ask(counting, seconds=SEARCH_SECONDS)).count


async def _branches(answering: Answering, query: str, readable: models.Filter, chunks: int) -> list[models.Prefetch]:
    """``chunks``: so many are readable."""
    indices, values = sparse.query_vector(query)
    branches = []
    if indices:
        words = models.SparseVector(indices=indices, values=values)
        # Words are as rare as they are among what may be read: else the order would tell of what is hidden.
        rarity = models.SearchParams(idf=models.IdfCorpusParams(corpus=readable))
        branches.append(models.Prefetch(query=words, using=SPARSE, filter=readable, params=rarity, limit=PREFETCH))
        # DBSF gives a branch with one hit .5, less than it gives the better half of a long one. So what has all
        # the rare words of a query (a name, an error code) comes in twice more. Questions hardly ever get this far.
        rare = models.Prefetch(
            query=words,
            using=SPARSE,
            filter=readable,
            params=rarity,
            limit=RARE,
            score_threshold=len(indices) * _rarity(chunks),
        )
        branches += [rare, rare]
    if answering.embedder is None:
        return branches
    try:
        meaning = await answering.embedder.embed_query(query)
    except TransientError:
        if not branches:
            raise
    else:
        branches.append(models.Prefetch(query=meaning, using=DENSE, filter=readable, limit=PREFETCH))
    return branches


def _rarity(chunks: int) -> float:
    """The score of a word that stands in some five of so many chunks. Measured: from .7 down it costs questions accuracy."""
    return 0.8 * math.log(1 + chunks / 5.5)
