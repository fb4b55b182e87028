"""What chunks are called, and which words stand in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from core.indexing import sparse
from core.indexing.generations import SPARSE
from core.indexing.qdrant import SEARCH_SECONDS, ask
from core.models import Label

_PAGE = 500
"""Labels of one request: few enough that the event loop goes on in between."""
_FIELDS = ["document_id", "source", "access", "title", "headings", "path", "owners"]


async def labels(client: AsyncQdrantClient, collection: str) -> AsyncIterator[Sequence[Label]]:
    """Of all chunks, some hundred at a time. They are not for everybody: each names its access class."""
    page: Any = None
    while True:
        points, page = await ask(client.scroll(collection, limit=_PAGE, offset=page, with_payload=_FIELDS))
        yield [_label(point.payload) for point in points if point.payload]
        if page is None:
            return


async def standing(client: AsyncQdrantClient, collection: str, words: Sequence[str], classes: Collection[str]) -> frozenset[str]:
    """Those of ``words`` that stand in a chunk of these access classes, in any inflection that the search knows; stop words,
    too, because nothing is found by them.
    """
    terms = {word: sparse.words_of(word) for word in words}
    looked_up = [word for word in words if terms[word]]
    if not looked_up or not classes:
        return frozenset(words) - frozenset(looked_up)
    readable = models.Filter(must=[models.FieldCondition(key="access", match=models.MatchAny(any=sorted(classes)))])
    requests = [
        models.QueryRequest(
            query=models.SparseVector(indices=terms[word], values=[1.0] * len(terms[word])),
            using=SPARSE,
            filter=readable,
            limit=1,
        )
        for word in looked_up
    ]
    responses = await ask(client.query_batch_points(collection, requests), seconds=SEARCH_SECONDS)
    nowhere = {word for word, response in zip(looked_up, responses, strict=True) if not response.points}
    return frozenset(words) - nowhere


def _label(payload: dict[str, Any]) -> Label:
    return Label(
        document_id=payload["document_id"],
        source=payload["source"],
        access=payload["access"],
        title=payload["title"],
        headings=tuple(payload["headings"]),
        path=tuple(payload.get("path") or ()),
        owners=tuple(payload.get("owners") or ()),
    )
