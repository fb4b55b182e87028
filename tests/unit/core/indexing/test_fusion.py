from __future__ import annotations

import pytest

from core.indexing.fusion import Candidate, above_ordinary, dbsf, fused, lifted, rrf, with_parents, words_together


def found(*scores: float, document: str = "") -> list[Candidate]:
    """By id a, b, ... with these scores; each of a document of its own, if none is named."""
    ids = "abcdefghij"[: len(scores)]
    return [Candidate(id, document or id, score) for id, score in zip(ids, scores, strict=True)]


OWN = {id: id for id in "abcdefghij"}


def ranked(scores: dict[str, float]) -> str:
    return "".join(sorted(scores, key=lambda id: -scores[id]))


def test_scores_are_scaled_by_how_they_are_spread_and_not_by_their_size():
    one, other = dbsf(found(9.0, 3.0, 2.0, 1.0)), dbsf(found(0.9, 0.3, 0.2, 0.1))
    assert one == pytest.approx(other)
    assert sum(one.values()) / 4 == pytest.approx(0.5)
    assert one["a"] - one["b"] > one["b"] - one["d"], "a clear lead stays clear"


def test_a_list_that_says_nothing_of_its_spread_is_worth_a_half():
    assert dbsf([]) == {}
    assert dbsf(found(7.0)) == {"a": 0.5}
    assert dbsf(found(7.0, 7.0)) == {"a": 0.5, "b": 0.5}


def test_by_ranks_only_the_order_counts():
    assert rrf(found(9.0, 1.0)) == rrf(found(2.0, 1.9))
    assert ranked(fused(rrf(found(3.0, 2.0, 1.0)), {"c": 0.02})) == "cab"


def test_a_document_that_is_about_the_question_as_a_whole_comes_before_one_that_touches_it():
    scores = {"a": 0.80, "b": 0.79, "c": 0.7, "d": 0.7}
    assert ranked(with_parents(scores, {"a": "touches", "b": "whole", "c": "whole", "d": "whole"}))[0] == "b"
    assert ranked(with_parents(scores, OWN)) == "abcd"


@pytest.mark.parametrize("place", [1, 2, 3])
def test_what_is_lifted_stands_at_its_place_or_before(place: int):
    scores = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5}
    assert ranked(lifted(scores, OWN, ["e"], place)).index("e") < place
    assert lifted(scores, OWN, ["a"], place) == scores, "what is there already stays as it is"


def test_what_no_list_has_is_lifted_too():
    assert ranked(lifted({"a": 0.9, "b": 0.8, "c": 0.7}, OWN, ["j"], 3)) == "abjc"


def test_of_several_that_are_lifted_the_first_is_sure_of_its_place_also_where_others_are_equal():
    scores = dict.fromkeys("abcdefg", 0.5)
    assert ranked(lifted(scores, OWN, ["f", "g"], 3)).index("f") < 3
    assert ranked(lifted({"a": 0.9, "b": 0.8, "c": 0.7, "f": 0.1, "g": 0.1}, OWN, ["f", "g"], 3)).index("f") < 3


def test_a_place_is_a_place_among_documents_however_many_chunks_they_have():
    scores = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}
    document_of = {"a": "long", "b": "long", "c": "long", "d": "rare"}
    assert lifted(scores, document_of, ["d"], 3) == scores


def test_the_words_of_a_document_are_those_of_its_best_chunks_together():
    assert words_together(found(9.0, 8.0, 1.0, 1.0, 1.0, 1.0, document="long")) == {"long": 20.0}


def test_scores_are_counted_from_an_ordinary_candidate_where_there_are_many():
    many = {str(number): 0.5 + number / 1000 for number in range(201)}
    counted = above_ordinary(many)
    assert counted["100"] == pytest.approx(0)
    assert counted["200"] == pytest.approx(0.1)
    assert above_ordinary({"a": 0.9, "b": 0.8}) == {"a": 0.9, "b": 0.8}
