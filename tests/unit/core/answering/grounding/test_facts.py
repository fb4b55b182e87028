"""Facts that are written differently and are the same, and those that are not."""

from __future__ import annotations

import time
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.answering.grounding.facts import facts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,000", "1000"),
        ("1,000", "one thousand"),
        ("1.000 Euro", "€1,000"),
        ("50 %", "fifty percent"),
        ("two weeks", "14 days"),
        ("24 hours", "one day"),
        ("3 March 2026", "2026-03-03"),
        ("March 3rd, 2026", "3. März 2026"),
        ("2026年3月3日", "3 March 2026"),
        ("5 p.m.", "17:00"),
        ("10 to 14 days", "10 days"),
        ("1.5 million", "1,500,000"),
        ("EUR 140", "140 euros"),
        ("twice", "twice"),
        ("10k", "ten thousand"),
        ("30", "30 days"),
    ],
)
def test_the_same_value_is_known_in_other_words(one: str, other: str) -> None:
    assert facts(f"it is {one}")[0].equals(facts(f"it is {other}")[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("30 days", "30 hours"),
        ("1,000", "1,001"),
        ("3 March 2026", "3 May 2026"),
        ("3 March 2026", "3 March 2025"),
        ("5 p.m.", "5 a.m."),
        ("140 euros", "140 dollars"),
        ("99.9 %", "99.5 %"),
        ("v2.1", "v2.2"),
        ("ERR-4512", "ERR-4521"),
    ],
)
def test_another_value_is_another_one(one: str, other: str) -> None:
    assert not facts(f"it is {one}")[0].equals(facts(f"it is {other}")[0])


def test_names_are_capitals_within_a_sentence() -> None:
    said = facts("Ask the owner, Maria Gomez, in Lisbon.")
    assert [reading for fact in said for reading in fact.readings] == ["maria", "gomez", "lisbon"]
    assert facts("Employees may ask.") == []


def test_a_year_alone_is_known_in_a_date_and_not_the_reverse() -> None:
    year, day = facts("It changed in 2026.")[0], facts("It changed on 3 March 2026.")[0]
    assert year.equals(day)
    assert not day.equals(year)
    assert not facts("It changed in 2025.")[0].equals(day)


# Pieces of dates, numbers, times and identifiers, also as they look alike in other scripts and widths.
pieces = st.sampled_from(
    [
        *" .,:;-/'`*|%\n€@_",
        *("3", "12", "31", "99", "2026", "0000", "1,000", "1.500.", "9" * 400),
        *("April", "APR\u0130L", "apr\u0131l", "may", "März", "\uff2darch", "Ju\u017fi", "年", "月", "日", "of ", "de "),
        *("٣", "١٢", "२०२६", "\uff12\uff10\uff12\uff16", "\u00b2", "½", "Ⅳ"),
        *("l-05", "ERR-1234", "v3.2", "2026-", "*-05-12", "a@b.c", "/etc/x", "--f", "`x-1`"),
        *(
            "5 p.m",
            "noon",
            "m\u0131dnight",
            "17:00",
            " Uhr",
            "時",
            "twenty-one",
            "hundred and ",
            "EUR ",
            "k",
            "bn",
            "Friday",
            "Fr\u0131",
        ),
    ]
)
texts = st.lists(pieces, max_size=12).map("".join)


@given(texts, texts)
@example("due 12 May", "see `l-05`")
@example("two " + "billion " * 40, "two")
@example("12 APR\u0130L 2026", "apr\u0131l 2026")
def test_no_text_is_beyond_reading_and_comparing(one: str, other: str) -> None:
    for fact, rival in product(facts(one), facts(other)):
        assert fact.equals(rival) in {True, False}
        assert not (fact.equals(rival) and fact.rivals(rival))
    assert all(fact.equals(fact) for fact in facts(one))


@pytest.mark.parametrize("piece", ["a-", "a_", "a/", "a.", "a@", "ab1-", "1.", "1 ", "A ", "-", "`", "may "])
def test_what_is_said_on_and_on_is_read_in_no_time(piece: str) -> None:
    started = time.process_time()
    facts(piece * 8_000)
    # Tenths of a second; what grows with the square of the length takes ten.
    assert time.process_time() - started < 3
