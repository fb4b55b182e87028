"""A follow-up question, and what of the conversation it is looked for with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from core.answering.leak import LeakGuard
from core.answering.model import stream
from core.answering.prompts import CONDENSE, asker, conversation
from core.answering.terms import content_words, stem
from core.answering.thoughts import without_thoughts
from core.answering.visible import visible
from core.models import Query

_LONGEST = 500
_ENOUGH = 6
"""A question with so many content words needs none from the one before."""
_WHOLE, _WHOLE_IN_FORM = 3, 2
"""Content words of a question that stands by itself; and of one that has the form of a first question, too."""
_ANSWERED = 600
"""Characters of the answer before that are looked for with a follow-up: its subject is said at the beginning."""

_POINTS = re.compile(
    r"\b(?:[Ii]t|[Ii]ts|it's|It's)\b"  # IT is a department
    r"|(?i:\b(?:they|them|their|theirs|those|these|he|she|him|her|his|hers|former|latter|davon|dafür|dazu|dort)\b"
    r"|\bthis\b(?! (?:day|week|month|quarter|year)\b)|^that\b|\bthat(?:'s| one| page| case| time)?\s*[?.!,]*$"
    r"|\b(?:about|of|for|with|to|from|after|before|is|was|does|do|did|can|will|should|why) that\b"
    r"|\bthere\s*[?.!]*$|\b(?:which|other|same|second|first|last) ones?\b|\bthe (?:same|other|others|rest)\b|\bas well\s*[?.!]*$)"
)
_JOINS = re.compile(r"(?:and|or|but|so|also|then|what about|how about|what if|what else|und|oder|y|et)\b", re.I)
_FIRST = re.compile(
    r"how (?:do|can|should|to)\b|can (?:i|we)\b|what (?:is|are) (?:the|our|a|an)\b|where (?:do|can) (?:i|we)\b",
    re.I,
)
_MARKER = re.compile(r"\s*\[\d+\]")


def refers(question: str) -> bool:
    """Whether it says too little by itself: it points back, goes on from what was said, or has hardly a word of its own."""
    text = question.strip()
    if _POINTS.search(text) or _JOINS.match(text):
        return True
    return len(set(content_words(text))) < (_WHOLE_IN_FORM if _FIRST.match(text) else _WHOLE)


def turned(question: str, history: Sequence[BaseMessage]) -> bool:
    """Whether it stands by itself and shares no word with the turn before: the conversation has turned to something else."""
    before, answered = turn_before(history)
    said = {stem(word) for word in content_words(f"{before} {answered}")}
    return not refers(question) and said.isdisjoint(map(stem, content_words(question)))


def turn_before(history: Sequence[BaseMessage]) -> tuple[str, str]:
    """The last question and the answer to it; no answer when it cites nothing, for then it says nothing of the subject."""
    before = next((message.text for message in reversed(history) if isinstance(message, HumanMessage)), "")
    last = history[-1] if history else None
    answered = last.text if isinstance(last, AIMessage) and _MARKER.search(last.text) else ""
    return before, _MARKER.sub("", answered)[:_ANSWERED]


def followed(question: str, history: Sequence[BaseMessage]) -> Query:
    """What a question is looked for with, without a model: the turn before counts a little, unless it was about something
    else.
    """
    if not history or turned(question, history):
        return Query(text=question)
    before, answered = turn_before(history)
    return Query(text=question, before=before, answered=answered)


async def rewrite(question: str, history: Sequence[BaseMessage], model: BaseChatModel, silence: float, by: str = "") -> str:
    """The model's stand-alone question; the one of :func:`extend` when the model says nothing usable. ``by`` is the name of who
    asks.

    Raises FootnoteError when the model fails or repeats its instructions.
    """
    prompt = CONDENSE.format_messages(conversation=conversation(history), asker=asker(history, by), question=question)
    guard = LeakGuard(prompt[0].text)
    said = "".join([guard.feed(piece) async for piece in without_thoughts(stream(model, prompt, silence))]) + guard.close()
    rewritten = " ".join(visible(said).split()).strip("\"'“”")
    return rewritten if 0 < len(rewritten) <= _LONGEST else extend(question, history)


def extend(question: str, history: Sequence[BaseMessage]) -> str:
    """The question and the content words of the previous one that it lacks: what quotes are chosen by, without a model."""
    previous, _ = turn_before(history)
    own = {stem(word) for word in content_words(question)}
    missing: dict[str, str] = {}
    for word in content_words(previous):
        if stem(word) not in own:
            missing.setdefault(stem(word), word)
    room = max(0, _ENOUGH - len(own))
    # Long words tell more of the subject; they keep the order in which they were said.
    chosen = sorted(missing.values(), key=len, reverse=True)[:room]
    return " ".join([question, *(word for word in missing.values() if word in chosen)])
