"""Commands ask for the right first, then act, and say what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from bots.command import Command
from bots.commands.registry import Commands
from bots.commands.selection import Selection, selections
from core.errors import TransientError, UserError
from core.indexing.ledger import Row
from core.models import Coverage, SyncReport, SyncRequest, SyncState, SyncStatus
from tests.fakes import NOON, RecordingReply, ScopedSource

PAGE = "https://acme.atlassian.net/wiki/spaces/ENG/pages/7"


@dataclass(frozen=True)
class Submitted:
    accepted: bool
    state: SyncState


COVERED = Coverage(in_source=124, in_index=119, skipped={"too large": 3, "unsupported type": 1}, failed=1, missing=0)
BROKEN = Row(reason="not a Word file", attempts=2, due=NOON + timedelta(minutes=15))


class ScriptedJobs:
    """A queue whose syncs run through fixed states; one source may be busy."""

    def __init__(self, *, busy: SyncState | None = None, **ending: Any) -> None:
        self.requests: list[SyncRequest] = []
        self.failed = {"wiki:broken.docx": BROKEN, "wiki:film.mp4": Row(reason="unsupported type", skipped=True)}
        self._busy = busy
        self._ending = {"status": SyncStatus.DONE, "finished_at": NOON} | ending

    async def submit(self, request: SyncRequest) -> Submitted:
        if self._busy and self._busy.source == request.source:
            return Submitted(False, self._busy)
        self.requests.append(request)
        return Submitted(True, SyncState(source=request.source, status=SyncStatus.WAITING, request=request))

    async def follow(self, request: SyncRequest) -> AsyncIterator[SyncState]:
        state = SyncState(source=request.source, status=SyncStatus.RUNNING, request=request, started_at=NOON)
        yield replace(state, report=SyncReport(seen=40, indexed=40, expected=120, seconds=20))
        report = SyncReport(seen=120, indexed=2, unchanged=117, failures=1, seconds=30, coverage=COVERED)
        yield replace(state, **{"report": report} | self._ending)

    async def rows(self, source: str) -> dict[str, Row]:
        return self.failed if source == "wiki" else {}

    async def states(self) -> dict[str, SyncState]:
        at = NOON - timedelta(minutes=4)
        report = SyncReport(seen=120, failures=1, coverage=COVERED)
        done = SyncState(source="wiki", status=SyncStatus.DONE, finished_at=at, fresh_at=at, listed_at=at, report=report)
        return {"wiki": done}


class ScriptedIndex:
    async def counts(self) -> dict[str, int]:
        return {"wiki": 120}

    async def rebuild(self) -> None:
        return None


def commands(jobs: ScriptedJobs | None = None) -> Commands:
    return Commands(
        jobs=jobs or ScriptedJobs(),
        index=ScriptedIndex(),
        sources={"wiki": ScopedSource("wiki", "ENG", PAGE), "files": ScopedSource("files", "travel")},
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
    assert [(request.source, request.scope, request.full) for request in jobs.requests] == [("wiki", None, False)]
    assert reply.shown == [
        "**wiki**: waiting for a worker",
        "**wiki**: syncing, started 0 s ago · 40 seen · 40 indexed · 40 of 120, 2.0 documents/s, about 40 s left",
        "**wiki**: done in 30.0 s · 120 seen · 2 indexed · 117 unchanged · 1 failed\n"
        "  in the source 124 · in the index 119 · skipped 4 (too large 3, unsupported type 1) · failed 1",
    ]


async def test_what_failed_is_told_to_the_person_alone_with_a_button_that_tries_it_again() -> None:
    reply = RecordingReply()
    await commands().run(command("reindex", "wiki"), reply)
    assert reply.replies == ["**wiki**\n- failed `wiki:broken.docx`: not a Word file (tried 2 times; again in 15 min)"]
    (button,) = reply.buttons
    assert (button.label, button.command) == ("Retry failed: wiki", "reindex wiki failed")


async def test_a_retry_asks_for_what_failed_and_nothing_else() -> None:
    jobs = ScriptedJobs()
    await commands(jobs).run(command("reindex", "wiki failed"), RecordingReply())
    assert [(request.source, request.scope) for request in jobs.requests] == [("wiki", "failed")]


async def test_when_too_much_vanished_the_card_says_how_much_and_a_button_confirms_it() -> None:
    error = "61 documents of wiki vanished at once."
    report = SyncReport(seen=120, unchanged=120, withheld=61)
    jobs, reply = ScriptedJobs(status=SyncStatus.NEEDS_CONFIRMATION, error=error, report=report), RecordingReply()
    await commands(jobs).run(command("reindex", "wiki"), reply)
    assert reply.shown[-1] == f"**wiki**: 120 seen · 120 unchanged. {error}"
    (button,) = reply.buttons
    assert (button.label, button.command, button.danger) == ("Remove 61 documents: wiki", "reindex wiki --prune", True)
    await commands(jobs).run(command("reindex", button.command.partition(" ")[2]), RecordingReply())
    assert jobs.requests[-1].prune


async def test_a_dry_run_lists_what_would_change_to_the_person_alone() -> None:
    names = tuple(f"wiki:{number}" for number in range(12))
    report = SyncReport(seen=130, indexed=300, removed=1, dry_run=True, would_index=names, would_remove=("wiki:old",))
    jobs, reply = ScriptedJobs(report=report), RecordingReply()
    await commands(jobs).run(command("reindex", "wiki --dry-run"), reply)
    assert jobs.requests[0].dry_run
    assert reply.shown[-1] == (
        "**wiki**: dry run, nothing was changed in 0.0 s · 130 seen · 300 would be indexed · 1 would be removed"
    )
    (listed,) = reply.replies
    assert "- would index `wiki:9`\n- and 290 more to index\n- would remove `wiki:old`" in listed
    assert not any("wiki:9" in card for card in reply.shown)


async def test_who_asked_for_what_and_what_came_of_it_is_logged() -> None:
    with capture_logs(processors=[merge_contextvars]) as logs:
        await commands().run(command("reindex", "wiki ENG --full"), RecordingReply())
    by_event = {line["event"]: line for line in logs}
    asked, ended = by_event["reindex.requested"], by_event["reindex.finished"]
    assert (asked["user"], asked["channel"], asked["sources"], asked["scope"]) == ("slack:U1", "C1", ["wiki"], "ENG")
    assert asked["flags"] == ["--full"]
    assert (ended["user"], ended["source"], ended["status"], ended["indexed"], ended["failed"]) == (
        "slack:U1",
        "wiki",
        "done",
        2,
        1,
    )


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("ENG", [("wiki", "ENG")]),
        (PAGE, [("wiki", PAGE)]),
        (f"<{PAGE}|the page>", [("wiki", PAGE)]),
        ("files travel", [("files", "travel")]),
        ("wiki files", [("wiki", None), ("files", None)]),
        ("failed", [("wiki", "failed"), ("files", "failed")]),
        ("", [("wiki", None), ("files", None)]),
    ],
)
async def test_a_part_alone_finds_its_source(text: str, asked: list[tuple[str, str | None]]) -> None:
    jobs = ScriptedJobs()
    await commands(jobs).run(command("reindex", text), RecordingReply())
    assert [(request.source, request.scope) for request in jobs.requests] == asked


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
    ("text", "named"),
    [
        ("nowhere", "no source `nowhere` (there is `wiki`, `files`), and none that knows it:\n- wiki knows no 'nowhere'."),
        ("files ENG", "`ENG` was not found.\n- files knows no 'ENG'."),
        ("wiki ENG HR", "one space, folder or address at a time"),
        ("--fast", "--fast"),
        ('"wiki', "open quote"),
    ],
    ids=["source", "part", "two parts", "flag", "quote"],
)
async def test_what_is_not_understood_is_named_and_starts_nothing(text: str, named: str) -> None:
    jobs, reply = ScriptedJobs(), RecordingReply()
    await commands(jobs).run(command("reindex", text), reply)
    assert named in reply.replies[0]
    assert jobs.requests == []


async def test_a_source_that_does_not_answer_is_named_when_nobody_else_knows_the_part() -> None:
    down = ScopedSource("drive", broken=TransientError("Google Drive does not answer"))
    sources = {"wiki": ScopedSource("wiki", "ENG"), "drive": down}
    assert await selections(["ENG"], sources) == [Selection(source="wiki", scope="ENG")]
    with pytest.raises(UserError, match="Google Drive does not answer"):
        await selections(["1AbC"], sources)


async def test_status_tells_how_fresh_each_source_is() -> None:
    reply = RecordingReply()
    await commands().run(command("status"), reply)
    wiki, files = reply.replies[0].splitlines()
    assert wiki == (
        "- **wiki**: done, as of 4 min ago, listed as a whole 4 min ago · "
        "in the source 124 · in the index 119 · skipped 4 (too large 3, unsupported type 1) · failed 1 · next in 6 min"
    )
    assert files == "- **files**: never synced · 0 documents in the index"
    assert [button.command for button in reply.buttons] == ["reindex wiki failed"]


async def test_status_says_what_to_do_where_something_needs_attention() -> None:
    class Refused(ScriptedJobs):
        async def states(self) -> dict[str, SyncState]:
            at = NOON - timedelta(hours=3)
            state = SyncState(source="wiki", status=SyncStatus.NEEDS_ATTENTION, finished_at=NOON, fresh_at=at)
            return {"wiki": replace(state, error="Confluence refused our credentials (401): renew them")}

    reply = RecordingReply()
    await commands(Refused()).run(command("status"), reply)
    first, second, *_ = reply.replies[0].splitlines()
    assert first == "- **wiki**: needs attention, as of 3 h ago · 120 documents in the index · next in 10 min"
    assert second == "  Confluence refused our credentials (401): renew them"


@pytest.mark.parametrize(("failures", "said"), [(1, "next in 1 min"), (3, "next in 4 min"), (9, "next in 10 min")])
async def test_status_says_how_soon_a_failed_sync_is_tried_again(failures: int, said: str) -> None:
    class Away(ScriptedJobs):
        async def states(self) -> dict[str, SyncState]:
            return {"wiki": SyncState(source="wiki", status=SyncStatus.FAILED, finished_at=NOON, failures=failures)}

    reply = RecordingReply()
    await commands(Away()).run(command("status"), reply)
    assert reply.replies[0].splitlines()[0].endswith(said)


async def test_an_unknown_command_is_answered_with_the_known_ones() -> None:
    reply = RecordingReply()
    await commands().run(command("dance"), reply)
    assert "`dance`" in reply.replies[0]
    assert "/reindex" in reply.replies[0]
