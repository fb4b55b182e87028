"""What Confluence and Drive cost: a resync without changes, a first sync beside its two halves, and memory."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.embedded.keeper import Engines
from core.indexing.chunking import chunk
from core.indexing.embedding import LocalEmbedder
from core.indexing.index import Index
from core.indexing.parsing import Parser
from core.indexing.qdrant import connect
from core.indexing.sync import Syncer
from core.limits import LocalLimiter
from core.models import Upsert
from tests.benchmarks.emulated import SPACES, emulated
from tests.benchmarks.syncing import source_of, sync
from tests.memory_index import MemoryIndex, MemoryLedger

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

RESYNC_SECONDS = 10.0
"""Of 10,000 pages in which nothing changed."""
OVERLAP = 1.2
"""A first sync beside the slower one of reading and embedding."""
GROWTH_MB = 150.0
"""From 1,000 to 20,000 documents."""
ROUND_TRIP = 0.15
"""Seconds that a request takes."""
KINDS = pytest.mark.parametrize("kind", ["confluence", "drive"])


async def measured(kind: str, documents: int) -> dict[str, Any]:
    async with emulated(kind, documents) as settings:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.benchmarks.syncing",
            kind,
            json.dumps(settings),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        # Before it stands what was logged.
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
    for name in ("first", "again"):
        assert (found[name]["failed"], found[name]["missing"]) == (0, 0)
    assert (found["first"]["indexed"], found["again"]["indexed"]) == (documents, 0)
    return found


@KINDS
async def test_a_resync_of_ten_thousand_documents_without_changes(kind: str) -> None:
    found = await measured(kind, 10_000)
    again = found["again"]
    print(f"\n{kind}: 10,000 documents, nothing changed: {again['seconds']:.2f} s, {again['requests']} requests")
    assert again["seconds"] <= RESYNC_SECONDS
    if kind == "drive":
        assert again["requests"] <= 1 + 1 + 1, "the feed, the one drive, and its token"


@KINDS
async def test_memory_is_flat(kind: str) -> None:
    small, large = await measured(kind, 1_000), await measured(kind, 20_000)
    growth = large["megabytes"] - small["megabytes"]
    print(
        f"\n{kind}: {small['megabytes']:.0f} MB for 1,000 documents, {large['megabytes']:.0f} MB for 20,000: {growth:+.0f} MB; "
        f"first sync of 20,000 in {large['first']['seconds']:.0f} s with {large['first']['requests']} requests"
    )
    assert growth <= GROWTH_MB


@KINDS
async def test_a_first_sync_takes_little_longer_than_the_slower_of_reading_and_embedding(
    kind: str, engines: Engines, full: bool
) -> None:
    """Each request takes as long as one over the internet does. So many of them that the first listing, which comes before
    anything can be embedded, does not decide.
    """
    documents = 5000 if full else 2000
    embedder, parser = LocalEmbedder(), Parser()
    await embedder.embed_documents(["warm"])
    client = connect(socket=engines.qdrant_socket)
    index = Index(client, embedder)
    await index.open()
    async with emulated(kind, documents, ROUND_TRIP) as settings:

        async def read() -> tuple[float, list[Upsert]]:
            source = source_of(kind, settings, LocalLimiter(rate=1000))
            began = time.perf_counter()
            told = [change async for change in source.changes(None, {}) if isinstance(change, Upsert)]
            await source.close()
            return time.perf_counter() - began, told

        reading, told = await read()
        pairs = [(each.document, await parser.parse(each.document)) for each in told]
        texts = [part.indexed_text for document, blocks in pairs for part in chunk(document, blocks, embedder.count)]
        began = time.perf_counter()
        for start in range(0, len(texts), 256):
            await embedder.embed_documents(texts[start : start + 256])
        embedding = time.perf_counter() - began
        source = source_of(kind, settings, LocalLimiter(rate=1000))
        began = time.perf_counter()
        report = await sync(Syncer(index, parser, embedder), source, MemoryLedger(MemoryIndex()))
        syncing = time.perf_counter() - began
        await source.close()
    await parser.close()
    await client.close()
    assert report.indexed == documents
    ratio = syncing / max(reading, embedding)
    print(
        f"\n{kind}: {documents} documents in {SPACES} places, {len(texts)} chunks: reading {reading:.1f} s, "
        f"embedding {embedding:.1f} s, the first sync {syncing:.1f} s, ratio {ratio:.2f}"
    )
    assert ratio <= OVERLAP
