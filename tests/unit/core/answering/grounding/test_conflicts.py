"""What a reader is told when another page has another value."""

from __future__ import annotations

import pytest

from core.answering.footnotes import FootnoteFilter
from core.answering.grounding.conflicts import conflicts, notice
from core.answering.grounding.grounding import Grounding
from tests.answering import evidence, hit

SAID = "The daily allowance for meals is {} euros."
QUESTION = "What is the daily allowance for meals?"


async def told(titles: tuple[str, str], question: str) -> str:
    hits = (hit(f"wiki:{title}", SAID.format(euros), title=title) for title, euros in zip(titles, (40, 45), strict=True))
    sources = evidence(*hits)
    footnotes = FootnoteFilter(sources)
    grounding = Grounding(sources, question, footnotes.cited)
    await grounding.feed(footnotes.feed(f"{SAID.format(40)[:-1]} [1].") + footnotes.close())
    await grounding.close()
    return notice(conflicts(grounding.quoted, grounding.grounds, question), sources)


@pytest.mark.parametrize(
    ("titles", "question", "begins"),
    [
        (("Allowances", "Allowances 2019"), QUESTION, "The documents disagree: “Allowances”"),
        (("Business trips", "Employees"), QUESTION, "Not all pages say so: “Business trips” (01 March 2026) says “The daily"),
        (("Trips to Spain", "Trips to Norway"), QUESTION, ""),
        (("Business trips", "Employees"), "What do we pay for meals on business trips?", ""),
    ],
)
async def test_of_pages_about_different_things_only_such_disagree_as_answer_the_question_without_their_titles(
    titles: tuple[str, str], question: str, begins: str
) -> None:
    said = await told(titles, question)
    assert said.startswith(begins)
    assert bool(said) is bool(begins)
