"""A forgotten document leaves the index at once and stays out of it, whoever writes it, with whichever model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from core.indexing.embedding import WordLlamaEmbedder
from core.indexing.index import Index
from core.indexing.tombstones import Forgotten
from core.models import Audience
from tests.contract.pages import ANA, EMBEDDER, LEAVE, NOON, PAY, PRINTER, document, found, records

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")


@pytest.fixture
async def index(client: AsyncQdrantClient, name: str) -> Index:
    index = Index(client, EMBEDDER, name)
    await index.open()
    await index.upsert([LEAVE, PRINTER, PAY])
    return index


async def forget(index: Index, *ids: str) -> set[str]:
    return await index.forget(ids, "wiki", by="slack:U1", at=NOON)


async def payloads(client: AsyncQdrantClient, name: str) -> str:
    """All that is stored below a name."""
    told = []
    for known in (await client.get_collections()).collections:
        if known.name.startswith(name):
            points, _ = await client.scroll(known.name, limit=1000, with_vectors=True)
            told += [str(point.payload) for point in points]
    return "\n".join(told)


async def test_nothing_is_left_of_it_but_its_id_whose_it_is_and_who_had_it_forgotten(client, name, index):
    assert await forget(index, "wiki:pay") == {"wiki:pay"}
    assert await found(index, "salaries", Audience.of(ANA)) == ["wiki:leave", "wiki:printer"]
    assert set(await records(index)) == {"wiki:leave", "wiki:printer"}
    assert await index.accesses(["wiki:pay"]) == {}
    [tombstone] = (await index.forgotten("wiki")).values()
    assert (tombstone.document_id, tombstone.source, tombstone.by, tombstone.at) == ("wiki:pay", "wiki", "slack:U1", NOON)
    stored = await payloads(client, name)
    assert "Salaries" not in stored
    assert "'Pay'" not in stored


async def test_it_may_be_forgotten_again_and_who_had_it_forgotten_first_is_kept(index):
    await forget(index, "wiki:pay")
    assert await index.forget(["wiki:pay"], "wiki", by="slack:U2", at=NOON) == set()
    assert (await index.forgotten("wiki"))["wiki:pay"].by == "slack:U1"


async def test_it_cannot_be_written_until_it_is_readmitted(index):
    await forget(index, "wiki:pay")
    with pytest.raises(Forgotten):
        await index.upsert([LEAVE, PAY])
    assert "wiki:pay" not in await records(index)
    assert await index.readmit(["wiki:pay", "wiki:leave"]) == {"wiki:pay"}
    assert await index.readmit(["wiki:pay"]) == set()
    await index.upsert([PAY])
    assert "wiki:pay" in await found(index, "salaries", Audience.of(ANA))


async def test_what_was_never_indexed_can_be_forgotten_too(index):
    await forget(index, "wiki:draft")
    with pytest.raises(Forgotten):
        await index.upsert([document("draft", "Not for anybody.")])


async def test_what_one_source_forgot_is_not_told_of_another_one(index):
    await index.forget(["files:a"], "files", by="cli", at=NOON)
    assert await index.forgotten("wiki") == {}
    assert await index.source_of("files:a") == "files"
    assert await index.source_of("wiki:pay") == "wiki"
    assert await index.source_of("wiki:nothing") is None


async def test_it_is_found_by_its_address(index):
    assert await index.at("https://wiki.acme.com/pay") == {"wiki:pay": "wiki"}
    assert await index.at("https://wiki.acme.com/nothing") == {}


async def test_many_tombstones_are_read_to_the_last_one(index):
    ids = {f"wiki:{number}" for number in range(1_100)}
    await forget(index, *ids)
    assert (await index.forgotten("wiki")).keys() == ids


class AtTheLastMoment:
    """A client that lets something happen just before what it is asked to write is written."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client
        self.before: Callable[[], Awaitable[object]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def batch_update_points(self, *args: Any, **options: Any) -> Any:
        before, self.before = self.before, None
        if before:
            await before()
        return await self._client.batch_update_points(*args, **options)


async def test_whoever_writes_it_at_the_moment_in_which_it_is_forgotten_takes_it_back(client, name, index):
    late = AtTheLastMoment(client)
    writer = Index(late, EMBEDDER, name)
    await writer.open()
    late.before = lambda: forget(index, "wiki:kites")
    with pytest.raises(Forgotten):
        await writer.upsert([document("kites", "Kites are flown in autumn.")])
    assert "wiki:kites" not in await records(index)
    assert "wiki:kites" not in await found(index, "kites")


async def test_whoever_is_embedding_it_when_it_is_forgotten_does_not_write_it(client, name, index):
    class Interrupted(WordLlamaEmbedder):
        async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
            await forget(index, "wiki:kites")
            return await super().embed_documents(texts)

    writer = Index(client, Interrupted(), name)
    await writer.open()
    with pytest.raises(Forgotten):
        await writer.upsert([document("kites", "Kites are flown in autumn.")])
    assert (await client.count(writer.name)).count == 0


async def test_writers_and_whoever_forgets_end_with_nothing_of_it(client, name, index):
    kites = document("kites", "\n\n".join(f"Kite {number} is flown in autumn. " * 12 for number in range(6)))

    async def write() -> None:
        with suppress(Forgotten):
            while True:
                await Index(client, EMBEDDER, name).upsert([kites])

    writers = [asyncio.create_task(write()) for _ in range(3)]
    while "wiki:kites" not in await records(index):
        await asyncio.sleep(0)
    await forget(index, "wiki:kites")
    await asyncio.gather(*writers)
    assert "kites" not in (await payloads(client, name)).replace("'document_id': 'wiki:kites'", "")


async def test_it_leaves_the_collections_of_all_models_whichever_one_this_process_embeds_with(client, name, index):
    other = Index(client, WordLlamaEmbedder(), name)
    opened = await other.open()
    await other.upsert([LEAVE, PAY])
    await forget(index, "wiki:pay")
    assert (await client.count(other.name)).count == 1
    assert set(await records(other)) == {"wiki:leave", "wiki:printer"}
    await other.upsert([PRINTER])
    await other.switch(opened.id)
    with pytest.raises(Forgotten):
        await other.upsert([PAY])
    assert "wiki:pay" not in await found(other, "salaries", Audience.of(ANA))
    assert set(await other.forgotten("wiki")) == {"wiki:pay"}
