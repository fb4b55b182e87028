"""How sure an answer must be, from what the signs are for questions that have an answer, and for the same ones without the
documents that answer them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 20
"""Questions: with fewer a wanted share of a few per cent means nothing."""
_RIDGE = 1.0
"""Keeps weights small where there are few questions."""
_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Of probabilities: below ``low`` there is no answer, below ``high`` an unsure one."""

    low: float
    high: float


def bands(answered: Sequence[float], removed: Sequence[float], wrong: float) -> Bands:
    """``low``: at most the share ``wrong`` of the questions that have an answer is below it. ``high``: where a question is as
    likely to have one as not, when as many have one as have none.
    """
    ordered = sorted(answered)
    low = ordered[int(wrong * len(ordered))]
    cuts = sorted({*answered, *removed})
    best = max(cuts, key=lambda cut: _below(removed, cut) - _below(answered, cut))
    return Bands(low=low, high=max(low, best))


def _below(values: Sequence[float], cut: float) -> float:
    return sum(value < cut for value in values) / len(values)


def logistic(answered: Sequence[Sequence[float]], removed: Sequence[Sequence[float]]) -> tuple[list[float], float]:
    """The weights of the signs and the bias that tell the one kind from the other, both counting as much."""
    import numpy as np

    signs = np.asarray([*answered, *removed], dtype=np.float64)
    has_answer = np.repeat([1.0, 0.0], [len(answered), len(removed)])
    counts = np.repeat([50 / len(answered), 50 / len(removed)], [len(answered), len(removed)])
    mean, spread = signs.mean(axis=0), signs.std(axis=0) + 1e-9
    scaled = np.column_stack([(signs - mean) / spread, np.ones(len(signs))])
    ridge = np.diag([_RIDGE] * signs.shape[1] + [0.0])
    weights = np.zeros(scaled.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-scaled @ weights))
        curve = (scaled * (counts * likely * (1 - likely))[:, None]).T @ scaled + ridge
        weights -= np.linalg.solve(curve, scaled.T @ (counts * (likely - has_answer)) + ridge @ weights)
    unscaled = weights[:-1] / spread
    return unscaled.tolist(), float(weights[-1] - unscaled @ mean)
