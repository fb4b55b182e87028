"""What is said when there is no answer."""

from __future__ import annotations

from core.answering.evidence import collapse
from core.answering.refusing.refusal import NEAREST, refuse
from tests.answering import hit


def test_a_refusal_says_what_was_searched_for_and_shortens_what_is_long() -> None:
    assert "“Which hotels allow dogs?”" in refuse("Which  hotels\nallow dogs?", ()).text
    assert len(refuse("dogs " * 200, ()).text) < 400


def test_a_refusal_names_the_nearest_pages_best_first() -> None:
    evidence = collapse(
        [hit(str(number), f"Page {number} says a thing of its own.", score=1 - number / 100) for number in range(5)]
    )
    near = refuse("Which hotels allow dogs?", evidence).near
    assert len(near) == NEAREST
    assert [page.document_id for page in near] == [item.document_id for item in evidence[:NEAREST]]


def test_the_text_is_the_same_whether_pages_are_near_or_none() -> None:
    evidence = collapse([hit("1", "Hotels cost at most 140 euros a night.")])
    assert refuse("Which hotels allow dogs?", evidence).text == refuse("Which hotels allow dogs?", ()).text
