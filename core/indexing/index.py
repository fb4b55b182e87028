"""The index in Qdrant: its own record of what it holds and of who may read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from qdrant_client import AsyncQdrantClient, models

from core.indexing import sparse, vocabulary
from core.indexing.answering import Answerer, Answering, EmbedderOf
from core.indexing.cleaning import clean
from core.indexing.embedding import bundled
from core.indexing.generations import DENSE, SPARSE, Generation, Generations
from core.indexing.payloads import access_of, chunk_of, gates_of, payload_of
from core.indexing.qdrant import SEARCH_SECONDS, Missing, ask
from core.indexing.ranking import best
from core.indexing.recipe import ALL, Recipe
from core.indexing.tombstones import Forgotten, Tombstone, Tombstones
from core.models import NOBODY, Access, Audience, Chunk, Document, Hit, Label, Principal, Query, Retrieved
from core.ports import Embedder

WRITE = 64
"""Chunks of one request: about 0.6 MB, and 20 ms on the event loop."""
PAGE = 1_000
"""Records of one scroll."""
CLASSES_MAX = 100_000
"""Distinct accesses that are looked at."""
GLIMPSES = 200
"""Enough to find some good questions among."""

Result = TypeVar("Result")

Guard = Callable[[], Awaitable[None]]
"""Raises when whoever asked for a write may not have it any more: another worker may have taken the work over."""

_HEAD = models.FieldCondition(key="position", range=models.Range(lt=1))
_TAIL = models.FieldCondition(key="position", range=models.Range(gte=1))
_OWNED = ("source", "title", "url", "owners")


async def unguarded() -> None:
    """Nobody else writes."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the index knows of a document."""

    document_id: str
    content_hash: str
    """Empty when its last write was cut off, or was of an older Footnote: equal to nothing, so that it is written again."""
    access_class: str
    title: str
    chunks: int
    version: str = ""
    """As the source gave it; empty as ``content_hash`` is."""
    text_hash: str = ""
    """See :func:`core.indexing.payloads.text_hash`; empty as ``content_hash`` is."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    id: str
    """Of the collection that is written; another one when it was made anew. What was saved for another one is not true of it."""
    answers: bool = True
    """Whether questions are answered from it."""


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    model: str
    former: str
    """The model of the collection that answers meanwhile."""
    by_words: bool
    """That one cannot be had here any more: words alone decide."""
    documents: int
    """In the new collection."""
    of: int
    """In the one that answers."""


@dataclass(frozen=True, kw_only=True)
class Glimpse:
    """What a piece of a document is called."""

    document_id: str
    title: str
    headings: tuple[str, ...]
    """Those above it, outermost first."""


@dataclass(frozen=True, kw_only=True)
class Owned:
    """What a document is called, who looks after it, and who may read it."""

    document_id: str
    source: str
    title: str
    url: str
    owners: tuple[Principal, ...]
    """As of :class:`core.models.Document`; empty for what was indexed before they were asked for."""
    access: Access


class Index:
    """Upsert, remove and search. All methods raise TransientError while Qdrant cannot be reached.

    What is written goes to the collection of the embedding model, and what is removed or restricted is so at once in the
    one of another model that still answers, too: see :mod:`core.indexing.generations`.

    A point is a chunk. The first chunk of a document carries its record, and who may read it (``gates``). Every write
    may be repeated: it begins by marking that record as pending and ends by taking the mark away, so that a document
    whose write was cut off anywhere is known, and known not to be up to date.
    """

    def __init__(
        self,
        client: AsyncQdrantClient,
        embedder: Embedder,
        alias: str = "footnote",
        *,
        embedder_of: EmbedderOf = bundled,
        recipe: Recipe = ALL,
    ) -> None:
        """``embedder_of`` builds the models of collections that were made before ``embedder`` was chosen."""
        self._client = client
        self._embedder = embedder
        self._recipe = recipe
        self._generations = Generations(client, embedder, alias)
        self._tombstones = Tombstones(client, alias)
        self._answerer = Answerer(self._generations, embedder, embedder_of, self._facet)
        self._own: Generation | None = None
        self._former: Generation | None = None

    @property
    def name(self) -> str:
        """The same wherever the same model embeds, and nowhere else."""
        return self._generations.name

    async def open(self) -> Opened:
        """Find what is written and what answers; make what is not there. Each sync begins with it."""
        answering = await self._generations.answering()
        own = await self._generations.made(answering)
        if answering is None:
            await self._generations.switch(own, None)
        self._own, self._former = own, answering if answering != own else None
        return Opened(id=own.id, answers=answering in {None, own})

    async def tidy(self) -> None:
        """Delete what other models made, once it is this one's collection that answers: before anything is written to it
        alone.
        """
        answering = await self._generations.answering()
        if answering and answering.fits(self._embedder):
            await self._generations.drop_others(answering)

    async def switch(self, id: str) -> None:
        """Have this model's collection answer, which is whole now, if it still is the one of that id."""
        opened = await self.open()
        if opened.id == id and self._own and self._former:
            await self._generations.switch(self._own, self._former)
            self._former = None
        await self.tidy()

    async def rebuild(self) -> Rebuild | None:
        """How far the collection of a new model is, while that of another one answers."""
        answering = await self._answerer.look(again=True)
        if answering.generation.fits(self._embedder):
            return None
        own = await self._generations.own()
        return Rebuild(
            model=self._embedder.name,
            former=answering.generation.model,
            by_words=answering.embedder is None,
            documents=sum((await self._counts(own)).values()) if own else 0,
            of=sum((await self._counts(answering.generation)).values()),
        )

    async def upsert(self, pairs: Sequence[tuple[Document, Sequence[Chunk]]], guard: Guard = unguarded) -> int:
        """Write documents with all their chunks, in place of what was there of them. Returns the number of chunks.

        The next chunks are embedded while the last ones are written. Memory holds some hundred vectors at most. ``guard``
        is asked right before each request that writes: embedding takes long enough to lose a claim. Raises Forgotten when
        one of them was forgotten: nothing of that one is left then, and all of the others is to be written again.
        """
        written = 0
        writing: asyncio.Task[None] | None = None
        try:
            for batch in _batches(pairs):
                vectors = await self._embedder.embed_documents([chunk.indexed_text for _, chunk, _ in batch])
                if writing:
                    await writing
                writing = asyncio.create_task(self._write(batch, vectors, guard))
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
            await self._everywhere(*_removal(document_ids[start : start + PAGE]))

    async def forget(self, document_ids: Collection[str], source: str, *, by: str, at: datetime) -> set[str]:
        """Take documents of a source out of every collection, and keep them out until :meth:`readmit`. Returns those that
        were not forgotten yet.
        """
        heads = await self._here(lambda answering: self._named(answering, document_ids))
        versions = {head["document_id"]: head.get("version", "") for head in heads}
        before = await self._tombstones.among(document_ids)
        # First of all: whoever is writing one of them this moment looks for it again afterwards.
        await self._tombstones.put(
            [Tombstone(document_id=id, source=source, version=versions.get(id, ""), by=by, at=at) for id in sorted(document_ids)]
        )
        for generation in await self._generations.all():
            with suppress(Missing):
                await self._apply(generation, _removal(sorted(document_ids)))
        return set(document_ids) - before.keys()

    async def readmit(self, document_ids: Collection[str]) -> set[str]:
        """Let the next sync bring forgotten documents back. Returns those that were forgotten."""
        return await self._tombstones.take_away(document_ids)

    async def forgotten(self, source: str) -> dict[str, Tombstone]:
        """All of a source that is forgotten, by document id."""
        return await self._tombstones.of(source)

    async def source_of(self, document_id: str) -> str | None:
        """Of a document that questions are answered from, or that is forgotten."""
        for head in await self._here(lambda answering: self._named(answering, [document_id])):
            return str(head["source"])
        tombstone = (await self._tombstones.among([document_id])).get(document_id)
        return tombstone.source if tombstone else None

    async def at(self, url: str) -> dict[str, str]:
        """The documents with this address that questions are answered from: id to source. It looks at all that there are."""
        return await self._here(lambda answering: self._at(answering.generation, url))

    async def _at(self, generation: Generation, url: str) -> dict[str, str]:
        heads = self._heads(generation, [], ["document_id", "source", "url"])
        return {head["document_id"]: head["source"] async for head in heads if head["url"] == url}

    async def _named(self, answering: Answering, document_ids: Collection[str]) -> list[dict[str, Any]]:
        chosen = [_any("document_id", sorted(document_ids))]
        return [head async for head in self._heads(answering.generation, chosen, ["document_id", "source", "version"])]

    async def set_access(self, document_id: str, access: Access, content_hash: str) -> None:
        """Change who may read a document as it is with this content, without embedding anything; any other content that
        there is of it, nobody may read. Its record changes last.
        """
        chosen = _is("document_id", document_id)
        same = _is("content_hash", content_hash)
        record = _set({"pending": True}, models.Filter(must=[chosen, _HEAD]))
        tail = [
            _set({"access": NOBODY.class_id}, models.Filter(must=[chosen, _TAIL], must_not=[same])),
            _set({"access": access.class_id}, models.Filter(must=[chosen, _TAIL, same])),
        ]
        head = [
            _set(_admitting(NOBODY), models.Filter(must=[chosen, _HEAD], must_not=[same])),
            _set(_admitting(access), models.Filter(must=[chosen, _HEAD, same])),
        ]
        await self._everywhere(record, *tail, *head)
        self._answerer.learn(access)

    async def relabel(self, document: Document) -> None:
        """Note where a document lies now, who looks after it, its last edit and its version, without embedding anything. The
        version comes last.
        """
        chosen = _is("document_id", document.id)
        label = {
            "url": document.url,
            "updated_at": document.updated_at.isoformat(),
            "content_hash": document.content_hash,
        }
        head = {"path": list(document.path), "owners": list(document.owners), "version": document.version}
        await self._update(
            _set(label, models.Filter(must=[chosen])),
            _set(head, models.Filter(must=[chosen, _HEAD])),
        )

    async def records(self, source: str) -> AsyncIterator[Record]:
        """One record for each document of a source that has its first chunk, in no particular order.

        Those that are only in a collection that still answers for another model are among them, with neither version nor
        content: they are to be written, or removed.
        """
        own, written = await self._target(), set()
        async for record in self._records(own, source):
            written.add(record.document_id)
            yield record
        if self._former:
            with suppress(Missing):
                async for record in self._records(self._former, source):
                    if record.document_id not in written:
                        yield replace(record, content_hash="", version="", text_hash="")

    async def _records(self, generation: Generation, source: str) -> AsyncIterator[Record]:
        fields = ["document_id", "content_hash", "access", "title", "chunks", "pending", "version", "text_hash", "terms"]
        async for payload in self._heads(generation, [_is("source", source)], fields):
            again = payload.get("pending") or payload.get("terms") != sparse.VERSION
            yield Record(
                document_id=payload["document_id"],
                content_hash="" if again else payload["content_hash"],
                version="" if again else payload.get("version", ""),
                text_hash="" if again else payload.get("text_hash", ""),
                access_class=payload["access"],
                title=payload["title"],
                chunks=payload["chunks"],
            )

    async def _heads(
        self, generation: Generation, chosen: Sequence[models.Condition], fields: list[str]
    ) -> AsyncIterator[dict[str, Any]]:
        """These fields of the first chunks that are meant."""
        where = models.Filter(must=[*chosen, _HEAD])
        page: Any = None
        while True:
            points, page = await ask(
                self._client.scroll(generation.collection, scroll_filter=where, limit=PAGE, offset=page, with_payload=fields)
            )
            for point in points:
                yield point.payload or {}
            if page is None:
                return

    async def counts(self) -> dict[str, int]:
        """Documents that questions can be answered from, by source."""
        return await self._here(lambda answering: self._counts(answering.generation))

    async def _counts(self, generation: Generation) -> dict[str, int]:
        heads = models.Filter(must=[_HEAD])
        found = await ask(self._client.facet(generation.collection, "source", facet_filter=heads, limit=PAGE, exact=True))
        return {str(hit.value): hit.count for hit in found.hits}

    async def health(self) -> None:
        """Probe it. Raises TransientError or ConfigError."""
        await self._answerer.look(again=True)

    async def classes(self, audience: Audience) -> frozenset[str]:
        """The access classes that every reader may read, by name, of all documents that questions are answered from."""
        return await self._here(lambda answering: self._readable(answering, audience))

    async def _readable(self, answering: Answering, audience: Audience) -> frozenset[str]:
        return frozenset(await answering.classes.readable_by(audience))

    async def sources(self, audience: Audience) -> frozenset[str]:
        """The sources in which there is a document that every reader may read."""
        return frozenset(await self.counts_for(audience))

    async def counts_for(self, audience: Audience) -> dict[str, int]:
        """As :meth:`counts`, of the documents that every reader may read. A source without any is not named."""
        return await self._here(lambda answering: self._counts_for(answering, audience))

    async def _counts_for(self, answering: Answering, audience: Audience) -> dict[str, int]:
        classes = await self._readable(answering, audience)
        if not classes:
            return {}
        complete = models.Filter(
            must=[_HEAD, _any("access", sorted(classes))],
            must_not=[models.FieldCondition(key="pending", match=models.MatchValue(value=True))],
        )
        request = self._client.facet(answering.generation.collection, "source", facet_filter=complete, limit=PAGE, exact=True)
        return {str(hit.value): hit.count for hit in (await ask(request, SEARCH_SECONDS)).hits}

    async def glimpses(self, audience: Audience, most: int = GLIMPSES) -> list[Glimpse]:
        """Of some pieces that every reader may read, which they are: always the same ones while the index does not change."""
        return await self._here(lambda answering: self._glimpses(answering, audience, most))

    async def _glimpses(self, answering: Answering, audience: Audience, most: int) -> list[Glimpse]:
        classes = await self._readable(answering, audience)
        if not classes:
            return []
        points, _ = await ask(
            self._client.scroll(
                answering.generation.collection,
                scroll_filter=models.Filter(must=[_any("access", sorted(classes))]),
                limit=most,
                with_payload=["document_id", "title", "headings"],
            ),
            seconds=SEARCH_SECONDS,
        )
        found = [point.payload for point in points if point.payload]
        accesses = await self._accesses(answering, sorted({payload["document_id"] for payload in found}))
        return [
            Glimpse(document_id=payload["document_id"], title=payload["title"], headings=tuple(payload["headings"]))
            for payload in found
            if (access := accesses.get(payload["document_id"])) and audience.may_read(access)
        ]

    async def labels(self) -> AsyncIterator[Sequence[Label]]:
        """What all chunks are called, some hundred at a time, whoever may read them."""
        async for found in vocabulary.labels(self._client, (await self._answerer.look()).generation.collection):
            yield found

    async def standing(self, words: Sequence[str], audience: Audience) -> frozenset[str]:
        """Those of some words that stand in something that every reader may read. Stop words count as such."""

        async def look(answering: Answering) -> frozenset[str]:
            readable = await self._readable(answering, audience)
            return await vocabulary.standing(self._client, answering.generation.collection, words, readable)

        return await self._here(look)

    async def accesses(self, document_ids: Collection[str]) -> dict[str, Access]:
        """Who may read documents now, by id. What questions are not answered from is missing: gone, or half written."""
        return await self._here(lambda answering: self._accesses(answering, sorted(set(document_ids))))

    async def owned(self, document_ids: Collection[str]) -> dict[str, Owned]:
        """As :meth:`accesses`, with who looks after them."""
        found = await self._here(lambda answering: self._complete(answering, sorted(set(document_ids)), _OWNED))
        return {
            payload["document_id"]: Owned(
                document_id=payload["document_id"],
                source=payload["source"],
                title=payload["title"],
                url=payload["url"],
                owners=tuple(payload.get("owners") or ()),
                access=access,
            )
            for payload, access in found
        }

    async def _accesses(self, answering: Answering, ids: Sequence[str]) -> dict[str, Access]:
        return {payload["document_id"]: access for payload, access in await self._complete(answering, ids)}

    async def _complete(
        self, answering: Answering, ids: Sequence[str], fields: Sequence[str] = ()
    ) -> list[tuple[dict[str, Any], Access]]:
        """The records of those documents that are written as a whole, with these ``fields`` besides their ids."""
        found: list[tuple[dict[str, Any], Access]] = []
        for start in range(0, len(ids), PAGE):
            chosen = models.Filter(must=[_any("document_id", ids[start : start + PAGE]), _HEAD])
            points, _ = await ask(
                self._client.scroll(
                    answering.generation.collection,
                    scroll_filter=chosen,
                    limit=PAGE,
                    with_payload=["document_id", "access", "gates", "pending", *fields],
                ),
                seconds=SEARCH_SECONDS,
            )
            for payload in (point.payload for point in points if point.payload):
                access = access_of(payload["gates"])
                # Gates that were tampered with do not fit the name and open nothing.
                if access.class_id == payload["access"] and not payload.get("pending"):
                    found.append((payload, access))
        return found

    async def search(self, query: Query, audience: Audience, k: int) -> Retrieved:
        """The ``k`` best chunks that every reader may read, by meaning and by words together; equal scores by id.

        Who may read is part of the query, in every branch of it, and is checked again on what comes back.
        Without an embedding (a remote model that does not answer) words alone decide. What is invisible in a query
        counts as little as in a document.
        """
        query = replace(
            query,
            text=clean(query.text),
            before=clean(query.before),
            answered=clean(query.answered),
            also=tuple(map(clean, query.also)),
        )
        if not query.text.strip() or k < 1:
            return Retrieved()
        return await self._here(lambda answering: best(self._client, answering, query, audience, k, self._recipe))

    async def neighbours(self, hits: Sequence[Hit], audience: Audience) -> list[Hit]:
        """The chunks right before and right after ``hits`` in their documents that every reader may read; their score is 0."""
        beside = [replace(hit.chunk, position=hit.chunk.position + step).id for hit in hits for step in (-1, 1)]
        return await self._here(lambda answering: self._neighbours(answering, sorted(set(beside)), audience))

    async def _neighbours(self, answering: Answering, ids: list[models.ExtendedPointId], audience: Audience) -> list[Hit]:
        allowed = await answering.classes.readable_by(audience)
        if not allowed or not ids:
            return []
        chosen = models.Filter(must=[models.HasIdCondition(has_id=ids), _any("access", sorted(allowed))])
        scrolled = self._client.scroll(answering.generation.collection, scroll_filter=chosen, limit=len(ids), with_payload=True)
        points, _ = await ask(scrolled, seconds=SEARCH_SECONDS)
        return [
            Hit(chunk=chunk_of(point.payload, access), score=0.0)
            for point in points
            if point.payload and (access := allowed.get(point.payload["access"])) and audience.may_read(access)
        ]

    async def _here(self, question: Callable[[Answering], Awaitable[Result]]) -> Result:
        """Ask what answers now; again, if it was exchanged a moment ago."""
        try:
            return await question(await self._answerer.look())
        except Missing:
            return await question(await self._answerer.look(again=True))

    async def _facet(self, collection: str, field: str, classes: Sequence[str] | None) -> dict[str, int]:
        chosen = models.Filter(must=[_any("access", classes)]) if classes is not None else None
        request = self._client.facet(collection, field, facet_filter=chosen, limit=CLASSES_MAX)
        return {str(hit.value): hit.count for hit in (await ask(request, SEARCH_SECONDS)).hits}

    async def _write(self, batch: Sequence[_Write], vectors: Sequence[list[float]], guard: Guard) -> None:
        heads: list[models.PointStruct] = []
        tail: list[models.PointStruct] = []
        leftovers: list[models.Filter] = []
        done: list[str] = []
        document_ids = {document.id for document, _, _ in batch}
        await self._refuse_forgotten(document_ids)
        for (document, chunk, chunks), vector in zip(batch, vectors, strict=True):
            (tail if chunk.position else heads).append(_point(document, chunk, chunks, vector))
            if chunk is chunks[-1]:
                beyond = models.FieldCondition(key="position", range=models.Range(gte=len(chunks)))
                leftovers.append(models.Filter(must=[_is("document_id", document.id), beyond]))
                done.append(chunks[0].id)
        await guard()
        await self._update(
            *([_upsert(heads)] if heads else []),
            *([_upsert(tail)] if tail else []),
            # What an older, longer version left behind goes before its document counts as written.
            *([_delete(models.Filter(should=[*leftovers])), _set({"pending": False}, done)] if done else []),
        )
        await self._refuse_forgotten(document_ids)
        for _, chunk, _ in batch:
            self._answerer.learn(chunk.access)

    async def _refuse_forgotten(self, document_ids: Collection[str]) -> None:
        """Before a write and after it: one that was forgotten in between is either found now or deleted by whoever forgot it."""
        if forgotten := await self._tombstones.among(document_ids):
            await self.remove(sorted(forgotten))
            raise Forgotten

    async def _update(self, *operations: models.UpdateOperation) -> None:
        await self._apply(await self._target(), operations)

    async def _everywhere(self, *operations: models.UpdateOperation) -> None:
        """First where questions are answered from: what is saved of it in the other one is then true of both."""
        own = await self._target()
        if self._former:
            with suppress(Missing):
                await self._apply(self._former, operations)
        await self._apply(own, operations)

    async def _apply(self, generation: Generation, operations: Sequence[models.UpdateOperation]) -> None:
        """In this order. Each is applied wholly or not at all, all of them together are not."""
        await ask(self._client.batch_update_points(generation.collection, operations, wait=True))

    async def _target(self) -> Generation:
        if self._own is None:
            await self.open()
        assert self._own is not None
        return self._own


_Write = tuple[Document, Chunk, Sequence[Chunk]]
"""A chunk, its document, and all the chunks of that."""


def _batches(pairs: Sequence[tuple[Document, Sequence[Chunk]]]) -> Iterator[list[_Write]]:
    stream = ((document, chunk, chunks) for document, chunks in pairs for chunk in chunks)
    while batch := list(islice(stream, WRITE)):
        yield batch


def _point(document: Document, chunk: Chunk, chunks: Sequence[Chunk], dense: list[float]) -> models.PointStruct:
    indices, values = sparse.document_vector(chunk.title, chunk.indexed_text)
    vector: dict[str, Any] = {DENSE: dense, SPARSE: models.SparseVector(indices=indices, values=values)}
    return models.PointStruct(id=chunk.id, vector=vector, payload=payload_of(document, chunk, chunks))


def _upsert(points: list[models.PointStruct]) -> models.UpdateOperation:
    return models.UpsertOperation(upsert=models.PointsList(points=points))


def _delete(where: models.Filter) -> models.UpdateOperation:
    return models.DeleteOperation(delete=models.FilterSelector(filter=where))


def _removal(document_ids: Sequence[str]) -> list[models.UpdateOperation]:
    """Their records last: as long as something is left, it is known."""
    chosen = _any("document_id", document_ids)
    return [_delete(models.Filter(must=[chosen, part])) for part in (_TAIL, _HEAD)]


def _set(payload: dict[str, Any], where: models.Filter | list[str]) -> models.UpdateOperation:
    if isinstance(where, list):
        return models.SetPayloadOperation(set_payload=models.SetPayload(payload=payload, points=where))
    return models.SetPayloadOperation(set_payload=models.SetPayload(payload=payload, filter=where))


def _admitting(access: Access) -> dict[str, Any]:
    return {"access": access.class_id, "gates": gates_of(access), "pending": False}


def _is(key: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _any(key: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
