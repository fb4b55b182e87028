"""Long conversations: their first turns become one, which holds in a few sentences who asked what, and what was answered.

It is a turn like any other: it carries the accesses and documents of all that it was made from, so whoever may not read one of
them reads nothing of it. It is made by the model, after an answer and beside it; without a model turns stay as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableLambda

from core.answering.budget import Budget
from core.answering.history import to_messages
from core.answering.leak import LeakGuard
from core.answering.memory import Memory
from core.answering.model import stream
from core.answering.prompts import RECENT, SUMMARIZE, conversation
from core.answering.thoughts import without_thoughts
from core.answering.visible import visible
from core.errors import FootnoteError
from core.models import Audience, Turn

LONG = 2 * RECENT
"""Turns from which on a conversation is condensed, to the last ones that are told to the model anyway."""

_LONGEST = 1200
_QUESTION = "What was said here before?"

log = structlog.get_logger(__name__)


class Summaries:
    def __init__(self, memory: Memory, model: BaseChatModel, budget: Budget, *, silence: float) -> None:
        """``silence`` is how long the model may say nothing, in seconds."""
        self._memory = memory
        self._model = model
        self._budget = budget
        self._silence = silence
        self._running: dict[str, asyncio.Task[None]] = {}

    def after(self, conversation_id: str, audience: Audience, user: str) -> None:
        """Condense a conversation that has become long, beside everything else; ``user`` pays for it."""
        if conversation_id not in self._running:
            task = asyncio.create_task(self.condense(conversation_id, audience, user))
            self._running[conversation_id] = task
            task.add_done_callback(lambda _: self._running.pop(conversation_id, None))

    async def condense(self, conversation_id: str, audience: Audience, user: str) -> None:
        """What ``audience`` may read of it, if that is much."""
        turns = await self._memory.read(conversation_id, audience)
        old = turns[:-RECENT]
        if len(turns) < LONG:
            return
        try:
            async with self._budget.metered(user) as meter:
                text = await RunnableLambda(self._written).ainvoke(old, {"callbacks": [meter]})
            if text:
                await self._memory.condense(conversation_id, old, _summary(old, text))
                log.info("conversation.condensed", turns=len(old))
        except FootnoteError as error:
            # The turns are still there, and the next answer brings another chance.
            log.warning("conversation.not_condensed", reason=str(error))
        except Exception:
            log.exception("conversation.not_condensed")

    async def _written(self, turns: Sequence[Turn]) -> str:
        said = conversation([message for turn in turns for message in to_messages(turn)], turns=len(turns))
        prompt = SUMMARIZE.format_messages(conversation=said)
        guard = LeakGuard(prompt[0].text)
        async with aclosing(stream(self._model, prompt, self._silence)) as pieces:
            text = "".join([guard.feed(piece) async for piece in without_thoughts(pieces)]) + guard.close()
        return visible(text).strip()[:_LONGEST]


def _summary(turns: Sequence[Turn], text: str) -> Turn:
    people = [person for turn in turns for person in (turn.asked_by, *turn.people) if person]
    messages = [message for turn in turns for message in (turn.said_as, *turn.messages) if message]
    accesses = {access.class_id: access for turn in turns for access in turn.accesses}
    return Turn(
        question=_QUESTION,
        answer=text,
        accesses=tuple(accesses.values()),
        documents=tuple(dict.fromkeys(document for turn in turns for document in turn.documents)),
        asked_by="",
        asked_by_name="",
        at=turns[-1].at,
        people=tuple(dict.fromkeys(people)),
        messages=tuple(dict.fromkeys(messages)),
    )
