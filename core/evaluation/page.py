"""A report as one page of HTML that needs nothing else: no script, no font, no address of anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from core.evaluation.answers import FACTS
from core.evaluation.cases import REFUSED
from core.evaluation.metrics import NDCG, SCORES, Interval
from core.evaluation.outcome import Outcome
from core.evaluation.report import LESS_IS_BETTER, Comparison, Moved, Report, worst

_STYLE = Path(__file__).with_name("report.css")
_WORST = 40
_MOVED = 60
_LONGEST = 2_000
_FOLLOWED = frozenset({"https", "http", "file"})


def page(report: Report, against: Comparison | None = None) -> str:
    overall = report.metrics()
    parts = [
        _head(report),
        _comparison(report, against) if against else "",
        _bars("Metrics", "Mean over the cases, with its 95 % interval.", overall),
        _kinds(report, overall),
        _refusal(report),
        _steps(report),
        _cases(report),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(_title(report))}</title><style>{_STYLE.read_text()}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _title(report: Report) -> str:
    return f"footnote eval {report.command}: {report.set_name}"


def _head(report: Report) -> str:
    how = "".join(f"<br>{escape(name)}: {escape(value)}" for name, value in report.how.items())
    return (
        f"<h1>{escape(_title(report))}</h1><p class=dim>{report.made_at:%Y-%m-%d %H:%M} UTC · {len(report.outcomes)} cases · "
        f"{report.documents} documents · p50 {report.milliseconds(0.5):.0f} ms · p95 {report.milliseconds(0.95):.0f} ms{how}</p>"
    )


def _comparison(report: Report, against: Comparison) -> str:
    rows = {
        change.metric: (change.by, "" if change.better is None else "good" if change.better else "bad")
        for change in against.metrics
    }
    cells = [
        (change.metric, f"{change.old:.3f}", f"{change.new:.3f}", f"{change.by.mean:+.3f}", _span(change.by, signed=True))
        for change in against.metrics
    ]
    return (
        f"<h2>Since {against.old.made_at:%Y-%m-%d %H:%M}</h2><p class=dim>New less old over the {against.shared} cases that both "
        "have, with the paired 95 % interval. What crosses the line in the middle may be chance.</p>"
        + _forest(rows)
        + _table(("metric", "old", "new", "difference", "95 %"), cells)
        + _moved("Better", against.better, report)
        + _moved("Worse", against.worse, report)
    )


def _moved(name: str, cases: Sequence[Moved], report: Report) -> str:
    shown = "".join(
        _case(each.case, report, ", ".join(f"{metric} {old:.2f} → {new:.2f}" for metric, (old, new) in each.values.items()))
        for each in cases[:_MOVED]
    )
    return f"<h2>{name}: {len(cases)}</h2>{shown}"


def _kinds(report: Report, overall: Mapping[str, Interval]) -> str:
    by_kind = {kind: report.metrics(kind) for kind in report.kinds}
    main = FACTS if FACTS in overall else NDCG
    names = [name for name in overall if name not in SCORES]
    cells = [
        (kind, str(sum(one.kind == kind for one in report.outcomes)), *(_mean(metrics.get(name)) for name in names))
        for kind, metrics in by_kind.items()
    ]
    chart = {kind: metrics[main] for kind, metrics in by_kind.items() if main in metrics}
    return f"<h2>By kind: {escape(main)}</h2>{_chart(chart)}" + _table(("kind", "cases", *names), cells)


def _refusal(report: Report) -> str:
    areas = report.refusal()
    if not areas:
        return ""
    rows = {
        f"{kind}: {name}": Interval(mean=area, low=area, high=area, n=0)
        for kind, signals in areas.items()
        for name, area in signals.items()
    }
    text = "The chance that a question with an answer scores above one without (AUROC); .5 is a coin."
    return (
        _confusion(report)
        + f"<h2>Telling what has no answer</h2><p class=dim>{text}</p>"
        + _chart(rows)
        + _table(("kind: signal", "AUROC"), [(name, f"{row.mean:.3f}") for name, row in rows.items()])
    )


def _confusion(report: Report) -> str:
    if not any(one.mode for one in report.outcomes):
        return ""
    groups = ("answerable", *sorted(REFUSED))
    rows = []
    for group in groups:
        modes = [one.mode for one in report.outcomes if (one.kind if one.kind in REFUSED else groups[0]) == group]
        refused = modes.count("not_found")
        rows.append((group, str(len(modes) - refused), str(refused)))
    return "<h2>Answered and refused</h2>" + _table(("questions", "answered", "refused"), rows, hidden=False)


def _steps(report: Report) -> str:
    parts = []
    for metric in dict.fromkeys(metric for step in report.steps for metric in step.adds):
        rows = {step.name: (step.adds[metric], _sign(step.adds[metric])) for step in report.steps if metric in step.adds}
        cells = [
            (step.name, f"{step.metrics[metric]:.3f}", f"{step.adds[metric].mean:+.3f}", _span(step.adds[metric], signed=True))
            for step in report.steps
            if metric in step.adds
        ]
        parts += [
            f"<h2>What each step adds: {escape(metric)}</h2><p class=dim>The whole search less the search named here.</p>",
            _forest(rows),
            _table(("search", metric, "the whole adds", "95 %"), cells),
        ]
    return "".join(parts)


def _cases(report: Report) -> str:
    shown = worst(report.outcomes, _WORST)
    return f"<h2>Cases that went wrong, the worst first</h2>{''.join(_case(one, report) for one in shown) or '<p>None.</p>'}"


def _case(one: Outcome, report: Report, change: str = "") -> str:
    values = ", ".join(f"{name} {value:.2f}" for name, value in one.values.items() if name != "ms")
    before = "".join(f"<blockquote>{_cut(asked)}\n{_cut(answered)}</blockquote>" for asked, answered in one.turns)
    said = f"<p>Answer:</p><blockquote>{_cut(one.answer)}</blockquote>" if one.answer else ""
    reference = f"<p>Expected:</p><blockquote>{_cut(one.reference)}</blockquote>" if one.reference else ""
    return (
        f"<details><summary>{escape(one.id)} · {escape(one.kind)} · {escape(one.question)}"
        f"{f' <span class=dim>{escape(change)}</span>' if change else ''}</summary>{before}{said}{reference}"
        f"<p>Answered by: {_links(one.expected, report)}</p><p>Found: {_links(one.found, report)}</p>"
        f"<p class=dim>{escape(values)}</p></details>"
    )


def _links(ids: Iterable[str], report: Report) -> str:
    return ", ".join(_link(report.titles.get(id, id), report.links.get(id, "")) for id in ids) or "nothing"


def _link(title: str, url: str) -> str:
    return f'<a href="{escape(url)}">{escape(title)}</a>' if urlsplit(url).scheme in _FOLLOWED else escape(title)


def _bars(title: str, text: str, metrics: Mapping[str, Interval]) -> str:
    cells = [(name, f"{one.mean:.3f}", _span(one), str(one.n)) for name, one in metrics.items()]
    return f"<h2>{title}</h2><p class=dim>{text}</p>{_chart(metrics)}" + _table(("metric", "mean", "95 %", "cases"), cells)


def _chart(rows: Mapping[str, Interval]) -> str:
    """Bars from 0 to 1, or to 100 for a score."""
    drawn = []
    for name, one in rows.items():
        top = 100 if name in SCORES else max(1.0, one.high)
        mean, low, high = (100 * min(value / top, 1.0) for value in (one.mean, one.low, one.high))
        shade = "bad" if name in LESS_IS_BETTER else "bar"
        drawn.append(
            _row(name, f'<rect class="{shade}" x=0 y=2 width="{mean:.2f}" height=6 />' + _range(low, high), f"{one.mean:.3f}")
        )
    return f"<figure>{''.join(drawn)}</figure>"


def _forest(rows: Mapping[str, tuple[Interval, str]]) -> str:
    """Differences around 0, each on a scale of its own metric: scores are in hundreds."""
    drawn = []
    plain = [abs(bound) for name, (one, _) in rows.items() if name not in SCORES for bound in (one.low, one.high)]
    for name, (one, shade) in rows.items():
        reach = max([abs(one.low), abs(one.high)] if name in SCORES else plain) or 1.0
        mean, low, high = (50 + 49 * value / reach for value in (one.mean, one.low, one.high))
        middle = '<line class="axis" x1=50 y1=0 x2=50 y2=10 vector-effect="non-scaling-stroke" />'
        dot = f'<rect class="{shade or "bar"}" x="{mean - 0.7:.2f}" y=1 width=1.4 height=8 />'
        drawn.append(_row(name, middle + _range(low, high) + dot, f"{one.mean:+.3f}"))
    return f"<figure>{''.join(drawn)}</figure>"


def _row(label: str, drawing: str, value: str) -> str:
    svg = f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{escape(label)} {value}">{drawing}</svg>'
    return f'<div class="row"><span>{escape(label)}</span>{svg}<span>{value}</span></div>'


def _range(low: float, high: float) -> str:
    return f'<line class="range" x1="{low:.2f}" y1=5 x2="{high:.2f}" y2=5 />' if high > low else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, hidden: bool = True) -> str:
    columns = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    table = f'<div class="wide"><table><tr>{columns}</tr>{body}</table></div>'
    return f"<details><summary>As a table</summary>{table}</details>" if hidden else table


def _sign(one: Interval) -> str:
    return "good" if one.low > 0 else "bad" if one.high < 0 else ""


def _span(one: Interval, *, signed: bool = False) -> str:
    return f"{one.low:+.3f} … {one.high:+.3f}" if signed else f"{one.low:.3f} … {one.high:.3f}"


def _mean(one: Interval | None) -> str:
    return f"{one.mean:.3f}" if one else "–"


def _cut(text: str) -> str:
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …")
