"""Where sentences end, without a model."""

from __future__ import annotations

import re

# A full stop ends a sentence only before white space; the marks of Chinese and Japanese need none.
_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])[」』）]*|\n{2,}")
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|ca|approx|no|nr|fig|sec|ch|vol|pp?|mr|mrs|ms|dr|prof|inc|ltd|corp|st|jr|sr|z\.b|bzw|usw)"
    r"|\b[A-Za-z]|(?:^|\s)\d{1,3})\.$",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """The sentences of ``text`` in order; joined they are ``text`` again, but for the white space between them."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        candidate = text[start : end.end()].strip()
        # Abbreviations, initials and the numbers of lists ("2. Open the door") do not end one.
        if not candidate or _NO_END.search(candidate):
            continue
        found.append(candidate)
        start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found
