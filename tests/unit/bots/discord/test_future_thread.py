"""A thread is named after what was asked."""

from __future__ import annotations

import pytest

from bots.discord.future_thread import name_of


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How many days?", "How many days?"),
        ("How\nmany   days?", "How many days?"),
        ("", "Question"),
        ("word " * 40, "word " * 18 + "word…"),
        ("x" * 300, "x" * 99 + "…"),
    ],
)
def test_a_name_is_one_line_that_discord_accepts(question: str, name: str) -> None:
    assert name_of(question) == name
    assert 1 <= len(name) <= 100
