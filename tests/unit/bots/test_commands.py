"""Commands ask for the right first, then act, and say what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from bots.commands import Command, Commands
from core.errors import TransientError
from core.models import SyncReport, SyncRequest, SyncState, SyncStatus
from tests.fakes import NOON, RecordingReply


@dataclass(frozen=True)
class Submitted:
    accepted: bool
    state: SyncState


class ScriptedJobs:
    """A queue whose syncs run through fixed states; one source may be busy."""

    def __init__(self, *, busy: SyncState | None = None) -> None:
        self.requests: list[SyncRequest] = []
        self._busy = busy

    async def submit(self, request: SyncRequest) -> Submitted:
        if self._busy and self._busy.source == request.source:
            return Submitted(False, self._busy)
        self.requests.append(request)
        return Submitted(True, SyncState(source=request.source, status=SyncStatus.WAITING, request=request))

    async def follow(self, request: SyncRequest) -> AsyncIterator[SyncState]:
        state = SyncState(source=request.source, status=SyncStatus.RUNNING, request=request, started_at=NOON)
        yield replace(state, report=SyncReport(seen=40))
        report = SyncReport(seen=120, indexed=2, unchanged=117, failed={"wiki:broken.docx": "not a Word file"}, seconds=3)
        yield replace(state, status=SyncStatus.DONE, finished_at=NOON, report=report)

    async def states(self) -> dict[str, SyncState]:
        return {"wiki": SyncState(source="wiki", status=SyncStatus.DONE, finished_at=NOON - timedelta(minutes=4))}


class ScriptedMemory:
    async def forget(self, conversation_id: str) -> int:
        return 2

    async def forget_person(self, user: str) -> int:
        return 3


class ScriptedIndex:
    async def counts(self) -> dict[str, int]:
        return {"wiki": 120}


def commands(jobs: ScriptedJobs | None = None) -> Commands:
    return Commands(
        jobs=jobs or ScriptedJobs(),
        index=ScriptedIndex(),
        memory=ScriptedMemory(),
        sources={"wiki": None, "files": None},
        admins=frozenset({"slack:U1"}),
        interval=timedelta(minutes=10),
        clock=lambda: NOON,
    )


def command(name: str, text: str = "", *, user: str = "slack:U1") -> Command:
    return Command(
        name=name,
        text=text,
        user=user,
        user_name="Ana",
        principals=frozenset({user}),
        platform="slack",
        channel_id="C1",
        conversation_id="C1",
    )


async def test_an_admin_follows_a_reindex_to_its_report() -> None:
    jobs, reply = ScriptedJobs(), RecordingReply()
    await commands(jobs).run(command("reindex", "wiki"), reply)
    assert [request.source for request in jobs.requests] == ["wiki"]
    assert reply.shown[0] == "**wiki**: waiting for a worker"
    assert "40 seen" in reply.shown[1]
    assert "120 seen · 2 indexed · 117 unchanged · 1 failed" in reply.shown[-1]
    assert reply.replies == ["**wiki**\n- failed `wiki:broken.docx`: not a Word file"]


async def test_the_card_that_others_see_names_no_document() -> None:
    reply = RecordingReply()
    await commands().run(command("reindex", "wiki"), reply)
    assert not any("broken" in card for card in reply.shown)


async def test_when_the_queue_goes_away_while_a_sync_is_followed_the_person_is_told_so() -> None:
    class Lost(ScriptedJobs):
        async def follow(self, request: SyncRequest) -> AsyncIterator[SyncState]:
            raise TransientError("The queue of syncs cannot be reached.")
            yield

    reply = RecordingReply()
    await commands(Lost()).run(command("reindex"), reply)
    assert reply.replies == ["The queue of syncs cannot be reached."]


async def test_reindex_without_a_name_takes_every_source() -> None:
    jobs = ScriptedJobs()
    await commands(jobs).run(command("reindex"), RecordingReply())
    assert {request.source for request in jobs.requests} == {"wiki", "files"}


async def test_flags_reach_the_request_even_with_a_phones_dashes() -> None:
    jobs = ScriptedJobs()
    await commands(jobs).run(command("reindex", "wiki —dry-run --force"), RecordingReply())
    assert jobs.requests[0].dry_run
    assert jobs.requests[0].force


async def test_who_is_not_an_admin_is_refused_and_nothing_is_started() -> None:
    jobs, reply = ScriptedJobs(), RecordingReply()
    await commands(jobs).run(command("reindex", user="slack:U2"), reply)
    assert "administrators" in reply.replies[0]
    assert not jobs.requests


async def test_a_second_reindex_says_that_one_is_running() -> None:
    scheduled = SyncRequest(id="1", source="wiki", requested_by="schedule", at=NOON)
    running = SyncState(source="wiki", status=SyncStatus.RUNNING, request=scheduled, started_at=NOON, report=SyncReport(seen=45))
    jobs, reply = ScriptedJobs(busy=running), RecordingReply()
    await commands(jobs).run(command("reindex", "wiki"), reply)
    assert not jobs.requests
    assert "45 seen" in reply.shown[0]
    assert "running already" in reply.shown[0]
    assert "120 seen" in reply.shown[-1]


@pytest.mark.parametrize(
    ("text", "named"), [("nowhere", "nowhere"), ("--fast", "--fast"), ('"wiki', "open quote")], ids=["source", "flag", "quote"]
)
async def test_what_is_not_understood_is_named(text: str, named: str) -> None:
    reply = RecordingReply()
    await commands().run(command("reindex", text), reply)
    assert named in reply.replies[0]


async def test_status_tells_how_fresh_each_source_is() -> None:
    reply = RecordingReply()
    await commands().run(command("status"), reply)
    assert "**wiki**: done, last 4 min ago · 120 documents in the index · next in 6 min" in reply.replies[0]
    assert "**files**: never synced" in reply.replies[0]


@pytest.mark.parametrize(("text", "said"), [("", "3 of your questions"), ("here", "2 questions of this conversation")])
async def test_anybody_may_make_it_forget(text: str, said: str) -> None:
    reply = RecordingReply()
    await commands().run(command("forget", text, user="slack:U2"), reply)
    assert said in reply.replies[0]


async def test_where_the_thread_is_not_known_nothing_is_said_to_be_forgotten() -> None:
    reply = RecordingReply()
    await commands().run(replace(command("forget", "here"), conversation_id=None), reply)
    assert "`forget me`" in reply.replies[0]


async def test_an_unknown_command_is_answered_with_the_known_ones() -> None:
    reply = RecordingReply()
    await commands().run(command("dance"), reply)
    assert "`dance`" in reply.replies[0]
    assert "/reindex" in reply.replies[0]
