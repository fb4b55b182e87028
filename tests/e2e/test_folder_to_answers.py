"""A folder on disk becomes searchable knowledge: the real source, queue, worker, parser, embedder and engines."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from connectors.folder.source import FolderSource
from core.embedded.keeper import Engines
from core.indexing.embedding import WordLlamaEmbedder
from core.indexing.index import Index
from core.indexing.jobs import Jobs, Schedule, Worker
from core.indexing.parsing import Parser
from core.indexing.qdrant import connect
from core.indexing.sync import Syncer
from core.models import ANYONE, Audience, SyncRequest, SyncState, SyncStatus, now
from tests.answering import hits_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HANDBOOK = Path(__file__).parents[2] / "deploy" / "handbook"


@pytest.fixture
async def index(engines: Engines) -> AsyncIterator[Index]:
    client = connect(socket=engines.qdrant_socket)
    index = Index(client, WordLlamaEmbedder())
    await index.open()
    yield index
    await client.close()


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser()
    yield parser
    await parser.close()


@asynccontextmanager
async def running(*parts: Worker | Schedule) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def reindex(jobs: Jobs, id: str, **fields: bool) -> SyncState:
    request = SyncRequest(id=id, source="handbook", requested_by="cli", at=now(), **fields)
    assert (await jobs.submit(request)).accepted
    return [state async for state in jobs.follow(request)][-1]


async def found(index: Index, query: str, audience: Audience = ANYONE) -> set[str]:
    return {hit.chunk.document_id for hit in await hits_of(index, query, audience, 8)}


async def test_a_folder_is_searched_edited_restricted_and_emptied(
    redis: Redis, index: Index, parser: Parser, tmp_path: Path
) -> None:
    folder = tmp_path / "handbook"
    shutil.copytree(HANDBOOK, folder)
    (folder / "broken.docx").write_bytes(b"PK\x03\x04 and nothing behind it")
    source = FolderSource("handbook", folder)
    jobs = Jobs(redis)
    async with running(Worker(jobs, {"handbook": source}, Syncer(index, parser, WordLlamaEmbedder()))):
        state = await reindex(jobs, "first")
        assert state.status is SyncStatus.DONE
        assert set(state.report.failed) == {"handbook:broken.docx"}
        covered = state.report.coverage
        assert covered is not None
        assert state.report.indexed == (await index.counts())["handbook"] == covered.in_index == covered.in_source - 1
        assert (covered.failed, covered.missing) == (1, 0)
        assert "handbook:working-here/leave.md" in await found(index, "how many days of paid leave in a calendar year")

        private = "handbook:people/handover-jonas-to-mara.md"
        assert private not in await found(index, "handover from Jonas to Mara, open offers")

        chunks = state.report.chunks
        state = await reindex(jobs, "again", full=True)
        assert (state.report.indexed, state.report.unchanged) == (0, (await index.counts())["handbook"])

        leave = folder / "working-here" / "leave.md"
        leave.write_text(leave.read_text() + "\n## Kites\n\nOn kite day everybody receives a purple zeppelin.\n")
        (folder / "glossary.md").unlink()
        state = await reindex(jobs, "edited")
        assert (state.report.indexed, state.report.removed) == (1, 1)
        assert state.report.chunks < chunks
        assert "handbook:working-here/leave.md" in await found(index, "purple zeppelin")

        (folder / "working-here" / ".access.toml").write_text('read = ["group:staff"]')
        state = await reindex(jobs, "restricted")
        assert (state.report.indexed, state.report.access_changed > 0) == (0, True)
        assert "handbook:working-here/leave.md" not in await found(index, "purple zeppelin")
        assert "handbook:working-here/leave.md" in await found(index, "purple zeppelin", Audience.of({"group:staff"}))

        shutil.rmtree(folder)
        state = await reindex(jobs, "gone")
        assert (state.status, "cannot be read" in str(state.error)) == (SyncStatus.FAILED, True)
        folder.mkdir()
        state = await reindex(jobs, "empty")
        assert (state.status, "lists no documents" in str(state.error)) == (SyncStatus.FAILED, True)
        assert (await index.counts())["handbook"] > 0
