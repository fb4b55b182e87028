"""`footnote sync`, `reindex` and `status`: the same request as the timer's, followed from the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from bots import reports
from bots.http import probe_all
from core.errors import UserError
from core.models import SyncRequest, SyncState, SyncStatus, now

if TYPE_CHECKING:
    from bots.app import App


def succeeded(state: SyncState) -> bool:
    return state.status is SyncStatus.DONE


def report(state: SyncState) -> dict[str, Any]:
    """One source's report with plain JSON values."""
    return {
        "source": state.source,
        "status": state.status.value,
        "error": state.error,
        **asdict(state.report),
    }


async def run(
    app: App, names: tuple[str, ...], *, quiet: bool, full: bool = False, force: bool = False, dry_run: bool = False
) -> list[SyncState]:
    """Request a sync of each source, work on the queue here until they are over, and return their last states.

    Where another process has taken one of them already, that one is followed instead. Raises UserError for an
    unknown source.
    """
    for name in names:
        if name not in app.sources:
            known = ", ".join(app.sources) or "none is configured: set FOOTNOTE_FOLDER"
            raise UserError(f"there is no source {name!r}; sources: {known}")
    if not app.sources:
        raise UserError("no source is configured: set FOOTNOTE_FOLDER, or add [[folders]] to footnote.toml")
    requests = [
        SyncRequest(id=secrets.token_hex(8), source=name, requested_by="cli", at=now(), full=full, force=force, dry_run=dry_run)
        for name in names or app.sources
    ]
    working = asyncio.create_task(app.worker.run())
    try:
        with _card(quiet) as card:
            return await asyncio.gather(*(_follow(app, request, card) for request in requests))
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


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
    documents: Mapping[str, int]
    parts: Mapping[str, str]
    interval: timedelta
    at: datetime

    @property
    def up(self) -> bool:
        return all(state == "up" for state in self.parts.values())

    def as_text(self) -> str:
        parts = "\n".join(f"- {part}: {state}" for part, state in self.parts.items())
        return f"{reports.status(self.states, self.documents, self.interval, self.at)}\n{parts}".replace("**", "")

    def as_json(self) -> dict[str, Any]:
        def row(name: str, state: SyncState) -> dict[str, Any]:
            age = (self.at - state.finished_at).total_seconds() if state.finished_at else None
            due = state.finished_at + self.interval if state.finished_at else None
            return {
                "source": name,
                "status": state.status.value,
                "last_sync": state.finished_at.isoformat() if state.finished_at else None,
                "cursor_age_seconds": age,
                "documents_in_source": state.report.seen,
                "documents_in_index": self.documents.get(name, 0),
                "failed": dict(state.report.failed),
                "next_run": due.isoformat() if due else None,
                "error": state.error,
            }

        return {"sources": [row(name, state) for name, state in self.states.items()], "parts": dict(self.parts)}


async def status(app: App) -> Status:
    known, documents, parts = await asyncio.gather(app.jobs.states(), app.index.counts(), probe_all(app.probes))
    states = {name: known.get(name, SyncState(source=name)) for name in app.sources}
    return Status(states=states, documents=documents, parts=parts, interval=app.settings.footnote_sync_interval, at=now())
