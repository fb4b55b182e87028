"""How a case is put to the product: to its search as an answer asks it, or to the assistant as a person does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.evaluation.cases import Case
from core.models import ANYONE, Answer, Audience, Hit, Message, Query, Retrieved, Turn, now

if TYPE_CHECKING:
    from bots.app import App
    from core.evaluation.retrieval import Sure
    from core.ports import Search


def collapsed(hits: Sequence[Hit]) -> list[Collection[str]]:
    """What an answer is made from: as many chunks are collapsed as an answer asks for."""
    from core.answering.chain import HITS
    from core.answering.evidence import collapse

    return [item.document_ids for item in collapse(hits[:HITS])]


def sureness(app: App) -> Sure:
    """The signs by which quotes are refused, and what is made of them."""
    from langchain_core.messages import HumanMessage

    from core.answering.chain import HITS
    from core.answering.evidence import collapse
    from core.answering.refusing.confidence import Signs, nearest
    from core.answering.refusing.wanted import has
    from core.answering.understanding.condense import extend, refers

    async def sure(case: Case, found: Retrieved) -> dict[str, float]:
        rule = await app.rules.rule()
        history = [HumanMessage(question) for question, _ in case.turns]
        question = extend(case.question, history) if history and refers(case.question) else case.question
        evidence = collapse(found.hits[:HITS])
        near = await nearest(question, evidence, app.embedder.embed_query) if found.signals else None
        if found.signals is None or near is None:
            return {"nearest": 0.0, "has": 0.0, "confidence": 0.0}
        signs = Signs.of(found.signals, near, has(question, evidence))
        return {"nearest": near, "has": signs.has, "confidence": rule.probability(signs) if rule else 0.0}

    return sure


def asking(app: App) -> Callable[[Case], Awaitable[Answer]]:
    """Puts a case to the assistant. Earlier turns are remembered as the set has them; those without an answer are asked."""

    async def ask(case: Case) -> Answer:
        conversation = f"eval:{case.id}"
        await app.memory.forget(conversation)
        for question, answered in case.turns:
            if answered:
                await app.memory.add(conversation, _turn(question, answered))
            else:
                await put(case, conversation, question)
        return await put(case, conversation, case.question)

    async def put(case: Case, conversation: str, question: str) -> Answer:
        message = Message(
            id=f"eval:{case.id}",
            platform="terminal",
            conversation_id=conversation,
            channel_id="eval",
            user="terminal:eval",
            user_name="",
            text=question,
            sent_at=now(),
            private=True,
        )
        *_, last = [part async for part in app.assistant.answer(message, ANYONE)]
        assert isinstance(last, Answer)
        return last

    return ask


def understood(app: App, search: Search, without: str = "") -> Search:
    """``search`` for what a question means here, as the chain asks it when no model rewrites it; without one step of
    understanding, by name.
    """
    from core.answering.understanding.looking import look_up
    from core.answering.understanding.understanding import Steps, Understanding

    steps = Steps(**{without: False}) if without else Steps()
    understanding = Understanding(
        accesses=app.accesses, vocabulary=app.vocabulary, standing=app.index.standing, people=app.groups, steps=steps
    )

    async def find(query: Query, audience: Audience, k: int) -> Retrieved:
        meant = await understanding.understand(query.text, query, audience, now())
        parts = await understanding.parts(query.text, None, 0)
        found, _ = await look_up(lambda asked: search(asked, audience, k), replace(meant, parts=parts))
        return found

    return find


def _turn(question: str, answered: str) -> Turn:
    return Turn(question=question, answer=answered, accesses=(), asked_by="terminal:eval", asked_by_name="", at=now())
