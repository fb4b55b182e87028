"""Acronyms that a workspace explains in its titles and headings: "Paid Time Off (PTO)", "SLA: service level agreement"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.answering.terms import content_words

_SHORT = r"[A-Z][A-Za-z]{0,6}[A-Z]"
_LONG = r"[^\W\d_][\w'’-]*(?:[ /-][\w'’&-]+){1,7}"
_BRACKETS = re.compile(rf"(?P<long>{_LONG}) ?\((?P<short>{_SHORT})s?\)|\b(?P<first>{_SHORT})s? ?\((?P<after>{_LONG})\)")
_EXPLAINED = re.compile(rf"(?P<short>{_SHORT}) ?(?::|=| [-–—]) ?(?:means |stands for )?(?P<long>{_LONG})")
_WORD = re.compile(r"[^\W\d_][\w'’]*")
_SMALL = frozenset(["a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"])
_LONGEST = 6
"""Words of what an acronym stands for, small ones not counted."""
INITIALS = 3
"""Letters that an acronym has at least which nobody explains, and that is read from the initials of a title."""


def explained(label: str) -> Iterator[tuple[str, str]]:
    """Each acronym that a title or heading explains, with what it stands for."""
    for match in _BRACKETS.finditer(label):
        short, words = match["short"] or match["first"], match["long"] or match["after"]
        if (found := _spelled(short, words)) is not None:
            yield short, found
    if (whole := _EXPLAINED.fullmatch(label.strip())) and (found := _spelled(whole["short"], whole["long"])) is not None:
        yield whole["short"], found


def initials(label: str) -> str:
    """Those of the words of a whole title or heading, in capitals; empty unless they could be an acronym."""
    words = [word for word in _WORD.findall(label) if word.casefold() not in _SMALL]
    return "".join(word[0] for word in words).upper() if INITIALS <= len(words) <= _LONGEST else ""


def acronyms(question: str) -> list[str]:
    """The words of a question that may be acronyms: in capitals, or short and no function word."""
    found = [word for word in content_words(question) if word.isalpha() and 2 <= len(word) <= _LONGEST + 2]
    return [word for word in dict.fromkeys(found) if word.isupper() or len(word) >= INITIALS]


def phrases(question: str) -> Iterator[str]:
    """What an acronym could stand for, in lower case: each run of words of the question, the longest first."""
    words = [word.casefold() for word in _WORD.findall(question)]
    for length in range(_LONGEST + 2, 1, -1):
        for start in range(len(words) - length + 1):
            yield " ".join(words[start : start + length])


def _spelled(short: str, words: str) -> str | None:
    """The end of ``words`` that ``short`` abbreviates letter for letter, or None."""
    parts = re.split(r"[ /-]", words)
    wanted = short.casefold()
    for start in range(len(parts) - 2, -1, -1):
        tail = [part for part in parts[start:] if part]
        large = "".join(part[0] for part in tail if part.casefold() not in _SMALL).casefold()
        if tail[0].casefold() not in _SMALL and wanted in {large, "".join(part[0] for part in tail).casefold()}:
            return " ".join(tail)
    return None
