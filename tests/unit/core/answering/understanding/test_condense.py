"""Follow-ups: which questions point back, which turn to something else, and what the others are looked for with."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from core.answering.understanding.condense import followed, refers, turned

LEAVE = ("How many days of parental leave do employees in Germany get?", "Employees in Germany get 14 months, shared [1].")
VPN = ("How do I reset my VPN password?", "In the identity portal; a new password is valid after five minutes [1].")
HERON = ("What is the battery life of the Heron 3?", "The Heron 3 runs for 90 days on one charge [2].")

FOLLOW_UPS = [
    (LEAVE, "And in France?"),
    (LEAVE, "What about contractors?"),
    (LEAVE, "How do they apply for it?"),
    (LEAVE, "Who approves that?"),
    (LEAVE, "Can they be split?"),
    (LEAVE, "Why?"),
    (LEAVE, "is it paid"),
    (VPN, "Does it expire?"),
    (VPN, "How long is that valid?"),
    (VPN, "and on my phone"),
    (VPN, "Where can I find the portal?"),
    (VPN, "Who can unlock this for me?"),
    (HERON, "Is the Heron 4 better?"),
    (HERON, "How long does charging take?"),
    (HERON, "What does the other one cost?"),
    (HERON, "How is its firmware updated in the field?"),
]
TURNS = [
    (LEAVE, "Which floor is the printer of the design team on?"),
    (LEAVE, "How do I rotate the signing key of the release pipeline?"),
    (LEAVE, "What does error E-4711 on the gateway mean?"),
    (VPN, "What is the travel budget for conferences in 2026?"),
    (VPN, "Who sits on the supervisory board of Globex?"),
    (VPN, "How many seats does the Oslo office have?"),
    (HERON, "Which receipts must be kept for travel expenses?"),
    (HERON, "When does the window for salary reviews close?"),
    (HERON, "What is our policy on working from abroad?"),
    (HERON, "Can I bring a dog to the Berlin office?"),
]


def history(turn: tuple[str, str]) -> list[BaseMessage]:
    return [HumanMessage(turn[0]), AIMessage(turn[1])]


@pytest.mark.parametrize(("before", "question"), FOLLOW_UPS)
def test_a_follow_up_is_looked_for_with_the_turn_before(before: tuple[str, str], question: str) -> None:
    query = followed(question, history(before))
    assert (query.text, query.before) == (question, before[0])
    assert query.answered
    assert "[" not in query.answered


@pytest.mark.parametrize(("before", "question"), TURNS)
def test_a_question_about_something_else_is_looked_for_alone(before: tuple[str, str], question: str) -> None:
    query = followed(question, history(before))
    assert (query.text, query.before, query.answered) == (question, "", "")


@pytest.mark.parametrize(
    "question",
    [
        "How many days of parental leave do employees in France get?",
        "What does IT say about private phones in the office?",
        "What changed this week in the release process?",
        "How do I reset my password?",
        "What is the dress code?",
        "Which team owns the service that sends invoices?",
    ],
)
def test_a_question_that_stands_by_itself_needs_no_rewriting(question: str) -> None:
    assert not refers(question)


def test_what_shares_a_word_with_the_turn_before_may_belong_to_it() -> None:
    assert not turned("How many days of parental leave do employees in France get?", history(LEAVE))


def test_an_answer_that_cites_nothing_says_nothing_of_the_subject() -> None:
    said = [HumanMessage(LEAVE[0]), AIMessage("I did not find this in the documents.")]
    assert followed("And in France?", said).answered == ""


def test_without_a_conversation_there_is_only_the_question() -> None:
    assert followed("And in France?", ()).before == ""
