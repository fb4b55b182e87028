"""Of two versions of one page the newer wins, and the older one is named where they contradict each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.answering.evidence import Evidence
from core.answering.quoting.quotes import quote
from core.answering.quoting.versions import Change, versions
from core.models import Hit
from tests.answering import evidence, hit

NOW = "Employees get 30 days of paid leave a year. Requests go through the people portal."
BEFORE = "Employees get 25 days of paid leave a year. Requests go through the people portal."

IN_BRACKETS = ["Leave (draft)", "Leave (v2, final copy)", "Leave (as of March 2024)", "Leave (2024-03-01)", "Leave (3)"]


def page(id: str, text: str, title: str, *date: int, score: float = 1.0) -> Hit:
    made = hit(f"wiki:{id}", text, title=title, score=score)
    return replace(made, chunk=replace(made.chunk, updated_at=datetime(*date, tzinfo=UTC)))  # type: ignore[misc]


def both(old_title: str = "Leave 2024", new_title: str = "Leave") -> tuple[Evidence, ...]:
    return evidence(page("old", BEFORE, old_title, 2024, 3, 1), page("new", NOW, new_title, 2026, 1, 1, score=0.9))


@pytest.mark.parametrize("title", ["Leave", "Leave 2024", "Leave (old)", "Leave v1", "Leave, archived", *IN_BRACKETS])
def test_pages_of_one_title_are_versions_and_their_values_are_compared(title: str) -> None:
    (version,) = versions(both(title))
    assert (version.newer.document_id, version.older.document_id) == ("wiki:new", "wiki:old")
    assert version.changes == (
        Change(now="Employees get 30 days of paid leave a year.", before="Employees get 25 days of paid leave a year."),
    )


def test_pages_of_other_titles_of_one_day_or_without_a_passage_in_common_are_no_versions() -> None:
    assert versions(both("Leave in France")) == ()
    assert versions(evidence(page("a", NOW, "Leave", 2026, 1, 1), page("b", BEFORE, "Leave", 2026, 1, 1))) == ()
    assert (
        versions(evidence(page("a", "We ship on Mondays.", "Overview", 2026, 1, 1), hit("wiki:b", NOW, title="Overview"))) == ()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("Berlin", "Munich"), ("Germany", "US"), ("Contractors", "Employees"), ("Berlin, 2024", "Munich, 2026"), ("May team", "")],
)
def test_pages_for_different_places_or_people_are_no_versions_of_each_other(one: str, other: str) -> None:
    assert versions(both(f"Office handbook ({one})", f"Office handbook ({other})")) == ()


async def test_a_question_about_one_place_is_answered_from_its_own_page() -> None:
    quoted = await quote("How much paid leave do employees get in Berlin?", both("Leave (Berlin)", "Leave (Munich)"))
    assert quoted is not None
    assert quoted.citations[0].title == "Leave (Berlin)"
    assert "older version" not in quoted.text


def test_the_year_in_a_title_says_more_than_the_last_edit() -> None:
    (version,) = versions(evidence(page("a", BEFORE, "Prices 2024", 2026, 5, 1), page("b", NOW, "Prices 2026", 2026, 1, 1)))
    assert version.older.document_id == "wiki:a"


@pytest.mark.parametrize("question", ["How many days of leave were there in 2024?", "What did the old leave policy say?"])
def test_a_question_for_the_older_one_is_about_that(question: str) -> None:
    assert versions(both(), question) == ()


def test_a_question_with_a_word_that_only_the_older_title_has_is_about_that() -> None:
    assert versions(both("Leave (draft of March)"), "How much leave does the draft promise?") == ()
    assert versions(both("Leave (draft)"), "How much leave is promised?")


def test_a_table_is_compared_row_by_row() -> None:
    table = "| Country | Days |\n| --- | --- |\n| Germany | {} |\n| France | 10 |"
    (version,) = versions(
        evidence(page("new", table.format(11), "Days", 2026, 1, 1), page("old", table.format(9), "Days", 2025, 1, 1))
    )
    assert version.changes == (Change(now="| Germany | 11 |", before="| Germany | 9 |"),)


async def test_quotes_come_from_the_newer_one_and_name_what_the_older_one_says_otherwise() -> None:
    quoted = await quote("How many days of paid leave do employees get?", both())
    assert quoted is not None
    assert quoted.text.startswith("> Employees get 30 days of paid leave a year.")
    assert quoted.text.endswith(
        "An older version, “Leave 2024” of 2024-03-01, says otherwise: “Employees get 25 days of paid leave a year.” [2]"
    )
    assert [citation.document_id for citation in quoted.citations] == ["wiki:new", "wiki:old"]


async def test_an_older_version_that_agrees_is_not_named() -> None:
    quoted = await quote("Where do leave requests go through?", both())
    assert quoted is not None
    assert quoted.text == "> Requests go through the people portal. [1]"
