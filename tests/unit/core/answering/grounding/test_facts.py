"""Facts that are written differently and are the same, and those that are not."""

from __future__ import annotations

import pytest

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
