"""`footnote sync`, `reindex` and `status`: the same request as the timer's, followed from the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from bots import reports
from bots.commands.reindex import failing
from bots.commands.selection import selections
from bots.http import probe_all
from core.errors import UserError
from core.indexing.ledger import Row
from core.models import Coverage, SyncRequest, SyncState, SyncStatus, now

if TYPE_CHECKING:
    from bots.app import App
    from core.indexing.index import Rebuild


def succeeded(state: SyncState) -> bool:
    return state.status is SyncStatus.DONE


def report(state: SyncState) -> dict[str, Any]:
    """One source's report with plain JSON values."""
    report = asdict(state.report)
    if state.report.coverage is not None:
        report["coverage"] = _coverage(state.report.coverage)
    return {"source": state.source, "status": state.status.value, "error": state.error, **report}


async def run(app: App, words: Sequence[str], *, quiet: bool, **flags: bool) -> list[SyncState]:
    """Request the syncs that ``[source]… [scope]`` means, with the ``flags`` of a SyncRequest, work on the queue here until
    they are over, and return their last states.

    Where another process has taken one of them already, that one is followed instead. Raises UserError for what no
    source knows.
    """
    requests = [
        SyncRequest(id=secrets.token_hex(8), source=chosen.source, scope=chosen.scope, requested_by="cli", at=now(), **flags)
        for chosen in await selections(words, app.sources)
    ]
    working = asyncio.create_task(app.worker.run())
    try:
        with _card(quiet) as card:
            states = await asyncio.gather(*(_follow(app, request, card) for request in requests))
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    if not quiet:
        for state in states:
            if failing(state):
                click.echo(reports.failures(await app.jobs.rows(state.source), now()))
    return states


async def remove(app: App, name: str) -> int:
    """Take a source that is not configured any more out of the index. Returns how many documents that were.

    Raises UserError for a configured source, which the next sync would bring back, and for one without documents.
    """
    if name in app.sources:
        raise UserError(f"{name} is still configured, and the next sync would bring it back: take it out of the settings first")
    documents = [record.document_id async for record in app.index.records(name)]
    if not documents:
        raise UserError(f"the index holds nothing of a source {name!r}")
    await app.index.remove(documents)
    return len(documents)


async def _follow(app: App, request: SyncRequest, card: _Card) -> SyncState:
    submitted = await app.jobs.submit(request)
    if not submitted.accepted and submitted.state.request is not None:
        request = submitted.state.request
    state = submitted.state
    async for state in app.jobs.follow(request):
        card.update(state)
    return state


def _lines(state: SyncState) -> str:
    progress, details = reports.progress(state, now()), reports.details(state.report)
    return f"{progress}\n{details}" if succeeded(state) and details else progress


class _Card:
    """A line per source, redrawn in place on a terminal; elsewhere each source's last line only."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._states: dict[str, SyncState] = {}
        self._live: Any = None

    def update(self, state: SyncState) -> None:
        self._states[state.source] = state
        if self._live is not None:
            self._live.update(self._text())

    def _text(self) -> str:
        return "\n".join(_lines(state) for state in self._states.values()).replace("**", "")

    def start(self) -> None:
        if not self._quiet and sys.stdout.isatty():
            from rich.live import Live

            self._live = Live("", refresh_per_second=8)
            self._live.start()

    def stop(self) -> None:
        if self._live is not None:
            self._live.stop()
        elif not self._quiet and self._states:
            click.echo(self._text())


@contextlib.contextmanager
def _card(quiet: bool) -> Iterator[_Card]:
    card = _Card(quiet)
    card.start()
    try:
        yield card
    finally:
        card.stop()


@dataclass(frozen=True, kw_only=True)
class Status:
    states: Mapping[str, SyncState]
    rows: Mapping[str, Mapping[str, Row]]
    documents: Mapping[str, int]
    parts: Mapping[str, str]
    interval: timedelta
    at: datetime
    rebuild: Rebuild | None
    """Of the index, for another embedding model."""

    @property
    def up(self) -> bool:
        return all(state == "up" for state in self.parts.values())

    def as_text(self) -> str:
        lines = [reports.status(self.states, self.documents, self.interval, self.at, self.rebuild)]
        lines += filter(None, (reports.failures(rows, self.at) for rows in self.rows.values()))
        lines += [f"- {part}: {state}" for part, state in self.parts.items()]
        return "\n".join(lines).replace("**", "")

    def as_json(self) -> dict[str, Any]:
        return {
            "sources": [self._row(name, state) for name, state in self.states.items()],
            "parts": dict(self.parts),
            "rebuild": asdict(self.rebuild) if self.rebuild else None,
        }

    def _row(self, name: str, state: SyncState) -> dict[str, Any]:
        coverage = state.report.coverage
        failed = {document: row for document, row in self.rows[name].items() if row.reason and not row.skipped}
        return {
            "source": name,
            "status": state.status.value,
            "last_sync": _iso(state.finished_at),
            "cursor_age_seconds": (self.at - state.finished_at).total_seconds() if state.finished_at else None,
            "fresh_at": _iso(state.fresh_at),
            "fresh_age_seconds": (self.at - state.fresh_at).total_seconds() if state.fresh_at else None,
            "listed_at": _iso(state.listed_at),
            "documents_in_source": coverage.in_source if coverage else state.report.seen,
            "documents_in_index": self.documents.get(name, 0),
            "coverage": _coverage(coverage) if coverage else None,
            "failed": {document: row.reason for document, row in failed.items()},
            "failures": [
                {"document_id": document, "reason": row.reason, "attempts": row.attempts, "next_try": _iso(row.due)}
                for document, row in failed.items()
            ],
            "withheld": state.report.withheld,
            "next_run": _iso(state.finished_at + state.next_after(self.interval) if state.finished_at else None),
            "error": state.error,
        }


async def status(app: App) -> Status:
    names = list(app.sources)
    known, documents, parts, rebuild = await asyncio.gather(
        app.jobs.states(), app.index.counts(), probe_all(app.probes), app.index.rebuild()
    )
    rows = await asyncio.gather(*(app.jobs.rows(name) for name in names))
    return Status(
        states={name: known.get(name, SyncState(source=name)) for name in names},
        rows=dict(zip(names, rows, strict=True)),
        documents=documents,
        parts=parts,
        interval=app.settings.footnote_sync_interval,
        at=now(),
        rebuild=rebuild,
    )


def _coverage(found: Coverage) -> dict[str, Any]:
    return {**asdict(found), "listed_at": _iso(found.listed_at)}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
