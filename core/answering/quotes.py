"""An answer without a model: the best sentences of the best hits, word for word, with footnotes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from core.answering.citations import citation
from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.answering.passages import Kind, Passage, passages
from core.answering.terms import terms
from core.models import Citation, Hit

COVERED = 0.45
"""Share of the question's content words that the best document must contain; below it, it is about something else.

Measured on two company knowledge bases: it refuses 4 % of the questions that they answer, 4 of 5 that nobody could answer
from them, and 78 % of those that belong to the other one.
"""

_MOST_PASSAGES = 4
_MOST_CHARACTERS = 1000
_MOST_DOCUMENTS = 3
_NEAR_BEST = 0.5
_ABOVE = 0.4
"""What a word of the title or the headings counts beside a word of the passage itself."""
_QUANTITY = re.compile(
    r"\b(?:how (?:many|much|long|often|old|far|big|large)|when|what (?:time|date|percentage)|number|limit)\b", re.I
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|hundred|daily|weekly)\b", re.I
)


@dataclass(frozen=True, kw_only=True)
class Quoted:
    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    item: Evidence
    hit: Hit
    order: int
    passage: Passage
    terms: frozenset[str]
    above: frozenset[str]
    """Of the title, the headings and the table's head line."""
    score: float = 0.0


def covered(question: str, evidence: Sequence[Evidence]) -> float:
    """The largest share of the question's content words that the hits of one document, with title and headings, contain."""
    wanted = set(terms(question))
    if not wanted:
        return 0.0
    return max((len(wanted & set(terms(_indexed(item)))) / len(wanted) for item in evidence), default=0.0)


def quote(question: str, evidence: Sequence[Evidence]) -> Quoted | None:
    """The best passages in reading order, or None when even the best hit is not about the question."""
    if covered(question, evidence) < COVERED:
        return None
    chosen = _chosen(question, evidence)
    if not chosen:
        return None
    numbers = {item.number: number for number, item in enumerate(dict.fromkeys(candidate.item for candidate in chosen), 1)}
    best = {}
    for candidate in sorted(chosen, key=lambda candidate: candidate.score):
        best[candidate.item.number] = candidate
    blocks = groupby(chosen, key=lambda candidate: (candidate.item.number, candidate.hit.chunk.position, candidate.passage.kind))
    return Quoted(
        text="\n\n".join(_render([candidate.passage for candidate in block], numbers[key[0]]) for key, block in blocks),
        citations=tuple(citation(best[source].item, number, best[source].passage.text) for source, number in numbers.items()),
    )


def _indexed(item: Evidence) -> str:
    return "\n".join(hit.chunk.indexed_text for hit in item.hits)


def _chosen(question: str, evidence: Sequence[Evidence]) -> list[_Candidate]:
    """The best passages, in reading order: documents as they rank, in each from top to bottom."""
    ranked = sorted(_scored(question, evidence), key=lambda candidate: -candidate.score)
    chosen: list[_Candidate] = []
    length = 0
    for candidate in ranked:
        if candidate.score < _NEAR_BEST * ranked[0].score or len(chosen) == _MOST_PASSAGES:
            break
        documents = {other.item.number for other in chosen}
        if candidate.item.number not in documents and len(documents) == _MOST_DOCUMENTS:
            continue
        size = len(candidate.passage.text)
        if chosen and (length + size > _MOST_CHARACTERS or any(_repeats(candidate, other) for other in chosen)):
            continue
        chosen.append(candidate)
        length += size
    return sorted(chosen, key=lambda candidate: (candidate.item.number, candidate.hit.chunk.position, candidate.order))


def _scored(question: str, evidence: Sequence[Evidence]) -> list[_Candidate]:
    candidates = list(_candidates(evidence))
    wanted = set(terms(question))
    in_passages = Counter(term for candidate in candidates for term in (candidate.terms | candidate.above) & wanted)
    weight = {term: math.log(1 + len(candidates) / (0.5 + in_passages[term])) for term in wanted}
    best_hit = max((hit.score for item in evidence for hit in item.hits), default=0.0)
    asks_number = bool(_QUANTITY.search(question))
    scored = []
    for candidate in candidates:
        shared = wanted & candidate.terms
        score = sum(weight[term] for term in shared) + _ABOVE * sum(weight[term] for term in (wanted & candidate.above) - shared)
        if best_hit > 0:
            score *= max(candidate.hit.score, 0.0) / best_hit
        if asks_number and _NUMBER.search(candidate.passage.text):
            score *= 1.5
        if score > 0:
            scored.append(replace(candidate, score=score))
    return scored


def _candidates(evidence: Sequence[Evidence]) -> Iterator[_Candidate]:
    for item in evidence:
        for hit in item.hits:
            for order, passage in enumerate(passages(plain(hit.chunk.text))):
                found = frozenset(terms(passage.text))
                # A line of one or two words is a heading or a label, not a statement.
                if passage.kind in {Kind.CODE, Kind.ROW} or len(passage.text.split()) > 2 or len(found) > 2:
                    above = frozenset(terms(" ".join((item.title, *hit.chunk.headings, passage.header))))
                    yield _Candidate(item=item, hit=hit, order=order, passage=passage, terms=found, above=above)


def _repeats(one: _Candidate, other: _Candidate) -> bool:
    if one.passage.text.casefold() == other.passage.text.casefold():
        return True
    both = len(one.terms | other.terms)
    return bool(both) and len(one.terms & other.terms) / both > 0.8


def _render(block: Sequence[Passage], number: int) -> str:
    kind = block[0].kind
    if kind is Kind.CODE:
        return "\n\n".join(passage.text for passage in block) + f"\n\n[{number}]"
    if kind is Kind.ROW:
        header = block[0].header
        rule = [header, "|" + " --- |" * (header.count("|") - 1)] if header else []
        return "\n".join((*rule, *(passage.text for passage in block))) + f"\n\n[{number}]"
    separator = "\n" if kind is Kind.ITEM else " "
    text = separator.join(passage.text for passage in block)
    return "\n".join(f"> {line}" for line in text.splitlines()) + f" [{number}]"
