"""What a result is worth, case by case, and how sure that is: trec_eval's measures, and bootstrap intervals over the cases."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.evaluation.cases import Case

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Values = Mapping[str, float]
"""Metric to its value for one case. One that says nothing about the case is missing."""

NDCG, RECALL_5, RECALL_10, MRR = "nDCG@10", "recall@5", "recall@10", "MRR@10"
SOURCE_RECALL, SOURCE_PRECISION, SCORE = "source recall", "source precision", "score"
"""``score`` as EnterpriseRAG-Bench has it: 100 × (.7 × source recall + .3 × source precision), recall over the questions
that have an answer, precision over all of them. Of the evidence that an answer is made from, its five best pieces."""
CHUNK_RECALL, CHUNK_PRECISION, CHUNK_SCORE = "chunk recall", "chunk precision", "chunk score"
"""The same of the five best chunks as they were found, before documents far below the best one are left out."""
CITATION_RECALL, CITED_WELL, ANSWER_SCORE = "citation recall", "cited well", "answer score"
"""The same of what an answer cites. Who refuses cites nothing: that is as precise as can be where there is no answer."""
SCORES = {
    SCORE: (SOURCE_RECALL, SOURCE_PRECISION),
    CHUNK_SCORE: (CHUNK_RECALL, CHUNK_PRECISION),
    ANSWER_SCORE: (CITATION_RECALL, CITED_WELL),
}

_TREC = {
    "ndcg_cut_10": NDCG,
    "recall_5": RECALL_5,
    "recall_10": RECALL_10,
    "recip_rank": MRR,
    "success_1": "success@1",
    "success_5": "success@5",
}
_MEASURES = {"ndcg_cut.10", "recall.5,10", "recip_rank", "success.1,5"}
_CUT = 10
"""trec_eval's reciprocal rank has no depth of its own: the run ends there."""
_RESAMPLES = 5_000
"""The bounds of an interval over 50 cases move by less than .005 from one seed to the next."""
_SEED = 20261
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over ``n`` cases, and where it lies with 95 % confidence."""

    mean: float
    low: float
    high: float
    n: int


def ranking(cases: Sequence[Case], found: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Values of the documents that were found for each case, best first. Cases that no document answers are left out."""
    import pytrec_eval

    judged = {case.id: dict(case.documents) for case in cases if case.answerable}
    # Ranks as scores: trec_eval sorts by score, and equal ones by id.
    run = {id: {document: float(-rank) for rank, document in enumerate(found[id][:_CUT])} for id in judged}
    measured = pytrec_eval.RelevanceEvaluator(judged, _MEASURES).evaluate(run)
    # It leaves out what has an empty ranking.
    return {id: {name: float(measured.get(id, {}).get(key, 0.0)) for key, name in _TREC.items()} for id in judged}


def sources(case: Case, used: Sequence[Collection[str]], score: str = SCORE) -> dict[str, float]:
    """Recall and precision of what an answer is made from, however it is ranked. What stands word for word in several
    documents is one source, with the ids of all of them.
    """
    recall, precision = SCORES[score]
    right = sum(not case.documents.keys().isdisjoint(ids) for ids in used)
    values = {precision: right / len(used) if used else 0.0}
    return values | ({recall: case.recall({id for ids in used for id in ids})} if case.answerable else {})


def column(values: Mapping[str, Values], metric: str) -> dict[str, float]:
    """The values of one metric by case; their mean is the metric's."""
    if metric not in SCORES:
        return {id: row[metric] for id, row in values.items() if metric in row}
    recall, precision = SCORES[metric]
    rows = {id: row for id, row in values.items() if precision in row}
    answerable = sum(recall in row for row in rows.values())
    if not answerable:
        return {}
    # Two means over different cases become one when the rarer ones count more.
    weight = len(rows) / answerable
    return {id: 100 * (0.7 * weight * row.get(recall, 0.0) + 0.3 * row[precision]) for id, row in rows.items()}


def interval(values: Collection[float]) -> Interval | None:
    """None without any value."""
    import numpy as np

    if not values:
        return None
    sample = np.asarray(list(values), dtype=np.float64)
    low, high = np.percentile(_means(sample), [2.5, 97.5])
    return Interval(mean=float(sample.mean()), low=float(low), high=float(high), n=len(sample))


def difference(new: Mapping[str, float], old: Mapping[str, float]) -> Interval | None:
    """``new`` less ``old`` over the cases that both have (a paired bootstrap); None when they share none."""
    return interval([new[id] - old[id] for id in new if id in old])


def auroc(refused: Sequence[float], answered: Sequence[float]) -> float | None:
    """The chance that a question which is to be refused has more of it than one which is to be answered, equals counting
    half. None when one kind is missing.
    """
    import numpy as np

    if not refused or not answered:
        return None
    above = np.asarray(refused)[:, None] - np.asarray(answered)[None, :]
    return float((above > 0).mean() + (above == 0).mean() / 2)


def _means(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    chance = np.random.default_rng(_SEED)
    drawn = [sample[chance.integers(0, len(sample), (_AT_ONCE, len(sample)))].mean(axis=1) for _ in range(_RESAMPLES // _AT_ONCE)]
    return np.concatenate(drawn)
