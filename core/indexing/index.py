"""The index: one Qdrant collection, its own record of what it holds and of who may read it."""

from __future__ import annotations

import asyncio
import math
import warnings
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
from core.indexing.classes import AccessClasses
from core.indexing.cleaning import clean
from core.indexing.payloads import chunk_of, gates_of, payload_of
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
_HEAD = models.FieldCondition(key="position", range=models.Range(lt=1))
_TAIL = models.FieldCondition(key="position", range=models.Range(gte=1))

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the index knows of a document."""

    document_id: str
    content_hash: str
    """Empty when its last write was cut off: equal to nothing, so that it is written again."""
    access_class: str
    title: str
    chunks: int
    version: str = ""
    """As the source gave it; empty when the last write was cut off."""
    text_hash: str = ""
    """See :func:`core.indexing.payloads.text_hash`; empty when the last write was cut off."""


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
    with warnings.catch_warnings():
        # It warns of every key over http://, which is usual where servers share a network of their own.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return AsyncQdrantClient(url=url, api_key=api_key, timeout=REQUEST_SECONDS, check_compatibility=False, limits=limits)


class Index:
    """Upsert, remove and search. All methods raise TransientError while Qdrant cannot be reached.

    A point is a chunk. The first chunk of a document carries its record, and who may read it (``gates``). Every write
    may be repeated: it begins by marking that record as pending and ends by taking the mark away, so that a document
    whose write was cut off anywhere is known, and known not to be up to date.
    """

    def __init__(
        self, client: AsyncQdrantClient, embedder: Embedder, collection: str = "footnote", *, folder: Path | None = None
    ) -> None:
        """``folder`` is where the embedded engine keeps all this; None for a server."""
        self._folder = folder
        self._client = client
        self._embedder = embedder
        self._collection = collection
        self._classes = AccessClasses(self._facet)

    async def open(self) -> None:
        """Create the collection or verify it. Raises ConfigError if another embedding model made it."""
        # The first question is a small one: a server that is not there is known soon.
        if not await self._ask(self._client.collection_exists(self._collection), seconds=SEARCH_SECONDS):
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
                # Embedding failed or we were cancelled; a write that is cut off is repaired by the next one.
                writing.cancel()
                await asyncio.wait([writing])
        return written

    async def remove(self, document_ids: Sequence[str]) -> None:
        """Delete documents, their records last. Unknown ids are fine."""
        for start in range(0, len(document_ids), PAGE):
            chosen = _any("document_id", document_ids[start : start + PAGE])
            await self._update(_delete(models.Filter(must=[chosen, _TAIL])), _delete(models.Filter(must=[chosen, _HEAD])))

    async def set_access(self, document_id: str, access: Access) -> None:
        """Change who may read a document, without embedding anything. Its record changes last."""
        chosen = _is("document_id", document_id)
        head, tail = models.Filter(must=[chosen, _HEAD]), models.Filter(must=[chosen, _TAIL])
        await self._update(
            _set({"pending": True}, head),
            _set({"access": access.class_id}, tail),
            _set({"access": access.class_id, "gates": gates_of(access), "pending": False}, head),
        )
        self._classes.learn(access)

    async def relabel(self, document: Document) -> None:
        """Note where a document lies now, its last edit and its version, without embedding anything. The version comes last."""
        chosen = _is("document_id", document.id)
        label = {
            "url": document.url,
            "updated_at": document.updated_at.isoformat(),
            "content_hash": document.content_hash,
        }
        await self._update(
            _set(label, models.Filter(must=[chosen])),
            _set({"path": list(document.path), "version": document.version}, models.Filter(must=[chosen, _HEAD])),
        )

    async def records(self, source: str) -> AsyncIterator[Record]:
        """One record for each document of a source that has its first chunk, in no particular order."""
        heads = models.Filter(must=[_is("source", source), _HEAD])
        fields = ["document_id", "content_hash", "access", "title", "chunks", "pending", "version", "text_hash"]
        page: Any = None
        while True:
            points, page = await self._ask(
                self._client.scroll(self._collection, scroll_filter=heads, limit=PAGE, offset=page, with_payload=fields)
            )
            for point in points:
                payload = point.payload or {}
                yield Record(
                    document_id=payload["document_id"],
                    content_hash="" if payload.get("pending") else payload["content_hash"],
                    version="" if payload.get("pending") else payload.get("version", ""),
                    text_hash="" if payload.get("pending") else payload.get("text_hash", ""),
                    access_class=payload["access"],
                    title=payload["title"],
                    chunks=payload["chunks"],
                )
            if page is None:
                return

    async def counts(self) -> dict[str, int]:
        """Documents by source."""
        heads = models.Filter(must=[_HEAD])
        found = await self._ask(self._client.facet(self._collection, "source", facet_filter=heads, limit=PAGE, exact=True))
        return {str(hit.value): hit.count for hit in found.hits}

    async def health(self) -> None:
        """Probe it. Raises TransientError or ConfigError."""
        await self._ask(self._client.get_collection(self._collection))

    async def search(self, query: str, audience: Audience, k: int) -> list[Hit]:
        """The ``k`` best chunks that every reader may read, by meaning and by words together; equal scores by id.

        Who may read is part of the query, in every branch of it, and is checked again on what comes back.
        Without an embedding (a remote model that does not answer) words alone decide. What is invisible in a query
        counts as little as in a document.
        """
        query = clean(query)
        allowed = await self._classes.readable_by(audience)
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
                query=words,
                using=_SPARSE,
                filter=readable,
                limit=RARE,
                score_threshold=len(indices) * _rarity(self._classes.chunks),
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

    async def _facet(self, field: str, classes: Sequence[str] | None) -> dict[str, int]:
        chosen = models.Filter(must=[_any("access", classes)]) if classes is not None else None
        request = self._client.facet(self._collection, field, facet_filter=chosen, limit=CLASSES_MAX)
        return {str(hit.value): hit.count for hit in (await self._ask(request, SEARCH_SECONDS)).hits}

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
                f"FOOTNOTE_EMBEDDINGS back, or stop Footnote, delete {self._place} and run `footnote reindex`"
            )

    @property
    def _place(self) -> str:
        return f"the folder {self._folder}" if self._folder else "that collection on the server at QDRANT_URL"

    async def _write(self, batch: Sequence[_Write], vectors: Sequence[list[float]]) -> None:
        heads: list[models.PointStruct] = []
        tail: list[models.PointStruct] = []
        leftovers: list[models.Filter] = []
        done: list[str] = []
        for (document, chunk, chunks), vector in zip(batch, vectors, strict=True):
            (tail if chunk.position else heads).append(_point(document, chunk, chunks, vector))
            if chunk is chunks[-1]:
                beyond = models.FieldCondition(key="position", range=models.Range(gte=len(chunks)))
                leftovers.append(models.Filter(must=[_is("document_id", document.id), beyond]))
                done.append(chunks[0].id)
        await self._update(
            *([_upsert(heads)] if heads else []),
            *([_upsert(tail)] if tail else []),
            # What an older, longer version left behind goes before its document counts as written.
            *([_delete(models.Filter(should=[*leftovers])), _set({"pending": False}, done)] if done else []),
        )
        for _, chunk, _ in batch:
            self._classes.learn(chunk.access)

    async def _update(self, *operations: models.UpdateOperation) -> None:
        """In this order. Each is applied wholly or not at all, all of them together are not."""
        await self._ask(self._client.batch_update_points(self._collection, operations, wait=True))

    async def _ask(self, request: Awaitable[Result], seconds: float = REQUEST_SECONDS) -> Result:
        """The wall: their errors become ours. What theirs say may carry secrets and stays out."""
        try:
            async with asyncio.timeout(seconds):
                return await request
        except (httpx.HTTPError, TimeoutError, ConnectionError) as error:
            raise _unreachable() from error
        except ResponseHandlingException as error:
            if isinstance(error.source, httpx.HTTPError):
                raise _unreachable() from error
            raise FootnoteError("what answers at QDRANT_URL is not Qdrant's REST API: check the address") from error
        except ResourceExhaustedResponse as error:
            raise TransientError("search is unavailable: Qdrant is over its limits", retry_after=error.retry_after_s) from error
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
                f"the collection {self._collection!r} is gone: restart Footnote to make it, then `footnote reindex`"
            )
        if status == 409:
            return _Conflict()
        if status is None or status in {408, 429} or status >= 500:
            return TransientError(f"search is unavailable: Qdrant answered with status {status}")
        return FootnoteError(f"Qdrant refused a request with status {status}: the server may be older than 1.16")


def _unreachable() -> TransientError:
    return TransientError("search is unavailable: Qdrant does not answer. Check QDRANT_URL and the server; it is tried again.")


class _Conflict(FootnoteError):
    """There is one already."""


_Write = tuple[Document, Chunk, Sequence[Chunk]]
"""A chunk, its document, and all the chunks of that."""


def _batches(pairs: Sequence[tuple[Document, Sequence[Chunk]]]) -> Iterator[list[_Write]]:
    stream = ((document, chunk, chunks) for document, chunks in pairs for chunk in chunks)
    while batch := list(islice(stream, WRITE)):
        yield batch


def _point(document: Document, chunk: Chunk, chunks: Sequence[Chunk], dense: list[float]) -> models.PointStruct:
    indices, values = sparse.document_vector(chunk.indexed_text)
    vector: dict[str, Any] = {_DENSE: dense, _SPARSE: models.SparseVector(indices=indices, values=values)}
    return models.PointStruct(id=chunk.id, vector=vector, payload=payload_of(document, chunk, chunks))


def _rarity(chunks: int) -> float:
    """The score of a word that stands in some five of so many chunks. Measured: from .7 down it costs questions accuracy."""
    return 0.8 * math.log(1 + chunks / 5.5)


def _upsert(points: list[models.PointStruct]) -> models.UpdateOperation:
    return models.UpsertOperation(upsert=models.PointsList(points=points))


def _delete(where: models.Filter) -> models.UpdateOperation:
    return models.DeleteOperation(delete=models.FilterSelector(filter=where))


def _set(payload: dict[str, Any], where: models.Filter | list[str]) -> models.UpdateOperation:
    if isinstance(where, list):
        return models.SetPayloadOperation(set_payload=models.SetPayload(payload=payload, points=where))
    return models.SetPayloadOperation(set_payload=models.SetPayload(payload=payload, filter=where))


def _is(key: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _any(key: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
