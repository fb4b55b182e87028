"""Workers over a real server, with a syncer that does what the test says."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from core.audit import Audit
from core.errors import AuthError, ConfigError, TransientError
from core.indexing.jobs import Jobs, Worker
from core.indexing.jobs.queue import LOCK_SECONDS
from core.indexing.jobs.worker import LOOK_SECONDS, MAX_TAKEOVERS
from core.indexing.ledger import Row
from core.indexing.sync import Syncer
from core.models import Coverage, SyncReport, SyncState, SyncStatus
from tests.memory_index import LineParser, MemoryIndex, WordEmbedder
from tests.sources import NOON, MemorySource, document
from tests.unit.core.indexing.jobs.conftest import Valkey, request

ROOT = Path(__file__).parents[5]
HOUR = timedelta(hours=1)


class Scripted:
    """A syncer: what it does is the test's own function, which gets the state and the ledger."""

    def __init__(self, act: Callable[..., Awaitable[SyncReport]]) -> None:
        self._act = act
        self.runs: list[str] = []

    async def run(self, source, request, state, ledger) -> SyncReport:
        self.runs.append(request.id)
        return await self._act(state=state, ledger=ledger)


async def nothing(**_) -> SyncReport:
    return SyncReport(seen=1, unchanged=1)


@asynccontextmanager
async def working(worker: Worker):
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def end_of(jobs: Jobs, one, seconds: float = 90) -> SyncState:
    async with asyncio.timeout(seconds):
        return [state async for state in jobs.follow(one)][-1]


@pytest.fixture
def jobs(redis: Redis) -> Jobs:
    return Jobs(redis)


def worker(jobs: Jobs, act: Callable[..., Awaitable[SyncReport]] = nothing, *names: str, **options: object) -> Worker:
    return Worker(jobs, {name: MemorySource(name) for name in names or ("pages",)}, Scripted(act), **options)


async def test_a_request_is_worked_off_at_once_and_reported(jobs: Jobs):
    index, source = MemoryIndex(), MemorySource()
    source.put(document("pages:a"))
    states: list[SyncState] = []
    async with working(Worker(jobs, {"pages": source}, Syncer(index, LineParser(), WordEmbedder()))):
        began = time.monotonic()
        for number in range(5):
            one = request(id=f"r{number}", full=True)
            await jobs.submit(one)
            states.append(await end_of(jobs, one))
        assert time.monotonic() - began < 5 * 0.8 * LOOK_SECONDS, "nobody was woken, the worker merely looked"
    state = states[0]
    assert (state.status, state.report.indexed, state.error) == (SyncStatus.DONE, 1, None)
    assert state.started_at is not None
    assert state.finished_at is not None
    assert index.documents == {"pages:a"}
    assert (await jobs.state("pages")).cursor


async def test_what_somebody_waits_for_is_taken_up_however_much_else_is_synced(jobs: Jobs):
    busy = asyncio.Event()

    class Slow(Scripted):
        async def run(self, source, request, state, ledger) -> SyncReport:
            if source.name != "uploads":
                await busy.wait()
            return SyncReport(seen=1)

    sources = {name: MemorySource(name) for name in ("one", "two", "three", "uploads")}
    async with working(Worker(jobs, sources, Slow(nothing), parallel=2, awaited=("uploads",))):
        for name in ("one", "two", "three"):
            await jobs.submit(request(id=name, source=name))
        async with asyncio.timeout(30):
            while [(await jobs.state(name)).status for name in ("one", "two", "three")].count(SyncStatus.RUNNING) < 2:
                await asyncio.sleep(0.02)
        added = request(id="added", source="uploads")
        await jobs.submit(added)
        assert (await end_of(jobs, added, 10)).status is SyncStatus.DONE
        assert [(await jobs.state(name)).status for name in ("one", "two", "three")].count(SyncStatus.WAITING) == 1
        busy.set()
        assert (await end_of(jobs, request(id="three", source="three"))).status is SyncStatus.DONE


async def test_a_sync_that_changed_who_may_read_stands_in_the_audit_log_and_no_other(jobs: Jobs, tmp_path: Path):
    reports = iter([SyncReport(seen=9, access_changed=2, removed=1), SyncReport(seen=9, indexed=3)])

    async def act(**_) -> SyncReport:
        return next(reports)

    audit = Audit(tmp_path / "audit.jsonl")
    async with working(worker(jobs, act, audit=audit)):
        for one in (request(id="r1"), request(id="r2")):
            await jobs.submit(one)
            await end_of(jobs, one)
    audit.close()
    _, line = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert line["event"] == "access.changed"
    assert line["facts"] == {"source": "pages", "status": "done", "access_changed": 2, "removed": 1, "withheld": 0}


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (AuthError("token expired: renew it"), SyncStatus.NEEDS_ATTENTION, "token expired: renew it"),
        (ConfigError("no such folder"), SyncStatus.FAILED, "no such folder"),
        (TransientError("gateway timeout", retry_after=0.01), SyncStatus.FAILED, "gateway timeout"),
    ],
)
async def test_errors_end_a_sync_with_a_status_that_says_who_must_act(jobs: Jobs, error, status, text):
    async def fail(**_):
        raise error

    async with working(worker(jobs, fail)):
        await jobs.submit(request())
        state = await end_of(jobs, request())
    assert (state.status, state.error) == (status, text)
    assert state.finished_at


async def test_a_sync_that_failed_goes_on_from_its_last_cursor_and_is_not_repeated_unasked(jobs: Jobs):
    cursors = []

    async def flaky(*, state, ledger, **_):
        cursors.append(state.cursor)
        if len(cursors) == 1:
            await ledger.progress(SyncReport(seen=7))
            await ledger.keep("half", {"pages:a": Row(reason="why", attempts=1), "pages:b": Row(in_doubt=True)})
            raise TransientError("try again", retry_after=0.01)
        assert await ledger.load() == {"pages:a": Row(reason="why", attempts=1), "pages:b": Row(in_doubt=True)}
        return SyncReport(seen=2)

    async with working(worker(jobs, flaky)):
        await jobs.submit(request())
        state = await end_of(jobs, request())
        assert (state.status, state.report.seen, cursors) == (SyncStatus.FAILED, 7, [None])
        assert (await jobs.record("pages")).kept.failures == 1
        await jobs.submit(request(id="r2"))
        state = await end_of(jobs, request(id="r2"))
    assert (state.status, cursors) == (SyncStatus.DONE, [None, "half"])
    assert (await jobs.record("pages")).kept.failures == 0


class TestTheStateOfTheSource:
    async def synced(self, jobs: Jobs, act=None, **fields: object) -> SyncState:
        """The state after a sync that found something, and after one more."""

        async def covered(**_) -> SyncReport:
            return SyncReport(coverage=Coverage(in_source=5, in_index=5, skipped={}, failed=0, missing=0, listed_at=NOON))

        async with working(worker(jobs, covered, clock=lambda: NOON)):
            await jobs.submit(request())
            await end_of(jobs, request())
        async with working(worker(jobs, act or nothing, clock=lambda: NOON + HOUR)):
            await jobs.submit(request(id="r2", **fields))
            await end_of(jobs, request(id="r2"))
        return await jobs.state("pages")

    async def test_is_as_fresh_as_the_start_of_the_last_sync_that_went_well(self, jobs: Jobs):
        state = await self.synced(jobs)
        assert (state.fresh_at, state.listed_at) == (NOON + HOUR, NOON)

    @pytest.mark.parametrize("part", [{"scope": "ENG"}, {"dry_run": True}])
    async def test_is_not_fresher_after_a_part_or_a_dry_run_and_keeps_its_coverage(self, jobs: Jobs, part):
        state = await self.synced(jobs, **part)
        assert (state.fresh_at, state.finished_at, state.request.id) == (NOON, NOON, "r1")
        assert state.report.coverage.in_source == 5

    async def test_is_not_fresher_after_a_failure_and_keeps_the_coverage_that_was_known(self, jobs: Jobs):
        async def fail(**_):
            raise TransientError("gateway timeout")

        state = await self.synced(jobs, fail)
        assert (state.status, state.fresh_at, state.finished_at) == (SyncStatus.FAILED, NOON, NOON + HOUR)
        assert state.report.coverage.in_source == 5


async def test_an_unexpected_error_is_logged_with_an_id_that_the_state_names(jobs: Jobs):
    async def bug(**_):
        raise ZeroDivisionError("secret detail")

    with capture_logs() as logs:
        async with working(worker(jobs, bug)):
            await jobs.submit(request())
            state = await end_of(jobs, request())
    [logged] = [entry for entry in logs if entry["event"] == "sync.failed"]
    assert state.status is SyncStatus.FAILED
    assert logged["error_id"] in state.error
    assert "secret detail" not in state.error


async def test_withheld_removals_need_confirmation(jobs: Jobs):
    async def vanished(**_):
        return SyncReport(seen=10, withheld=500)

    async with working(worker(jobs, vanished)):
        await jobs.submit(request())
        state = await end_of(jobs, request())
    assert state.status is SyncStatus.NEEDS_CONFIRMATION
    assert "500 documents of pages vanished" in state.error
    assert "/reindex pages --prune" in state.error


async def test_progress_is_seen_while_it_runs(jobs: Jobs):
    go = asyncio.Event()

    async def slow(*, ledger, **_):
        await ledger.progress(SyncReport(seen=42))
        await go.wait()
        return SyncReport(seen=43)

    async with working(worker(jobs, slow)):
        await jobs.submit(request())
        async for state in jobs.follow(request()):
            if state.report.seen == 42:
                assert state.status is SyncStatus.RUNNING
                go.set()
        assert state.report.seen == 43


async def test_sources_are_synced_side_by_side_but_never_more_than_allowed(jobs: Jobs):
    running = most = 0
    together = asyncio.Event()

    async def slow(**_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            together.set()
        await together.wait()
        await asyncio.sleep(0.1)
        running -= 1
        return SyncReport()

    names = ("a", "b", "c", "d")
    async with working(worker(jobs, slow, *names, parallel=2)):
        for name in names:
            await jobs.submit(request(name, id=name))
        await asyncio.gather(*(end_of(jobs, request(name, id=name)) for name in names))
    assert most == 2


async def test_two_workers_never_sync_one_source_at_once(jobs: Jobs):
    running = most = 0

    async def slow(**_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return SyncReport()

    async with working(worker(jobs, slow)), working(worker(jobs, slow)):
        for number in range(6):
            one = request(id=f"r{number}")
            await jobs.submit(one)
            assert (await end_of(jobs, one)).status is SyncStatus.DONE
    assert most == 1


async def test_a_worker_that_is_stopped_gives_its_work_back(jobs: Jobs):
    started = asyncio.Event()

    async def slow(*, ledger, **_):
        await ledger.keep("half", {})
        started.set()
        await asyncio.sleep(60)

    async with working(worker(jobs, slow)):
        await jobs.submit(request())
        await asyncio.wait_for(started.wait(), 60)
    began = time.monotonic()
    seen = []

    async def rest(*, state, **_):
        seen.append(state.cursor)
        return SyncReport()

    async with working(worker(jobs, rest)):
        assert (await end_of(jobs, request())).status is SyncStatus.DONE
    assert time.monotonic() - began < LOCK_SECONDS, "nobody waited for the claim to expire"
    assert seen == ["half"]


async def test_a_worker_whose_claim_is_lost_stops_writing(jobs: Jobs, redis: Redis):
    started, ended = asyncio.Event(), asyncio.Event()

    async def slow(*, ledger, **_):
        started.set()
        try:
            while True:
                await asyncio.sleep(0.05)
                ledger.guard()
        finally:
            ended.set()

    brief = Jobs(redis, ttl=2.0)
    with capture_logs() as logs:
        async with working(worker(brief, slow)):
            await brief.submit(request())
            await asyncio.wait_for(started.wait(), 60)
            await redis.flushall()
            await asyncio.wait_for(ended.wait(), 60)
            async with asyncio.timeout(60):
                while "claim.lost" not in {entry["event"] for entry in logs}:
                    await asyncio.sleep(0.02)


async def test_a_request_that_ends_every_worker_is_given_up(jobs: Jobs):
    await jobs.submit(request())
    short = Jobs(jobs._redis, ttl=0.05)
    for _ in range(MAX_TAKEOVERS + 1):
        assert await short.claim("pages")
        await asyncio.sleep(0.1)
    scripted = Scripted(nothing)
    async with working(Worker(jobs, {"pages": MemorySource()}, scripted)):
        state = await end_of(jobs, request())
    assert (state.status, scripted.runs) == (SyncStatus.FAILED, [])
    assert "4 workers died" in state.error


async def test_one_line_and_the_metrics_tell_of_every_sync(jobs: Jobs):
    async def act(**_):
        return SyncReport(seen=6, indexed=3, unchanged=1, failed={"pages:x": "why"}, failures=1, skipped={"hidden": 1})

    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    before = count("footnote_sync_documents_total", source="counted", outcome="indexed")
    with capture_logs() as logs:
        async with working(worker(jobs, act, "counted")):
            await jobs.submit(request("counted"))
            await end_of(jobs, request("counted"))
            await asyncio.sleep(0.1)
    [line] = [entry for entry in logs if entry["event"] == "sync.finished"]
    assert (line["log_level"], line["indexed"], line["failed"], line["skipped"]) == ("info", 3, 1, 1)
    assert count("footnote_sync_documents_total", source="counted", outcome="indexed") == before + 3
    assert count("footnote_syncs_total", source="counted", status="done") >= 1
    assert count("footnote_sync_seconds_count", source="counted") >= 1


@pytest.mark.fault
async def test_a_worker_survives_a_redis_that_goes_away_and_comes_back(valkey: Valkey, jobs: Jobs):
    with capture_logs() as logs:
        async with working(worker(jobs)):
            await asyncio.sleep(0.3)
            valkey.kill()
            async with asyncio.timeout(90):
                while not logs:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(3)
            await valkey.start()
            await jobs.submit(request())
            assert (await end_of(jobs, request())).status is SyncStatus.DONE
    told = [entry["event"] for entry in logs if entry["event"].startswith("queue.")]
    assert told == ["queue.lost", "queue.recovered"]


@pytest.mark.fault
async def test_a_sync_survives_an_outage_of_redis_that_is_shorter_than_its_claim(valkey: Valkey, redis: Redis):
    jobs = Jobs(redis, ttl=20.0)
    go = asyncio.Event()

    async def slow(*, ledger, **_):
        await go.wait()
        await ledger.progress(SyncReport(seen=1))
        await ledger.keep("end", {})
        return SyncReport(seen=2)

    scripted = Scripted(slow)
    async with working(Worker(jobs, {"pages": MemorySource()}, scripted)):
        await jobs.submit(request())
        await asyncio.sleep(0.5)
        valkey.kill()
        go.set()
        await asyncio.sleep(2)
        await valkey.start()
        assert (await end_of(jobs, request())).status is SyncStatus.DONE
    assert scripted.runs == ["r1"]
    assert (await jobs.state("pages")).cursor == "end"


VICTIM = """
import asyncio, sys
from redis.asyncio import Redis
from core.indexing.jobs import Jobs, Worker
from core.indexing.ledger import Row
from tests.sources import MemorySource

class Stuck:
    async def run(self, source, request, state, ledger):
        await ledger.keep("half", {"pages:a": Row(in_doubt=True)})
        print("working", flush=True)
        for _ in range(600):
            await asyncio.sleep(0.1)
            ledger.guard()
            await ledger.keep("late", {})

asyncio.run(Worker(Jobs(Redis(unix_socket_path=sys.argv[1]), ttl=2.0), {"pages": MemorySource()}, Stuck()).run())
"""


def a_worker_process(valkey: Valkey) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", VICTIM, str(valkey.socket)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout.readline() == "working\n"
    return process


@pytest.mark.fault
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_work_of_a_killed_or_frozen_worker_is_taken_over(valkey: Valkey, jobs: Jobs, blow: signal.Signals):
    await jobs.submit(request())
    victim = await asyncio.to_thread(a_worker_process, valkey)
    victim.send_signal(blow)
    seen = []

    async def rest(*, state, ledger, **_):
        seen.append(state.cursor)
        await ledger.keep("whole", {})
        victim.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.5)
        return SyncReport(seen=1)

    try:
        async with working(worker(jobs, rest)):
            state = await end_of(jobs, request())
        await asyncio.sleep(0.5)
    finally:
        victim.kill()
        victim.wait()
        victim.stdout.close()
    assert state.status is SyncStatus.DONE
    assert len(seen) == 1
    assert seen[0] in {"half", "late"}
    after = await jobs.state("pages")
    assert (after.status, after.cursor) == (SyncStatus.DONE, "whole"), "what the first one wrote late was refused"


@pytest.mark.fault
async def test_an_emptied_redis_costs_a_full_listing_and_nothing_else(valkey: Valkey, jobs: Jobs, redis: Redis):
    index, source = MemoryIndex(), MemorySource()
    for number in range(5):
        source.put(document(f"pages:{number}"))
    async with working(Worker(jobs, {"pages": source}, Syncer(index, LineParser(), WordEmbedder()))):
        await jobs.submit(request())
        await end_of(jobs, request())
        await redis.flushall()
        await jobs.submit(request(id="r2"))
        state = await end_of(jobs, request(id="r2"))
    assert (state.report.unchanged, state.report.indexed, len(index.embedded)) == (5, 0, 5)
