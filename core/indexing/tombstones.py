"""Documents that an administrator had forgotten: whatever their source tells, they stay out of the index until it is undone.

They stand in a collection of their own, beside those of the models: neither a lost Redis, nor another model, nor a reindex
brings a document back.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from core.errors import DocumentError
from core.indexing.qdrant import Conflict, Missing, ask

_NAMESPACE = uuid.UUID("0c2f3d5b-6f74-4e65-8a1c-7e916f6f746e")
_PAGE = 1_000


class Forgotten(DocumentError):
    """forgotten by an administrator"""


FORGOTTEN = str(Forgotten())
"""The reason with which a sync leaves them out."""


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """No more than it takes to know the document again: neither its text nor its title."""

    document_id: str
    source: str
    version: str
    """Of the document in the index: it need not be fetched again while it is equal. Empty when that had none."""
    by: str
    """The person's id, or ``cli``."""
    at: datetime


class Tombstones:
    """Those behind one alias. All methods raise TransientError while Qdrant cannot be reached."""

    def __init__(self, client: AsyncQdrantClient, alias: str) -> None:
        self._client = client
        self._collection = f"{alias}-forgotten"

    async def put(self, tombstones: Sequence[Tombstone]) -> None:
        """One for each document; a document that has one keeps it."""
        kept = await self.among([tombstone.document_id for tombstone in tombstones])
        points = [_point(tombstone) for tombstone in tombstones if tombstone.document_id not in kept]
        if not points:
            return
        try:
            await ask(self._client.upsert(self._collection, points, wait=True))
        except Missing:
            await self._create()
            await ask(self._client.upsert(self._collection, points, wait=True))

    async def take_away(self, document_ids: Collection[str]) -> set[str]:
        """Returns the documents that had one."""
        found = set(await self.among(document_ids))
        if found:
            await ask(self._client.delete(self._collection, [_id(document_id) for document_id in found], wait=True))
        return found

    async def among(self, document_ids: Collection[str]) -> dict[str, Tombstone]:
        """Those of these documents that have one, by id."""
        try:
            found = await ask(self._client.retrieve(self._collection, [_id(document_id) for document_id in document_ids]))
        except Missing:
            return {}
        return _read(found)

    async def of(self, source: str) -> dict[str, Tombstone]:
        """All of one source, by document id."""
        found: dict[str, Tombstone] = {}
        page: Any = None
        while True:
            try:
                points, page = await ask(self._client.scroll(self._collection, limit=_PAGE, offset=page))
            except Missing:
                return {}
            found |= _read(points)
            if page is None:
                return {document_id: tombstone for document_id, tombstone in found.items() if tombstone.source == source}

    async def _create(self) -> None:
        with suppress(Conflict):  # another process was faster
            # Without any kind of vector there is no collection; its points have none.
            vectors = {"none": models.SparseVectorParams()}
            await ask(self._client.create_collection(self._collection, vectors_config={}, sparse_vectors_config=vectors))


def _id(document_id: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, document_id))


def _point(tombstone: Tombstone) -> models.PointStruct:
    payload = {
        "document_id": tombstone.document_id,
        "source": tombstone.source,
        "version": tombstone.version,
        "by": tombstone.by,
        "at": tombstone.at.isoformat(),
    }
    return models.PointStruct(id=_id(tombstone.document_id), vector={}, payload=payload)


def _read(points: Sequence[models.Record]) -> dict[str, Tombstone]:
    payloads = [point.payload for point in points if point.payload]
    return {
        payload["document_id"]: Tombstone(
            document_id=payload["document_id"],
            source=payload["source"],
            version=payload["version"],
            by=payload["by"],
            at=datetime.fromisoformat(payload["at"]),
        )
        for payload in payloads
    }
