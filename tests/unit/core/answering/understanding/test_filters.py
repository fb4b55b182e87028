"""What limits a question for certain, and what only sounds as if it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.answering.understanding.filters import Places, filtered
from core.answering.understanding.glossary import acronyms
from core.answering.understanding.spelling import doubtful
from core.answering.understanding.subquestions import compared, needed
from core.models import Scope

BERG, BO = "user:ana.berg@acme.com", "user:bo.li@acme.com"
ACCOUNT = "account:confluence:5b1"
PLACES = Places(
    sources=("confluence", "drive", "handbook"),
    paths=(("Engineering",), ("Engineering", "On call"), ("HR",), ("Sales",), ("Sales", "Archive"), ("HR", "Archive")),
    people={BERG: [BERG], ACCOUNT: [ACCOUNT, BERG], BO: [BO]},
)
AT = datetime(2026, 11, 23, 21, tzinfo=UTC)


def day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "sources", "text"),
    [
        ("Which pages in Confluence talk about onboarding?", ("confluence",), "Which pages talk about onboarding?"),
        ("According to the handbook, how many days?", ("handbook",), "how many days?"),
        ("Search in Google Drive for the budget", ("drive",), "the budget"),
        ("What does the handbook say about dogs?", ("handbook",), "about dogs?"),
    ],
)
def test_a_source_is_named_as_a_place_of_pages(question: str, sources: tuple[str, ...], text: str) -> None:
    found = filtered(question, PLACES, AT)
    assert (found.sources, found.text) == (sources, text)
    assert found.said == (f"from {sources[0]}",)


@pytest.mark.parametrize(
    ("question", "scope", "said"),
    [
        ("Which docs in the Engineering space mention Kafka?", Scope(path=("Engineering",)), "in the space Engineering"),
        ("in the folder On call what is the rota?", Scope(path=("Engineering", "On call")), "in the folder On call"),
        ("What is said in the HR pages on leave?", Scope(path=("HR",)), "in the folder HR"),
        ("pages by Ana Berg about deployment", Scope(people=(ACCOUNT, BERG)), "by Ana Berg"),
        ("in Bo Li's documents: who may sign?", Scope(people=(BO,)), "by Bo Li"),
        ("runbooks written by ana.berg@acme.com", Scope(people=(ACCOUNT, BERG)), "by ana.berg@acme.com"),
        ("documents changed since March about leave", Scope(since=day(2026, 3, 1)), "edited since 1 March 2026"),
        ("pages updated since December on pricing", Scope(since=day(2025, 12, 1)), "edited since 1 December 2025"),
        (
            "Which pages were updated last month about leave?",
            Scope(since=day(2026, 10, 1), until=day(2026, 11, 1)),
            "edited from 1 October 2026 to 31 October 2026",
        ),
        ("pages edited in 2025 on keys", Scope(since=day(2025, 1, 1), until=day(2026, 1, 1)), "edited in 2025"),
        ("policies last updated before 2024", Scope(until=day(2024, 1, 1)), "edited before 2024"),
        ("What changed this week in the release process?", Scope(since=day(2026, 11, 23)), "edited since 23 November 2026"),
        ("files updated in the last 7 days", Scope(since=day(2026, 11, 16)), "edited since 16 November 2026"),
        ("what has changed since 2026-06-01 in the final test", Scope(since=day(2026, 6, 1)), "edited since 1 June 2026"),
        ("articles from last quarter on pricing", Scope(since=day(2026, 7, 1), until=day(2026, 10, 1)), None),
        ("What changed yesterday?", Scope(since=day(2026, 11, 22), until=day(2026, 11, 23)), "edited yesterday"),
    ],
    ids=str,
)
def test_folders_people_and_times_of_pages_limit_a_question(question: str, scope: Scope, said: str | None) -> None:
    found = filtered(question, PLACES, AT)
    assert found.scope == scope
    assert said is None or found.said == (said,)


@pytest.mark.parametrize(
    "question",
    [
        "What was our revenue in 2025?",
        "Who approved the budget last month?",
        "Which employees were added in 2025?",
        "How do I share files on Google Drive?",
        "How do I edit a page in Confluence?",
        "What is new in Heron 3?",
        "What did Ana Berg decide?",
        "Show me documents by Ana about falcon",
        "pages by Nobody Known about falcon",
        "Which docs in the Archive folder mention Kafka?",
        "Which docs in the Secret space mention Kafka?",
        "pages updated since 31 February",
        "How many pages does the handbook have?",
    ],
)
def test_what_is_not_certain_limits_nothing(question: str) -> None:
    found = filtered(question, PLACES, AT)
    assert (found.scope, found.sources, found.said, found.text) == (Scope(), (), (), question)


def test_several_limits_hold_together_and_leave_the_subject() -> None:
    found = filtered("pages in Confluence by Ana Berg edited this year about tokens", PLACES, AT)
    assert found.said == ("from confluence", "by Ana Berg", "edited since 1 January 2026")
    assert found.text == "pages about tokens"


def test_days_are_counted_where_the_person_is() -> None:
    tokyo = AT.astimezone(timezone(timedelta(hours=9)))
    assert filtered("pages updated today on leave", PLACES, tokyo).scope.since == datetime(2026, 11, 23, 15, tzinfo=UTC)
    assert filtered("pages updated today on leave", PLACES, AT).scope.since == day(2026, 11, 23)


HOSTILE = (
    *(
        "pages",
        "documents",
        "edited",
        "last",
        "sıx",
        "sıxty",
        "weeks",
        "sınce",
        "9999-12-31",
        "0001-01-01",
        "31 February",
        "२०२५",
    ),
    *(
        "Ana  Berg’s",
        "Bo Li.'s",
        "by",
        "Ana",
        "ana.berg@acme.com",
        "in the folder",
        "“Sales”",
        "look in",
        "drıve",
        "according to",
    ),
    *("compare", "between", "vs", "ſ", "İ", "PTO", "PTOs", "\x1c", "(((", "9" * 5000, "'s", ",", "?", "the", "and", "since 2025"),
)


@pytest.mark.parametrize("understood", [lambda text: filtered(text, PLACES, AT), acronyms, doubtful, compared, needed])
@given(pieces=st.lists(st.sampled_from(HOSTILE) | st.text(max_size=6), max_size=8), space=st.sampled_from([" ", "  ", "\n", ""]))
def test_no_question_is_too_odd_to_be_understood(understood: Callable[[str], object], pieces: list[str], space: str) -> None:
    understood(space.join(pieces))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("pages edited since 9999-12-31 on leave", "edited since 31 December 9999"),
        ("look in drıve for the budget", "from drive"),
        ("in Ana  Berg’s documents: who may sign?", "by Ana Berg"),
        ("in Bo Li.'s documents: who may sign?", "by Bo Li"),
        (f"pages edited in the last {'9' * 5000} days on leave", None),
        ("pages edited in the last sıx weeks on leave", None),
    ],
)
def test_odd_dates_letters_and_spaces_are_read_or_left_alone(question: str, said: str | None) -> None:
    found = filtered(question, PLACES, AT)
    assert found.said in {(said,), ()}
    assert found.said or found.text == question
