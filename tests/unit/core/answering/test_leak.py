"""What the model was told is kept from what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.answering.leak import LeakedError, LeakGuard
from core.answering.prompts import ANSWER

CANARY = "4f0d9be1c27a8350"
INSTRUCTIONS = ANSWER.format_messages(history=[], fence=CANARY, sources="", question="")[0].text
ANSWERED = "The sources say that trips above 1,000 euros need the approval of a manager [1]. "


def said(text: str, size: int = 3) -> str:
    """What is shown of ``text``, which comes in pieces; after a leak only what was shown until then."""
    guard, shown = LeakGuard(INSTRUCTIONS, CANARY), ""
    try:
        for start in range(0, len(text), size):
            shown += guard.feed(text[start : start + size])
    except LeakedError:
        return shown
    return shown + guard.close()


@pytest.mark.parametrize(
    "leak",
    [
        CANARY,
        CANARY.upper(),
        "-".join(CANARY),
        " . ".join(CANARY),
        "\u200b".join(CANARY),
        "\U000e0041".join(CANARY),
        "\n> ".join(CANARY),
        "".join(chr(ord(letter) + 0xFEE0) for letter in CANARY),
        f"<source-{CANARY} number=1>",
        INSTRUCTIONS[:200],
        INSTRUCTIONS[300:420].upper(),
        "**" + "** **".join(INSTRUCTIONS[100:300].split()) + "**",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_repetition_is_stopped_before_any_of_it_is_seen(leak: str, size: int) -> None:
    shown = said(ANSWERED + leak + " and more", size)
    assert ANSWERED.startswith(shown.removesuffix("<source"))


@given(st.text(), st.integers(1, 40))
def test_what_repeats_nothing_is_shown_whole(text: str, size: int) -> None:
    assert said(text, size) == text


def test_the_words_of_the_instructions_may_be_used_in_other_sentences() -> None:
    text = "Use only the sources in the last message, says the editor, and put the number of the source in brackets [1]."
    assert said(text) == text


def test_only_what_might_become_a_repetition_waits() -> None:
    guard = LeakGuard(INSTRUCTIONS, CANARY)
    assert guard.feed("Up to 40 km. Use only the sources") == "Up to 40 km"
    assert guard.feed(", by bicycle") == ". Use only the sources, by bicyc"
    assert guard.close() == "le"
