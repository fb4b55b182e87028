"""Cases: questions with what a good answer to them is made from, and what it says. They are read from a folder.

Either it has ``pages/``, as a source would have them, and beside it one ``questions*.jsonl`` or more; or it is laid out like
BEIR: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv`` (see :mod:`core.evaluation.corpus`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from core.errors import UserError
from core.models import Document

UNANSWERABLE, FACT_MISSING, DUPLICATE = "unanswerable", "fact_missing", "duplicate"
REFUSED = frozenset({UNANSWERABLE, FACT_MISSING})
"""The kinds of questions to which the documents have no answer: nothing about it, or the right page without the fact."""
PAGES = "folder"
"""The name of the source that ``pages/`` becomes."""

Exchange = tuple[str, str]
"""An earlier question of the conversation and its answer; the answer is empty where the set has none."""
_LAYOUTS = "`pages/` with `questions*.jsonl` beside it, or `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`"
_KEYS = frozenset({"id", "question", "answer", "facts", "documents", "kind", "turns", "near"})


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
                raise UserError(f"{case.at}: case {case.id} names {_shown(missing)}, which is not among the set's documents.")

    def first(self, limit: int | None) -> tuple[Case, ...]:
        """So many cases, of every kind as many as its share is: the ``limit`` first ones would be all of one kind."""
        if limit is None or limit >= len(self.cases):
            return self.cases
        step = len(self.cases) / limit
        return tuple(self.cases[int(number * step)] for number in range(limit))


def load(folder: Path) -> CaseSet:
    """Raises UserError that names the file, the line and what is missing there."""
    if (folder / "pages").is_dir():
        return _pages(folder)
    if (folder / "corpus.jsonl").is_file():
        from core.evaluation.corpus import corpus_set

        return corpus_set(folder)
    raise UserError(f"{folder} holds no evaluation set: it needs {_LAYOUTS}.")


def _pages(folder: Path) -> CaseSet:
    files = sorted(folder.glob("questions*.jsonl"))
    cases = [_case(row, at) for file in files for row, at in rows(file)]
    if not cases:
        raise UserError(f"{folder} has pages but no questions: put a `questions.jsonl` beside `pages/`, one case a line.")
    distinct(cases)
    return CaseSet(name=folder.resolve().name, cases=tuple(cases), pages=folder / "pages")


def _case(row: Mapping[str, Any], at: str) -> Case:
    if unknown := row.keys() - _KEYS:
        raise UserError(f"{at}: {_shown(sorted(unknown))} means nothing here: a case has {', '.join(sorted(_KEYS))}.")
    case = Case(
        id=text(row, "id", at=at),
        question=text(row, "question", at=at),
        kind=text(row, "kind", at=at),
        documents={f"{PAGES}:{path}": 1 for path in texts(row.get("documents"), "documents", at)},
        answer=str(row.get("answer") or ""),
        facts=facts(row.get("facts"), at),
        turns=tuple(
            (text(turn, "question", at=f"{at}, turns"), str(turn.get("answer") or "")) for turn in row.get("turns") or ()
        ),
        near=tuple(f"{PAGES}:{path}" for path in texts(row.get("near"), "near", at)),
        at=at,
    )
    if case.answerable != bool(case.documents):
        wrong = (
            f"no documents: name those that answer it, or call it {' or '.join(sorted(REFUSED))}"
            if case.answerable
            else "documents that answer it: name them in `near`"
        )
        raise UserError(f"{at}: case {case.id} is of the kind {case.kind} and names {wrong}.")
    return case


def rows(file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a file of JSON lines, each with where it stands. Empty lines are skipped."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                at = f"{file}, line {number}"
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise UserError(f"{at}: this is not JSON ({error}): write one object a line.") from error
                if not isinstance(row, dict):
                    raise UserError(f"{at}: this is not a JSON object: write one a line.")
                yield row, at
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error


def distinct(cases: Sequence[Case]) -> None:
    """Raises UserError when two have one id: results are compared by it."""
    seen: dict[str, Case] = {}
    for case in cases:
        if (other := seen.setdefault(case.id, case)) is not case:
            raise UserError(f"{case.at}: the id {case.id} is taken by {other.at}: give each case one of its own.")


def text(row: Mapping[str, Any], *keys: str, at: str) -> str:
    """The first of these that the row has, as text. Raises UserError when it has none."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    raise UserError(f"{at}: {' or '.join(f'`{key}`' for key in keys)} is missing.")


def texts(value: Any, key: str, at: str) -> tuple[str, ...]:
    """One text or a list of them."""
    items = [value] if isinstance(value, str) else value or []
    if not isinstance(items, list) or not all(isinstance(item, str | int | float) for item in items):
        raise UserError(f"{at}: `{key}` must be a list of texts.")
    return tuple(str(item).strip() for item in items if str(item).strip())


def facts(value: Any, at: str) -> tuple[tuple[str, ...], ...]:
    """A list of facts, each one text or a list of its wordings."""
    if not isinstance(value, list | None):
        raise UserError(f"{at}: the facts must be a list, each of them a text or a list of wordings.")
    return tuple(wordings for item in value or () if (wordings := texts(item, "facts", at)))


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
