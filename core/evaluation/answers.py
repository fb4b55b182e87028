"""Every case through the assistant, and what its answers are worth."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from core.evaluation.cases import Case
from core.evaluation.metrics import CITATION_RECALL, CITED_WELL
from core.evaluation.outcome import MILLISECONDS, Outcome, outcome
from core.evaluation.wording import f1, facts_said, stands_in, tokens
from core.models import Answer, AnswerMode

FACTS, F1, PHANTOMS = "facts", "token F1", "phantom footnotes"
CITATION_PRECISION = "citation precision"
WRONGLY_REFUSED, RIGHTLY_REFUSED = "wrongly refused", "rightly refused"

Asked = Callable[[Case], Awaitable[Answer]]
"""Puts a case to the assistant, with the conversation before it."""

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_MARKER = re.compile(r"\[(\d{1,3})\]")


async def answer(
    cases: Sequence[Case], ask: Asked, texts: Mapping[str, Sequence[str]], retrieved: Sequence[Outcome]
) -> list[Outcome]:
    """``texts`` are the tokens of each document. ``retrieved`` are the same cases through the search alone: whether an answer
    could have been better stands beside it. Raises FootnoteError.
    """
    outcomes = []
    for case, searched in zip(cases, retrieved, strict=True):
        given = await ask(case)
        values = {
            **worth(case, given),
            PHANTOMS: float(phantoms(given, texts)),
            **searched.values,
            MILLISECONDS: given.timings.get("total", 0.0),
        }
        cited = tuple(citation.document_id for citation in given.citations)
        outcomes.append(outcome(case, values, found=cited, signals=searched.signals, answer=given.text, mode=given.mode.value))
    return outcomes


def worth(case: Case, given: Answer) -> dict[str, float]:
    """What can be said without a judge. A refusal says no fact and cites nothing, rightly or not."""
    refused = given.mode is AnswerMode.NOT_FOUND
    if not case.answerable:
        return {RIGHTLY_REFUSED: float(refused), CITED_WELL: float(refused)}
    said = "" if refused else given.text
    cited = {citation.document_id for citation in given.citations}
    right = len(cited & case.documents.keys())
    values = {
        WRONGLY_REFUSED: float(refused),
        FACTS: facts_said(case, said),
        F1: f1(case.answer, said),
        CITATION_RECALL: case.recall(cited),
        CITATION_PRECISION: right / len(cited) if cited else None,
        CITED_WELL: right / len(cited) if cited else 0.0,
    }
    return {name: value for name, value in values.items() if value is not None}


def phantoms(given: Answer, texts: Mapping[str, Sequence[str]]) -> int:
    """Footnotes that stand for nothing: a number without a footnote, a document that was not found, a quote of which a passage
    is not in its document.
    """
    numbers = {citation.number for citation in given.citations}
    loose = {int(number) for number in _MARKER.findall(_CODE.sub("", given.text))} - numbers
    found = {hit.chunk.document_id for hit in given.hits}
    return len(loose) + sum(
        citation.document_id not in found
        or not all(stands_in(tokens(part), texts.get(citation.document_id, ())) for part in citation.passages)
        for citation in given.citations
    )
