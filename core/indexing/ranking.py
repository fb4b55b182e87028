"""The best chunks for a question among those that its audience may read, by meaning and by words together."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from core.errors import TransientError
from core.indexing import sparse
from core.indexing.answering import Answering
from core.indexing.fusion import Candidate, above_ordinary, dbsf, fused, lifted, rrf, with_parents, words_together
from core.indexing.generations import DENSE, SPARSE
from core.indexing.payloads import chunk_of
from core.indexing.qdrant import SEARCH_SECONDS, ask
from core.indexing.rarity import idf
from core.indexing.recipe import ALL, Recipe
from core.indexing.scope import conditions
from core.models import Audience, Hit, Query, Retrieved, Signals
from core.ports import PER_DOCUMENT

PREFETCH = 300
"""Candidates of each kind before fusion: with 100, their scores say less about how they are spread. Measured on three company
knowledge bases: nDCG@10 .985 → .985, .933 → .936, .741 → .750."""
BEFORE, ANSWERED = 0.4, 0.1
"""What the turn before a follow-up and the answer to it count beside it. Measured on human conversations of several turns:
nDCG@10 .838 → .927."""
ALSO = 0.5
"""What other words for the question count."""
RARE_CHUNKS = 8
"""A word in more chunks is common."""
RARE_IDF = 6.0
"""A word in one document only is a name or a term of art if there is so much that it could stand in, too: from about 600 chunks
on. In a small index ordinary words are as rare."""
NUMBERED_DOCUMENTS = 3
"""An identifier (a ticket, an error code, a part) may stand in so many, however small the index."""
LIFTED = 2
"""Documents that are lifted for rare words, at most."""
PLACE = 3
"""Where the first of them is at the latest. Measured on three company knowledge bases: nDCG@10 .985 → .984, .933 → .933,
.731 → .741; and of 1,000 words that stand in one of 100,000 chunks all are found."""
BARE = 2
"""With so few other words in the question it is the first: the rare word is what is asked for."""
_LEAD = 10
_WORDS_MOST = 24
"""Words of a question that are looked up for being rare: the first ones."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    words: Sequence[Candidate] = ()
    meaning: Sequence[Candidate] = ()
    asked: Sequence[int] = ()
    before: Sequence[int] = ()
    """Words of what was asked before that are not asked for now."""
    """The words of the question."""
    numbered: Collection[int] = ()
    """Those among them that are identifiers."""
    parts: Collection[int] = ()
    """Those that identifiers are made of."""
    having: Mapping[int, Sequence[Candidate]] = field(default_factory=dict)
    """The chunks that have a word, by word. Common words are missing."""
    chunks: int = 0
    """Among so many."""

    def document_of(self) -> dict[str, str]:
        lists = (self.words, self.meaning, *self.having.values())
        return {candidate.id: candidate.document_id for found in lists for candidate in found}

    def weight(self, word: int) -> float:
        return idf(len(self.having.get(word, range(RARE_CHUNKS + 1))), self.chunks)

    def rare(self) -> list[int]:
        """Of the words that are asked for."""
        return [word for word, found in self.having.items() if self._is_rare(word, found)]

    def place(self) -> int:
        """Where the first of the documents with rare words stands at the latest."""
        rare = self.rare()
        others = [word for word in self.asked if word not in rare and word not in self.parts]
        return 1 if len(others) <= BARE else PLACE

    def meant(self) -> set[str]:
        """The documents that the question is about: they have an identifier of it, or a rare word that is nearly all of it. In a
        long question a rare word may stand by chance.
        """
        bare = self.place() == 1
        words = [word for word in self.rare() if bare or word in self.numbered]
        return {candidate.document_id for word in words for candidate in self.having[word]}

    def _is_rare(self, word: int, found: Sequence[Candidate]) -> bool:
        documents = len({candidate.document_id for candidate in found})
        return (documents == 1 and self.weight(word) >= RARE_IDF) or (
            word in self.numbered and 0 < documents <= NUMBERED_DOCUMENTS
        )


async def best(
    client: AsyncQdrantClient, answering: Answering, query: Query, audience: Audience, k: int, recipe: Recipe = ALL
) -> Retrieved:
    """The ``k`` best. Raises TransientError, and Missing when the collection was exchanged a moment ago."""
    allowed = await answering.classes.readable_by(audience)
    if not allowed:
        return Retrieved()
    collection = answering.generation.collection
    readable = models.Filter(must=[_any("access", allowed)])
    where = await _narrowed(client, collection, readable, query)
    if where is None:
        return Retrieved()
    chunks = answering.classes.chunks(allowed) if where is readable else await _chunks(client, collection, where)
    among = _Among(where=where, reader=(frozenset(allowed), query.sources, query.scope, query.without), chunks=chunks)
    found = await _found(client, answering, query, among, recipe)
    scores = _fused(found, recipe)
    rare = _having_most(found, scores) if recipe.rare else []
    scores = lifted(scores, found.document_of(), rare, found.place()) if rare else scores
    meant = found.meant()
    ids = _first(scores, found.document_of(), k)
    if not ids:
        return Retrieved()
    # The signals are about the one that is best by words, wherever it ranks.
    wanted = dict.fromkeys([*ids, *(candidate.id for candidate in found.words[:1])])
    points = await ask(client.retrieve(collection, list(wanted), with_payload=True), seconds=SEARCH_SECONDS)
    together = words_together(found.words)
    hits: dict[str, Hit] = {}
    for point in points:
        if point.payload and (access := allowed.get(point.payload["access"])) and audience.may_read(access):
            chunk, id = chunk_of(point.payload, access), str(point.id)
            if not query.sources or chunk.source in query.sources:
                words = together.get(chunk.document_id, 0.0)
                hits[id] = Hit(chunk=chunk, score=scores[id], words=words, named=id in rare and chunk.document_id in meant)
    looked_at = frozenset(candidate.document_id for candidate in (*found.words[:1], *found.meaning[:_LEAD]))
    return Retrieved(hits=tuple(hits[id] for id in ids if id in hits), signals=_signals(found, hits), looked_at=looked_at)


def _any(key: str, values: Collection[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=sorted(values)))


async def _narrowed(client: AsyncQdrantClient, collection: str, readable: models.Filter, query: Query) -> models.Filter | None:
    """``readable`` itself where the query limits nothing; None when nothing is within its limits."""
    within = await conditions(client, collection, readable, query.scope)
    if within is None:
        return None
    if query.sources:
        within.append(_any("source", query.sources))
    left_out = [_any("document_id", query.without)] if query.without else None
    return models.Filter(must=[readable, *within], must_not=left_out) if within or left_out else readable


@dataclass(frozen=True, kw_only=True)
class _Among:
    """What is searched."""

    where: models.Filter
    reader: Hashable
    """The same for the same limits of the same readers."""
    chunks: int
    """There are so many."""


async def _found(client: AsyncQdrantClient, answering: Answering, query: Query, among: _Among, recipe: Recipe) -> _Found:
    words = _words(query, recipe) if recipe.words else {}
    meaning = await _meaning(answering, query, recipe, alone=not words) if recipe.meaning else None
    asked = sparse.words_of(query.text)[:_WORDS_MOST] if words else []
    numbered, parts = sparse.numbered(query.text)
    looked_up = answering.common.others(among.reader, asked)
    requests = []
    if words:
        # Words are as rare as they are among what may be read: else the order would tell of what is hidden.
        rarity = models.SearchParams(idf=models.IdfCorpusParams(corpus=among.where))
        requests.append(_request(_sparse(words), SPARSE, among.where, PREFETCH, rarity))
    # Of these it only counts whether there are more than a few.
    requests += [_request(_sparse({word: 1.0}), SPARSE, among.where, RARE_CHUNKS + 1) for word in looked_up]
    if meaning is not None:
        requests.append(_request(meaning, DENSE, among.where, PREFETCH))
    if not requests:
        return _Found()
    responses = await ask(client.query_batch_points(answering.generation.collection, requests), seconds=SEARCH_SECONDS)
    lists = [_candidates(response) for response in responses]
    having = dict(zip(looked_up, lists[1 : 1 + len(looked_up)], strict=True))
    common = [word for word, found in having.items() if len(found) > RARE_CHUNKS]
    answering.common.learn(among.reader, common)
    return _Found(
        words=lists[0] if words else (),
        meaning=lists[-1] if meaning is not None else (),
        asked=asked,
        before=[word for word in dict.fromkeys(sparse.words_of(query.before)) if word not in asked][:_WORDS_MOST]
        if words
        else (),
        numbered=numbered,
        parts=parts,
        having={word: found for word, found in having.items() if word not in common},
        chunks=among.chunks,
    )


async def _chunks(client: AsyncQdrantClient, collection: str, readable: models.Filter) -> int:
    return (await ask(client.count(collection, count_filter=readable, exact=False), seconds=SEARCH_SECONDS)).count


def _request(
    vector: models.SparseVector | list[float],
    using: str,
    readable: models.Filter,
    limit: int,
    params: models.SearchParams | None = None,
) -> models.QueryRequest:
    fields = ["document_id"]
    return models.QueryRequest(query=vector, using=using, filter=readable, limit=limit, params=params, with_payload=fields)


def _sparse(weights: Mapping[int, float]) -> models.SparseVector:
    return models.SparseVector(indices=list(weights), values=list(weights.values()))


def _candidates(response: models.QueryResponse) -> list[Candidate]:
    found = [Candidate(str(point.id), point.payload["document_id"], point.score) for point in response.points if point.payload]
    return sorted(found, key=lambda candidate: (-candidate.score, candidate.id))


def _words(query: Query, recipe: Recipe) -> dict[int, float]:
    """The terms of the question and their weights, with those of what was said before."""
    total: dict[int, float] = {}
    for text, weight in _turns(query, recipe):
        pairs, title = sparse.PAIRS * recipe.bigrams, sparse.TITLE * recipe.titles
        terms = sparse.query_vector(text, pairs=pairs, title=title, compounds=recipe.compounds)
        for term, value in zip(*terms, strict=True):
            total[term] = total.get(term, 0.0) + weight * value
    return total


async def _meaning(answering: Answering, query: Query, recipe: Recipe, *, alone: bool) -> list[float] | None:
    """The weighted mean of the vectors of what was said, of unit length; None where no vectors can be had."""
    if answering.embedder is None:
        return None
    turns = _turns(query, recipe)
    try:
        vectors = [await answering.embedder.embed_query(text) for text, _ in turns]
    except TransientError:
        if alone:
            raise
        return None
    if len(vectors) == 1:
        return vectors[0]
    mean = np.average(vectors, axis=0, weights=[weight for _, weight in turns])
    unit: list[float] = (mean / (np.linalg.norm(mean) or 1.0)).tolist()
    return unit


def _turns(query: Query, recipe: Recipe) -> list[tuple[str, float]]:
    """What was said and how much it counts, the question first."""
    turns = [(query.text, 1.0), *((text, ALSO) for text in query.also)]
    if recipe.history:
        turns += [(query.before, BEFORE), (query.answered, ANSWERED)]
    return [(text, weight) for text, weight in turns if text.strip()]


def _fused(found: _Found, recipe: Recipe) -> dict[str, float]:
    """Scores of chunks by id."""
    scaled = dbsf if recipe.dbsf else rrf
    scores = above_ordinary(fused(scaled(found.words), scaled(found.meaning)))
    return with_parents(scores, found.document_of()) if recipe.parents else scores


def _first(scores: Mapping[str, float], document_of: Mapping[str, str], k: int) -> list[str]:
    """The best ``k``, but of a document only as many as an answer can use: else a long one leaves no room for others."""
    taken: Counter[str] = Counter()
    ids: list[str] = []
    for id in sorted(scores, key=lambda id: (-scores[id], id)):
        if taken[document_of[id]] < PER_DOCUMENT and len(ids) < k:
            taken[document_of[id]] += 1
            ids.append(id)
    return ids


def _having_most(found: _Found, scores: Mapping[str, float]) -> list[str]:
    """A chunk each of the documents that have rare words, those first that have more of them and rarer ones."""
    points: dict[str, float] = {}
    chunk_of_document: dict[str, str] = {}
    for word in found.rare():
        for candidate in {candidate.document_id: candidate for candidate in reversed(found.having[word])}.values():
            points[candidate.document_id] = points.get(candidate.document_id, 0.0) + found.weight(word)
            chunk_of_document.setdefault(candidate.document_id, candidate.id)
    chunks = [(points[document_id], scores.get(id, 0.0), id) for document_id, id in chunk_of_document.items()]
    return [id for _, _, id in sorted(chunks, key=lambda one: (-one[0], -one[1], one[2]))[:LIFTED]]


def _signals(found: _Found, hits: Mapping[str, Hit]) -> Signals | None:
    if not found.meaning:
        return None
    top = hits.get(found.words[0].id) if found.words else None
    present = set(sparse.words_of(top.chunk.indexed_text)) if top else set()
    weights = {word: found.weight(word) for word in found.asked} | {word: BEFORE * found.weight(word) for word in found.before}
    total = sum(weights.values())
    near = {candidate.id: candidate.score for candidate in found.meaning}
    first = [candidate.score for candidate in found.meaning[:_LEAD]]
    return Signals(
        coverage=sum(weight for word, weight in weights.items() if word in present) / total if total else 0.0,
        # What is not among the nearest is no nearer than the last of them.
        agreement=near.get(found.words[0].id if found.words else "", min(near.values())),
        lead=first[0] - statistics.fmean(first),
    )
