"""What could be asked next: headings next to what was cited, and near pages, as questions. All of it was found for the same
readers, so all of it can be answered for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.answering.footnotes import plain
from core.answering.terms import content_words, terms
from core.answering.visible import visible
from core.models import AnswerMode, Citation, Hit

MOST = 3
LONGEST = 75
"""Characters of a question: it is shown whole on a button."""

NEAR = 0.3
"""A page below this share of the best score is about something else. More may be asked about than an answer is made from."""
_LEAST_WORDS = 10
"""Of a chunk that has something to say."""
_BESIDE = 2
"""Of the documents that were cited, before those that were not."""
_NUMBERING = re.compile(r"^(?:§+\s*)?(?:\d+|[a-z]|[ivx]+)(?:[.)]\d*)+\s+|^§*\s*\d+\s+|^[-–—•*#:]+\s*", re.IGNORECASE)
_PAGE = re.compile(r"(?:page|slide|sheet|section|part|chapter|seite|folie|tabelle|blatt|teil|kapitel)\s*\d*", re.IGNORECASE)
_GENERAL = """
    appendix background changelog conclusion contents details faq general glossary history index introduction links misc
    miscellaneous more notes other overview purpose questions readme references related resources scope summary toc welcome
    allgemeines anhang einleitung hinweise inhalt links übersicht zusammenfassung
"""
_ENGLISH = """
    a about an and any are can could did do does for from get have how i in is it may me my need of on or our should that the
    there they this to we what when where which who why will with would you your
"""
_WITHOUT_MEANING, _ENGLISH_WORDS = frozenset(_GENERAL.split()), frozenset(_ENGLISH.split())
_POINTS = re.compile(r"\b(?:it|its|this|they|them|these|those|he|she)\b", re.IGNORECASE)
"""At something else: such a heading says too little alone."""
_CLAUSE = re.compile(r"(?:what|how|where|why|who|which)\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class _Topic:
    name: str
    """A heading, or a title."""
    context: str
    """What stands above it, the title at last; empty when that is the name."""


def follow_ups(
    question: str, mode: AnswerMode, hits: Sequence[Hit], citations: Sequence[Citation], asked: Iterable[str] = ()
) -> tuple[str, ...]:
    """At most three questions about what ``hits``, best first, hold beside the answer; none that was ``asked`` before.

    When nothing was found, near pages: those whose title or headings share a word with the question.
    """
    english = bool(_ENGLISH_WORDS & {word.casefold() for word in _LETTERS.findall(question)})
    texts = "\n".join(hit.chunk.text for hit in hits)
    before = [set(terms(said)) for said in (question, *asked)]
    chosen: list[str] = []
    for topic in _near(question, hits) if mode is AnswerMode.NOT_FOUND else _beside(hits, citations):
        said = _question(topic, texts if english else None)
        about = set(terms(topic.name))
        if not about or len(said) > LONGEST or any(about <= known for known in before):
            continue
        before.append(about)
        chosen.append(said)
        if len(chosen) == MOST:
            break
    return tuple(chosen)


def _beside(hits: Sequence[Hit], citations: Sequence[Citation]) -> Iterator[_Topic]:
    """Of documents that were cited what was not cited, then of the others, then the rest of the former."""
    cited = {citation.document_id for citation in citations}
    used = {_heading(hit) for hit in hits if _supports(hit, citations)}
    best = max((hit.score for hit in hits), default=0.0)
    near = [hit for hit in hits if best <= 0 or hit.score >= NEAR * best or hit.chunk.document_id in cited]
    found = [(hit, topic) for hit in near if _heading(hit) not in used and (topic := _topic(hit))]
    same = [topic for hit, topic in found if hit.chunk.document_id in cited and topic.context]
    beside = list({topic.name: topic for topic in same}.values())
    yield from beside[:_BESIDE]
    yield from (topic for hit, topic in found if hit.chunk.document_id not in cited)
    yield from beside[_BESIDE:]


def _near(question: str, hits: Sequence[Hit]) -> Iterator[_Topic]:
    wanted = set(terms(question))
    for hit in hits:
        if wanted & set(terms(" ".join((hit.chunk.title, *hit.chunk.headings)))):
            yield _Topic(name=_clean(hit.chunk.title), context="")


def _heading(hit: Hit) -> tuple[str, str]:
    return hit.chunk.document_id, (hit.chunk.headings or (hit.chunk.title,))[-1]


def _supports(hit: Hit, citations: Sequence[Citation]) -> bool:
    """Whether a citation quotes this chunk."""
    letters = _letters(hit.chunk.text)
    return any(
        citation.document_id == hit.chunk.document_id and _letters(passage) in letters
        for citation in citations
        for passage in citation.passages
    )


def _topic(hit: Hit) -> _Topic | None:
    """None of a chunk that has nothing to say, or no name to ask for it by."""
    *above, name = (_clean(heading) for heading in (hit.chunk.title, *hit.chunk.headings))
    if len(hit.chunk.text.split()) < _LEAST_WORDS or not _says_something(name) or _POINTS.search(name):
        return None
    context = next((heading for heading in reversed(above) if heading != name and _says_something(heading)), "")
    return _Topic(name=name, context=context)


def _says_something(name: str) -> bool:
    return bool(name) and name.casefold() not in _WITHOUT_MEANING and not _PAGE.fullmatch(name)


def _question(topic: _Topic, texts: str | None) -> str:
    """``texts`` tell how words are written; None when the question was not English."""
    name, context = topic.name, topic.context
    if name.endswith(("?", "\uff1f")):
        return name
    name = name.rstrip(".:;!")
    if texts is None:
        return f"{context}: {name}?" if context else f"{name}?"
    if how := re.match(r"how to (?=\w)", name, re.IGNORECASE):
        return f"How do I {name[how.end() :]}?"
    if not context:
        return f"What does “{name}” say?"
    name = _in_a_sentence(name, texts)
    if _CLAUSE.match(name):
        return f"Can you tell me {name}?"
    # One word alone says too little of what it is about.
    return f"What about {name}?" if len(content_words(name)) > 1 else f"{context}: what about {name}?"


def _in_a_sentence(name: str, texts: str) -> str:
    """With a small first letter, unless the word is a name: written large within sentences, and never small."""
    first, *rest = name.split(" ", 1)
    small = first.lower()
    if first != small.capitalize() or not first.isalpha():
        return name
    a_name = re.search(rf"[^\W\d_],? {re.escape(first)}\b", texts) and not re.search(rf"\b{re.escape(small)}\b", texts)
    return name if a_name and small not in _ENGLISH_WORDS else " ".join((small, *rest))


def _clean(name: str) -> str:
    """As it can stand in a question: one line, nothing that links or formats."""
    words = " ".join(plain(visible(name)).replace("`", "'").replace("**", "").split())
    return _NUMBERING.sub("", words).strip(" *_#|<>@")


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
