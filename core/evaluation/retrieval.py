"""Every question of a set through the search, as an answer would ask it, and what each step of the search adds."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from core.evaluation.cases import Case
from core.evaluation.metrics import CHUNK_SCORE, NDCG, RECALL_5, SCORE, Interval, Values, column, difference, ranking, sources
from core.evaluation.outcome import MILLISECONDS, Outcome, outcome
from core.models import ANYONE, Hit, Query, Retrieved
from core.ports import Search

DEPTH = 100
"""Chunks asked of the search: of long documents fewer would leave less than ten documents to measure the order of."""
_SOURCES = 5
_SHOWN = 10

Collapse = Callable[[Sequence[Hit]], Sequence[Collection[str]]]
"""From the hits to what an answer is made from: the ids of each source, its copies among them."""
Sure = Callable[[Case, Retrieved], Awaitable[dict[str, float]]]
"""Further signals of how much what was found looks like an answer, by name."""
ABLATED = (NDCG, RECALL_5, SCORE)


async def retrieve(cases: Sequence[Case], search: Search, collapse: Collapse, sure: Sure | None = None) -> list[Outcome]:
    """One question after the other, so that the times are those of a single one; ``sure`` has no part in them. Raises
    TransientError.
    """
    found: dict[str, Retrieved] = {}
    milliseconds: dict[str, float] = {}
    for case in cases:
        started = time.perf_counter()
        found[case.id] = await search(query(case), ANYONE, DEPTH)
        milliseconds[case.id] = (time.perf_counter() - started) * 1000
    judged = {case.id: await sure(case, found[case.id]) if sure else {} for case in cases}
    documents = {id: _documents(result.hits) for id, result in found.items()}
    ranked = ranking(cases, documents)
    return [
        outcome(
            case,
            {
                **ranked.get(case.id, {}),
                **sources(case, collapse(found[case.id].hits)[:_SOURCES]),
                **sources(case, [[id] for id in _documents(found[case.id].hits[:_SOURCES])], CHUNK_SCORE),
                MILLISECONDS: milliseconds[case.id],
            },
            found=documents[case.id][:_SHOWN],
            signals=signals(found[case.id]) | judged[case.id],
        )
        for case in cases
    ]


def query(case: Case) -> Query:
    before, answered = case.turns[-1] if case.turns else ("", "")
    return Query(text=case.question, before=before, answered=answered)


def signals(found: Retrieved) -> dict[str, float]:
    """By name; all are 0 where nothing is known, which is as little like an answer as can be."""
    return asdict(found.signals) if found.signals else {"coverage": 0.0, "agreement": 0.0, "lead": 0.0}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the search is worth without one of its steps, or with one part alone."""

    name: str
    metrics: Mapping[str, float]
    adds: Mapping[str, Interval]
    """The whole search less this one."""


def step(name: str, whole: Mapping[str, Values], other: Mapping[str, Values]) -> Step:
    """``whole`` and ``other`` are the values by case."""
    metrics, adds = {}, {}
    for metric in ABLATED:
        one, two = column(whole, metric), column(other, metric)
        if two and (added := difference(one, two)):
            metrics[metric] = sum(two.values()) / len(two)
            adds[metric] = added
    return Step(name=name, metrics=metrics, adds=adds)


def _documents(hits: Sequence[Hit]) -> tuple[str, ...]:
    """By their best chunk."""
    return tuple(dict.fromkeys(hit.chunk.document_id for hit in hits))
