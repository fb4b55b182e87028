"""`/forget` over the real queue, memory and index, with a folder of pages as the source."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.forget import MOST, Forget
from bots.desk import AnswerDesk, Kept
from bots.pending import Pending, Question
from connectors.folder.source import FolderSource
from core.answering.memory import Memory
from core.embedded.keeper import Engines
from core.errors import TransientError, UserError
from core.evaluation.feedback import FeedbackLog
from core.evaluation.gaps import Gaps
from core.indexing.index import Index
from core.indexing.jobs import Jobs, Worker
from core.indexing.qdrant import connect
from core.indexing.sync import Syncer
from core.models import ANYONE, PUBLIC, SyncRequest, SyncState, SyncStatus, Turn
from tests.answering import hits_of
from tests.fakes import NOON, RecordingReply, ScopedSource, message
from tests.memory_index import LineParser, WordEmbedder
from tests.one_redis import redis_away

WIKI = "https://wiki.acme.com"
PAY = "folder:pay.md"


class OtherWords(WordEmbedder):
    name, dimension = "other words", 16


class House:
    """Everything but the platforms."""

    def __init__(self, folder: Path, engines: Engines, redis: Redis, embedder: WordEmbedder | None = None) -> None:
        self.folder = folder
        self.engines = engines
        self.redis = redis
        self.client = connect(socket=engines.qdrant_socket)
        self.embedder = embedder or WordEmbedder()
        self.index = Index(self.client, self.embedder)
        self.jobs = Jobs(redis)
        self.memory = Memory(redis, turns=10, ttl=timedelta(days=1), accesses=self.index.accesses)
        self.desk = AnswerDesk(redis, self.index.classes)
        self.pending = Pending(redis)
        self.feedback, self.gaps = FeedbackLog(redis), Gaps(redis, self.embedder)
        # Files count as settled at once.
        self.source = FolderSource("folder", folder, url=WIKI, clock=lambda: time.time() + 3600)
        self.forget = self.a_forget({"folder": self.source})

    def a_forget(self, sources: dict[str, object]) -> Forget:
        return Forget(
            memory=self.memory,
            desk=self.desk,
            pending=self.pending,
            feedback=self.feedback,
            gaps=self.gaps,
            jobs=self.jobs,
            index=self.index,
            sources=sources,
            admins=frozenset({"slack:ROOT"}),
            clock=lambda: NOON,
        )

    async def given(self, text: str, user: str = "slack:ROOT", conversation: str | None = "c1") -> str:
        reply = RecordingReply()
        command = Command(
            name="forget",
            text=text,
            user=user,
            user_name="Ana",
            principals=frozenset({user}),
            platform="slack",
            channel_id="C1",
            conversation_id=conversation,
        )
        await self.forget.run(command, reply)
        [said] = reply.replies
        return said

    async def sync(self, **fields: bool) -> SyncState:
        """All that waits, and then this."""
        request = SyncRequest(id=f"r{time.monotonic_ns()}", source="folder", requested_by="cli", at=NOON, **fields)
        worker = Worker(self.jobs, {"folder": self.source}, Syncer(self.index, LineParser(), self.embedder))
        working = asyncio.create_task(worker.run())
        await self.jobs.submit(request)
        [*_, last] = [state async for state in self.jobs.follow(request)]
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        assert last.status is SyncStatus.DONE, last.error
        return last

    async def found(self, query: str) -> set[str]:
        return {hit.chunk.document_id for hit in await hits_of(self.index, query, ANYONE, 50)}

    async def remember(self, user: str, *documents: str) -> None:
        turn = Turn(
            question="What?",
            answer="That.",
            accesses=(PUBLIC,) * len(documents),
            documents=documents,
            asked_by=user,
            asked_by_name="Ana",
            at=NOON,
        )
        await self.memory.add("c1", turn)


@pytest.fixture
async def house(data_dir: Path, shared_engines: Engines, redis: Redis) -> AsyncIterator[House]:
    folder = data_dir / "pages"
    (folder / "travel").mkdir(parents=True)
    for name in ("leave", "pay", "travel/trains", "travel/planes", "travel/all"):
        (folder / f"{name}.md").write_text(f"All that is known about {name}.")
    house = House(folder, shared_engines, redis)
    await house.sync()
    yield house
    for collection in (await house.client.get_collections()).collections:
        await house.client.delete_collection(collection.name)
    await house.client.close()


async def test_all_that_is_kept_of_a_person_goes_and_is_counted_by_its_kind(house: House):
    for user in ("slack:ANA", "slack:ANA", "slack:BOB"):
        await house.remember(user, PAY)
    await house.desk.keep("a1", Kept(user="slack:ANA", channel_id="C1", question="What?"))
    await house.pending.begin(Question(message=message(user="slack:ANA", id="m1")))
    await house.pending.begin(Question(message=message(user="slack:BOB", id="m2")))
    await house.jobs.submit(SyncRequest(id="r1", source="folder", requested_by="slack:ANA", at=NOON, full=True))
    await house.jobs.submit(SyncRequest(id="r2", source="folder", requested_by="slack:BOB", at=NOON, force=True))
    told = await house.given("", user="slack:ANA")
    assert told == (
        "Forgotten: 2 questions with their answers, 1 that wait for one, 1 kept for buttons, 0 ratings and questions without an "
        "answer, 1 syncs that were waiting."
    )
    assert [turn.asked_by for turn in await house.memory.read("c1", ANYONE)] == ["slack:BOB"]
    assert await house.desk.load("a1") is None
    assert b"ANA" not in b"".join([key async for key in house.redis.scan_iter("*")])
    told = await house.given("me", user="slack:ANA")
    assert told == (
        "Forgotten: 0 questions with their answers, 0 that wait for one, 0 kept for buttons, 0 ratings and questions without an "
        "answer, 0 syncs that were waiting. Nothing was left to forget."
    )


async def test_a_conversation_is_forgotten_where_it_is_known_which_one_it_is(house: House):
    await house.remember("slack:ANA", PAY)
    assert await house.given("here") == "Forgotten: 1 questions of this conversation, with their answers."
    assert await house.given("here") == "Forgotten: 0 questions of this conversation, with their answers."
    with pytest.raises(UserError, match="`forget me`"):
        await house.given("here", conversation=None)


async def test_what_is_not_understood_is_answered_with_what_is(house: House):
    with pytest.raises(UserError, match=r"`me`.*`here`.*forget document"):
        await house.given("everything")
    with pytest.raises(UserError, match="Say which document"):
        await house.given("document")


async def test_only_administrators_have_documents_forgotten(house: House):
    with pytest.raises(UserError, match="administrators"):
        await house.given(f"document {PAY}", user="slack:ANA")
    assert PAY in await house.found("pay")


@pytest.mark.parametrize("name", [PAY, f"{WIKI}/pay.md", f"<{WIKI}/pay.md|pay>", "pay.md"])
async def test_a_document_leaves_the_index_at_once_and_memory_with_it(house: House, name: str):
    await house.remember("slack:ANA", PAY)
    await house.remember("slack:ANA", "folder:leave.md")
    told = await house.given(f"document {name}")
    assert told == f"Forgotten: `{PAY}`. No sync brings it back until you say the same with `undo` behind it."
    assert PAY not in await house.found("pay")
    assert [turn.documents for turn in await house.memory.read("c1", ANYONE)] == [("folder:leave.md",)]
    assert await house.given(f"document {PAY}") == f"Forgotten before: `{PAY}`."


async def test_nothing_brings_it_back_but_an_undo(house: House):
    await house.given(f"document {PAY}")
    report = (await house.sync()).report
    assert report.coverage is not None
    assert (report.coverage.in_source, report.coverage.missing) == (5, 0)
    assert report.coverage.skipped == {"forgotten by an administrator": 1}
    (house.folder / "pay.md").write_text("Everybody is paid more.")
    await house.sync(full=True, force=True)
    await house.redis.flushall()
    await house.sync()
    assert PAY not in await house.found("paid more")

    renewed = House(house.folder, house.engines, house.redis, OtherWords())
    await renewed.sync()
    assert await renewed.index.rebuild() is None
    assert PAY not in await renewed.found("paid more")
    assert await renewed.given(f"document {PAY} undo") == (
        f"No longer forgotten: `{PAY}`. The next sync brings back what the source still has."
    )
    await renewed.sync()
    assert PAY in await renewed.found("paid more")
    assert await renewed.given(f"document {PAY} undo") == f"Not forgotten: `{PAY}`."
    await renewed.client.close()


async def test_several_documents_are_named_first_and_forgotten_when_all_are_meant(house: House):
    with pytest.raises(UserError, match=r"is 3 documents: `folder:travel/all.md`, .*say `all` behind it"):
        await house.given("document travel")
    assert len(await house.found("travel")) == 5
    await house.given("document travel all")
    assert await house.found("travel") == {"folder:leave.md", PAY}
    assert await house.given("document travel undo all") == (
        "No longer forgotten: `folder:travel/all.md`, `folder:travel/planes.md`, `folder:travel/trains.md`. "
        "The next sync brings back what the source still has."
    )


async def test_a_whole_folder_is_refused(house: House):
    for number in range(MOST):
        (house.folder / "travel" / f"{number}.md").write_text("Text.")
    with pytest.raises(UserError, match=f"more than {MOST} documents"):
        await house.given("document travel all")


async def test_what_nobody_knows_is_said_with_the_reasons(house: House):
    with pytest.raises(UserError, match=r"no document `nowhere.md`[^-]*- folder has no file or folder"):
        await house.given("document nowhere.md")


async def test_while_the_source_is_away_a_document_is_found_by_its_address_in_the_index(house: House):
    house.forget = house.a_forget({"folder": ScopedSource("folder", broken=TransientError("The share does not answer."))})
    assert (await house.given(f"document {WIKI}/pay.md")).startswith(f"Forgotten: `{PAY}`.")
    with pytest.raises(UserError, match=r"The share does not answer\."):
        await house.given("document travel")


async def test_without_redis_a_document_is_forgotten_and_a_person_is_told_that_they_are_not(house: House):
    away = redis_away()
    house.jobs, house.desk = Jobs(away), AnswerDesk(away, house.index.classes)
    house.forget = house.a_forget({"folder": house.source})
    assert (await house.given(f"document {PAY}")).startswith("Forgotten:")
    assert PAY not in await house.found("pay")
    with pytest.raises(TransientError, match="try it again"):
        await house.given("me")
