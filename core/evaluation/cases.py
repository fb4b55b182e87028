"""Cases: questions with what a good answer to them is made from, and what it says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import UserError
from core.models import Document

UNANSWERABLE, FACT_MISSING, DUPLICATE = "unanswerable", "fact_missing", "duplicate"
REFUSED = frozenset({UNANSWERABLE, FACT_MISSING})
"""The kinds of questions to which the documents have no answer: nothing about it, or the right page without the fact."""
PAGES = "folder"
"""The name of the source that ``pages/`` becomes."""

Exchange = tuple[str, str]
"""An earlier question of the conversation and its answer; the answer is empty where the set has none."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question. ``documents`` answer it, all of them together (of a ``duplicate`` each by itself); there are none for a
    question that is to be refused.
    """

    id: str
    question: str
    kind: str
    documents: Mapping[str, int] = field(default_factory=dict)
    """Document id to grade, 1 and more: how much it says about the question."""
    answer: str = ""
    """How a good answer may read; empty when nobody wrote one."""
    facts: tuple[tuple[str, ...], ...] = ()
    """What an answer must say; each with its wordings, one of which is enough."""
    turns: tuple[Exchange, ...] = ()
    """The conversation before it, oldest first."""
    near: tuple[str, ...] = ()
    """Documents about what a refused question is about."""
    at: str = field(default="", compare=False)
    """Where it was read: file and line."""

    @property
    def answerable(self) -> bool:
        return self.kind not in REFUSED

    def recall(self, document_ids: Collection[str]) -> float:
        """The share of what answers it that is among these."""
        found = len(self.documents.keys() & set(document_ids))
        return float(found > 0) if self.kind == DUPLICATE else found / len(self.documents)


@dataclass(frozen=True, kw_only=True)
class CaseSet:
    name: str
    cases: tuple[Case, ...]
    pages: Path | None = None
    """The folder that the documents are in; None when they are ``corpus``."""
    corpus: tuple[Document, ...] = ()
    unjudged: int = 0
    """Questions that were left out: nobody said which documents answer them."""

    def check(self, document_ids: Collection[str]) -> None:
        """Raises UserError when a case names a document that there is not."""
        known = set(document_ids)
        for case in self.cases:
            if missing := [id for id in (*case.documents, *case.near) if id not in known]:
                raise UserError(f"{case.at}: case {case.id} names {shown(missing)}, which is not among the set's documents.")

    def first(self, limit: int | None) -> tuple[Case, ...]:
        """So many cases, of every kind as many as its share is: the ``limit`` first ones would be all of one kind."""
        if limit is None or limit >= len(self.cases):
            return self.cases
        step = len(self.cases) / limit
        return tuple(self.cases[int(number * step)] for number in range(limit))


def distinct(cases: Sequence[Case]) -> None:
    """Raises UserError when two have one id: results are compared by it."""
    seen: dict[str, Case] = {}
    for case in cases:
        if (other := seen.setdefault(case.id, case)) is not case:
            raise UserError(f"{case.at}: the id {case.id} is taken by {other.at}: give each case one of its own.")


def shown(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
