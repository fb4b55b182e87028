"""Footnotes: from the statements that were made to the passages that support them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.answering.grounding.support import Spot
from core.answering.quoting.duplicates import stands_in
from core.answering.quoting.passages import passages
from core.answering.terms import terms
from core.models import GAP, Citation, Link

_LONGEST_QUOTE = 600
_MOST_LINKS = 2
"""Beside the source's own."""
_BULLET = re.compile(r"\A(?:[-*+•]|\d{1,3}[.)])\s+")


def citations(
    cited: Mapping[int, Sequence[str]],
    evidence: Sequence[Evidence],
    question: str,
    quoted: Mapping[int, Sequence[Spot]] | None = None,
) -> tuple[Citation, ...]:
    """One citation a document, numbered in the order of ``cited``: number of the evidence to the statements that cite it.
    ``quoted`` are the passages that were found to support them.
    """
    by_number = {item.number: item for item in evidence}
    return tuple(
        citation(
            by_number[source],
            number,
            _quote((quoted or {}).get(source, ())) or supporting(by_number[source], statements, question),
        )
        for number, (source, statements) in enumerate(cited.items(), 1)
    )


def citation(item: Evidence, number: int, quote: str) -> Citation:
    shown = _BULLET.sub("", quote)
    if len(shown) > _LONGEST_QUOTE:
        shown = f"{shown[:_LONGEST_QUOTE].rsplit(maxsplit=1)[0]} …"
    return Citation(
        number=number,
        document_id=item.document_id,
        title=_shown(item.title),
        url=item.url,
        quote=shown,
        updated_at=item.updated_at,
        also_at=tuple(
            Link(document_id=copy[0].chunk.document_id, title=_shown(copy[0].chunk.title), url=copy[0].chunk.url)
            for copy in item.copies
            if all(stands_in(part, copy) for part in quote.split(GAP))
        )[:_MOST_LINKS],
    )


def _shown(title: str) -> str:
    # No code either: a title is shown where there is none.
    return plain(" ".join(title.replace("`", "'").split()))


def supporting(item: Evidence, statements: Iterable[str], question: str) -> str:
    """The passage of the document that shares most words with what was said of it.

    An answer in another language than the document shares none: then the passage nearest to the question, then the
    first one of the best hit.
    """
    by_score = sorted(item.hits, key=lambda hit: -hit.score)
    candidates = [passage.text for hit in by_score for passage in passages(plain(hit.chunk.text))]
    if not candidates:
        return plain(item.hits[0].chunk.text) or item.title
    for wanted in (set(terms(" ".join(statements))), set(terms(question))):
        scores = [_overlap(wanted, text) for text in candidates]
        if max(scores) > 0:
            return candidates[scores.index(max(scores))]
    return candidates[0]


def _quote(spots: Sequence[Spot]) -> str:
    """The passages that say it, in reading order, word for word: as many as there is room for, those that came first."""
    chosen: list[str] = []
    for spot in spots:
        if not chosen or len(GAP.join((*chosen, spot.text))) <= _LONGEST_QUOTE:
            chosen.append(spot.text)
    order = {spot.text: spot.order for spot in spots}
    return GAP.join(sorted(dict.fromkeys(chosen), key=lambda text: order[text]))


def _overlap(wanted: set[str], text: str) -> float:
    """Shared terms; between passages that share as many, the one that says less beside them."""
    found = set(terms(text))
    shared = len(wanted & found)
    return shared + shared / (1 + len(found)) if shared else 0.0
