"""Whether a source says what a sentence says, without a model.

What can be compared exactly decides first. Every number, date, time, name and identifier of the sentence must stand in the
passages that it is checked against (with their document's title and headings), or in the question when it only repeats it;
where another passage speaks of the same thing with another value, it does not. A sentence that denies what the passage says,
or the reverse, is not supported. Then the words decide: the share of the sentence's content words that the passages contain.
Between the two bounds the meaning decides: the cosine of sentence and passage, where there is an embedding.

An answer in another language than its source shares no words with it. Then only numbers, dates, times and identifiers are
compared, and only with the sources that the sentence cites: a right translation is never dropped for its wording, and a
wrong one is only found out by what can be compared. Number words of other languages are mostly not known; they pass.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain

from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.answering.grounding.facts import Fact, Kind, facts
from core.answering.grounding.language import language
from core.answering.grounding.wording import LABELS, clauses, conditions, direction, turns, words_of
from core.answering.quoting.passages import Kind as PassageKind
from core.answering.quoting.passages import Passage, passages
from core.models import Hit

ENOUGH = 0.6
"""Share of the content words with which words alone decide. See tests/benchmarks/test_support.py for all three bounds."""
TOO_FEW = 0.3
"""Share below which a sentence without an embedding is not supported."""
_ABOVE = 0.5
"""What a word of the title or the headings counts beside one of the passage itself."""
_MARGIN = 0.2
"""So much more of a clause another passage must cover to be what the clause is about."""
_NEAR = 0.25
_LEAST = 0.2
_WORD = re.compile(r"[^\W_]+")


class Verdict(StrEnum):
    SUPPORTED = "supported"
    OPEN = "open"
    """Words cannot decide it."""
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, eq=False)
class Spot:
    """A passage of a source, with what stands above it."""

    source: int
    order: tuple[int, int]
    """Position of its chunk, and its own in the chunk."""
    passage: Passage
    above: str

    @property
    def text(self) -> str:
        return self.passage.text

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(words_of(self.text))

    @cached_property
    def words_above(self) -> frozenset[str]:
        return frozenset(words_of(self.above))

    @cached_property
    def facts(self) -> list[Fact]:
        return facts(self.text)

    @cached_property
    def facts_above(self) -> list[Fact]:
        return facts(self.above)

    @cached_property
    def letters(self) -> frozenset[str]:
        """All words, as they are compared with names."""
        return frozenset(_WORD.findall(f"{self.text} {self.above}".casefold()))

    @cached_property
    def folded(self) -> str:
        return " ".join(f"{self.text} {self.above}".casefold().replace("`", "").split())

    def covers(self, words: Sequence[str]) -> float:
        if not words:
            return 0.0
        return sum(1.0 if word in self.words else _ABOVE * (word in self.words_above) for word in words) / len(words)

    def has(self, fact: Fact) -> bool:
        match fact.kind:
            case Kind.NAME if not any(reading.startswith("weekday ") for reading in fact.readings):
                return all(set(_WORD.findall(reading)) <= self.letters for reading in fact.readings)
            case Kind.CODE:
                return any(reading in self.folded for reading in fact.readings)
        return fact.stands_in(self.facts) or fact.stands_in(self.facts_above)

    @cached_property
    def parts(self) -> list[str]:
        """What it says one after the other: a part with a number, and what stands before it without one, are one."""
        if self.passage.kind is PassageKind.CODE:
            return [self.text]
        joined: list[str] = []
        waiting = ""
        for start, end in clauses(self.text, [(fact.start, fact.end) for fact in self.facts]):
            part = self.text[start:end]
            waiting = f"{waiting} {part}".strip()
            if facts(part, names=False):
                joined.append(waiting)
                waiting = ""
        if waiting and joined:
            joined[-1] += f" {waiting}"
        return joined or [self.text]

    def part_about(self, words: Sequence[str]) -> str:
        parts = [self.text[start:end] for start, end in clauses(self.text)] or [self.text]
        shared = [len(set(words) & set(words_of(part))) for part in parts]
        return ", ".join(part for part, count in zip(parts, shared, strict=True) if count == max(shared))

    def is_about(self, fact: Fact, stated: Sequence[Fact], said: frozenset[str]) -> bool:
        """Whether it states ``fact`` of what is spoken of, not of something else that it names beside it."""
        if self.passage.kind is PassageKind.ROW:
            key = _WORD.findall(self.text.strip("| ").partition("|")[0].casefold())
            return not key or bool(said & set(key)) or fact.kind in {Kind.NAME, Kind.CODE}
        if fact.kind in {Kind.NAME, Kind.CODE} or len(self.parts) == 1:
            return True
        ours = " ".join(part for part in self.parts if fact.stands_in(facts(part))).casefold()
        for part in self.parts:
            if any(fact.rivals(other) and not other.stands_in(stated) for other in facts(part)):
                names = [each for each in stated if each.kind is Kind.NAME]
                if any(name in part.casefold() and name not in ours for each in names for name in each.readings):
                    return False
        return True

    def rivals(self, fact: Fact, stated: Sequence[Fact], said: frozenset[str]) -> bool:
        """Whether it has a value in place of ``fact`` that is not among those that are ``stated`` beside it."""
        if fact.kind is Kind.NAME:
            return any(other.kind is Kind.NAME and not other.readings & said for other in self.facts)
        return any(fact.rivals(other) and not other.stands_in(stated) for other in self.facts)


@dataclass(frozen=True, kw_only=True)
class Support:
    verdict: Verdict
    spots: tuple[Spot, ...] = ()
    """The passages that say it, or that come nearest."""
    coverage: float = 0.0
    loose: bool = False
    """A value of the sentence stands in a passage that has none of its words."""
    foreign: bool = False
    """The sentence is written in another language than its source."""


class Grounds:
    """All that an answer may be supported by: the sources that the model was told."""

    def __init__(self, evidence: Sequence[Evidence], question: str) -> None:
        self._question = facts(question)
        self._asked = frozenset(words_of(question))
        self._question_words = frozenset(_WORD.findall(question.casefold()))
        self._spoken = language(question)
        self._spots = {item.number: [spot for hit in item.hits for spot in _spots(item, hit)] for item in evidence}
        self._languages = {number: language(" ".join(spot.text for spot in spots)) for number, spots in self._spots.items()}

    def spots(self, numbers: Iterable[int] = ()) -> list[Spot]:
        return [spot for number in (numbers or self._spots) for spot in self._spots.get(number, ())]

    def stands(self, text: str) -> bool:
        """Whether all that can be compared exactly stands in some source, or in the question."""
        return all(fact.stands_in(self._question) or any(spot.has(fact) for spot in self.spots()) for fact in facts(text))

    def knows(self, text: str) -> bool:
        """Whether most of its words stand in one source, or in the question: then it says nothing of its own. Of another language
        than the sources' nothing is known.
        """
        spoken = language(text) or self._spoken
        if spoken and spoken not in self._languages.values():
            return True
        words = [word for word in words_of(text) if word not in self._asked | LABELS]
        known = ({*chain.from_iterable(spot.words | spot.words_above for spot in spots)} for spots in self._spots.values())
        return not words or any(sum(word in one for word in words) >= ENOUGH * len(words) for one in known)

    def heads(self, text: str) -> bool:
        """Whether a source has it above something, letter for letter."""
        wanted = " ".join(text.casefold().strip(" :*_").split())
        return any(f" {wanted} " in f" {' '.join(spot.above.casefold().split())} " for spot in self.spots())

    def values(self, text: str) -> list[Fact]:
        """The numbers, dates and times that it does not repeat from the question."""
        return [each for each in facts(text, names=False) if each.kind is not Kind.CODE and not each.stands_in(self._question)]

    def nearest(self, support: Support, sentence: str, cited: Sequence[int], most: int) -> list[Spot]:
        """Passages that may say it in other words."""
        words = words_of(sentence)
        ranked = sorted(self.spots(cited), key=lambda spot: -spot.covers(words))
        return list(dict.fromkeys((*support.spots, *ranked)))[:most]

    def support(self, sentence: str, cited: Sequence[int]) -> Support:
        """By the sources that it cites; if those do not say it, by another one that clearly does."""
        sentence = unicodedata.normalize("NFKC", sentence)
        ours = self._by(sentence, cited) if cited else None
        if ours and (ours.verdict is Verdict.SUPPORTED or ours.foreign):
            return ours
        others = [self._by(sentence, [number]) for number in self._spots if number not in cited]
        best = max((each for each in others if not each.foreign), key=lambda each: each.coverage, default=None)
        supported = [each for each in others if each.verdict is Verdict.SUPPORTED and not each.foreign]
        if supported:
            return max(supported, key=lambda each: each.coverage)
        if ours:
            return ours
        still_open = [each for each in others if each.verdict is Verdict.OPEN and not each.foreign]
        return max(still_open, key=lambda each: each.coverage, default=best or Support(verdict=Verdict.UNSUPPORTED))

    def _by(self, sentence: str, numbers: Sequence[int]) -> Support:
        spots = self.spots(numbers) if numbers else []
        if not spots:
            return Support(verdict=Verdict.UNSUPPORTED)
        spoken = language(sentence) or self._spoken
        written = {self._languages[number] for number in numbers if number in self._languages} - {""}
        if spoken and written and spoken not in written:
            return self._translated(sentence, spots)
        return self._same_language(sentence, spots, names=spoken != "de")

    def _translated(self, sentence: str, spots: Sequence[Spot]) -> Support:
        stated = [fact for fact in facts(sentence, names=False) if not fact.stands_in(self._question)]
        for fact in stated:
            if not any(spot.has(fact) for spot in spots):
                return Support(verdict=Verdict.UNSUPPORTED, foreign=True)
        holding = [spot for spot in spots if stated and all(spot.has(fact) for fact in stated)]
        return Support(verdict=Verdict.SUPPORTED, spots=tuple(holding[:1]), foreign=True)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(name for spot in self.spots() for fact in spot.facts if fact.kind is Kind.NAME for name in fact.readings)

    def _same_language(self, sentence: str, spots: Sequence[Spot], *, names: bool) -> Support:
        stated = facts(sentence, names=names, known=self._names)
        said = frozenset(_WORD.findall(sentence.casefold())) | self._question_words
        chosen: dict[Spot, None] = {}
        denied = uncertain = False
        for start, end in clauses(sentence, [(fact.start, fact.end) for fact in stated]):
            words = _about(sentence, start, end, stated)
            best = max(spots, key=lambda spot: spot.covers(words)) if words else None
            held: list[Spot] = []
            here = [fact for fact in stated if start <= fact.start < end]
            for fact in here:
                holding = [spot for spot in spots if spot.has(fact) and spot.is_about(fact, here, said)]
                if not holding and not self._repeats(fact, best, here, said):
                    return Support(verdict=Verdict.UNSUPPORTED, spots=(best,) if best else ())
                if not holding:
                    continue
                spot = max(holding, key=lambda spot: (sum(map(spot.has, here)), spot.covers(words)))
                if best and best.covers(words) - spot.covers(words) > _MARGIN and best.rivals(fact, here, said):
                    return Support(verdict=Verdict.UNSUPPORTED, spots=(best,))
                if fact.kind is not Kind.NAME and best and best.covers(words) > 0 == spot.covers(words):
                    # The value stands somewhere, but nothing is said there of what it should be the value of.
                    return Support(verdict=Verdict.OPEN, loose=True)
                named = [each for each in here if each.kind is Kind.NAME]
                if fact.kind is not Kind.NAME and any(
                    sum(map(other.has, named)) > sum(map(spot.has, named)) and other.rivals(fact, here, said) for other in spots
                ):
                    return Support(verdict=Verdict.UNSUPPORTED, spots=(spot,))
                best = spot if not best or spot.covers(words) >= best.covers(words) - _MARGIN else best
                chosen[spot] = None
                held.append(spot)
            if best and best.covers(words):
                chosen[best] = None
                # Whatever comes as near as the best may be what is meant.
                near = [spot for spot in spots if spot.covers(words) >= max(best.covers(words) - _NEAR, _LEAST)]
                verdicts = {_polarity(sentence, (start, end), words, here, spot) for spot in (best, *near, *held)}
                if Verdict.SUPPORTED not in verdicts:
                    denied = denied or Verdict.OPEN not in verdicts
                    uncertain = True
        found = tuple(chosen)
        words = _about(sentence, 0, len(sentence), stated)
        covered = sum(any(word in spot.words or word in spot.words_above for spot in found) for word in words)
        coverage = covered / len(words) if words else float(bool(found))
        if denied:
            return Support(verdict=Verdict.UNSUPPORTED, spots=found, coverage=coverage)
        verdict = Verdict.SUPPORTED if coverage >= ENOUGH and not uncertain else Verdict.OPEN
        return Support(verdict=verdict if found else Verdict.OPEN, spots=found, coverage=coverage)

    def _repeats(self, fact: Fact, best: Spot | None, stated: Sequence[Fact], said: frozenset[str]) -> bool:
        """Whether it only repeats the question, about which the sources say nothing else."""
        asked = set().union(*fact.readings and [set(_WORD.findall(reading)) for reading in fact.readings]) <= self._question_words
        in_question = asked if fact.kind in {Kind.NAME, Kind.CODE} else fact.stands_in(self._question)
        return in_question and not (best and best.rivals(fact, stated, said))


def _spots(item: Evidence, hit: Hit) -> Iterable[Spot]:
    for order, passage in enumerate(passages(plain(hit.chunk.text))):
        above = " \n ".join((item.title, *hit.chunk.headings, passage.header))
        yield Spot(item.number, (hit.chunk.position, order), passage, above)


def _about(text: str, start: int, end: int, stated: Sequence[Fact]) -> list[str]:
    """The content words of a part of a sentence, without what is compared exactly."""
    kept, position = [], start
    for fact in stated:
        if start <= fact.start < end and fact.kind is not Kind.CODE:
            kept.append(text[position : fact.start])
            position = fact.end
    return list(dict.fromkeys(words_of(" ".join((*kept, text[position:end])))))


def _polarity(sentence: str, where: tuple[int, int], words: Sequence[str], stated: Sequence[Fact], spot: Spot) -> Verdict:
    clause = sentence[slice(*where)]
    turned = turns(clause, spot.part_about(words))
    for fact in stated:
        here = direction(sentence, fact.start, fact.end)
        there = {direction(spot.text, other.start, other.end) for other in spot.facts if fact.equals(other)} - {0}
        turned += bool(here and there and here not in there)
    if turned % 2 == 0:
        return Verdict.SUPPORTED
    if conditions(clause) - conditions(spot.text) or spot.covers(words) < TOO_FEW:
        return Verdict.OPEN
    return Verdict.UNSUPPORTED
