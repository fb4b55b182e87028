"""Syncs in words, the same for the command line and the platforms. All texts are Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core.answering.freshness import ago
from core.indexing.ledger import Row
from core.models import Coverage, SyncReport, SyncState, SyncStatus

if TYPE_CHECKING:
    from core.indexing.index import Rebuild

_SHOWN = 10
"""Documents named in a report; the rest is counted."""
_MEASURED_SECONDS = 2.0
"""From when on a pace can be told."""


def counts(report: SyncReport) -> str:
    """``120 seen · 3 indexed · 117 unchanged``: only what is not zero, ``seen`` always."""
    would = "would be " if report.dry_run else ""
    parts = [f"{report.seen:,} seen"]
    for name, count in (
        (f"{would}indexed", report.indexed),
        ("unchanged", report.unchanged),
        ("access changed", report.access_changed),
        (f"{would}removed", report.removed),
        ("skipped", sum(report.skipped.values())),
        ("failed", report.failures),
    ):
        if count:
            parts.append(f"{count:,} {name}")
    return " · ".join(parts)


def pace(report: SyncReport) -> str:
    """``40 of 120, 55 documents/s, about 3 min left``; as much of it as is known."""
    done = report.indexed + report.unchanged + report.failures
    parts = [f"{done:,} of {report.expected:,}"] if report.expected else []
    if report.seconds >= _MEASURED_SECONDS and done:
        rate = done / report.seconds
        parts.append(f"{rate:,.0f} documents/s" if rate >= 10 else f"{rate:.1f} documents/s")
        if report.expected and report.expected > done:
            parts.append(f"about {_lasting((report.expected - done) / rate)} left")
    return ", ".join(parts)


def coverage(found: Coverage) -> str:
    """``in the source 6,500 · in the index 6,301 · skipped 195 (too large 5, ...) · failed 4``."""
    parts = [f"in the source {found.in_source:,}", f"in the index {found.in_index:,}"]
    if found.skipped:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(found.skipped.items(), key=lambda pair: -pair[1]))
        parts.append(f"skipped {sum(found.skipped.values()):,} ({reasons})")
    parts += [f"failed {found.failed:,}"] if found.failed else []
    parts += [f"missing {found.missing:,}, which the next sync fetches"] if found.missing else []
    return " · ".join(parts)


def progress(state: SyncState, now: datetime) -> str:
    """One source's progress card, or its report once it is over. It names no document: a whole channel may see it."""
    name = f"**{state.source}**"
    report = state.report
    match state.status:
        case SyncStatus.NEVER:
            return f"{name}: never synced"
        case SyncStatus.WAITING:
            return f"{name}: waiting for a worker"
        case SyncStatus.RUNNING:
            since = f", started {ago(state.started_at, now)}" if state.started_at else ""
            return " · ".join(filter(None, (f"{name}: syncing{since}", counts(report), pace(report))))
        case SyncStatus.NEEDS_ATTENTION:
            return f"{name}: needs attention. {state.error}"
        case SyncStatus.NEEDS_CONFIRMATION:
            return f"{name}: {counts(report)}. {state.error}"
        case SyncStatus.FAILED:
            return f"{name}: failed. {state.error}"
        case SyncStatus.DONE:
            how = "dry run, nothing was changed" if report.dry_run else "done"
            covered = f"\n  {coverage(report.coverage)}" if report.coverage else ""
            return f"{name}: {how} in {report.seconds:.1f} s · {counts(report)}{covered}"


def details(report: SyncReport) -> str:
    """What a dry run would do, by document. Not everybody may know the names."""
    lines = [f"- would index `{document}`" for document in report.would_index[:_SHOWN]]
    lines += _rest(report.indexed - _SHOWN, "to index") if report.would_index else []
    lines += [f"- would remove `{document}`" for document in report.would_remove[:_SHOWN]]
    lines += _rest(report.removed - _SHOWN, "to remove") if report.would_remove else []
    return "\n".join(lines)


def failures(rows: Mapping[str, Row], now: datetime) -> str:
    """The documents that failed, each with its reason, how often it was tried and when it is again. Not for everybody."""
    failed = {document: row for document, row in rows.items() if row.reason and not row.skipped}
    lines = [f"- failed `{document}`: {row.reason} ({_tries(row, now)})" for document, row in sorted(failed.items())[:_SHOWN]]
    return "\n".join([*lines, *_rest(len(failed) - _SHOWN, "that failed: `footnote status --json` names them all")])


def rebuilding(rebuild: Rebuild) -> str:
    """Which embedding model takes over, how far it is, and what answers until then."""
    former = f"{rebuild.former}, which cannot be had here any more: by words alone" if rebuild.by_words else rebuild.former
    return (
        f"the index is being rebuilt for {rebuild.model}: {rebuild.documents:,} of about {rebuild.of:,} documents. Until every "
        f"source is in it, questions are answered from the one of {former}"
    )


def status(
    states: Mapping[str, SyncState],
    documents: Mapping[str, int],
    interval: timedelta,
    now: datetime,
    rebuild: Rebuild | None = None,
) -> str:
    """All sources: how fresh, how many documents, what failed, when next, and what somebody has to do."""
    lines = [f"- {rebuilding(rebuild)}"] if rebuild else []
    if not states:
        lines.append("No sources are configured: set `FOOTNOTE_FOLDER`, `CONFLUENCE_URL` or `GOOGLE_DRIVE_FOLDERS`.")
    for name, state in states.items():
        in_index = f"{documents.get(name, 0):,} documents in the index"
        if state.finished_at is None:
            lines.append(f"- {progress(state, now)} · {in_index}")
            continue
        parts = [f"- **{name}**: {_outcome(state, now)}"]
        parts.append(coverage(state.report.coverage) if state.report.coverage else in_index)
        if state.status not in {SyncStatus.RUNNING, SyncStatus.WAITING}:
            due = max(timedelta(0), state.finished_at + state.next_after(interval) - now)
            parts.append(f"next in {max(1, round(due.total_seconds() / 60))} min")
        lines.append(" · ".join(parts))
        if state.error:
            lines.append(f"  {state.error}")
    for name in documents.keys() - states.keys():
        lines.append(
            f"- **{name}**: not configured any more, {documents[name]:,} documents still in the index. "
            f"`footnote remove {name}` takes them out"
        )
    return "\n".join(lines)


def _outcome(state: SyncState, now: datetime) -> str:
    parts = [state.status.value.replace("_", " ")]
    parts.append(f"as of {ago(state.fresh_at, now)}" if state.fresh_at else "never read to the end")
    if state.listed_at:
        parts.append(f"listed as a whole {ago(state.listed_at, now)}")
    return ", ".join(parts)


def _tries(row: Row, now: datetime) -> str:
    tried = f"tried {row.attempts} times" if row.attempts > 1 else "tried once"
    if row.due is None:
        return f"{tried}; again when it changes"
    left = (row.due - now).total_seconds()
    return f"{tried}; again in {_lasting(left)}" if left > 0 else f"{tried}; again in the next sync"


def _rest(count: int, what: str) -> list[str]:
    return [f"- and {count:,} more {what}"] if count > 0 else []


def _lasting(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1.0, seconds):.0f} s"
