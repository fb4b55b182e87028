"""A follow-up question, made to stand by itself, because the index knows nothing of the conversation."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage

from core.answering.leak import LeakGuard
from core.answering.model import stream
from core.answering.prompts import CONDENSE, asker, conversation
from core.answering.terms import content_words, stem
from core.answering.thoughts import without_thoughts
from core.answering.visible import visible

_LONGEST = 500
_ENOUGH = 6
"""A question with so many content words needs none from the one before."""


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
    """Without a model: the question and the content words of the previous one that it lacks."""
    previous = next((message.text for message in reversed(history) if isinstance(message, HumanMessage)), "")
    own = {stem(word) for word in content_words(question)}
    missing: dict[str, str] = {}
    for word in content_words(previous):
        if stem(word) not in own:
            missing.setdefault(stem(word), word)
    room = max(0, _ENOUGH - len(own))
    # Long words tell more of the subject; they keep the order in which they were said.
    chosen = sorted(missing.values(), key=len, reverse=True)[:room]
    return " ".join([question, *(word for word in missing.values() if word in chosen)])
