"""Whether an answer says what it should, without a judge: by its words, once both are written alike."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from core.evaluation.cases import Case

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+")
"""Numbers, words, and single characters where words have no spaces."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MARKER = re.compile(r"\[\d+\]")
_ARTICLES = frozenset({"a", "an", "the"})
_PHRASE = 8
"""Words of a fact that is looked for as it stands. A longer one is a sentence that others would word differently."""
_SHARE = 0.7
"""Of the words of such a sentence, besides all its numbers."""


def tokens(text: str) -> list[str]:
    """Words and numbers in their order, the same for ``1,000`` and ``1000``, ``É`` and ``é``; no articles, no markers."""
    folded = unicodedata.normalize("NFKC", _MARKER.sub(" ", text)).casefold()
    return [token for token in _TOKEN.findall(_THOUSANDS.sub("", folded)) if token not in _ARTICLES]


def stands_in(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether these tokens follow each other there."""
    return f" {' '.join(part)} " in f" {' '.join(whole)} "


def said(fact: Sequence[str], answer: str) -> bool:
    """Whether the answer has one of the fact's wordings."""
    words = tokens(answer)
    return any(_says(tokens(wording), words) for wording in fact)


def facts_said(case: Case, answer: str) -> float | None:
    """The share of the facts that the answer says; None when it need not say any."""
    return sum(said(fact, answer) for fact in case.facts) / len(case.facts) if case.facts else None


def f1(reference: str, answer: str) -> float | None:
    """Harmonic mean of the shares of tokens that both have; None without a reference."""
    expected, given = Counter(tokens(reference)), Counter(tokens(answer))
    if not expected:
        return None
    shared = (expected & given).total()
    return 2 * shared / (expected.total() + given.total())


def _says(wording: Sequence[str], words: Sequence[str]) -> bool:
    if not wording:
        return False
    if stands_in(wording, words):
        return True
    if len(wording) <= _PHRASE:
        return False
    wanted, there = set(wording), set(words)
    return all(token in there for token in wanted if token[0].isdigit()) and len(wanted & there) >= _SHARE * len(wanted)
