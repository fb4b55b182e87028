"""How sure an answer must be, from probabilities and signs that are written down here."""

from __future__ import annotations

import pytest

from core.evaluation.calibration import bands, logistic

ANSWERED = [number / 100 for number in range(30, 80)]
REMOVED = [number / 100 for number in range(10, 60)]


@pytest.mark.parametrize("wrong", [0.0, 0.04, 0.2])
def test_no_more_questions_with_an_answer_are_refused_than_may_be(wrong: float) -> None:
    low = bands(ANSWERED, REMOVED, wrong).low
    assert sum(one < low for one in ANSWERED) == wrong * len(ANSWERED)


def test_an_answer_is_unsure_up_to_where_both_kinds_of_questions_are_told_apart_best() -> None:
    found = bands([0.2, 0.7, 0.8, 0.9], [0.1, 0.3, 0.4, 0.5], 0.0)
    assert found.low == 0.2
    assert found.high == 0.7


def test_the_band_of_unsure_answers_never_ends_below_that_of_refusals() -> None:
    found = bands([0.5, 0.6, 0.7], [0.1, 0.1, 0.2], 0.4)
    assert found.high >= found.low == 0.6


def test_the_sign_that_tells_the_questions_apart_gets_the_weight() -> None:
    answered = [(0.8 + 0.01 * (number % 5), 0.1 * (number % 7)) for number in range(70)]
    removed = [(0.4 + 0.01 * (number % 5), 0.1 * (number % 7)) for number in range(70)]
    (telling, idle), bias = logistic(answered, removed)
    assert telling > 10 * abs(idle)
    assert telling * 0.8 + bias > 0 > telling * 0.44 + bias
