"""A report as text: the tables that the page draws, too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from core.evaluation.cases import REFUSED
from core.evaluation.metrics import SCORES, Interval
from core.evaluation.report import ALL

if TYPE_CHECKING:
    from core.evaluation.report import Comparison, Moved, Report

_MOVED = 15


def tables(report: Report, against: Comparison | None = None) -> str:
    overall = report.metrics()
    parts = [
        f"{report.set_name}: {len(report.outcomes)} cases, {report.documents} documents, "
        + ", ".join(f"{name} {value}" for name, value in report.how.items()),
        _lines(("metric", "mean", "95 %", "cases"), ((name, *_figures(one), one.n) for name, one in overall.items())),
        _by_kind(report, [name for name in overall if name not in SCORES]),
        _refusal(report),
        f"p50 {report.milliseconds(0.5):.0f} ms, p95 {report.milliseconds(0.95):.0f} ms",
        _steps(report),
        _since(against) if against else "",
    ]
    return "\n\n".join(filter(None, parts))


def _by_kind(report: Report, names: Sequence[str]) -> str:
    rows = []
    for kind in report.kinds:
        metrics = report.metrics(kind)
        count = sum(one.kind == kind for one in report.outcomes)
        rows.append((kind, count, *(f"{metrics[name].mean:.3f}" if name in metrics else "–" for name in names)))
    return _lines(("kind", "cases", *names), rows)


def _refusal(report: Report) -> str:
    areas = report.refusal()
    if not areas:
        return ""
    signals = list(areas[ALL])
    rows = ((kind, *(f"{areas[kind][name]:.3f}" for name in signals)) for kind in areas)
    return _lines(("refusal AUROC", *signals), rows) + "\n\n" * bool(told := _told(report)) + told


def _told(report: Report) -> str:
    if not any(one.mode for one in report.outcomes):
        return ""
    rows = []
    for group in ("answerable", *sorted(REFUSED)):
        modes = [one.mode for one in report.outcomes if (one.kind if one.kind in REFUSED else "answerable") == group]
        rows.append((group, len(modes) - modes.count("not_found"), modes.count("not_found")))
    return _lines(("questions", "answered", "refused"), rows)


def _steps(report: Report) -> str:
    names = list(dict.fromkeys(name for step in report.steps for name in step.adds))
    head = ("search", *(column for name in names for column in (name, "the whole adds")))
    rows = (
        (
            step.name,
            *(cell for name in names if name in step.adds for cell in (f"{step.metrics[name]:.3f}", _added(step.adds[name]))),
        )
        for step in report.steps
    )
    return _lines(head, rows) if report.steps else ""


def _since(against: Comparison) -> str:
    mark = {True: "better", False: "worse", None: ""}
    rows = (
        (change.metric, f"{change.old:.3f}", f"{change.new:.3f}", _added(change.by), mark[change.better])
        for change in against.metrics
    )
    title = f"since {against.old.made_at:%Y-%m-%d %H:%M}, over {against.shared} cases"
    parts = [_lines((title, "old", "new", "difference", ""), rows)]
    for name, cases in (("better", against.better), ("worse", against.worse)):
        if cases:
            parts.append(f"{len(cases)} cases {name}:\n" + "\n".join(moved(cases[:_MOVED])))
    return "\n\n".join(parts)


def moved(cases: Iterable[Moved]) -> Iterator[str]:
    """A line for each case: what changed, and the question."""
    for each in cases:
        values = ", ".join(f"{metric} {old:.2f} → {new:.2f}" for metric, (old, new) in each.values.items())
        yield f"  {each.case.id} ({each.case.kind}): {values}: {each.case.question}"


def _figures(one: Interval) -> tuple[str, str]:
    return f"{one.mean:.3f}", f"{one.low:.3f} … {one.high:.3f}"


def _added(one: Interval) -> str:
    return f"{one.mean:+.3f} ({one.low:+.3f} … {one.high:+.3f})"


def _lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns side by side: the first to the left, the others to the right."""
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells if column < len(row)) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        for row in cells
    )
