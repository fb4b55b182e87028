"""What an answer may be made from: the best hits, collapsed to their documents and numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.answering.quoting.duplicates import adds_nothing
from core.models import Hit
from core.ports import PER_DOCUMENT

DOCUMENTS = 5
CUT = 0.6
"""A document below this :func:`share` of the best one is noise. Measured on three company knowledge bases: .79, .61 and .43 of
the documents in the evidence are relevant, and .96, .96 and .81 of the relevant ones are in it (of those that the five best
documents hold: .99, .97 and .86)."""
AS_GOOD_AS_EQUAL = 0.02
"""Share of the better one's score by which two documents may differ and still be told apart by their age."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One document with its best hits, in reading order. ``number`` is what the model calls it."""

    number: int
    hits: tuple[Hit, ...]
    copies: tuple[tuple[Hit, ...], ...] = ()
    """The hits of other documents that say nothing but what these say."""

    @property
    def document_ids(self) -> tuple[str, ...]:
        """Of the document, and of those that are copies of it."""
        return (self.document_id, *(copy[0].chunk.document_id for copy in self.copies))

    @property
    def document_id(self) -> str:
        return self.hits[0].chunk.document_id

    @property
    def title(self) -> str:
        return self.hits[0].chunk.title

    @property
    def url(self) -> str:
        return self.hits[0].chunk.url

    @property
    def updated_at(self) -> datetime:
        return self.hits[0].chunk.updated_at


def collapse(hits: Sequence[Hit]) -> tuple[Evidence, ...]:
    """The best documents by their best hit, numbered from 1; what stands in two of them is one piece of evidence."""
    by_document: dict[str, list[Hit]] = {}
    for hit in sorted(hits, key=lambda hit: -hit.score):
        by_document.setdefault(hit.chunk.document_id, []).append(hit)
    best = max((hit.score for hit in hits), default=0.0)
    ranked = list(by_document.values())
    most = max((found[0].words or 0.0 for found in ranked[:DOCUMENTS]), default=0.0)
    kept: list[list[list[Hit]]] = []
    left_out = 0
    for found in newer_first(ranked):
        own = sorted(found[:PER_DOCUMENT], key=lambda hit: hit.chunk.position)
        original = next((documents for documents in kept if adds_nothing(own, documents[0])), None)
        if original is not None:
            original.append(own)
        elif len(kept) + left_out < DOCUMENTS:
            if best <= 0 or share(found[0], best, most) >= CUT or any(hit.named for hit in own):
                kept.append([own])
            else:
                left_out += 1
    return tuple(
        Evidence(number=number, hits=tuple(own), copies=tuple(map(tuple, copies)))
        for number, (own, *copies) in enumerate(kept, 1)
    )


def share(hit: Hit, best: float, most: float) -> float:
    """What a document is of the best one, by its best hit: by its score, and by the words of its chunks together, where they are
    known. A page that only sounds like the question has few of them.
    """
    score = hit.score / best
    return score if hit.words is None or not most else (score + hit.words / most) / 2


def newer_first(ranked: Sequence[list[Hit]]) -> list[list[Hit]]:
    """Documents by their best hit; of those that are as good as equal, the one that was edited last comes first."""
    levels: list[list[list[Hit]]] = []
    for found in ranked:
        if not levels or found[0].score < (1 - AS_GOOD_AS_EQUAL) * levels[-1][0][0].score:
            levels.append([])
        levels[-1].append(found)
    return [found for level in levels for found in sorted(level, key=lambda own: own[0].chunk.updated_at, reverse=True)]
