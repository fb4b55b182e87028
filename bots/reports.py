"""Syncs in words, the same for the command line and the platforms. All texts are Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.answering.freshness import ago
from core.models import SyncReport, SyncState, SyncStatus

_SHOWN = 10
"""Failures named in a report; the rest is counted."""


def counts(report: SyncReport) -> str:
    """``120 seen · 3 indexed · 117 unchanged``: only what is not zero, ``seen`` always."""
    parts = [f"{report.seen} seen"]
    for name, count in (
        ("would be indexed", len(report.would_index)),
        ("would be removed", len(report.would_remove)),
        ("indexed", report.indexed),
        ("unchanged", report.unchanged),
        ("access changed", report.access_changed),
        ("removed", report.removed),
        ("skipped", sum(report.skipped.values())),
        ("failed", len(report.failed)),
    ):
        if count:
            parts.append(f"{count} {name}")
    return " · ".join(parts)


def progress(state: SyncState, now: datetime) -> str:
    """One source's progress card, or its report once it is over. It names no document: a whole channel may see it."""
    name = f"**{state.source}**"
    report = state.report
    if state.status is SyncStatus.WAITING:
        return f"{name}: waiting for a worker"
    if state.status is SyncStatus.RUNNING:
        since = f", started {ago(state.started_at, now)}" if state.started_at else ""
        return f"{name}: syncing{since} · {counts(report)}"
    if state.status is SyncStatus.NEEDS_ATTENTION:
        return f"{name}: needs attention. {state.error}"
    if state.status is SyncStatus.NEEDS_CONFIRMATION:
        return f"{name}: stopped before removing anything. {state.error}"
    if state.status is SyncStatus.FAILED:
        return f"{name}: failed. {state.error}"
    if state.status is SyncStatus.NEVER:
        return f"{name}: never synced"
    return f"{name}: {'dry run, nothing was changed' if report.dry_run else 'done'} in {report.seconds:.1f} s · {counts(report)}"


def details(report: SyncReport) -> str:
    """What a sync did not do and why, by document: empty when there is nothing to tell. Not everybody may know the names."""
    lines = [f"- would index `{document}`" for document in report.would_index[:_SHOWN]]
    lines += [f"- would remove `{document}`" for document in report.would_remove[:_SHOWN]]
    lines += [f"- failed `{document}`: {why}" for document, why in list(report.failed.items())[:_SHOWN]]
    rest = sum(max(0, len(rows) - _SHOWN) for rows in (report.would_index, report.would_remove, report.failed))
    if rest:
        lines.append(f"- and {rest} more")
    lines += [f"- skipped {count}: {reason}" for reason, count in report.skipped.items()]
    return "\n".join(lines)


def status(states: Mapping[str, SyncState], documents: Mapping[str, int], interval: timedelta, now: datetime) -> str:
    """All sources: how fresh, how many documents, what failed, when next."""
    lines = []
    if not states:
        lines.append("No sources are configured: set `FOOTNOTE_FOLDER`, or add `[[folders]]` to footnote.toml.")
    for name, state in states.items():
        in_index = f"{documents.get(name, 0)} documents in the index"
        if state.finished_at is None:
            lines.append(f"- {progress(state, now)} · {in_index}")
            continue
        failed = f" · {len(state.report.failed)} failed" if state.report.failed else ""
        due = max(timedelta(0), state.finished_at + interval - now)
        next_run = "" if state.status is SyncStatus.RUNNING else f" · next in {max(1, round(due.total_seconds() / 60))} min"
        outcome = state.status.value.replace("_", " ")
        lines.append(f"- **{name}**: {outcome}, last {ago(state.finished_at, now)} · {in_index}{failed}{next_run}")
        if state.error:
            lines.append(f"  {state.error}")
    for name in documents.keys() - states.keys():
        lines.append(
            f"- **{name}**: not configured any more, {documents[name]} documents still in the index. "
            f"`footnote remove {name}` takes them out"
        )
    return "\n".join(lines)
