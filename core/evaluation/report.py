"""What was measured, kept as JSON: for people, for the next measurement to be compared with, and for the gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from core.errors import UserError
from core.evaluation.answers import FACTS, PHANTOMS, RIGHTLY_REFUSED, WRONGLY_REFUSED
from core.evaluation.cases import REFUSED
from core.evaluation.judge import JUDGED
from core.evaluation.metrics import CITATION_RECALL, NDCG, SCORES, Interval, auroc, column, difference, interval
from core.evaluation.outcome import MILLISECONDS, Outcome
from core.evaluation.retrieval import Step

ALL = "all"
LESS_IS_BETTER = frozenset({PHANTOMS, WRONGLY_REFUSED, MILLISECONDS})
_TELLS = (NDCG, FACTS, CITATION_RECALL, RIGHTLY_REFUSED, WRONGLY_REFUSED, PHANTOMS, JUDGED)
"""By what a case is called better or worse than before."""
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Report:
    command: str
    """``retrieval`` or ``answers``."""
    set_name: str
    made_at: datetime
    documents: int
    how: Mapping[str, str]
    """What it was measured with: version, embeddings, model, judge."""
    outcomes: tuple[Outcome, ...]
    steps: tuple[Step, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    """Of the documents that the outcomes name, by id."""
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.kind for one in self.outcomes))

    def metrics(self, kind: str = ALL) -> dict[str, Interval]:
        """Metric to its mean over the cases of one kind, or of all."""
        chosen = {one.id: one.values for one in self.outcomes if kind in (ALL, one.kind)}
        names = dict.fromkeys(name for values in chosen.values() for name in values if name != MILLISECONDS)
        found = ((name, interval(column(chosen, name).values())) for name in (*names, *(SCORES if kind == ALL else ())))
        return {name: one for name, one in found if one is not None}

    def milliseconds(self, share: float) -> float:
        """So many of the questions take no longer than this."""
        taken = sorted(one.values[MILLISECONDS] for one in self.outcomes if MILLISECONDS in one.values)
        return taken[min(len(taken) - 1, int(share * len(taken)))] if taken else 0.0

    def refusal(self) -> dict[str, dict[str, float]]:
        """AUROC by kind of question that is to be refused, and of all of them, and by signal."""
        answered = [one for one in self.outcomes if one.kind not in REFUSED]
        found: dict[str, dict[str, float]] = {}
        for kind in (ALL, *sorted(REFUSED)):
            refused = [one for one in self.outcomes if one.kind in REFUSED and kind in (ALL, one.kind)]
            for name in dict.fromkeys(name for one in self.outcomes for name in one.signals):
                area = auroc(*([-one.signals[name] for one in part if name in one.signals] for part in (refused, answered)))
                if area is not None:
                    found.setdefault(kind, {})[name] = area
        return found

    def as_json(self) -> bytes:
        """With what the outcomes come to, for those who read it without Footnote."""
        summary = {
            "metrics": {kind: {name: asdict(one) for name, one in self.metrics(kind).items()} for kind in (ALL, *self.kinds)},
            "refusal_auroc": self.refusal(),
            "milliseconds": {"p50": self.milliseconds(0.5), "p95": self.milliseconds(0.95)},
        }
        return orjson.dumps({"summary": summary, **_REPORT.dump_python(self, mode="json")}, option=orjson.OPT_INDENT_2)


_REPORT: TypeAdapter[Report] = TypeAdapter(Report)


def read(file: Path) -> Report:
    """Raises UserError when it is no report."""
    try:
        return _REPORT.validate_json(file.read_bytes())
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise UserError(f"{file} is no report of `footnote eval` ({error.error_count()} problems): measure again.") from error


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A metric in two reports. The difference is over the cases that both have, the means are over all of each."""

    metric: str
    old: float
    new: float
    by: Interval

    @property
    def better(self) -> bool | None:
        """None while it may be chance."""
        if self.by.low <= 0 <= self.by.high:
            return None
        return (self.by.mean > 0) != (self.metric in LESS_IS_BETTER)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A case that became better or worse: metric to its former and its present value."""

    case: Outcome
    values: Mapping[str, tuple[float, float]]
    by: float
    """Above 0: better."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    old: Report
    metrics: tuple[Changed, ...]
    better: tuple[Moved, ...]
    """Those that moved most come first."""
    worse: tuple[Moved, ...]
    shared: int
    """Cases that both reports have."""


def compare(new: Report, old: Report) -> Comparison:
    """Raises UserError when they measured different things."""
    if new.command != old.command:
        raise UserError(f"A report of `{old.command}` says nothing beside one of `{new.command}`: compare equal ones.")
    before = {one.id: one for one in old.outcomes}
    shared = [(one, before[one.id]) for one in new.outcomes if one.id in before and before[one.id].question == one.question]
    moved = sorted((_moved(one, former) for one, former in shared), key=lambda each: -abs(each.by))
    return Comparison(
        old=old,
        metrics=tuple(_changed(new, old, {one.id for one, _ in shared})),
        better=tuple(each for each in moved if each.by > _TINY),
        worse=tuple(each for each in moved if each.by < -_TINY),
        shared=len(shared),
    )


def _changed(new: Report, old: Report, shared: set[str]) -> Iterator[Changed]:
    former, present = old.metrics(), new.metrics()
    for metric in present:
        one, two = (column({o.id: o.values for o in r.outcomes if o.id in shared}, metric) for r in (new, old))
        if metric in former and (by := difference(one, two)):
            yield Changed(metric=metric, old=former[metric].mean, new=present[metric].mean, by=by)


def _moved(one: Outcome, former: Outcome) -> Moved:
    values = {
        name: (former.values[name], one.values[name])
        for name in _TELLS
        if name in one.values and name in former.values and abs(one.values[name] - former.values[name]) > _TINY
    }
    by = sum((new - old) * (-1 if name in LESS_IS_BETTER else 1) for name, (old, new) in values.items())
    return Moved(case=one, values=values, by=by)


def worst(outcomes: Sequence[Outcome], most: int) -> list[Outcome]:
    """The cases that went wrong, the worst first."""
    shares = {one.id: _wrong(one) for one in outcomes}
    return sorted((one for one in outcomes if shares[one.id] > _TINY), key=lambda one: -shares[one.id])[:most]


def _wrong(one: Outcome) -> float:
    return sum(one.values[name] if name in LESS_IS_BETTER else 1 - one.values[name] for name in _TELLS if name in one.values)
