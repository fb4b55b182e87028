"""Comparisons taken apart by rule, other questions by the model, and their hits beside those of the question."""

from __future__ import annotations

import pytest

from core.answering.model import build_model
from core.answering.understanding.subquestions import compared, joined, needed, split
from core.settings import Settings
from tests.answering import hit
from tests.emulators.openai import Hangs, OpenAIServer

QUESTION = "Who owns the service that the billing team calls at night?"


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Heron 3 vs Heron 4", ("Heron 3", "Heron 4")),
        ("What is the difference between the Basic plan and the Pro plan?", ("Basic plan", "Pro plan")),
        ("difference between Basic and Pro in support hours?", ("Basic support hours", "Pro support hours")),
        ("How does parental leave differ from sick leave?", ("parental leave", "sick leave")),
        ("Compare SSO with SAML for customers", ("SSO customers", "SAML customers")),
        ("What is the battery life of Heron 3 vs Heron 4?", ("Heron 3 battery life", "Heron 4 battery life")),
        ("How many days of leave do I get?", ()),
        ("Is there a difference between the two?", ()),
        ("salt and pepper", ()),
        ("Heron 3 vs Heron 3", ()),
    ],
)
def test_a_comparison_of_two_things_is_two_questions(question: str, parts: tuple[str, ...]) -> None:
    assert compared(question) == parts


@pytest.mark.parametrize(
    ("question", "several"),
    [
        (QUESTION, True),
        ("What is the travel limit and who approves trips above it?", True),
        ("Do both the Berlin and Oslo offices have showers?", True),
        ("How many days of leave do I get?", False),
        ("Where is the printer?", False),
        ("What are the terms and conditions?", False),
    ],
)
def test_only_what_looks_like_several_questions_is_put_to_the_model(question: str, several: bool) -> None:
    assert needed(question) is several


async def test_the_model_names_at_most_three_parts() -> None:
    async with OpenAIServer() as server:
        server.script("1. Which service does billing call at night?\n- Who owns Ledger?\nWho is on call?\nWhat else is asked?")
        model = build_model(Settings(_env_file=None, openai_base_url=server.url, openai_api_key=server.key))
        parts = await split(QUESTION, model, 5.0)
    assert parts == ("Which service does billing call at night?", "Who owns Ledger?", "Who is on call?")


@pytest.mark.parametrize("said", [QUESTION, "Who owns it?", "", Hangs()], ids=str)
async def test_a_model_that_names_no_parts_or_takes_too_long_leaves_the_question_whole(said: object) -> None:
    async with OpenAIServer() as server:
        server.script(said)
        model = build_model(Settings(_env_file=None, openai_base_url=server.url, openai_api_key=server.key))
        assert await split(QUESTION, model, 5.0, seconds=0.3) == ()


def test_each_parts_best_page_stands_beside_the_questions_own() -> None:
    whole = [hit("wiki:both", score=2.0), hit("wiki:one", score=0.4)]
    one = [hit("wiki:one", score=0.8), hit("wiki:noise", score=0.1)]
    other = [hit("wiki:other", score=5.0)]
    found = joined(whole, [one, other])
    assert [(item.chunk.document_id, item.score) for item in found] == [
        ("wiki:both", 1.0),
        *sorted([("wiki:one", 0.9), ("wiki:other", 0.9)], key=lambda pair: hit(pair[0]).chunk.id),
    ][: len(found)]


def test_parts_without_hits_change_nothing_but_the_scale() -> None:
    whole = [hit("wiki:both", score=2.0), hit("wiki:one", score=0.5)]
    assert [(item.chunk.document_id, item.score) for item in joined(whole, [[], []])] == [("wiki:both", 1.0), ("wiki:one", 0.25)]
