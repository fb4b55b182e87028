"""What stands around a hit comes from the index, and only to those who may read it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qdrant_client import AsyncQdrantClient

from core.indexing.index import Index
from core.models import ANYONE, Access, Audience, Hit
from tests.contract.pages import EMBEDDER, document

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

HR = Access(gates=(frozenset({"group:hr"}),))


@pytest.mark.parametrize(("access", "readers"), [(None, ANYONE), (HR, Audience.of({"group:hr"}))])
async def test_the_chunks_before_and_after_a_hit_are_found_by_those_who_may_read_them(
    client: AsyncQdrantClient, name: str, access: Access | None, readers: Audience
) -> None:
    index = Index(client, EMBEDDER, name)
    await index.open()
    page, (chunk, *_) = document("leave", "Thirty days.")
    if access:
        page, chunk = replace(page, access=access), replace(chunk, access=access)
    chunks = [replace(chunk, position=position, text=f"Part {position}.") for position in range(5)]
    await index.upsert([(page, chunks)])
    around = await index.neighbours([Hit(chunk=chunks[2], score=1.0), Hit(chunk=chunks[0], score=0.5)], readers)
    assert sorted((hit.chunk.text, hit.score) for hit in around) == [("Part 1.", 0.0), ("Part 3.", 0.0)]
    assert {hit.chunk.access for hit in around} == {page.access}
    if access:
        assert await index.neighbours([Hit(chunk=chunks[2], score=1.0)], ANYONE) == []
