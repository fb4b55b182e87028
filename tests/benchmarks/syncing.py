"""A sync in a process of its own, so that its memory can be told: ``python -m tests.benchmarks.syncing confluence SETTINGS``.

Vectors are made up, which takes no time; everything else is real. Prints what it took as JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connectors.confluence.source import ConfluenceSource
from connectors.google_drive.source import DriveSource
from core.embedded.keeper import attach
from core.indexing.embedding import LocalEmbedder
from core.indexing.index import Index
from core.indexing.parsing import Parser
from core.indexing.qdrant import connect
from core.indexing.sync import Syncer
from core.limits import LocalLimiter
from core.models import SyncReport, SyncRequest, SyncState
from core.ports import Limiter
from core.settings import ConfluenceConfig, DriveConfig
from tests.memory_index import MemoryIndex, MemoryLedger
from tests.sources import NOON


class MadeUp(LocalEmbedder):
    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0] + [(number % 7) / 100] * (self.dimension - 1) for number, _ in enumerate(texts)]


class Counted:
    """Counts the requests that its limiter lets pass."""

    def __init__(self) -> None:
        self.requests = 0
        self.limiter = LocalLimiter()

    async def acquire(self) -> None:
        await self.limiter.acquire()
        self.requests += 1

    async def pause(self, seconds: float) -> None:
        await self.limiter.pause(seconds)


def source_of(kind: str, settings: dict[str, Any], limiter: Limiter) -> ConfluenceSource | DriveSource:
    if kind == "confluence":
        return ConfluenceSource(ConfluenceConfig(**settings), limiter)
    return DriveSource(DriveConfig(**settings), limiter)


async def sync(syncer: Syncer, source: ConfluenceSource | DriveSource, ledger: MemoryLedger) -> SyncReport:
    request = SyncRequest(id="r", source=source.name, requested_by="cli", at=NOON)
    return await syncer.run(source, request, SyncState(source=source.name, cursor=ledger.cursor), ledger)


async def measure(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A first sync as fast as can be, and one without changes at our usual pace: seconds, requests, and the megabytes that
    this process had at most.
    """
    limiter = Counted()
    source = source_of(kind, settings, limiter)
    parser = Parser()
    with tempfile.TemporaryDirectory(prefix="fn-", ignore_cleanup_errors=True) as data_dir:
        engines = await attach(Path(data_dir))
        client = connect(socket=engines.qdrant_socket)
        index = Index(client, MadeUp())
        await index.open()
        ledger = MemoryLedger(MemoryIndex())
        syncer = Syncer(index, parser, MadeUp())
        found: dict[str, Any] = {}
        for name, limiter.limiter in {"first": LocalLimiter(rate=10_000), "again": LocalLimiter()}.items():
            limiter.requests, began = 0, time.perf_counter()
            report = await sync(syncer, source, ledger)
            found[name] = {
                "seconds": time.perf_counter() - began,
                "requests": limiter.requests,
                "indexed": report.indexed,
                "failed": report.failures,
                "missing": report.coverage.missing if report.coverage else None,
            }
        await source.close()
        await parser.close()
        await client.close()
        await engines.release()
    return found | {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], json.loads(sys.argv[2])))))
