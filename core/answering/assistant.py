"""A question becomes an answer: memory read, chain, memory written."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from core.answering.budget import Budget, Meter
from core.answering.chain import Ask, Draft, build_chain
from core.answering.freshness import Freshness
from core.answering.history import ConversationHistory, to_messages
from core.answering.memory import Memory
from core.answering.model import name_of
from core.answering.prompts import PROMPT_VERSION
from core.answering.visible import visible
from core.models import Answer, Audience, Message, Turn, now
from core.ports import Accesses, Search
from core.telemetry import STEP_SECONDS


class Assistant:
    """Answers from what ``search`` finds and ``accesses`` still admits; written by ``model``, in quotes without one, while it
    is down, or when the ``budget`` is used up.
    """

    def __init__(
        self,
        *,
        search: Search,
        accesses: Accesses,
        model: BaseChatModel | None,
        memory: Memory,
        model_timeout: timedelta = timedelta(seconds=30),
        search_timeout: timedelta = timedelta(seconds=2.5),
        freshness: Freshness | None = None,
        budget: Budget | None = None,
        clock: Callable[[], datetime] = now,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._memory = memory
        self._model = name_of(model) if model else ""
        self._freshness = freshness or Freshness()
        self._budget = budget or Budget()
        self._clock = clock
        self._new_id = new_id
        self._chain = build_chain(
            search,
            accesses,
            model,
            model_timeout=model_timeout.total_seconds(),
            search_timeout=search_timeout.total_seconds(),
        )

    async def answer(self, message: Message, audience: Audience) -> AsyncGenerator[str | Answer, None]:
        """Pieces of the answer's text as they can be shown, then exactly one Answer, which replaces them.

        Everything in it comes from documents that every reader of ``audience`` may read. Raises TransientError, worded
        for the person who asked, when the search does not answer.
        """
        started = time.perf_counter()
        history = ConversationHistory(self._memory, message.conversation_id, audience)
        said, spent = await asyncio.gather(history.aget_messages(), self._budget.used_up(message.user))
        ask = Ask(question=visible(message.text).strip(), audience=audience, history=tuple(said), failure=spent)
        async with (
            self._budget.metered(message.user) as meter,
            aclosing(self._draft(ask, meter)) as parts,
            self._freshness.looking() as late,
        ):
            async for part in parts:
                if isinstance(part, str):
                    yield part
                    continue
                turn = self._turn(message, ask, part)
                # Before the answer is shown, so that a follow-up sent at once finds it.
                await history.aadd_messages(to_messages(turn))
                notice = " ".join(filter(None, (part.notice, await late(_cited(part)))))
                seconds = time.perf_counter() - started
                yield replace(self._answer(ask, replace(part, notice=notice), seconds * 1000), documents=turn.documents)

    def _draft(self, ask: Ask, meter: Meter) -> AsyncGenerator[str | Draft, None]:
        return cast("AsyncGenerator[str | Draft, None]", self._chain.astream(ask, {"callbacks": [meter]}))

    def _turn(self, message: Message, ask: Ask, draft: Draft) -> Turn:
        """With all that the answer may repeat: the documents it was made from, cited or not, and what earlier answers were."""
        hits = [hit for item in draft.found.evidence for hit in item.hits]
        earlier = [said.additional_kwargs for said in ask.history if isinstance(said, AIMessage)]
        accesses = [hit.chunk.access for hit in hits] + [access for said in earlier for access in said["accesses"]]
        documents = [hit.chunk.document_id for hit in hits] + [id for said in earlier for id in said["documents"]]
        return Turn(
            question=ask.question,
            answer=draft.text,
            accesses=tuple({access.class_id: access for access in accesses}.values()),
            documents=tuple(dict.fromkeys(documents)),
            asked_by=message.user,
            asked_by_name=visible(message.user_name),
            at=self._clock(),
        )

    def _answer(self, ask: Ask, draft: Draft, total: float) -> Answer:
        timings = {**draft.found.timings, "total": total}
        for step, milliseconds in timings.items():
            STEP_SECONDS.labels(step).observe(milliseconds / 1000)
        return Answer(
            id=self._new_id(),
            question=ask.question,
            text=draft.text,
            citations=draft.citations,
            hits=draft.found.hits,
            mode=draft.mode,
            model=self._model if draft.by_model else "quotes",
            prompt_version=PROMPT_VERSION,
            timings=timings,
            notice=draft.notice,
        )


def _cited(draft: Draft) -> set[str]:
    """The names of the sources that the answer cites."""
    cited = {citation.document_id for citation in draft.citations}
    return {hit.chunk.source for hit in draft.found.hits if hit.chunk.document_id in cited}
