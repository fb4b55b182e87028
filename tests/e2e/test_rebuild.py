"""The embedding model is changed under a running Footnote, and documents are indexed again: there is always an answer."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from connectors.folder.source import FolderSource
from core.embedded.keeper import Engines, attach
from core.errors import TransientError
from core.indexing.embedding import LocalEmbedder, WordLlamaEmbedder
from core.indexing.index import Index
from core.indexing.jobs import Jobs, Worker
from core.indexing.parsing import Parser
from core.indexing.qdrant import connect
from core.indexing.sync import Syncer
from core.models import ANYONE, NOBODY, PUBLIC, Access, Audience, SyncRequest, SyncState, SyncStatus, now
from core.ports import Embedder, Source
from tests.answering import hits_of
from tests.e2e.installation import Installation, ready
from tests.memory_index import LineParser
from tests.sources import FeedSource, MemorySource, document

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HANDBOOK = Path(__file__).parents[2] / "deploy" / "handbook"
QUESTION = "How many days of paid leave are there in a calendar year?"
LEAVE = "handbook:working-here/leave.md"
TEAM = Access(gates=(frozenset({"group:team"}),))


class TestTheProgram:
    async def test_answers_come_all_the_time_while_serve_moves_to_another_model(self, data_dir: Path) -> None:
        shutil.copytree(HANDBOOK, data_dir / "handbook")
        settings = {
            "FOOTNOTE_DATA_DIR": str(data_dir / "d"),
            "FOOTNOTE_FOLDER": str(data_dir / "handbook"),
            "FOOTNOTE_HTTP_PORT": "0",
            "FOOTNOTE_SYNC_INTERVAL": "1s",
        }
        before = Installation(data_dir, {**settings, "FOOTNOTE_EMBEDDINGS": "local:wordllama"})
        after = Installation(data_dir, {**settings, "FOOTNOTE_EMBEDDINGS": "local"})
        assert (await before.run("sync")).status == 0
        assert "is being rebuilt for all-MiniLM" in (await after.run("check")).out
        found = (await after.run("search", QUESTION, "--json")).json["hits"]
        assert "folder:working-here/leave.md" in [hit["document_id"] for hit in found]
        serving = await after.start("serve")
        try:
            await ready(serving)
            assert serving.stderr is not None
            log = asyncio.create_task(serving.stderr.read())
            async with asyncio.timeout(200):
                while True:
                    found = (await after.run("search", QUESTION, "--json")).json["hits"]
                    assert "folder:working-here/leave.md" in [hit["document_id"] for hit in found]
                    status = (await after.run("status", "--json")).json
                    if status["rebuild"] is None:
                        break
                    assert status["rebuild"]["former"] == WordLlamaEmbedder.name
                    assert status["sources"][0]["documents_in_index"] > 0
        finally:
            serving.terminate()
            await serving.wait()
        assert b"index.switched" in await log
        engines = await attach(data_dir / "d")
        client = connect(socket=engines.qdrant_socket)
        [alias] = (await client.get_aliases()).aliases
        [collection] = (await client.get_collections()).collections
        info = await client.get_collection(collection.name)
        await client.close()
        await engines.release()
        assert (alias.alias_name, alias.collection_name) == ("footnote", collection.name)
        assert info.config.params.vectors["dense"].size == LocalEmbedder.dimension
        found = (await after.run("search", QUESTION, "--json")).json["hits"]
        assert found[0]["document_id"] == "folder:working-here/leave.md"

    async def test_the_command_line_alone_rebuilds_the_index_too(self, data_dir: Path) -> None:
        (data_dir / "pages").mkdir()
        (data_dir / "pages" / "leave.md").write_text("# Leave\n\nEverybody has thirty days of paid leave.\n")
        footnote = Installation(data_dir, {"FOOTNOTE_DATA_DIR": str(data_dir / "d"), "FOOTNOTE_FOLDER": str(data_dir / "pages")})
        other = {"FOOTNOTE_EMBEDDINGS": "local:wordllama"}
        await footnote.run("sync")
        assert "is being rebuilt for wordllama" in (await footnote.run("status", **other)).out
        assert "rebuilt" not in (await footnote.run("status")).out, "it was set back"
        assert (await footnote.run("sync", **other)).status == 0
        assert "rebuilt" not in (await footnote.run("status", **other)).out
        assert [hit["document_id"] for hit in (await footnote.run("search", "leave", "--json", **other)).json["hits"]] == [
            "folder:leave.md"
        ]


class Fleet:
    """Workers of one installation, each with the model that it was started with."""

    def __init__(self, engines: Engines, redis: Redis, *sources: Source) -> None:
        self.jobs = Jobs(redis)
        self.client = connect(socket=engines.qdrant_socket)
        self._sources = {source.name: source for source in sources}

    @asynccontextmanager
    async def working(self, embedder: Embedder, parser: object = None) -> AsyncIterator[Index]:
        index = Index(self.client, embedder)
        await index.open()
        worker = Worker(self.jobs, self._sources, Syncer(index, parser or LineParser(), embedder))
        task = asyncio.create_task(worker.run())
        try:
            yield index
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def sync(self, source: str, **fields: bool) -> SyncState:
        request = SyncRequest(id=f"{source} {now()}", source=source, requested_by="cli", at=now(), **fields)
        await self.jobs.submit(request)
        return [state async for state in self.jobs.follow(request)][-1]


async def found(index: Index, query: str, *groups: str) -> set[str]:
    return {hit.chunk.document_id for hit in await hits_of(index, query, Audience.of(groups), 8)}


@pytest.fixture
def wiki() -> FeedSource:
    source = FeedSource("wiki")
    for name in ("leave", "salary", "kites", "moved"):
        source.put(document(f"wiki:{name}", f"All about {name} in the company", source="wiki"))
    return source


@pytest.fixture
def files() -> MemorySource:
    source = MemorySource("files")
    source.put(document("files:plan", "The plan of the company", source="files"))
    return source


@pytest.fixture
async def fleet(engines: Engines, redis: Redis, wiki: FeedSource, files: MemorySource) -> AsyncIterator[Fleet]:
    """One whose index WordLlama made."""
    fleet = Fleet(engines, redis, wiki, files)
    async with fleet.working(WordLlamaEmbedder()):
        for name in ("wiki", "files"):
            assert (await fleet.sync(name)).status is SyncStatus.DONE
    yield fleet
    await fleet.client.close()


class TestAFleet:
    async def test_the_old_index_answers_until_every_source_is_in_the_new_one(self, fleet: Fleet, files: MemorySource) -> None:
        async with fleet.working(LocalEmbedder()) as index:
            assert (await fleet.sync("wiki")).status is SyncStatus.DONE
            files.error = TransientError("away")
            assert (await fleet.sync("files")).status is SyncStatus.FAILED
            assert (await fleet.sync("wiki")).report.rebuilt
            assert (await index.rebuild()) is not None
            assert await found(index, "company") == {"wiki:leave", "wiki:salary", "wiki:kites", "wiki:moved", "files:plan"}
            files.error = None
            before = (await fleet.jobs.state("files")).fresh_at
            state = await fleet.sync("files")
            assert await index.rebuild() is None
            assert before < state.fresh_at
            assert await found(index, "company") == {"wiki:leave", "wiki:salary", "wiki:kites", "wiki:moved", "files:plan"}

    async def test_who_loses_access_meanwhile_loses_it_at_once(self, fleet: Fleet, wiki: FeedSource) -> None:
        async with fleet.working(LocalEmbedder()) as index:
            wiki.set_access("wiki:salary", TEAM)
            wiki.remove("wiki:kites")
            await fleet.sync("wiki")
            assert (await index.rebuild()) is not None
            assert await found(index, "company") == {"wiki:leave", "wiki:moved", "files:plan"}
            assert "wiki:salary" in await found(index, "salary", "group:team")
            wiki.set_access("wiki:leave", TEAM)
            wiki.remove("wiki:salary")
            wiki.put(document("wiki:moved", "Now about something else", access=TEAM, source="wiki"))
            await fleet.sync("wiki")
            assert (await index.rebuild()) is not None
            assert await found(index, "company") == {"files:plan"}
            assert await found(index, "company", "group:team") == {"wiki:leave", "files:plan"}, (
                "the new text comes with the new one"
            )
            wiki.set_access("wiki:moved", PUBLIC)
            await fleet.sync("wiki")
            assert "wiki:moved" not in await found(index, "company", "group:team"), "that access was not meant for the old text"
            await fleet.sync("files")
            assert await index.rebuild() is None
            assert await found(index, "company something", "group:team") == {"wiki:leave", "wiki:moved", "files:plan"}

    async def test_a_source_of_which_much_vanished_keeps_the_old_index_until_it_is_confirmed(
        self, fleet: Fleet, files: MemorySource
    ) -> None:
        for number in range(40):
            files.put(document(f"files:{number}", f"File {number}", source="files"))
        async with fleet.working(WordLlamaEmbedder()):
            await fleet.sync("files")
        for number in range(40):
            files.remove(f"files:{number}")
        async with fleet.working(LocalEmbedder()) as index:
            await fleet.sync("wiki")
            assert (await fleet.sync("files")).status is SyncStatus.NEEDS_CONFIRMATION
            assert (await index.counts())["files"] == 41
            assert (await index.rebuild()) is not None
            assert (await fleet.sync("files", prune=True)).status is SyncStatus.DONE
            assert await index.counts() == {"wiki": 4, "files": 1}
            assert await index.rebuild() is None

    async def test_a_model_set_back_half_way_goes_on_with_what_it_had_and_misses_nothing(
        self, fleet: Fleet, wiki: FeedSource
    ) -> None:
        async with fleet.working(LocalEmbedder()):
            wiki.put(document("wiki:leave", "Leave is sixty days", source="wiki"))
            wiki.set_access("wiki:kites", NOBODY)
            await fleet.sync("wiki")
        async with fleet.working(WordLlamaEmbedder()) as index:
            wiki.set_access("wiki:kites", PUBLIC)
            state = await fleet.sync("wiki")
            assert (state.report.indexed, state.report.rebuilt) == (1, "")
            assert "wiki:leave" in await found(index, "sixty days")
            assert "wiki:kites" in await found(index, "kites")
            assert len((await fleet.client.get_collections()).collections) == 1


class TestReindex:
    async def test_answers_are_never_empty_while_everything_is_written_again(self, engines: Engines, redis: Redis) -> None:
        fleet, parser = Fleet(engines, redis, FolderSource("handbook", HANDBOOK)), Parser()
        async with fleet.working(WordLlamaEmbedder(), parser) as index:
            await fleet.sync("handbook")
            for flags in ({"full": True}, {"full": True, "force": True}):
                running = asyncio.create_task(fleet.sync("handbook", **flags))
                asked = 0
                while not running.done():
                    assert LEAVE in {hit.chunk.document_id for hit in await hits_of(index, QUESTION, ANYONE, 8)}
                    asked += 1
                assert (await running).status is SyncStatus.DONE
                assert asked
        await fleet.client.close()
        await parser.close()

    async def test_two_at_once_and_one_more_during_the_run_are_one_and_the_others_are_told_so(
        self, engines: Engines, redis: Redis
    ) -> None:
        began, go, runs = asyncio.Event(), asyncio.Event(), []

        class Slow(MemorySource):
            async def changes(self, cursor, known):
                runs.append(cursor)
                began.set()
                await go.wait()
                async for change in super().changes(cursor, known):
                    yield change

        def asked(id: str) -> SyncRequest:
            return SyncRequest(id=id, source="slow", requested_by="slack:U1", at=now(), full=True)

        fleet = Fleet(engines, redis, Slow("slow"))
        first, second = await asyncio.gather(fleet.jobs.submit(asked("a")), fleet.jobs.submit(asked("b")))
        assert sorted([first.accepted, second.accepted]) == [False, True]
        async with fleet.working(WordLlamaEmbedder()):
            await began.wait()
            third = await fleet.jobs.submit(asked("c"))
            assert (third.accepted, third.state.status) == (False, SyncStatus.RUNNING)
            assert third.state.request == first.state.request == second.state.request
            go.set()
            assert [state async for state in fleet.jobs.follow(third.state.request)][-1].status is SyncStatus.DONE
        assert len(runs) == 1
        await fleet.client.close()
