"""A worker as a process of its own, over a real Qdrant and a real Redis, with a source that every such process sees alike.

``python -m tests.unit.core.indexing.jobs.process SETTINGS`` is that process; it ends with its worker.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.indexing.index import Index
from core.indexing.jobs import Jobs, Worker
from core.indexing.jobs.helping import Helping
from core.indexing.ledger import Row
from core.indexing.qdrant import connect
from core.indexing.sync import Syncer
from core.telemetry import configure_logging
from tests.memory_index import LineParser, WordEmbedder
from tests.sources import FeedSource, document

ROOT = Path(__file__).parents[5]


@dataclass(frozen=True, kw_only=True)
class Settings:
    qdrant: str
    redis: str
    pages: int
    """How many the source has."""
    edits: int = 0
    """How many of them were edited, and how many removed, since the first sync."""
    ttl: float = 3.0
    embedding_seconds: float = 0.0
    """Per chunk, as of a service that embeds."""
    syncs: bool = True
    """Otherwise it only helps."""
    dies_at_cursor: bool = False
    """It is killed when all is in the index and the cursor is not saved yet."""


class WorkerProcess:
    def __init__(self, log: Path, settings: Settings) -> None:
        self._log = log
        with log.open("wb") as file:
            command = [sys.executable, "-m", __name__, json.dumps(asdict(settings))]
            self._process = subprocess.Popen(command, cwd=ROOT, stderr=file)

    def send(self, blow: signal.Signals) -> None:
        self._process.send_signal(blow)

    @property
    def over(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        if not self.over:
            self.send(signal.SIGKILL)
        self._process.wait()

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]


def source_of(pages: int, edits: int) -> FeedSource:
    source = FeedSource()
    for number in range(pages):
        source.put(_page(number, edition=1))
    for number in range(edits):
        source.put(_page(3 * number, edition=2))
        source.remove(f"pages:{3 * number + 1}")
    return source


def _page(number: int, *, edition: int) -> Any:
    # Some are longer than one chunk, and an edited one is shorter than it was: what is left over of it is an orphan.
    lines = [
        f"# Page {number}",
        *(f"Room {number}, line {line}, edition {edition}. " * 12 for line in range(number % 4 * 6 // edition)),
    ]
    return document(f"pages:{number}", "\n\n".join([*lines, f"Edition {edition} of page {number}."]))


class SlowEmbedder(WordEmbedder):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        await asyncio.sleep(self._seconds * len(texts))
        return await super().embed_documents(texts)


class DiesAtCursor:
    """A ledger whose process is killed when it would save the cursor."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def keep(self, cursor: str | None, rows: Mapping[str, Row | None]) -> None:
        if cursor is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        await self._ledger.keep(cursor, rows)


class DyingSyncer(Syncer):
    async def run(self, source: Any, request: Any, state: Any, ledger: Any) -> Any:
        return await super().run(source, request, state, DiesAtCursor(ledger))


async def _work(settings: Settings) -> None:
    from bots.redis import connect_redis

    redis, client = connect_redis(settings.redis), connect(url=settings.qdrant)
    embedder, parser = SlowEmbedder(settings.embedding_seconds), LineParser()
    index = Index(client, embedder)
    await index.open()
    helping = Helping(settings.redis, redis, index, parser, embedder.count)
    syncer = (DyingSyncer if settings.dies_at_cursor else Syncer)(index, parser, embedder, helpers=helping)
    sources = {"pages": source_of(settings.pages, settings.edits)} if settings.syncs else {}
    await Worker(Jobs(redis, ttl=settings.ttl), sources, syncer, helping=helping).run()


if __name__ == "__main__":
    configure_logging(style="json")
    asyncio.run(_work(Settings(**json.loads(sys.argv[1]))))
