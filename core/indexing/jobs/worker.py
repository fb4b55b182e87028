"""Takes up sync requests, several sources at once."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from core.audit import OFF, Audit
from core.errors import AuthError, FootnoteError, TransientError
from core.indexing.jobs.claim import Claim, ClaimLost
from core.indexing.jobs.ledger import ClaimLedger
from core.models import SyncReport, SyncState, SyncStatus, now
from core.ports import Source
from core.telemetry import SYNC_DOCUMENTS, SYNC_SECONDS, SYNCS
from core.together import cancelled

if TYPE_CHECKING:
    from core.indexing.jobs.helping import Helping
    from core.indexing.jobs.queue import Jobs
    from core.indexing.sync import Syncer

LOOK_SECONDS = 4.0
"""How often a worker looks although nobody woke it: a lock that expires wakes nobody."""
MAX_TAKEOVERS = 3
"""A request of which so many workers died is given up, or it would end them one after another."""

log = structlog.get_logger(__name__)


class Worker:
    """Any number may run, in one process or many: a source is synced by one at a time."""

    def __init__(
        self,
        jobs: Jobs,
        sources: Mapping[str, Source],
        syncer: Syncer,
        *,
        helping: Helping | None = None,
        parallel: int = 2,
        awaited: Collection[str] = (),
        audit: Audit = OFF,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """``helping`` takes documents off the hands of other workers while there is nothing to sync here; as the helpers of
        the ``syncer``, it hands them out. ``parallel`` sources are synced at once; those that are ``awaited``, because
        somebody looks at the clock, besides.
        """
        self._jobs = jobs
        self._sources = sources
        self._syncer = syncer
        self._helping = helping
        self._parallel = parallel
        self._awaited = frozenset(awaited)
        self._audit = audit
        self._clock = clock
        self._working: dict[str, asyncio.Task[None]] = {}
        self._help: asyncio.Task[None] | None = None
        self._away = False

    async def run(self) -> None:
        """Work until cancelled; what is unfinished then goes back into the queue."""
        async with AsyncExitStack() as stack:
            woken = await stack.enter_async_context(self._jobs.woken())
            if self._helping:
                await stack.enter_async_context(self._helping)
            news: asyncio.Task[None] | None = None
            try:
                while True:
                    await self._look()
                    self._help_others()
                    news = news or asyncio.create_task(woken(LOOK_SECONDS * random.uniform(0.8, 1.0)))
                    await asyncio.wait({news, *self._working.values()}, return_when=asyncio.FIRST_COMPLETED)
                    if news.done():
                        news = None
            finally:
                others = [task for task in (news, self._help) if task]
                await cancelled(*self._working.values(), *others)

    async def _look(self) -> None:
        self._working = {name: task for name, task in self._working.items() if not task.done()}
        idle = [name for name in self._sources if name not in self._working]
        # In any order, so that busy sources do not always come before the same others.
        for name in random.sample(idle, len(idle)):
            if name not in self._awaited and len(self._working.keys() - self._awaited) >= self._parallel:
                continue
            try:
                claim = await self._jobs.claim(name)
            except TransientError as error:
                if not self._away:
                    log.warning("queue.lost", reason=str(error))
                self._away = True
                return
            if self._away:
                log.info("queue.recovered")
                self._away = False
            if claim:
                self._working[name] = asyncio.create_task(self._work(claim))

    def _help_others(self) -> None:
        """Help while there is nothing to sync here; what was begun is brought to its end."""
        if self._help and self._help.done():
            if not self._help.cancelled():
                self._help.result()
            self._help = None
        if self._helping and not self._working and not self._help:
            self._help = asyncio.create_task(self._helping.run())
        elif self._working and self._help and not self._help.cancelling():
            self._help.cancel()

    async def _work(self, claim: Claim) -> None:
        """Sync under the claim; stop when it is lost, give it back when cancelled."""
        with structlog.contextvars.bound_contextvars(source=claim.request.source, request=claim.request.id):
            keeper = asyncio.create_task(claim.renew())
            sync = asyncio.create_task(self._sync(claim))
            try:
                await asyncio.wait({keeper, sync}, return_when=asyncio.FIRST_COMPLETED)
                if sync.done():
                    await sync
                else:
                    await cancelled(sync)
                    raise ClaimLost
            except ClaimLost:
                log.warning("claim.lost", owner=claim.owner)
            except asyncio.CancelledError:
                await cancelled(sync)
                with suppress(TransientError):
                    await claim.release()
                raise
            finally:
                await cancelled(keeper)

    async def _sync(self, claim: Claim) -> None:
        request = claim.request
        began = time.monotonic()
        running = replace(
            claim.state, status=SyncStatus.RUNNING, request=request, started_at=self._clock(), report=SyncReport(), error=None
        )
        await claim.begin(running)
        ledger = ClaimLedger(claim, running, clock=self._clock)
        status, error = SyncStatus.DONE, None
        try:
            if claim.takeovers > MAX_TAKEOVERS:
                raise FootnoteError(
                    f"{claim.takeovers} workers died while they synced {request.source}: it was given up. "
                    "Look for what ended them (out of memory?) before the next try."
                )
            async with self._helping.leading(claim) if self._helping else nullcontext():
                report = await self._syncer.run(self._sources[request.source], request, claim.state, ledger)
            ledger.report = report
            if report.withheld:
                status, error = SyncStatus.NEEDS_CONFIRMATION, _unconfirmed(request.source, report.withheld)
        except ClaimLost:
            raise
        except AuthError as refused:
            status, error = SyncStatus.NEEDS_ATTENTION, str(refused)
        except FootnoteError as failed:
            status, error = SyncStatus.FAILED, str(failed)
        except Exception:
            error_id = secrets.token_hex(4)
            log.exception("sync.failed", error_id=error_id)
            status, error = SyncStatus.FAILED, f"something unexpected happened; the log has the details under error id {error_id}"
        # A sync that failed cannot say where the documents are; what the last one found is better than nothing.
        report = replace(ledger.report, coverage=ledger.report.coverage or claim.state.report.coverage)
        state = replace(running, status=status, error=error, finished_at=self._clock(), report=report)
        if status is SyncStatus.DONE and claim.whole and await self._answers(claim, state):
            listed_at = report.coverage.listed_at if report.coverage else None
            state = replace(state, fresh_at=running.started_at, listed_at=listed_at or state.listed_at)
        await claim.finish(state)
        _report(state, time.monotonic() - began)
        if (report.access_changed or report.removed or report.withheld) and not report.dry_run:
            self._audit.record(
                "access.changed",
                who=request.requested_by,
                source=request.source,
                status=status.value,
                access_changed=report.access_changed,
                removed=report.removed,
                withheld=report.withheld,
            )

    async def _answers(self, claim: Claim, state: SyncState) -> bool:
        """Whether questions are answered from what this sync wrote. When it is another model's collection that still
        answers, the new one takes its place once the last sync of every source has brought it up to date.
        """
        rebuilt = state.report.rebuilt
        if not rebuilt:
            return True
        try:
            others = [(await self._jobs.record(name)).kept for name in self._sources if name != state.source]
            if not all(_is_whole(each, rebuilt) for each in (state, *others)):
                return False
            claim.guard()
            await self._syncer.switch(rebuilt)
        except ClaimLost:
            raise
        except FootnoteError as error:
            # The next sync tries it again.
            log.warning("index.not_switched", reason=str(error))
            return False
        return True


def _is_whole(state: SyncState, rebuilt: str) -> bool:
    report = state.report
    complete = report.coverage is not None and not report.coverage.missing
    return state.status is SyncStatus.DONE and report.rebuilt == rebuilt and complete


def _unconfirmed(source: str, withheld: int) -> str:
    return (
        f"{withheld} documents of {source} vanished at once, more than are removed unasked: they are all still in the index. "
        f"If they are meant to go, confirm with `/reindex {source} --prune` (on the command line: `footnote reindex {source} "
        "--prune`); `--dry-run` lists them."
    )


def _report(state: SyncState, seconds: float) -> None:
    report = state.report
    outcomes = {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "access_changed": report.access_changed,
        "removed": report.removed,
        "skipped": sum(report.skipped.values()),
        "failed": report.failures,
    }
    SYNCS.labels(state.source, state.status.value).inc()
    SYNC_SECONDS.labels(state.source).observe(seconds)
    for outcome, count in outcomes.items():
        SYNC_DOCUMENTS.labels(state.source, outcome).inc(count)
    by = state.request.requested_by if state.request else ""
    log.info(
        "sync.finished",
        status=state.status.value,
        requested_by=by,
        **outcomes,
        chunks=report.chunks,
        withheld=report.withheld,
        seconds=round(seconds, 2),
        error=state.error,
    )
