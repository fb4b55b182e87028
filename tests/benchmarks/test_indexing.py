"""What indexing costs on top of embedding: in turns in one run, so that a noisy neighbour meets both."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from core.embedded.keeper import Engines
from core.indexing.chunking import chunk
from core.indexing.embedding import LocalEmbedder
from core.indexing.index import Index
from core.indexing.qdrant import connect
from core.indexing.readers.plain import read_text
from core.models import PUBLIC, Document
from tests.benchmarks.prose import pages

pytestmark = pytest.mark.benchmark

LIMIT = 1.15
DOCUMENTS = 40
"""In one upsert: some sixty chunks, as the sync hands them over."""


def documents(count: int) -> list[Document]:
    found = list(pages())
    return [
        Document(
            id=f"wiki:{number}",
            source="wiki",
            title=title,
            url=f"https://wiki.acme.com/{number}",
            body=text,
            media_type="text/plain",
            updated_at=datetime(2026, 11, 2, tzinfo=UTC),
            access=PUBLIC,
        )
        for number, (title, text) in enumerate(found[:count])
    ]


@pytest.mark.timeout(1800)
async def test_indexing_costs_little_more_than_embedding_the_same_chunks(engines: Engines, full: bool) -> None:
    embedder = LocalEmbedder()
    client = connect(socket=engines.qdrant_socket)
    index = Index(client, embedder)
    await index.open()
    parsed = [(document, read_text(str(document.body))) for document in documents(1500 if full else 400)]
    embedding = indexing = 0.0
    total = 0
    for start in range(0, len(parsed), DOCUMENTS):
        part = parsed[start : start + DOCUMENTS]
        texts = [c.indexed_text for document, blocks in part for c in chunk(document, blocks, embedder.count)]
        for turn in ("embed", "index") if start % (2 * DOCUMENTS) else ("index", "embed"):
            began = time.perf_counter()
            if turn == "embed":
                await embedder.embed_documents(texts)
                embedding += time.perf_counter() - began
            else:
                pairs = [
                    (document, await asyncio.to_thread(chunk, document, blocks, embedder.count)) for document, blocks in part
                ]
                total += await index.upsert(pairs)
                indexing += time.perf_counter() - began
    assert await index.counts() == {"wiki": len(parsed)}
    await client.close()
    ratio = indexing / embedding
    print(f"\n{total} chunks: embedding {embedding:.2f} s, indexing {indexing:.2f} s, ratio {ratio:.3f}")
    assert ratio <= LIMIT
