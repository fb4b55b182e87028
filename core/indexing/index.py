"""The index: one Qdrant collection, its own record of what it holds and of who may read it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from core.errors import ConfigError, FootnoteError, TransientError
from core.indexing import sparse
from core.indexing.payloads import access_of, chunk_of, gates_of, payload_of
from core.models import Access, Audience, Chunk, Document, Hit
from core.ports import Embedder

PREFETCH = 100
"""Candidates of each kind before fusion."""
WRITE = 64
"""Chunks of one request: about 0.6 MB, and 20 ms on the event loop."""
RARE = 10
"""Hits at most that count as exact matches of rare words."""
PAGE = 1_000
"""Records of one scroll."""
CLASSES_MAX = 100_000
"""Distinct accesses that are looked at."""
CLASSES_AGE = 5.0
"""Seconds after which another process's new access class is surely known here. Until then nobody may read it here."""
SEARCH_SECONDS = 5.0
REQUEST_SECONDS = 60

_DENSE, _SPARSE = "dense", "sparse"
_INDEXES: Mapping[str, models.PayloadSchemaType] = {
    "document_id": models.PayloadSchemaType.KEYWORD,
    "source": models.PayloadSchemaType.KEYWORD,
    "access": models.PayloadSchemaType.KEYWORD,
    "gates": models.PayloadSchemaType.KEYWORD,
    "position": models.PayloadSchemaType.INTEGER,
}
_MADE_BY = "footnote_embeddings"

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the index knows of a document, as written with its first chunk after all the others."""

    document_id: str
    content_hash: str
    access_class: str
    title: str
    chunks: int


def connect(*, url: str | None = None, api_key: str | None = None, socket: Path | None = None) -> AsyncQdrantClient:
    """A client of a Qdrant server or cluster, or of the embedded engine behind a Unix socket. Connects on first use."""
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=16)
    if socket is not None:
        transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=limits)
        return AsyncQdrantClient(url="http://localhost", timeout=REQUEST_SECONDS, check_compatibility=False, transport=transport)
    if url is None:
        raise ConfigError(
            "neither QDRANT_URL nor the embedded engine's socket is given: set QDRANT_URL, or unset it to use the engine"
        )
    return AsyncQdrantClient(url=url, api_key=api_key, timeout=REQUEST_SECONDS, check_compatibility=False, limits=limits)


class Index:
    """Upsert, remove and search. All methods raise TransientError while Qdrant cannot be reached.

    A point is a chunk. Every write may be repeated, and a document whose write was cut off anywhere counts as not
    written: its record stands on its first chunk, which comes last. The accesses themselves (``gates``) stand there too.
    """

    def __init__(self, client: AsyncQdrantClient, embedder: Embedder, collection: str = "footnote") -> None:
        self._client = client
        self._embedder = embedder
        self._collection = collection
        self._classes: dict[str, Access] = {}
        self._classes_at: float | None = None
        self._points = 0
        self._refreshing = asyncio.Lock()

    async def open(self) -> None:
        """Create the collection or verify it. Raises ConfigError if another embedding model made it."""
        if not await self._ask(self._client.collection_exists(self._collection)):
            await self._create()
        info = await self._ask(self._client.get_collection(self._collection))
        self._verify(info)
        for field, schema in _INDEXES.items():
            if field not in info.payload_schema:
                await self._ask(self._client.create_payload_index(self._collection, field, schema, wait=True))

    async def upsert(self, pairs: Sequence[tuple[Document, Sequence[Chunk]]]) -> int:
        """Write documents with all their chunks, in place of what was there of them. Returns the number of chunks.

        The next chunks are embedded while the last ones are written. Memory holds some hundred vectors at most.
        """
        written = 0
        writing: asyncio.Task[None] | None = None
        try:
            for batch in _batches(pairs):
                vectors = await self._embedder.embed_documents([chunk.indexed_text for _, chunk, _ in batch])
                if writing:
                    await writing
                writing = asyncio.create_task(self._write(batch, vectors))
                written += len(batch)
            if writing:
                await writing
        finally:
            if writing and not writing.done():
                writing.cancel()
                await asyncio.wait([writing])
        return written

    async def remove(self, document_ids: Sequence[str]) -> None:
        """Delete documents. Unknown ids are fine."""
        for start in range(0, len(document_ids), PAGE):
            chosen = models.Filter(must=[_any("document_id", document_ids[start : start + PAGE])])
            await self._ask(self._client.delete(self._collection, models.FilterSelector(filter=chosen), wait=True))

    async def set_access(self, document_id: str, access: Access) -> None:
        """Change who may read a document, without embedding anything. Its record changes last."""
        mine = _is("document_id", document_id)
        operations: list[models.UpdateOperation] = [
            models.SetPayloadOperation(
                set_payload=models.SetPayload(
                    payload=payload, filter=models.Filter(must=[mine, models.FieldCondition(key="position", range=span)])
                )
            )
            for payload, span in (
                ({"access": access.class_id}, models.Range(gte=1)),
                ({"access": access.class_id, "gates": gates_of(access)}, models.Range(lt=1)),
            )
        ]
        await self._ask(self._client.batch_update_points(self._collection, operations, wait=True))
        self._classes[access.class_id] = access

    async def records(self, source: str) -> AsyncIterator[Record]:
        """One record for each wholly written document of a source, in no particular order."""
        heads = models.Filter(must=[_is("source", source), _is("position", 0)])
        fields = ["document_id", "content_hash", "access", "title", "chunks"]
        page: Any = None
        while True:
            points, page = await self._ask(
                self._client.scroll(self._collection, scroll_filter=heads, limit=PAGE, offset=page, with_payload=fields)
            )
            for point in points:
                payload = point.payload or {}
                yield Record(
                    document_id=payload["document_id"],
                    content_hash=payload["content_hash"],
                    access_class=payload["access"],
                    title=payload["title"],
                    chunks=payload["chunks"],
                )
            if page is None:
                return

    async def counts(self) -> dict[str, int]:
        """Documents by source."""
        heads = models.Filter(must=[_is("position", 0)])
        found = await self._ask(self._client.facet(self._collection, "source", facet_filter=heads, limit=PAGE, exact=True))
        return {str(hit.value): hit.count for hit in found.hits}

    async def health(self) -> None:
        """Probe it. Raises TransientError or ConfigError."""
        await self._ask(self._client.get_collection(self._collection))

    async def search(self, query: str, audience: Audience, k: int) -> list[Hit]:
        """The ``k`` best chunks that every reader may read, by meaning and by words together; equal scores by id.

        Who may read is part of the query, in every branch of it, and is checked again on what comes back.
        Without an embedding (a remote model that does not answer) words alone decide.
        """
        allowed = await self._readable_by(audience)
        if not allowed or not query.strip() or k < 1:
            return []
        branches = await self._branches(query, models.Filter(must=[_any("access", sorted(allowed))]))
        if not branches:
            return []
        found = await self._ask(
            self._client.query_points(
                self._collection,
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
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))

    async def _branches(self, query: str, readable: models.Filter) -> list[models.Prefetch]:
        indices, values = sparse.query_vector(query)
        branches = []
        if indices:
            words = models.SparseVector(indices=indices, values=values)
            branches.append(models.Prefetch(query=words, using=_SPARSE, filter=readable, limit=PREFETCH))
            # DBSF gives a branch with one hit .5, less than it gives the better half of a long one. So what has all
            # the rare words of a query (a name, an error code) comes in twice more. Questions hardly ever get this far.
            rare = models.Prefetch(
                query=words, using=_SPARSE, filter=readable, limit=RARE, score_threshold=len(indices) * _rarity(self._points)
            )
            branches += [rare, rare]
        try:
            meaning = await self._embedder.embed_query(query)
        except TransientError:
            if not branches:
                raise
        else:
            branches.append(models.Prefetch(query=meaning, using=_DENSE, filter=readable, limit=PREFETCH))
        return branches

    async def _readable_by(self, audience: Audience) -> dict[str, Access]:
        """The access classes that the whole audience passes. What is unknown here is not among them."""
        async with self._refreshing:
            if self._classes_at is None or time.monotonic() - self._classes_at > CLASSES_AGE:
                await self._refresh_classes()
        return {name: access for name, access in self._classes.items() if audience.may_read(access)}

    async def _refresh_classes(self) -> None:
        began = time.monotonic()
        found = await self._ask(self._client.facet(self._collection, "access", limit=CLASSES_MAX))
        # The in-memory engine of the client takes 32 hex digits for a UUID and writes dashes into it.
        names = {str(hit.value).replace("-", "") for hit in found.hits}
        self._points = sum(hit.count for hit in found.hits)
        classes = {name: access for name, access in self._classes.items() if name in names}
        if unknown := sorted(names - classes.keys()):
            chosen = models.Filter(must=[_any("access", unknown)])
            told = await self._ask(self._client.facet(self._collection, "gates", facet_filter=chosen, limit=CLASSES_MAX))
            # The name of a class is the hash of its gates: gates that do not fit cannot slip in under a name.
            classes |= {
                access.class_id: access for access in (access_of(str(hit.value)) for hit in told.hits) if access.class_id in names
            }
        self._classes, self._classes_at = classes, began

    async def _create(self) -> None:
        with suppress(_Conflict):  # another process was faster: what it made is verified like any other
            await self._ask(
                self._client.create_collection(
                    self._collection,
                    vectors_config={_DENSE: models.VectorParams(size=self._embedder.dimension, distance=models.Distance.COSINE)},
                    sparse_vectors_config={_SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                    metadata={_MADE_BY: self._embedder.name},
                )
            )

    def _verify(self, info: models.CollectionInfo) -> None:
        vectors = info.config.params.vectors
        dense = vectors.get(_DENSE) if isinstance(vectors, dict) else None
        made_by = (info.config.metadata or {}).get(_MADE_BY)
        if dense is None or made_by is None:
            raise ConfigError(
                f"the Qdrant collection {self._collection!r} was not made by Footnote, or by a server before 1.16: "
                "name another server in QDRANT_URL, or delete that collection"
            )
        if made_by != self._embedder.name or dense.size != self._embedder.dimension:
            raise ConfigError(
                f"the index {self._collection!r} was made with the embeddings {made_by} ({dense.size} dimensions), but "
                f"FOOTNOTE_EMBEDDINGS now stands for {self._embedder.name} ({self._embedder.dimension} dimensions): set "
                "FOOTNOTE_EMBEDDINGS back, or delete the index (the collection on your server; without QDRANT_URL its folder "
                "in FOOTNOTE_DATA_DIR) and run `footnote reindex`"
            )

    async def _write(self, batch: Sequence[_Write], vectors: Sequence[list[float]]) -> None:
        """The order is what makes it repeatable: the tail, then what an older, longer version left behind, then the heads."""
        points = [_point(document, chunk, total, vector) for (document, chunk, total), vector in zip(batch, vectors, strict=True)]
        tail = [point for point, (_, chunk, _) in zip(points, batch, strict=True) if chunk.position]
        heads = [point for point, (_, chunk, _) in zip(points, batch, strict=True) if not chunk.position]
        operations: list[models.UpdateOperation] = []
        if tail:
            operations.append(models.UpsertOperation(upsert=models.PointsList(points=tail)))
        if heads:
            leftovers = [_beyond(document.id, total) for document, chunk, total in batch if not chunk.position]
            operations.append(models.DeleteOperation(delete=models.FilterSelector(filter=models.Filter(should=leftovers))))
            operations.append(models.UpsertOperation(upsert=models.PointsList(points=heads)))
        await self._ask(self._client.batch_update_points(self._collection, operations, wait=True))
        self._classes |= {chunk.access.class_id: chunk.access for _, chunk, _ in batch if not chunk.position}

    async def _ask(self, request: Awaitable[Result], seconds: float = REQUEST_SECONDS) -> Result:
        """The wall: their errors become ours. What theirs say may carry secrets and stays out."""
        try:
            async with asyncio.timeout(seconds):
                return await request
        except (ResponseHandlingException, httpx.HTTPError, TimeoutError, ConnectionError) as error:
            raise TransientError(
                "search is unavailable: Qdrant does not answer. Check QDRANT_URL and the server; it is tried again."
            ) from error
        except ResourceExhaustedResponse as error:
            raise TransientError("search is unavailable: Qdrant is over its limits.", retry_after=error.retry_after_s) from error
        except UnexpectedResponse as error:
            raise self._explain(error.status_code) from error
        except (ApiException, QdrantException) as error:
            raise FootnoteError(f"Qdrant's answer was not understood ({type(error).__name__})") from error
        except ValueError as error:
            # The in-memory engine of the client says so what a server says with 404.
            if "not found" in str(error):
                raise self._explain(404) from error
            raise

    def _explain(self, status: int | None) -> FootnoteError:
        if status in {401, 403}:
            return ConfigError("Qdrant refused our key: set QDRANT_API_KEY to one that may read and write")
        if status == 404:
            return ConfigError(
                f"the Qdrant collection {self._collection!r} is gone: restart Footnote, which makes it, and run `footnote reindex`"
            )
        if status == 409:
            return _Conflict()
        if status is None or status in {408, 429} or status >= 500:
            return TransientError(f"search is unavailable: Qdrant answered with status {status}")
        return FootnoteError(f"Qdrant refused a request with status {status}: the server may be older than 1.16")


class _Conflict(FootnoteError):
    """There is one already."""


_Write = tuple[Document, Chunk, int]
"""A chunk with its document and the number of chunks in it."""


def _batches(pairs: Sequence[tuple[Document, Sequence[Chunk]]]) -> Iterator[list[_Write]]:
    """All chunks in batches, those of one document in order but for the first, which comes last."""
    stream = ((document, chunk, len(chunks)) for document, chunks in pairs for chunk in (*chunks[1:], *chunks[:1]))
    while batch := list(islice(stream, WRITE)):
        yield batch


def _point(document: Document, chunk: Chunk, chunks: int, dense: list[float]) -> models.PointStruct:
    indices, values = sparse.document_vector(chunk.indexed_text)
    vector: dict[str, Any] = {_DENSE: dense, _SPARSE: models.SparseVector(indices=indices, values=values)}
    return models.PointStruct(id=chunk.id, vector=vector, payload=payload_of(document, chunk, chunks))


def _rarity(points: int) -> float:
    """The score of one word that stands in some five of so many chunks. Measured: from .7 down it costs questions accuracy."""
    return 0.75 * math.log(1 + points / 5.5)


def _is(key: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _any(key: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))


def _beyond(document_id: str, chunks: int) -> models.Filter:
    return models.Filter(
        must=[_is("document_id", document_id), models.FieldCondition(key="position", range=models.Range(gte=chunks))]
    )
