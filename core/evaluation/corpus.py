"""An evaluation set laid out like BEIR, as other people publish theirs: so names of fields are taken in several spellings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.evaluation.cases import FACT_MISSING, UNANSWERABLE, Case, CaseSet, Exchange, distinct
from core.evaluation.rows import facts, rows, text, texts
from core.models import PUBLIC, Document

CORPUS = "corpus"
"""The name of the source that the corpus becomes."""

_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)
_ID = ("id", "_id", "doc_id", "query_id", "docid", "qid")
_BODY = ("text", "body", "content", "contents")
_QUESTION = ("text", "question", "query")
_HISTORY = ("turns", "history", "conversation", "messages", "context")
_NO = frozenset({"false", "no", "0", "unanswerable", "none"})
_ASKS = frozenset({"user", "human", "question", "customer", "seeker"})
_SHORT = 60
"""Characters of a reference answer that is a fact by itself: ``75``, ``Tuesday at noon``."""


def corpus_set(folder: Path) -> CaseSet:
    """Raises UserError that names the file, the line and what is missing there."""
    corpus = tuple(_document(row, at) for row, at in rows(folder / "corpus.jsonl"))
    known: set[str] = set()
    for document in corpus:
        if document.id in known:
            raise UserError(f"{folder / 'corpus.jsonl'}: the id {document.id} is there twice.")
        known.add(document.id)
    judged = _judgements(_judgement_file(folder))
    cases, unjudged = [], 0
    for row, at in rows(folder / "queries.jsonl"):
        case = _case(row, judged, at)
        if case is None:
            unjudged += 1
        else:
            cases.append(case)
    if not cases:
        raise UserError(f"{folder}: no question of queries.jsonl stands in qrels.tsv, so there is nothing to measure by.")
    distinct(cases)
    return CaseSet(name=folder.resolve().name, cases=tuple(cases), corpus=corpus, unjudged=unjudged)


def _document(row: Mapping[str, Any], at: str) -> Document:
    body = text(row, *_BODY, at=at)
    updated = row.get("updated_at") or row.get("updated")
    try:
        updated_at = datetime.fromisoformat(updated) if isinstance(updated, str) else _UNDATED
    except ValueError as error:
        raise UserError(f"{at}: {updated!r} is no time: write it as 2026-03-01T12:00:00Z.") from error
    title = str(row.get("title") or body[:80]).strip()
    return Document(
        id=text(row, *_ID, at=at),
        source=CORPUS,
        title=title,
        url=str(row.get("url") or ""),
        # As the sources themselves tell it: a title is not the first line of its own page, too.
        body=body.removeprefix(title).lstrip() or body,
        media_type=str(row.get("media_type") or "text/markdown"),
        updated_at=updated_at if updated_at.tzinfo else updated_at.replace(tzinfo=UTC),
        access=PUBLIC,
        # The system that it came from, as a space or a folder would stand above it.
        path=texts(row.get("source"), "source", at),
    )


def _case(row: Mapping[str, Any], judged: Mapping[str, Mapping[str, int]], at: str) -> Case | None:
    """None when nobody said which documents answer it, nor that none does."""
    id = text(row, *_ID, at=at)
    documents = judged.get(id, {})
    answerable = _answerable(row)
    if answerable is None:
        answerable = True if documents else None
    if answerable is None or (answerable and not documents):
        return None
    kind = str(row.get("kind") or row.get("type") or "question") if answerable else FACT_MISSING if documents else UNANSWERABLE
    answer = str(row.get("answer") or "").strip()
    must = facts(row.get("must_include") or row.get("facts"), at)
    if not must and answer and len(answer) <= _SHORT:
        must = ((answer, *texts(row.get("alternatives"), "alternatives", at)),)
    question = text(row, *_QUESTION, at=at)
    return Case(
        id=id,
        question=question,
        kind=kind,
        documents=documents if answerable else {},
        answer=answer,
        facts=must if answerable else (),
        turns=tuple(_turns(row, question, at)),
        near=() if answerable else tuple(documents),
        at=at,
    )


def _answerable(row: Mapping[str, Any]) -> bool | None:
    value = row.get("answerable", row.get("answerability", row.get("is_answerable")))
    if isinstance(value, list):
        value = value[0] if value else None
    return None if value is None else str(value).strip().casefold() not in _NO


def _turns(row: Mapping[str, Any], question: str, at: str) -> Iterator[Exchange]:
    """Pairs of question and answer; or what was said, one after the other, with who said it or in turn."""
    history: list[Any] = next((row[key] for key in _HISTORY if isinstance(row.get(key), list)), [])
    said: list[tuple[bool, str]] = []
    for number, turn in enumerate(history):
        match turn:
            case {"question": str(asked), **rest} | {"q": str(asked), **rest}:
                said += [(True, asked), (False, str(rest.get("answer") or rest.get("a") or ""))]
            case {"user": str(asked), **rest}:
                said += [(True, asked), (False, str(rest.get("assistant") or rest.get("bot") or ""))]
            case {"content": str(words), **rest} | {"text": str(words), **rest} | {"utterance": str(words), **rest}:
                by = str(rest.get("role") or rest.get("speaker") or rest.get("from") or ("user", "bot")[number % 2])
                said.append((by.casefold() in _ASKS, words))
            case [str(asked), str(answered)]:
                said += [(True, asked), (False, answered)]
            case str(words):
                said.append((number % 2 == 0, words))
            case _:
                raise UserError(
                    f"{at}: turn {number + 1} of the conversation cannot be read: "
                    'write {"question": …, "answer": …}, or {"role": "user", "content": …}.'
                )
    if said and said[-1][0] and said[-1][1].strip() == question:
        said.pop()
    for (asks, words), (answers_next, following) in pairwise([*said, (True, "")]):
        if asks:
            yield words.strip(), "" if answers_next else following.strip()


def _judgement_file(folder: Path) -> Path:
    places = (folder / "qrels.tsv", folder / "qrels" / "test.tsv")
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(f"{folder} has no qrels.tsv: it says which documents answer which question (query-id, corpus-id, score).")
    return found


def _judgements(file: Path) -> dict[str, dict[str, int]]:
    """Question to document to grade; with or without a head line, in three columns or in the four of TREC."""
    judged: dict[str, dict[str, int]] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
        columns = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or (number == 1 and not columns[-1].strip().lstrip("-").isdigit()):
            continue
        try:
            query, document, score = columns[0].strip(), columns[-2].strip(), int(columns[-1])
        except (ValueError, IndexError) as error:
            raise UserError(f"{file}, line {number}: write query-id, corpus-id and score, with tabs between them.") from error
        if score > 0:
            judged.setdefault(query, {})[document] = score
    return judged
