"""Our own evaluation set keeps its word: its pages can be read, and what its questions count on stands in them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.folder.source import FolderSource
from core.evaluation.cases import FACT_MISSING, PAGES, UNANSWERABLE, Case
from core.evaluation.loading import load
from core.evaluation.wording import said, tokens
from core.models import Checkpoint, Document, Listed, Upsert

FOLDER = Path(__file__).parents[3] / "data" / "company"
CASES = load(FOLDER).cases
TODAY = datetime(2026, 6, 15, tzinfo=UTC)
"""In the company; its README says so."""
AT_LEAST = {
    "lookup": 70,
    "table": 16,
    "code": 8,
    "rare_term": 16,
    "typo": 10,
    "acronym": 10,
    "multi_hop": 18,
    "comparison": 12,
    "contradiction": 10,
    "duplicate": 8,
    "filter": 8,
    "follow_up": 20,
    "other_language": 10,
    UNANSWERABLE: 20,
    FACT_MISSING: 16,
}
_TAGS, _MARKUP = re.compile(r"<[^>]+>"), re.compile(r"[*`]")


@pytest.fixture(scope="module")
async def documents() -> dict[str, Document]:
    changes = [change async for change in FolderSource(PAGES, FOLDER / "pages").changes(None, {})]
    assert [change for change in changes if not isinstance(change, Upsert | Listed | Checkpoint)] == [], "a page is left out"
    return {change.document.id: change.document for change in changes if isinstance(change, Upsert)}


def text(document: Document) -> str:
    body = document.body.decode() if isinstance(document.body, bytes) else document.body
    if document.media_type == "text/csv":
        body = body.replace(",", " | ")
    return f"{document.title}\n{_MARKUP.sub('', _TAGS.sub(' ', body))}"


def of_kind(*kinds: str) -> list[Case]:
    return [case for case in CASES if case.kind in kinds]


def test_it_is_large_enough_and_asks_questions_of_all_kinds() -> None:
    kinds = Counter(case.kind for case in CASES)
    assert len(CASES) >= 200
    assert kinds.keys() == AT_LEAST.keys()
    assert {kind: kinds[kind] for kind, least in AT_LEAST.items() if kinds[kind] < least} == {}


def test_nothing_is_asked_twice() -> None:
    asked = Counter((case.question.casefold(), case.turns) for case in CASES)
    assert [question for question, times in asked.items() if times > 1] == []


async def test_its_pages_are_read_whole_with_their_dates_and_owners(documents: dict[str, Document]) -> None:
    assert len(documents) >= 120
    for document in documents.values():
        assert len(text(document).split()) > 20, document.id
        if document.media_type == "text/markdown":
            assert document.owners, f"{document.id} has no owner"
            assert document.metadata.get("updated"), f"{document.id} has no date"
            assert document.updated_at <= TODAY, f"{document.id} is of tomorrow"


async def test_every_page_that_a_question_names_is_there(documents: dict[str, Document]) -> None:
    named = {id: case.id for case in CASES for id in (*case.documents, *case.near)}
    assert {id: case for id, case in named.items() if id not in documents} == {}


async def test_every_fact_stands_in_a_page_that_answers_the_question(documents: dict[str, Document]) -> None:
    unfounded = [
        (case.id, fact)
        for case in CASES
        for fact in case.facts
        if not any(said(fact, text(documents[id])) for id in case.documents)
    ]
    assert unfounded == []


def test_every_question_that_has_an_answer_has_facts_and_the_reference_answer_says_them() -> None:
    answerable = [case for case in CASES if case.answerable]
    assert [case.id for case in answerable if not case.facts or not case.answer] == []
    assert [(case.id, fact) for case in answerable for fact in case.facts if not said(fact, case.answer)] == []


def test_follow_ups_come_after_turns_that_were_answered() -> None:
    assert all(1 <= len(case.turns) <= 3 for case in of_kind("follow_up"))
    assert all(answer for case in CASES for _, answer in case.turns)


def test_what_is_to_be_refused_names_no_facts_and_a_missing_fact_names_the_page_that_it_is_missed_on() -> None:
    assert [case.id for case in of_kind(UNANSWERABLE, FACT_MISSING) if case.facts] == []
    assert [case.id for case in of_kind(FACT_MISSING) if not case.near] == []
    assert [case.id for case in of_kind(UNANSWERABLE) if case.near] == []


def test_questions_over_several_pages_name_several_pages() -> None:
    assert [case.id for case in of_kind("multi_hop", "comparison", "duplicate") if len(case.documents) < 2] == []


async def test_pages_that_are_called_duplicates_share_their_words(documents: dict[str, Document]) -> None:
    shared = {}
    for case in of_kind("duplicate"):
        first, second, *_ = (set(tokens(text(documents[id]))) for id in case.documents)
        shared[case.id] = len(first & second) / min(len(first), len(second))
    assert {id: share for id, share in shared.items() if share < 0.3} == {}


async def test_other_languages_ask_over_english_pages(documents: dict[str, Document]) -> None:
    by_letters = defaultdict(list)
    for case in of_kind("other_language"):
        by_letters["Japanese" if re.search(r"[\u3040-\u30ff]", case.question) else "Latin"].append(case)
        assert all(" the " in text(documents[id]) for id in case.documents), case.id
    assert by_letters.keys() == {"Japanese", "Latin"}


def test_the_readme_counts_the_questions_of_each_kind_as_they_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \| (\d+) \|$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    kinds = Counter(case.kind for case in CASES)
    assert {kind: int(general) + int(technical) for kind, general, technical in rows} == kinds
