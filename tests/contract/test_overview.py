"""What an audience may know of the index: how much there is for it, and what some of it is called."""

from __future__ import annotations

import pytest
from qdrant_client import AsyncQdrantClient, models

from core.indexing.index import Index
from core.models import ANYONE, NOBODY, Audience
from tests.contract.pages import ANA, BOB, BONUS, EMBEDDER, LEAVE, PRINTER, document

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

NOTHING_KNOWN = Audience(readers=frozenset())


@pytest.fixture
async def index(client: AsyncQdrantClient, name: str) -> Index:
    index = Index(client, EMBEDDER, name)
    await index.open()
    return index


async def test_only_documents_that_every_reader_may_read_are_counted(index):
    await index.upsert([LEAVE, PRINTER, BONUS, document("secret", "Nobody reads this.", access=NOBODY, source="vault")])
    assert await index.counts() == {"vault": 1, "wiki": 3}
    anas, bobs = await index.counts_for(Audience.of(ANA)), await index.counts_for(Audience.of(BOB))
    assert anas["wiki"] > bobs["wiki"] > 0
    assert await index.counts_for(Audience.of(ANA, BOB)) == bobs
    assert all("vault" not in counts for counts in (anas, bobs))
    assert await index.counts_for(NOTHING_KNOWN) == {}
    assert await index.sources(Audience.of(BOB)) == {"wiki"}


async def test_a_document_of_several_chunks_counts_once(index):
    long = document("manual", "\n\n".join(f"Step {number}: turn wheel {number} to the left. " * 12 for number in range(6)))
    assert len(long[1]) > 3
    await index.upsert([long])
    assert await index.counts_for(ANYONE) == {"wiki": 1}


async def test_only_what_every_reader_may_read_is_called_by_its_name(index):
    await index.upsert([LEAVE, PRINTER, BONUS])
    anas = {glimpse.document_id for glimpse in await index.glimpses(Audience.of(ANA))}
    bobs = {glimpse.document_id for glimpse in await index.glimpses(Audience.of(BOB))}
    assert bobs < anas
    assert await index.glimpses(NOTHING_KNOWN) == []
    assert await index.glimpses(Audience.of(ANA)) == await index.glimpses(Audience.of(ANA))


async def test_the_name_of_a_document_is_not_told_while_who_may_read_it_is_in_doubt(client, name, index):
    await index.upsert([BONUS])
    await client.set_payload(name, {"gates": '[["everyone"]]'}, models.Filter(must=[]), wait=True)
    assert await Index(client, EMBEDDER, name).glimpses(ANYONE) == []


async def test_a_document_whose_last_write_was_cut_off_is_not_named(client, name, index):
    await index.upsert([LEAVE])
    await client.set_payload(name, {"pending": True}, models.Filter(must=[]), wait=True)
    assert await index.glimpses(ANYONE) == []
    assert await index.counts_for(ANYONE) == {}
