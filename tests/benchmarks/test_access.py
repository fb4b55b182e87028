"""What it costs that everyone finds only what they may read: the same search with the filter and without it.

The less somebody may read, the less there is to look at: then the filter saves time. For who reads most of 100,000 chunks
the embedded engine, which compares all vectors, needs 5 ms more to pick the readable ones and 4 ms to count how rare the
words are among them. That is beyond the limit and held to one of its own.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, models

from core.embedded.keeper import Engines
from core.indexing.embedding import LocalEmbedder
from core.indexing.index import Index
from core.indexing.qdrant import connect
from core.models import Access, Audience, Chunk, Document
from tests.answering import hits_of
from tests.benchmarks.test_search import CHUNKS, FULL, SHORT, Resampled, milliseconds, p95, page, sentences

pytestmark = pytest.mark.benchmark

LIMIT = 1.15
BROAD_LIMIT = 2.0
CLASSES = 1_000
GROUPS = 50
"""Of a person."""

GROUP_ACCESS = [Access(gates=(frozenset({f"group:wiki:g{number}"}),)) for number in range(CLASSES)]
STAFF = Access(gates=(frozenset({"group:wiki:staff"}),))
"""Of every second document."""
SOME = [f"group:wiki:g{number}" for number in range(0, CLASSES, CLASSES // GROUPS)]
SPECIALIST, EMPLOYEE = Audience.of(SOME), Audience.of([*SOME, "group:wiki:staff"])
CHIEF = Audience.of([*(f"group:wiki:g{number}" for number in range(CLASSES)), "group:wiki:staff"])
"""Reads all."""


class Unfiltered:
    """A client that asks for whatever there is, with words as rare as they are in all of it."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def query_batch_points(self, collection: str, requests: list[models.QueryRequest]) -> list[models.QueryResponse]:
        bare = [request.model_copy(update={"filter": None, "params": None}) for request in requests]
        return await self._client.query_batch_points(collection, bare)


def restricted(pair: tuple[Document, list[Chunk]], number: int) -> tuple[Document, list[Chunk]]:
    document, chunks = pair
    access = STAFF if number % 2 else GROUP_ACCESS[number // 2 % CLASSES]
    return replace(document, access=access), [replace(chunk, access=access) for chunk in chunks]


@pytest.fixture
async def client(engines: Engines, full: bool) -> AsyncIterator[AsyncQdrantClient]:
    pool, chance = sentences(), random.Random(1)
    documents = (FULL if full else SHORT) // CHUNKS
    client = connect(socket=engines.qdrant_socket)
    index = Index(client, Resampled(pool))
    await index.open()
    for start in range(0, documents, 500):
        await index.upsert([restricted(page(number, pool, chance), number) for number in range(start, start + 500)])
    yield client
    await client.close()


@pytest.mark.timeout(1800)
async def test_finding_only_what_one_may_read_takes_hardly_longer_than_finding_anything(
    client: AsyncQdrantClient, full: bool
) -> None:
    pool, chance = sentences(), random.Random(2)
    questions = [" ".join(chance.choice(pool).split()[:9]) for _ in range(200)]
    filtered, anything = Index(client, LocalEmbedder()), Index(Unfiltered(client), LocalEmbedder())  # type: ignore[arg-type]
    searches = {
        "anything": lambda question: hits_of(anything, question, CHIEF, 24),
        "a fortieth": lambda question: hits_of(filtered, question, SPECIALIST, 24),
        "half": lambda question: hits_of(filtered, question, EMPLOYEE, 24),
        "all": lambda question: hits_of(filtered, question, CHIEF, 24),
    }
    taken: dict[str, list[float]] = {who: [] for who in searches}
    for search in searches.values():
        await milliseconds(search, questions[:20])
    for start in range(0, len(questions), 10):
        # In turns, so that a noisy neighbour meets all.
        for who, search in searches.items():
            taken[who] += await milliseconds(search, questions[start : start + 10])
    ratios = {who: p95(times) / p95(taken["anything"]) for who, times in taken.items()}
    print(f"\n{FULL if full else SHORT} chunks, {CLASSES} classes, {GROUPS} groups a person")
    for who, times in taken.items():
        print(f"{who}: p50 {statistics.median(times):.1f} p95 {p95(times):.1f} ms, ratio of p95 {ratios[who]:.2f}")
    assert ratios["a fortieth"] <= LIMIT
    assert ratios["half"] <= BROAD_LIMIT
