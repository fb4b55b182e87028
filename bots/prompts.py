"""Questions that a person might begin with, made of what the documents are called that they may read. No model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.indexing.index import Glimpse

MOST = 4
"""Slack shows no more."""
_LONGEST = 90
"""Characters of a heading; a longer one is no question that anybody would press."""
_SHORTEST = 8


def questions(glimpses: Iterable[Glimpse], most: int = MOST) -> list[str]:
    """At most one for each document and one for each wording: headings that are questions first, then one about the title.

    The same glimpses give the same questions.
    """
    seen = list(glimpses)
    chosen: dict[str, str] = {}
    worded: set[str] = set()
    for document_id, question in [*_asked(seen), *_about(seen)]:
        if len(chosen) < most and document_id not in chosen and question.casefold() not in worded:
            chosen[document_id] = question
            worded.add(question.casefold())
    return list(chosen.values())


def _asked(glimpses: Iterable[Glimpse]) -> Iterator[tuple[str, str]]:
    for glimpse in glimpses:
        for heading in (glimpse.title, *glimpse.headings):
            line = _line(heading)
            if line.endswith(("?", "？", "؟")) and _SHORTEST <= len(line) <= _LONGEST:
                yield glimpse.document_id, line


def _about(glimpses: Iterable[Glimpse]) -> Iterator[tuple[str, str]]:
    for glimpse in glimpses:
        title = _line(glimpse.title).replace('"', "'").removesuffix("?")
        if len(title) <= _LONGEST and any(character.isalpha() for character in title):
            yield glimpse.document_id, f'What does "{title}" say?'


def _line(text: str) -> str:
    return " ".join(text.split())
