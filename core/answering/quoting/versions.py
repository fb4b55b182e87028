"""Versions of one page among what was found: which is the newer, and what they say differently."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.answering.grounding.facts import MONTHS, Fact, facts
from core.answering.grounding.facts import Kind as FactKind
from core.answering.quoting.passages import Kind, Passage, passages
from core.answering.terms import terms

_ALIKE = 0.5
"""Share of the words, numbers aside, that two sentences have in common which say the same of the same thing."""
_LEAST = 3
"""Words that they share at least: "Total: 5" and "Total: 7" need not be about the same."""
_NUMBER_OF_ITEM = re.compile(r"\A\s*\d{1,3}[.)]\s+")
_VALUES = {FactKind.NUMBER, FactKind.DATE, FactKind.TIME}
_YEAR = re.compile(r"(?<![\d.-])(?:19|20)\d\d(?![\d.-])")
_NUMBERED = re.compile(r"\b(?:v|version)[ .]?\d+(?:\.\d+)*\b", re.IGNORECASE)
_PAST = re.compile(
    r"\b(?:old|outdated|archived?|deprecated|legacy|obsolete|superseded|previous|former|alt|veraltet|archiv|archivé|obsolète|antiguo)\b",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"\b(?:new|current|latest|final|draft|copy|updated|revised|rev|neu|aktuell|entwurf|kopie|brouillon|copie|borrador|copia)\b",
    re.IGNORECASE,
)
_DATED = re.compile(rf"\((?:[^\w()]|\d|\b(?:as|of|stand|{'|'.join(MONTHS)})\b)*\)", re.IGNORECASE)
"""Brackets that hold nothing else once the other marks are gone. What else they hold is the page's own: a place, a country."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Two passages that say the same thing with different values, word for word."""

    now: str
    before: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """``older`` is an earlier version of the page that ``newer`` is."""

    newer: Evidence
    older: Evidence
    changes: tuple[Change, ...]
    """Where they contradict each other, in the newer one's reading order; empty when nothing was found that does."""


def versions(evidence: Sequence[Evidence], question: str = "") -> tuple[Version, ...]:
    """The pairs of versions, each older one with the newest there is. A question that names the older one (its year, its
    number, that it is old, or any other word that only its title has) is about that: then there is no pair.

    Pages are versions of each other that have one title, but for years, numbers and words like "old", and of whose passages
    at least one is the same, or the same with another value.
    """
    newest: dict[int, Version] = {}
    for pair in combinations(evidence, 2):
        newer, older = sorted(pair, key=_age, reverse=True)
        if _age(newer) == _age(older) or _topic(newer.title) != _topic(older.title) or _asked_for(older, newer, question):
            continue
        same, changes = _compared(newer, older)
        known = newest.get(older.number)
        if (same or changes) and (known is None or _age(newer) > _age(known.newer)):
            newest[older.number] = Version(newer=newer, older=older, changes=changes)
    return tuple(newest.values())


def _topic(title: str) -> frozenset[str]:
    """What a title says of all versions of its page."""
    for mark in (_NUMBERED, _YEAR, _PAST, _STATE, _DATED):
        title = mark.sub(" ", title) if terms(mark.sub(" ", title)) else title
    return frozenset(terms(title))


def _age(item: Evidence) -> tuple[bool, int, datetime]:
    """What sorts versions: a page that calls itself old is, then the year in its title says more than its last edit."""
    year = _YEAR.search(item.title) or _YEAR.search(str(item.updated_at.year))
    return (not _PAST.search(item.title), int(year[0]) if year else 0, item.updated_at)


def _asked_for(older: Evidence, newer: Evidence, question: str) -> bool:
    named = set(terms(older.title)) - set(terms(newer.title))
    if _PAST.search(question) or any(word in named and not word.isdecimal() for word in terms(question)):
        return True
    marks = {mark.casefold() for pattern in (_YEAR, _NUMBERED) for mark in pattern.findall(question)}
    own = {mark.casefold() for pattern in (_YEAR, _NUMBERED) for mark in pattern.findall(older.title)}
    return bool(marks & (own | {str(older.updated_at.year)} - {str(newer.updated_at.year)}))


def _compared(newer: Evidence, older: Evidence) -> tuple[bool, tuple[Change, ...]]:
    """Whether a passage stands in both, and those that differ in their values."""
    now, before = _said(newer), _said(older)
    same = any(one.words == other.words and one.told == other.told for one in now for other in before)
    changes = []
    for one in now:
        other = next((other for other in before if one.contradicts(other)), None)
        # What the older one says as well is no change, whatever else it says.
        if other is not None and not any(one.words == known.words and one.told == known.told for known in before):
            changes.append(Change(now=one.passage.text, before=other.passage.text))
    return same, tuple(changes)


@dataclass(frozen=True, kw_only=True)
class _Statement:
    passage: Passage
    words: frozenset[str]
    """Without numbers; of a row, those of its first cell."""
    values: tuple[Fact, ...]

    @property
    def told(self) -> frozenset[frozenset[str]]:
        return frozenset(value.readings for value in self.values)

    def contradicts(self, other: _Statement) -> bool:
        """Whether both say the same of the same thing with another value."""
        if self.passage.kind is not other.passage.kind:
            return False
        if self.passage.kind is Kind.ROW:
            alike = bool(self.words) and self.words == other.words
        else:
            shared = len(self.words & other.words)
            alike = shared >= _LEAST and shared >= _ALIKE * len(self.words | other.words)
        return alike and any(
            value.rivals(rival) and not value.stands_in(other.values) and not rival.stands_in(self.values)
            for value in self.values
            for rival in other.values
        )


def _said(item: Evidence) -> list[_Statement]:
    found = [passage for hit in item.hits for passage in passages(plain(hit.chunk.text))]
    return [_statement(passage) for passage in found if passage.kind is not Kind.CODE]


def _statement(passage: Passage) -> _Statement:
    named = passage.text.strip("| ").partition("|")[0] if passage.kind is Kind.ROW else passage.text
    words = frozenset(word for word in terms(named) if not word.isdecimal())
    stated = facts(_NUMBER_OF_ITEM.sub("", passage.text))
    return _Statement(passage=passage, words=words, values=tuple(fact for fact in stated if fact.kind in _VALUES))
