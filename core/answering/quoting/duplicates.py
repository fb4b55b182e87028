"""The same content in two places: one source with two links."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from core.answering.quoting.passages import passages
from core.models import Hit

_MARK = re.compile(r"\A\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_WORD = re.compile(r"\w+|[%€$£¥<>≤≥±]|(?<!\w)[-−](?=\d)")

Words = tuple[str, ...]


def adds_nothing(hits: Iterable[Hit], known: Iterable[Hit]) -> bool:
    """Whether every passage of these hits stands in the known ones, too, below the same heading: word for word, in whatever
    case and markup.

    Less would not do: pages that differ in one number, or in a "not", are versions and no copies.
    """
    said = _said(hits)
    return bool(said) and said <= _said(known)


def stands_in(quote: str, hits: Iterable[Hit]) -> bool:
    """Whether a quote from one place can be read in the other."""
    found = {words for hit in hits for _, words in _passages(hit.chunk.text)}
    return {words for _, words in _passages(quote)} <= found


def _said(hits: Iterable[Hit]) -> frozenset[tuple[Words, Words, Words]]:
    return frozenset(
        (_words(" ".join(hit.chunk.headings[-1:])), header, words) for hit in hits for header, words in _passages(hit.chunk.text)
    )


@lru_cache(maxsize=256)
def _passages(text: str) -> tuple[tuple[Words, Words], ...]:
    """The head line above it, if it is a row, and the passage itself."""
    found = ((_words(passage.header), _words(_MARK.sub("", passage.text))) for passage in passages(text))
    return tuple((header, words) for header, words in found if words)


def _words(text: str) -> Words:
    """With what changes the meaning of a number."""
    return tuple(_WORD.findall(text.casefold()))
