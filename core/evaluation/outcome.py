"""What became of one case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.evaluation.cases import Case, Exchange

MILLISECONDS = "ms"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    id: str
    question: str
    kind: str
    values: Mapping[str, float]
    """Metric to value; what says nothing about this case is missing."""
    expected: tuple[str, ...] = ()
    """Ids of the documents that answer it."""
    found: tuple[str, ...] = ()
    """Ids of the documents that were found, or cited, best first."""
    signals: Mapping[str, float] = field(default_factory=dict)
    """How much what was found looks like an answer: the more, the surer."""
    turns: tuple[Exchange, ...] = ()
    answer: str = ""
    reference: str = ""
    mode: str = ""


def outcome(
    case: Case,
    values: Mapping[str, float],
    *,
    found: tuple[str, ...],
    signals: Mapping[str, float],
    answer: str = "",
    mode: str = "",
) -> Outcome:
    return Outcome(
        id=case.id,
        question=case.question,
        kind=case.kind,
        values=values,
        expected=tuple(case.documents),
        found=found,
        signals=signals,
        turns=case.turns,
        answer=answer,
        reference=case.answer if answer else "",
        mode=mode,
    )
