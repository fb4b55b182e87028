"""What a question is limited to, as conditions of a search."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from core.indexing.qdrant import SEARCH_SECONDS, ask
from core.models import Principal, Scope

MOST = 10_000
"""Documents that people or headings may choose: their ids, some 0.5 MB, go into every branch of a search."""
_PAGE = 2_000
_HEAD = models.FieldCondition(key="position", range=models.Range(lt=1))


async def conditions(
    client: AsyncQdrantClient, collection: str, readable: models.Filter, scope: Scope
) -> list[models.Condition] | None:
    """What a chunk within ``scope`` fulfils besides ``readable``: nothing more when it limits nothing.

    None when nothing readable is within it, or more than :data:`MOST` documents: then there is nothing to search. Owners and
    headings stand on a document's first chunk alone, so its readable documents are looked up first. Raises TransientError.
    """
    found: list[models.Condition] = []
    if scope.since or scope.until:
        edited = models.DatetimeRange(gte=scope.since, lt=scope.until)
        found.append(models.FieldCondition(key="updated_at", range=edited))
    if scope.people or scope.path:
        documents = await _documents(client, collection, models.Filter(must=[readable, *found, _HEAD]), scope)
        if documents is None:
            return None
        found.append(_any("document_id", documents))
    return found


async def _documents(client: AsyncQdrantClient, collection: str, heads: models.Filter, scope: Scope) -> Sequence[str] | None:
    """Those of the people and below the headings, or None if there are none or too many."""
    chosen = [_any("path", [heading]) for heading in scope.path]
    if scope.people:
        chosen.append(_any("owners", scope.people))
    where = models.Filter(must=[heads, *chosen])
    documents: list[str] = []
    page: Any = None
    while True:
        points, page = await ask(
            client.scroll(collection, scroll_filter=where, limit=_PAGE, offset=page, with_payload=["document_id", "path"]),
            seconds=SEARCH_SECONDS,
        )
        documents += [
            point.payload["document_id"]
            for point in points
            if point.payload and tuple(point.payload.get("path") or ())[: len(scope.path)] == scope.path
        ]
        if len(documents) > MOST:
            return None
        if page is None:
            return documents or None


def _any(key: str, values: Collection[str] | Collection[Principal]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=sorted(values)))
