"""Which documents an answer is made from."""

from __future__ import annotations

from dataclasses import replace

from core.answering.evidence import DOCUMENTS, collapse
from core.models import Hit
from tests.answering import hit


def page(name: str, score: float, words: float | None = None, *, named: bool = False) -> Hit:
    return replace(hit(f"wiki:{name}", f"All about {name}.", title=name, score=score), words=words, named=named)


def documents(*hits: Hit) -> list[str]:
    return [item.document_id.removeprefix("wiki:") for item in collapse(hits)]


def test_documents_far_below_the_best_one_are_left_out() -> None:
    assert documents(page("best", 1.0), page("near", 0.7), page("far", 0.5)) == ["best", "near"]


def test_a_page_that_only_sounds_like_the_question_is_left_out_sooner_than_one_that_has_its_words() -> None:
    found = [page("best", 1.0, 20.0), page("sounds alike", 0.75, 4.0), page("has the words", 0.5, 18.0)]
    assert documents(*found) == ["best", "has the words"]


def test_what_the_question_names_is_never_cut_off() -> None:
    assert documents(page("best", 1.0, 40.0), page("ticket", 0.2, 5.0, named=True)) == ["best", "ticket"]


def test_only_the_best_few_are_looked_at_however_many_of_them_are_left_out() -> None:
    far = [page(f"far {number}", 0.9 - number / 100, 0.0) for number in range(DOCUMENTS - 1)]
    assert documents(page("best", 1.0, 20.0), *far, page("sixth", 0.8, 20.0)) == ["best"]


def test_without_any_score_all_of_the_first_are_kept() -> None:
    assert documents(page("one", 0.0), page("two", 0.0)) == ["one", "two"]
