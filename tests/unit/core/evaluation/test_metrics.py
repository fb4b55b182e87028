"""Figures that were worked out by hand, and intervals that mean what they say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from core.evaluation.cases import UNANSWERABLE, Case
from core.evaluation.metrics import (
    ANSWER_SCORE,
    CHUNK_SCORE,
    CITATION_RECALL,
    CITED_WELL,
    MRR,
    NDCG,
    RECALL_5,
    SCORE,
    auroc,
    column,
    difference,
    interval,
    ranking,
    sources,
)


def case(id: str, *documents: str) -> Case:
    return Case(id=id, question="?", kind="lookup" if documents else UNANSWERABLE, documents=dict.fromkeys(documents, 1))


def test_the_order_that_was_found_decides_whatever_the_documents_are_called() -> None:
    found = {"one": ["z", "a", "b"], "two": [*"ghijklmnop", "b", "a"], "none": []}
    measured = ranking([case("one", "a"), case("two", "a", "g"), case("none", "a"), case("refused")], {**found, "refused": ["a"]})
    assert measured["one"][NDCG] == pytest.approx(1 / math.log2(3))
    assert measured["one"][MRR] == pytest.approx(0.5)
    assert measured["two"][RECALL_5] == pytest.approx(0.5)
    assert measured["two"]["recall@10"] == pytest.approx(0.5)
    assert set(measured["none"].values()) == {0.0}
    assert "refused" not in measured


def test_the_score_weighs_recall_over_what_has_an_answer_and_precision_over_everything() -> None:
    values = {
        "right": sources(case("right", "a", "b"), [["a"], ["x"]]),
        "refused": sources(case("refused"), [["a"]]),
    }
    scores = column(values, SCORE)
    assert sum(scores.values()) / len(scores) == pytest.approx(100 * (0.7 * 0.5 + 0.3 * (0.5 + 0.0) / 2))
    assert column(values, CHUNK_SCORE) == {}


def test_who_rightly_refuses_is_as_precise_as_who_cites_the_right_page() -> None:
    values = {
        "half": {CITATION_RECALL: 0.5, CITED_WELL: 1.0},
        "refused": {CITED_WELL: 1.0},
        "answered": {CITED_WELL: 0.0},
    }
    scores = column(values, ANSWER_SCORE)
    assert sum(scores.values()) / len(scores) == pytest.approx(100 * (0.7 * 0.5 + 0.3 * 2 / 3))


def test_copies_of_a_document_are_one_source() -> None:
    assert sources(case("one", "a"), [["copy of a", "a"]]) == {"source recall": 1.0, "source precision": 1.0}


def test_one_of_two_places_is_all_of_a_question_whose_answer_stands_in_both() -> None:
    both = replace(case("one", "a", "b"), kind="duplicate")
    assert sources(both, [["b"]]) == {"source recall": 1.0, "source precision": 1.0}
    assert sources(both, [["x"]])["source recall"] == 0.0


def test_an_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = [0.0, 1.0, 1.0, 0.5] * 10
    one = interval(values)
    assert one is not None
    assert one == interval(values)
    assert one.mean == pytest.approx(0.625)
    assert one.low < one.mean < one.high
    assert one.n == 40
    assert interval([]) is None


def test_a_difference_is_paired_so_that_hard_cases_do_not_blur_it() -> None:
    old = {str(number): number % 2 * 0.9 for number in range(40)}
    better = difference({id: value + 0.05 for id, value in old.items()}, {**old, "another": 1.0})
    assert better is not None
    assert (better.n, better.low, better.high) == (40, pytest.approx(0.05), pytest.approx(0.05))
    assert difference({"a": 1.0}, {"b": 1.0}) is None


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert auroc([0.9, 0.5], [0.1, 0.5]) == pytest.approx(3.5 / 4)
    assert auroc([], [0.1]) is None
