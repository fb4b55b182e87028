"""An evaluation set is read from a folder.

Either it has ``pages/``, as a source would have them, and beside it one ``questions*.jsonl`` or more; or it is laid out like
BEIR: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv`` (see :mod:`core.evaluation.corpus`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.evaluation.cases import PAGES, REFUSED, Case, CaseSet, distinct, shown
from core.evaluation.corpus import corpus_set
from core.evaluation.rows import facts, rows, text, texts

_LAYOUTS = "`pages/` with `questions*.jsonl` beside it, or `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`"
_KEYS = frozenset({"id", "question", "answer", "facts", "documents", "kind", "turns", "near"})


def load(folder: Path) -> CaseSet:
    """Raises UserError that names the file, the line and what is missing there."""
    if (folder / "pages").is_dir():
        return _pages(folder)
    if (folder / "corpus.jsonl").is_file():
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
        raise UserError(f"{at}: {shown(sorted(unknown))} means nothing here: a case has {', '.join(sorted(_KEYS))}.")
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
