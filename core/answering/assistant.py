"""A question becomes an answer: memory read, chain, memory written."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from core.answering.attached import Attached
from core.answering.budget import Budget, Meter
from core.answering.chain import Ask, Draft, build_chain
from core.answering.follow_ups import follow_ups
from core.answering.freshness import Freshness
from core.answering.grounding.context import Context
from core.answering.grounding.grounding import Judge
from core.answering.grounding.meaning import Embed
from core.answering.history import ConversationHistory, to_messages
from core.answering.line import Line, Waiting, unheard
from core.answering.memory import Memory
from core.answering.model import name_of
from core.answering.prompts import PROMPT_VERSION
from core.answering.refusing.confidence import Confidence
from core.answering.reranking import Rerank
from core.answering.retriever import UNAVAILABLE
from core.answering.style import Style
from core.answering.summaries import LONG, Summaries
from core.answering.understanding.understanding import Understanding
from core.answering.visible import visible
from core.channels import DEFAULT, ChannelConfig
from core.errors import TransientError, UserError
from core.models import Answer, Audience, Hit, Message, Turn, now
from core.ports import Accesses, Search, Sources
from core.telemetry import STEP_SECONDS


class Assistant:
    """Answers from what ``search`` finds and ``accesses`` still admits; written by ``model``, in quotes without one, while it
    is down, or when the ``budget`` is used up.

    The model is told the ``context`` of what was found. What it says is checked before it is shown: by words, then by ``judge``,
    or where there is none by ``embed``, an embedding that takes milliseconds.
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
        sources: Sources | None = None,
        attached: Attached | None = None,
        context: Context = Context(),  # noqa: B008  # frozen
        embed: Embed | None = None,
        judge: Judge | None = None,
        understanding: Understanding | None = None,
        confidence: Confidence | None = None,
        rerank: Rerank | None = None,
        clock: Callable[[], datetime] = now,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._memory = memory
        self._model = name_of(model) if model else ""
        self._freshness = freshness or Freshness()
        self._budget = budget or Budget()
        self._sources = sources
        self._attached = attached
        self._clock = clock
        self._new_id = new_id
        silence = model_timeout.total_seconds()
        self._summaries = Summaries(memory, model, self._budget, silence=silence) if model else None
        self._chain = build_chain(
            search,
            accesses,
            model,
            model_timeout=silence,
            line=Line(search_timeout.total_seconds()),
            context=context,
            embed=embed,
            judge=judge,
            understanding=understanding,
            confidence=confidence,
            rerank=rerank,
        )

    async def answer(
        self, message: Message, audience: Audience, config: ChannelConfig = DEFAULT, *, waiting: Waiting = unheard
    ) -> AsyncGenerator[str | Answer, None]:
        """Pieces of the answer's text as they can be shown, then exactly one Answer, which replaces them.

        Everything in it comes from documents that every reader of ``audience`` may read: of the sources that ``config`` names
        if it does, and of those among them that the message names. ``config`` says in which language and tone it is written.
        ``waiting`` is told how many questions are before this one, if that takes seconds. Raises UserError for a source that
        cannot be asked here, and TransientError, worded for the person who asked, when the search does not answer or too many
        questions are asked at once.
        """
        started = time.perf_counter()
        history = ConversationHistory(self._memory, message.conversation_id, audience)
        said, spent, sources = await asyncio.gather(
            history.aget_messages(), self._budget.used_up(message.user), self._scope(message, audience, config)
        )
        ask = Ask(
            question=visible(message.text).strip(),
            audience=audience,
            asked_by=message.user_name,
            history=tuple(said),
            sources=sources,
            at=self._clock(),
            style=Style(language=config.language, tone=config.tone),
            attached=self._in_files(message, audience),
            failure=spent,
            waiting=waiting,
        )
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
                if message.addressed or part.citations:
                    # Before the answer is shown, so that a follow-up sent at once finds it.
                    await history.aadd_messages(to_messages(turn))
                    if self._summaries is not None and not spent and len(said) >= 2 * (LONG - 1):
                        self._summaries.after(message.conversation_id, audience, message.user)
                notice = " ".join(filter(None, (part.notice, _only_from(sources), await late(_cited(part)))))
                seconds = time.perf_counter() - started
                yield replace(
                    self._answer(ask, replace(part, notice=notice), seconds * 1000),
                    documents=turn.documents,
                    follow_ups=follow_ups(ask.question, part.mode, part.found.hits, part.citations, _asked(said)),
                )

    def _in_files(self, message: Message, audience: Audience) -> Callable[[str], Awaitable[list[Hit]]] | None:
        attached = self._attached
        if attached is None:
            return None
        return lambda query: attached.search(message.conversation_id, query, audience)

    async def _scope(self, message: Message, audience: Audience, config: ChannelConfig) -> tuple[str, ...]:
        """The sources to answer from; none of them means all. Raises UserError, which tells of no source that is hidden."""
        if not message.sources:
            return config.sources
        # Without a word on what may be read, the search still finds nothing that may not.
        readable = set(message.sources) if self._sources is None else await _readable(self._sources, audience)
        here = readable & set(config.sources) if config.sources else readable
        if unknown := [name for name in message.sources if name not in here]:
            listed = ", ".join(f"`{name}`" for name in sorted(here)) or "none that you may read"
            raise UserError(f"There is no source `{visible(unknown[0])[:40]}` for me to look in here. Choose among: {listed}.")
        return message.sources

    def _draft(self, ask: Ask, meter: Meter) -> AsyncGenerator[str | Draft, None]:
        return cast("AsyncGenerator[str | Draft, None]", self._chain.astream(ask, {"callbacks": [meter]}))

    def _turn(self, message: Message, ask: Ask, draft: Draft) -> Turn:
        """With all that the answer may repeat: the documents it was made from, cited or not, and what earlier answers were."""
        hits = [hit for item in draft.found.evidence for some in (item.hits, *item.copies) for hit in some]
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
            said_as=message.said_as,
        )

    async def withdraw(self, conversation_id: str, said_as: str) -> None:
        """Remember a message no longer that was edited or deleted. Raises TransientError."""
        await self._memory.withdraw(conversation_id, said_as)

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
            taken_as=draft.found.taken_as,
            near=draft.near,
        )


async def _readable(sources: Sources, audience: Audience) -> set[str]:
    try:
        return set(await sources(audience))
    except TransientError as error:
        raise TransientError(UNAVAILABLE) from error


def _only_from(sources: tuple[str, ...]) -> str:
    *others, last = sources or ("",)
    return f"Only from {' and '.join(filter(None, (', '.join(others), last)))}." if last else ""


def _asked(history: Sequence[BaseMessage]) -> list[str]:
    return [said.text for said in history if isinstance(said, HumanMessage)]


def _cited(draft: Draft) -> set[str]:
    """The names of the sources that the answer cites."""
    cited = {citation.document_id for citation in draft.citations}
    return {hit.chunk.source for hit in draft.found.hits if hit.chunk.document_id in cited}
