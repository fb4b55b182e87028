"""Whether what was found has the kind of thing that a question asks for."""

from __future__ import annotations

import pytest

from core.answering.refusing.wanted import has
from tests.answering import evidence, hit

PARTY = "The bus from Leipzig to the summer party leaves the office at 14:00. Tickets for the boat cost 12 euros a person."


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How much does the bus to the summer party cost?", "The bus to the summer party is free of charge."),
        ("When does the bus to the summer party leave?", PARTY),
        ("How long is the password?", "A password has at least 14 characters, for two years."),
        ("How heavy is a probe?", "A probe weighs 3.2 kg and is 40 cm long."),
        ("Who approves trips above 1,000 euros?", "A trip above 1,000 euros needs the approval of a manager."),
        ("What is the phone number of the front desk?", "Front desk: +49 341 555 20."),
    ],
)
def test_what_has_it_has_all_of_it(question: str, text: str) -> None:
    assert has(question, evidence(hit(text=text))) == 1.0


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How much does the bus from Leipzig to the summer party cost?", PARTY),
        ("How heavy is a Limpet?", "A Limpet stands in up to 30 m of water. The crate is 12 kg."),
        ("Who signs for a tank slot in Hamburg?", "A tank slot in Hamburg is signed for on arrival. Meals are up to the crew."),
        ("What is the email address of the broker?", "The broker answers letters within a week."),
        ("How much was the fine of October 2024?", "The fine of October 2024 was paid within days."),
    ],
)
def test_the_right_page_without_the_fact_has_little_or_nothing_of_it(question: str, text: str) -> None:
    assert has(question, evidence(hit(text=text, title="Page"))) < 0.5


@pytest.mark.parametrize(
    "question",
    [
        "How do I request leave?",
        "Who is Halina?",
        "How much does it cost, and who pays for it?",
        "Wie viel kostet der Bus?",
        "Where does the bus leave?",
    ],
)
def test_of_other_questions_nothing_is_known(question: str) -> None:
    assert has(question, evidence(hit(text="Nothing of that kind stands here."))) == 1.0


def test_the_head_of_a_table_tells_what_its_cells_are() -> None:
    table = "| Plan | Price (EUR) |\n| --- | --- |\n| Harbor | 300 |\n| Ocean | 900 |"
    assert has("What does the Ocean plan cost?", evidence(hit(text=table))) == 1.0
