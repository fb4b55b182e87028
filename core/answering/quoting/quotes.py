"""An answer without a model: the best passages of the best hits, word for word, with footnotes."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import structlog

from core.answering.citations import citation
from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.answering.grounding.meaning import Embed, cosine
from core.answering.quoting.passages import Kind, Passage, passages
from core.answering.quoting.versions import Version, versions
from core.answering.terms import terms
from core.errors import FootnoteError
from core.models import Citation, Hit

log = structlog.get_logger(__name__)

COVERED = 0.45
"""Share of the question's content words that the best document must contain; below it, it is about something else.

Measured on two company knowledge bases: it refuses 4 % of the questions that they answer, 4 of 5 that nobody could answer
from them, and 78 % of those that belong to the other one.
"""

_MOST_PASSAGES = 6
_MOST_CHARACTERS = 1000
_MOST_DOCUMENTS = 3
_NEAR_BEST = 0.6
"""Share of the best passage's score that the others need; cosines lie closer together than shares of words do."""
_NEAR_BEST_BY_WORDS = 0.5
_ABOVE = 0.4
"""What a word of the title or the headings counts beside a word of the passage itself."""
_COMPARED = 8
"""Passages whose meaning is compared: those that are best by words. Measured on 300 questions over a company knowledge base: the
answer stands in .88 of the quotes with 8 of them, in .85 with 6 and in .80 without."""
_PATIENCE_SECONDS = 0.25
"""For an embedding that a server makes; then words alone decide."""
_READ = 600
"""Characters of a passage that are compared."""
_ONE_THING = re.compile(
    r"\b(?:how (?:many|much|long|often|old|far|big|large)|when|who|whom|whose|"
    r"(?:what|which) (?:time|date|day|percentage|version)|"
    r"number|limit|deadline|wie ?viele?|wie lange|wann|wer|combien|quand|qui|cuánt\w+|cuándo|quién)\b",
    re.I,
)
"""Asks for a number, a date or a person: then the passage that answers best comes first."""
_PERSON = re.compile(r"\bwh(?:o|om|ose)\b|\bwer\b|\bqui\b|\bquién\b", re.I)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|hundred|daily|weekly|monthly|yearly|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.I,
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
    """Among the passages of its chunk."""
    passage: Passage
    before: tuple[_Candidate, ...]
    """What must be read first, at most one."""
    terms: frozenset[str]
    above: frozenset[str]
    """Of the title, the headings, the table's head line, and what must be read first."""
    score: float = 0.0

    @property
    def place(self) -> tuple[int, int, int]:
        return (self.item.number, self.hit.chunk.position, self.order)


def covered(question: str, evidence: Sequence[Evidence]) -> float:
    """The largest share of the question's content words that the hits of one document, with title and headings, contain."""
    wanted = set(terms(question))
    if not wanted:
        return 0.0
    return max((len(wanted & set(terms(_indexed(item)))) / len(wanted) for item in evidence), default=0.0)


async def quote(question: str, evidence: Sequence[Evidence], embed: Embed | None = None, *, about: bool = False) -> Quoted | None:
    """The best passages in reading order, or None when even the best hit is not about the question.

    They are found by their words and, with an embedding that comes in time, by their meaning. ``about``: it is known that they
    are about it.
    """
    if not about and covered(question, evidence) < COVERED:
        return None
    pairs = versions(evidence, question)
    outdated = {version.older.number for version in pairs}
    current = [item for item in evidence if item.number not in outdated]
    by_words = _by_words(question, list(_candidates(current)))
    by_meaning = await _by_meaning(question, by_words, embed) if embed else []
    scored = [candidate for candidate in by_meaning or by_words if candidate.score > 0]
    ranked = sorted(scored, key=lambda candidate: -candidate.score)
    chosen = _chosen(ranked, _NEAR_BEST if by_meaning else _NEAR_BEST_BY_WORDS)
    if not chosen:
        return None
    return _dissenting(_quoted(chosen, ranked[0] if _ONE_THING.search(question) else None), chosen, pairs)


def _indexed(item: Evidence) -> str:
    return "\n".join(hit.chunk.indexed_text for hit in item.hits)


def _candidates(evidence: Sequence[Evidence]) -> Iterator[_Candidate]:
    for item in evidence:
        for hit in item.hits:
            found: list[_Candidate] = []
            asked: frozenset[str] = frozenset()
            for order, passage in enumerate(passages(plain(hit.chunk.text))):
                before = () if passage.after is None else (found[passage.after],)
                above = frozenset(terms(" ".join((item.title, *hit.chunk.headings, passage.header))))
                above = above.union(asked, *(candidate.terms for candidate in before))
                own = frozenset(terms(passage.text))
                found.append(_Candidate(item=item, hit=hit, order=order, passage=passage, before=before, terms=own, above=above))
                # What follows a question answers it.
                asked = own if passage.text.endswith("?") else frozenset()
            yield from (candidate for candidate in found if _states(candidate))


def _states(candidate: _Candidate) -> bool:
    """A line of one or two words is a heading or a label, one with a colon leads to what follows, and a question is no answer."""
    passage = candidate.passage
    if passage.kind in {Kind.CODE, Kind.ROW}:
        return True
    return not passage.text.endswith(("?", ":")) and (len(passage.text.split()) > 2 or len(candidate.terms) > 2)


def _by_words(question: str, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """With the share of the question's words that they have, rare ones counting more, by the score of their hit."""
    wanted = set(terms(question))
    in_passages = Counter(term for candidate in candidates for term in (candidate.terms | candidate.above) & wanted)
    weight = {term: math.log(1 + len(candidates) / (0.5 + in_passages[term])) for term in wanted}
    asks_number = _ONE_THING.search(question) and not _PERSON.search(question)
    # A question of function words alone shares none with anything.
    most = sum(weight.values()) or 1.0
    scored = []
    for candidate in candidates:
        shared = wanted & candidate.terms
        score = sum(weight[term] for term in shared) + _ABOVE * sum(weight[term] for term in (wanted & candidate.above) - shared)
        if asks_number and _NUMBER.search(candidate.passage.text):
            score *= 1.5
        scored.append(replace(candidate, score=score / most * _standing(candidate, candidates)))
    return scored


def _standing(candidate: _Candidate, candidates: Sequence[_Candidate]) -> float:
    best = max(other.hit.score for other in candidates)
    return max(candidate.hit.score, 0.0) / best if best > 0 else 1.0


async def _by_meaning(question: str, scored: Sequence[_Candidate], embed: Embed) -> list[_Candidate]:
    """With the cosine of question and passage added, of those that are best by words. None at all without an embedding."""
    ranked = sorted(scored, key=lambda candidate: -candidate.score)
    compared, rest = ranked[:_COMPARED], ranked[_COMPARED:]
    texts = (question, *(candidate.passage.text[:_READ] for candidate in compared))
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            asked, *vectors = await asyncio.gather(*map(embed, texts))
    except (TimeoutError, FootnoteError) as error:
        log.info("quotes.not_embedded", reason=type(error).__name__)
        return []
    near = [
        replace(candidate, score=candidate.score + max(0.0, cosine(asked, vector)) * _standing(candidate, scored))
        for candidate, vector in zip(compared, vectors, strict=True)
    ]
    return [*near, *rest]


def _chosen(ranked: Sequence[_Candidate], near: float) -> list[_Candidate]:
    """The best passages, and what must be read before them."""
    chosen: dict[tuple[int, int, int], _Candidate] = {}
    length = taken = 0
    for candidate in ranked:
        if candidate.score < near * ranked[0].score or taken == _MOST_PASSAGES:
            break
        documents = {other.item.number for other in chosen.values()}
        if candidate.place in chosen or (candidate.item.number not in documents and len(documents) == _MOST_DOCUMENTS):
            continue
        new = [one for one in (*candidate.before, candidate) if one.place not in chosen]
        size = sum(len(one.passage.text) for one in new)
        if chosen and (length + size > _MOST_CHARACTERS or any(_repeats(candidate, other) for other in chosen.values())):
            continue
        chosen |= {one.place: one for one in new}
        length += size
        taken += 1
    return list(chosen.values())


def _repeats(one: _Candidate, other: _Candidate) -> bool:
    if one.passage.text.casefold() == other.passage.text.casefold():
        return True
    both = len(one.terms | other.terms)
    return bool(both) and len(one.terms & other.terms) / both > 0.8


def _quoted(chosen: Sequence[_Candidate], first: _Candidate | None) -> Quoted:
    """In reading order: documents as they rank, in each from top to bottom; what stands with ``first`` before all that."""
    ordered = sorted(chosen, key=lambda candidate: candidate.place)
    blocks = [list(block) for _, block in groupby(ordered, key=_together)]
    if first is not None:
        blocks.sort(key=lambda block: first.place not in {candidate.place for candidate in block})
    numbers = {number: index for index, number in enumerate(dict.fromkeys(block[0].item.number for block in blocks), 1)}
    best = {candidate.item.number: candidate for candidate in sorted(chosen, key=lambda candidate: candidate.score)}
    return Quoted(
        text="\n\n".join(_render(block, numbers[block[0].item.number]) for block in blocks),
        citations=tuple(citation(best[source].item, number, best[source].passage.text) for source, number in numbers.items()),
    )


def _dissenting(quoted: Quoted, chosen: Sequence[_Candidate], pairs: Sequence[Version]) -> Quoted:
    """With what an older version of a quoted page says otherwise, named as such."""
    said = {(candidate.item.number, candidate.passage.text) for candidate in chosen}
    text, cited = quoted.text, quoted.citations
    for version in pairs:
        before = next((change.before for change in version.changes if (version.newer.number, change.now) in said), "")
        if before:
            footnote = citation(version.older, len(cited) + 1, before)
            shown = " ".join(before.strip("| ").split())
            text += (
                f"\n\nAn older version, “{footnote.title}” of {version.older.updated_at:%Y-%m-%d}, says otherwise: “{shown}” "
                f"[{footnote.number}]"
            )
            cited = (*cited, footnote)
    return Quoted(text=text, citations=cited)


def _together(candidate: _Candidate) -> tuple[int, int, Kind, str]:
    kind = Kind.SENTENCE if candidate.passage.kind is Kind.ITEM else candidate.passage.kind
    return (candidate.item.number, candidate.hit.chunk.position, kind, candidate.passage.header)


def _render(block: Sequence[_Candidate], number: int) -> str:
    texts = [candidate.passage.text for candidate in block]
    kind, header = block[0].passage.kind, block[0].passage.header
    if kind is Kind.CODE:
        return "\n\n".join(texts) + f"\n\n[{number}]"
    if kind is Kind.ROW:
        rule = [header, "|" + " --- |" * (header.count("|") - 1)] if header else []
        return "\n".join((*rule, *texts)) + f"\n\n[{number}]"
    text = texts[0] + "".join(_gap(*pair) + pair[1].passage.text for pair in pairwise(block))
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines()) + f" [{number}]"


def _gap(above: _Candidate, below: _Candidate) -> str:
    if Kind.ITEM in {above.passage.kind, below.passage.kind}:
        return "\n" if below.passage.kind is Kind.ITEM else "\n\n"
    return " " if below.order == above.order + 1 else " … "
