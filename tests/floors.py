"""Floors of quality, kept beside the set that they are measured on, with the cases that are known to fall short."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.evaluation.metrics import column
from core.evaluation.report import ALL, LESS_IS_BETTER, Report

METRICS = ("nDCG@10", "recall@5", "facts", "rightly refused", "wrongly refused")
PHANTOMS = "phantom footnotes"
REFUSAL = "refusal AUROC"
SLACK = 0.01
"""So much worse is not held against a change: two machines round a vector differently."""


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The means that must be reached, and by metric the ids of cases that fell short when they were noted."""

    means: dict[str, float]
    known: dict[str, list[str]]

    @classmethod
    def read(cls, file: Path) -> Floors:
        return cls(**json.loads(file.read_text()))

    @classmethod
    def of(cls, report: Report) -> Floors:
        means = {name: one.mean for name, one in report.metrics().items() if name in METRICS}
        floors = {
            name: math.ceil((mean + SLACK) * 100) / 100 if name in LESS_IS_BETTER else math.floor((mean - SLACK) * 100) / 100
            for name, mean in {**means, **refusal(report)}.items()
        }
        return cls(means={**floors, PHANTOMS: 0}, known={name: sorted(short(report, name)) for name in means})

    def write(self, file: Path) -> None:
        file.write_text(json.dumps({"means": self.means, "known": self.known}, indent=1) + "\n")

    def missed(self, report: Report) -> list[str]:
        """A line for each floor that is not reached, with the cases that got worse."""
        means = {name: one.mean for name, one in report.metrics().items()} | refusal(report)
        lines = []
        for name, floor in self.means.items():
            if means[name] > floor if name in LESS_IS_BETTER else means[name] < floor:
                worse = sorted(short(report, name) - set(self.known.get(name, ())))
                questions = {one.id: one.question for one in report.outcomes}
                cases = "".join(f"\n    {id}: {questions[id]}" for id in worse)
                side = "more than" if name in LESS_IS_BETTER else "less than"
                lines.append(f"{name} is {means[name]:.3f}, {side} {floor:.2f}. Cases that got worse: {len(worse)}{cases}")
        return lines


def short(report: Report, metric: str) -> set[str]:
    """The cases that are not as good as a case can be."""
    values: dict[str, Any] = column({one.id: one.values for one in report.outcomes}, metric)
    return {id for id, value in values.items() if (value > 0 if metric in LESS_IS_BETTER else value < 1)}


def refusal(report: Report) -> dict[str, float]:
    """The best of the signals."""
    areas = report.refusal().get(ALL, {})
    return {REFUSAL: max(areas.values())} if areas else {}
