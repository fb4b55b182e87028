"""What an answer is worth without a judge, and footnotes that stand for nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.evaluation.answers import phantoms, worth
from core.evaluation.cases import FACT_MISSING, Case
from core.evaluation.wording import said, tokens
from core.models import GAP, Answer, AnswerMode, Citation
from tests.answering import LEAVE, LEAVE_HIT

CASE = Case(
    id="1",
    question="How much leave?",
    kind="lookup",
    documents={"wiki:leave": 1, "wiki:law": 1},
    answer="30 days",
    facts=(("30 days", "thirty days"), ("people portal",)),
)
TEXTS = {"wiki:leave": tokens(LEAVE)}


def given(text: str, *cited: str, quote: str = "Employees get 30 days of paid leave a year.", mode: str = "quotes") -> Answer:
    citations = tuple(
        Citation(number=number, document_id=id, title="Leave", url="", quote=quote, updated_at=datetime(2026, 1, 1, tzinfo=UTC))
        for number, id in enumerate(cited, 1)
    )
    return Answer(
        id="a",
        question="",
        text=text,
        citations=citations,
        hits=(LEAVE_HIT,),
        mode=AnswerMode(mode),
        model="",
        prompt_version="",
        timings={},
    )


def test_an_answer_is_worth_its_facts_its_words_and_its_citations() -> None:
    values = worth(CASE, given("You have thirty days [1].", "wiki:leave", "wiki:travel"))
    assert values == {
        "wrongly refused": 0.0,
        "facts": 0.5,
        "token F1": pytest.approx(2 * 1 / (2 + 4)),
        "citation recall": 0.5,
        "citation precision": 0.5,
        "cited well": 0.5,
    }


def test_a_refusal_is_worth_nothing_unless_there_is_no_answer() -> None:
    refusal = given("I did not find 30 days in the people portal.", mode="not_found")
    values = worth(CASE, refusal)
    assert values == {"wrongly refused": 1.0, "facts": 0.0, "token F1": 0.0, "citation recall": 0.0, "cited well": 0.0}
    missing = Case(id="2", question="?", kind=FACT_MISSING)
    assert worth(missing, refusal) == {"rightly refused": 1.0, "cited well": 1.0}
    assert worth(missing, given("Thirty days [1].", "wiki:leave")) == {"rightly refused": 0.0, "cited well": 0.0}


@pytest.mark.parametrize(
    ("answer", "fact", "found"),
    [
        ("It costs 1,000 euros.", "1000 Euros", True),
        ("It costs 11,000 euros.", "1000 euros", False),
        ("Open the\n> **people** portal [2].", "the people portal", True),
        ("Portals for people.", "people portal", False),
        ("有給休暇は三十日です。", "三十日", True),
        ("The limit of each upload is 10 MiB, and 50 MiB for a whole request.",
         "The default size limit of each file upload is 10 MiB for a request", True),
        ("The limit of each upload is 12 MiB, and 50 MiB for a whole request.",
         "The default size limit of each file upload is 10 MiB for a request", False),
    ],
)  # fmt: skip
def test_a_fact_is_said_in_its_words_or_a_sentence_in_most_of_them_and_all_its_numbers(
    answer: str, fact: str, found: bool
) -> None:
    assert said([fact], answer) is found


def test_footnotes_that_stand_for_something_are_no_phantoms() -> None:
    assert phantoms(given("Thirty days [1], and `row[7]` of a table.", "wiki:leave"), TEXTS) == 0


def test_each_passage_of_a_quote_is_looked_for_by_itself() -> None:
    first, second = "Employees get 30 days of paid leave a year.", "| Germany | 11 |"
    assert second in LEAVE
    assert phantoms(given("Thirty days [1].", "wiki:leave", quote=f"{first}{GAP}{second} …"), TEXTS) == 0
    assert phantoms(given("Thirty days [1].", "wiki:leave", quote=f"{first}{GAP}| Germany | 12 |"), TEXTS) == 1


@pytest.mark.parametrize(
    "answer",
    [
        given("Thirty days [1], as the law says [2].", "wiki:leave"),
        given("Thirty days [1].", "wiki:unheard-of"),
        given("Thirty days [1].", "wiki:leave", quote="Employees get 40 days of paid leave a year."),
    ],
)
def test_a_number_without_a_footnote_a_strange_document_and_an_invented_quote_are_phantoms(answer: Answer) -> None:
    assert phantoms(answer, TEXTS) == 1
