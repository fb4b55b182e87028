"""Saying that there is no answer, in a way that helps on: what was looked for, and the nearest pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.models import Link

NEAREST = 3
"""Pages named at most: who looks further searches better with other words."""
_QUERY_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Refusal:
    text: str
    near: tuple[Link, ...]
    """The nearest pages, best first. None of them need be about the question."""


def refuse(query: str, evidence: Sequence[Evidence]) -> Refusal:
    """``evidence`` holds nothing but what every reader may read: so the refusal is the same whether nothing else was there, or
    nothing that they may read.
    """
    shown = " ".join(plain(query).split())
    if len(shown) > _QUERY_SHOWN:
        shown = f"{shown[:_QUERY_SHOWN]}…"
    return Refusal(
        text=f"I did not find this in the documents. I searched for “{shown}”. "
        "Try other words, or name the page, the team or the product that it is about.",
        near=tuple(_link(item) for item in evidence[:NEAREST]),
    )


def _link(item: Evidence) -> Link:
    title = plain(" ".join(item.title.replace("`", "'").split()))
    return Link(document_id=item.document_id, title=title or item.document_id, url=item.url)
