"""Sources that say the same of the same thing with another value: both are named, the newer first; nobody chooses silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.answering.grounding.facts import Fact, Kind
from core.answering.grounding.support import Grounds, Spot
from core.answering.grounding.wording import words_of
from core.answering.terms import stem

_SAME = 0.7
"""Share of the words of both passages that they have in common: they differ in the value, and hardly in anything else."""
_LEAST = 3
"""Shared words, so that "Total: 5" and "Total: 7" of two unlike pages are no conflict."""
_OF_THE_PAGE = """
    archive archived copy current deprecated documentation draft faq final former general guide guideline handbook introduction
    legacy manual new obsolete old outdated overview page policies policy previous revised rule updated version wiki
"""
_FORM = frozenset(map(stem, _OF_THE_PAGE.split()))
"""What a title says of the page rather than of the matter."""
_VALUES = {Kind.NUMBER, Kind.DATE, Kind.TIME}


@dataclass(frozen=True, kw_only=True)
class Conflict:
    cited: Spot
    other: Spot
    elsewhere: bool
    """They stand on pages about different things, and yet both answer what was asked: which of them is meant, nobody said."""


def conflicts(quoted: Mapping[int, Sequence[Spot]], grounds: Grounds, question: str) -> list[Conflict]:
    """Pairs of a passage that the answer cites and one of another source, which it does not name beside it."""
    found: list[Conflict] = []
    asked = frozenset(words_of(question))
    told = [spot for spots in quoted.values() for spot in spots]
    for spot in dict.fromkeys(told):
        for other in grounds.spots():
            if other.source == spot.source or other in told or not _other_value(spot, other):
                continue
            elsewhere = not _of_one_thing(spot, other)
            if not elsewhere or _each_by_itself(asked, spot, other):
                found.append(Conflict(cited=spot, other=other, elsewhere=elsewhere))
                break
    return found


def notice(found: Sequence[Conflict], evidence: Sequence[Evidence]) -> str:
    """What the reader is told of them; empty without any."""
    by_number = {item.number: item for item in evidence}
    told = []
    for conflict in found:
        both = [(by_number[spot.source], spot) for spot in (conflict.cited, conflict.other)]
        both.sort(key=lambda pair: pair[0].updated_at, reverse=True)
        said = [f"“{plain(item.title)}” ({item.updated_at:%d %B %Y}) says “{_short(spot.text)}”" for item, spot in both]
        if conflict.elsewhere:
            told.append(f"Not all pages say so: {said[0]}, {said[1]}.")
        else:
            told.append(f"The documents disagree: {said[0]}, the older {said[1]}.")
    return " ".join(dict.fromkeys(told))


def _of_one_thing(one: Spot, two: Spot) -> bool:
    """As far as titles and headings tell: not of another country or product."""
    return not (one.words_above ^ two.words_above) - _FORM - (one.words & two.words)


def _each_by_itself(asked: frozenset[str], one: Spot, two: Spot) -> bool:
    """Whether both passages have all the words of the question, and their titles have none in common: *Probation in Spain* and
    *Probation in Germany* differ on purpose, *Travel policy* and *Employee handbook* do not.
    """
    return bool(asked) and asked <= one.words & two.words and not (one.words_above & two.words_above) - _FORM


def _other_value(one: Spot, two: Spot) -> bool:
    if one.passage.kind is not two.passage.kind or len(one.words & two.words) < _LEAST - (one.passage.kind == "row") * 2:
        return False
    shared, both = len(_all(one) & _all(two)), len(_all(one) | _all(two))
    if shared < _SAME * both:
        return False
    return _values(one) != [] and any(
        fact.rivals(other) and not fact.stands_in(two.facts) and not other.stands_in(one.facts)
        for fact in _values(one)
        for other in _values(two)
    )


def _all(spot: Spot) -> frozenset[str]:
    above = spot.words_above if spot.passage.kind == "row" else frozenset()
    return spot.words | above


def _values(spot: Spot) -> list[Fact]:
    return [fact for fact in spot.facts if fact.kind in _VALUES]


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 160 else f"{words[:160].rsplit(maxsplit=1)[0]} …"
