"""The one retrieval chain that every platform uses: condense, understand, retrieve, generate, cite."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda

from core.answering.attached import scaled
from core.answering.citations import citations
from core.answering.evidence import Evidence, collapse
from core.answering.footnotes import FootnoteFilter
from core.answering.grounding.conflicts import conflicts, notice
from core.answering.grounding.context import Context
from core.answering.grounding.grounding import Grounding, Judge
from core.answering.grounding.meaning import Embed, Meaning, remembering
from core.answering.leak import LeakedError, LeakGuard
from core.answering.line import WIDTH, Line, Waiting, unheard
from core.answering.model import stream
from core.answering.prompts import ANSWER, asker, fenced, recent
from core.answering.quoting.quotes import quote
from core.answering.refusing.confidence import Confidence, Verdict
from core.answering.refusing.refusal import refuse
from core.answering.reranking import TOP, Rerank
from core.answering.retriever import UNAVAILABLE, SearchRetriever
from core.answering.style import PLAIN, Style
from core.answering.thoughts import without_thoughts
from core.answering.understanding.condense import extend, followed, refers, rewrite
from core.answering.understanding.looking import look_up
from core.answering.understanding.spelling import corrected
from core.answering.understanding.understanding import Understanding, Understood
from core.errors import FootnoteError, TransientError
from core.models import AnswerMode, Audience, Citation, Hit, Link, Query, Signals, now
from core.ports import Accesses, Search

log = structlog.get_logger(__name__)

HITS = 24
"""Chunks asked of the index: enough that six documents remain after collapsing."""
QUOTES_ONLY = "Quoted word for word from the documents."
UNSURE = "I am not sure that they answer your question."


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What goes into the chain. ``history`` holds only what this audience may read, oldest message first."""

    question: str
    audience: Audience
    asked_by: str = ""
    """The person's name."""
    history: tuple[BaseMessage, ...] = ()
    sources: tuple[str, ...] = ()
    """Answer from these only; from all without any."""
    style: Style = PLAIN
    attached: Callable[[str], Awaitable[Sequence[Hit]]] | None = None
    """Finds passages in the files that the conversation is about."""
    failure: str = ""
    """Why the model is not to be asked, if so: a sentence without a full stop."""
    at: datetime = field(default_factory=now)
    """When it is asked, in the time zone in which whoever asks counts days."""
    waiting: Waiting = unheard


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is known before the answer is written."""

    ask: Ask
    query: str
    """The question as it can be understood by itself."""
    understood: Understood
    taken_as: str = ""
    """What a reader should know of how it was understood."""
    hits: tuple[Hit, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    told: tuple[Evidence, ...] = ()
    """What the model was told of it, with what stands around the hits."""
    signals: Signals | None = None
    failure: str = ""
    """Why the model cannot be used: it is not to be asked, or failed when it condensed the question."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by step."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The model stopped in the middle; what it said before counts for nothing."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Timed:
    step: str
    milliseconds: float


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What comes out of the chain last, after the pieces of text that could be shown earlier."""

    text: str
    citations: tuple[Citation, ...]
    mode: AnswerMode
    notice: str
    by_model: bool
    found: Found
    near: tuple[Link, ...] = ()
    """As of :class:`core.models.Answer`."""


def build_chain(
    search: Search,
    accesses: Accesses,
    model: BaseChatModel | None,
    *,
    model_timeout: float,
    line: Line,
    context: Context = Context(),  # noqa: B008  # frozen
    embed: Embed | None = None,
    judge: Judge | None = None,
    understanding: Understanding | None = None,
    confidence: Confidence | None = None,
    rerank: Rerank | None = None,
) -> Runnable[Ask, str | Draft]:
    """Stream it: pieces of text, then exactly one Draft. The model may be silent for so many seconds; a search waits for its
    turn in the ``line``. The model is told the ``context`` of what was found; what it says is checked by words, then by
    ``judge``, or where there is none by ``embed``, an embedding that takes milliseconds. Whether quotes answer the question is
    told by ``confidence``, or where there is none by words. ``rerank`` puts what was found in another order.

    Raises TransientError when the index does not answer, or too many are before this one. A model that fails is no error:
    then the draft is quotes.
    """

    understanding = understanding or Understanding(accesses=accesses)
    # It is work for this process: of hundreds at once the searches before them would get no turn in time.
    understood_at_once = asyncio.Semaphore(WIDTH)

    async def condense(ask: Ask) -> Found:
        started = time.perf_counter()
        failure, question = ask.failure, ask.question
        query = followed(question, ask.history)
        if ask.history and refers(question):
            question = extend(question, ask.history)
            if model is not None and not failure and understanding.steps.rewrite:
                try:
                    question = await rewrite(ask.question, ask.history, model, model_timeout, ask.asked_by)
                    query = Query(text=question, also=() if question == ask.question else (ask.question,))
                except FootnoteError as error:
                    failure = str(error)
                    log.warning("model.failed", reason=failure)
        timings = {"condense": _since(started)} if ask.history else {}
        understood = Understood(query=replace(query, sources=ask.sources))
        return Found(ask=ask, query=question, understood=understood, failure=failure, timings=timings)

    async def understand(found: Found) -> Found:
        started = time.perf_counter()
        ask = found.ask

        async def in_turn() -> Understood:
            async with understood_at_once:
                return await understanding.understand(ask.question, found.understood.query, ask.audience, ask.at)

        understood, parts = await asyncio.gather(
            in_turn(), understanding.parts(found.query, None if found.failure else model, model_timeout)
        )
        timings = {**found.timings, "understand": _since(started)}
        query = corrected(found.query, understood.slips)
        return replace(found, query=query, understood=replace(understood, parts=parts), timings=timings)

    async def retrieve(found: Found) -> Found:
        joining = time.perf_counter()
        retriever = SearchRetriever(
            search=search,
            accesses=accesses,
            audience=found.ask.audience,
            k=HITS if rerank is None else max(HITS, TOP),
        )
        try:
            async with line.turn(found.ask.waiting):
                started = time.perf_counter()
                retrieved, limits = await look_up(retriever.retrieve, found.understood)
        except TimeoutError as error:
            raise TransientError(UNAVAILABLE) from error
        hits = retrieved.hits
        if rerank is not None:
            # Not in the line: others need not wait for its server.
            hits = tuple(await rerank(found.query, hits))
        if found.ask.attached is not None:
            hits = scaled(await found.ask.attached(found.query), hits)
        # The signals say nothing of files that hang on the conversation.
        signals = retrieved.signals if len(hits) == len(retrieved.hits) else None
        timings = {**found.timings, "line": (started - joining) * 1000, "retrieve": _since(started)}
        found = replace(found, taken_as=f"{found.understood.notice} {limits}".strip())
        return replace(found, hits=hits, evidence=collapse(hits), signals=signals, timings=timings)

    async def generate(inputs: AsyncIterator[Found]) -> AsyncIterator[Found | str | Timed | Failure]:
        async for found in inputs:
            if model is None or not found.evidence or found.failure:
                yield found
            if model is None or not found.evidence:
                return
            if found.failure:
                yield Failure(text=found.failure)
                return
            started = time.perf_counter()
            found = replace(found, told=await context.around(found.evidence, found.ask.audience))
            yield found
            fence = secrets.token_hex(8)
            prompt = ANSWER.format_messages(
                style=found.ask.style.wishes,
                history=recent(found.ask.history),
                fence=fence,
                sources=fenced(found.told, fence),
                asker=asker(found.ask.history, found.ask.asked_by),
                question=found.ask.question,
            )
            guard = LeakGuard(prompt[0].text, canary=fence)
            first = True
            try:
                async with aclosing(stream(model, prompt, model_timeout)) as pieces:
                    async for piece in without_thoughts(pieces):
                        if first:
                            yield Timed(step="first_token", milliseconds=_since(started))
                            first = False
                        yield guard.feed(piece)
                yield guard.close()
            except FootnoteError as error:
                log.warning("answer.leaked" if isinstance(error, LeakedError) else "model.failed", reason=str(error))
                yield Failure(text=str(error))
            yield Timed(step="generate", milliseconds=_since(started))

    async def cite(said: AsyncIterator[Found | str | Timed | Failure]) -> AsyncIterator[str | Draft]:
        found: Found | None = None
        failure = ""
        timings: dict[str, float] = {}
        footnotes = FootnoteFilter(())
        grounding = Grounding((), "", ())
        text = ""
        async for piece in said:
            match piece:
                case Found():
                    found = piece
                    footnotes = FootnoteFilter(found.told)
                    meaning = Meaning(embed) if embed else None
                    asked = found.ask.question
                    grounding = Grounding(found.told, asked, footnotes.cited, meaning=meaning, judge=judge)
                    continue
                case Failure():
                    failure = piece.text
                    continue
                case Timed():
                    timings[piece.step] = piece.milliseconds
                    continue
            # What is shown was checked: an answer without a footnote that holds is never shown.
            if new := await grounding.feed(footnotes.feed(piece)):
                yield new
                text += new
        if found is None:
            return
        found = replace(found, timings={**found.timings, **timings})
        if model is None or failure or not found.evidence:
            yield await _quoted(found, failure, embed, confidence)
            return
        if new := await grounding.feed(footnotes.close()) + await grounding.close():
            yield new
            text += new
        if not grounding.cited:
            yield _refused(found, by_model=True)
            return
        disagreeing = notice(conflicts(grounding.quoted, grounding.grounds, found.query), found.told)
        yield Draft(
            text=text,
            citations=citations(grounding.cited, found.told, found.ask.question, grounding.quoted),
            mode=AnswerMode.GENERATED,
            notice=" ".join(filter(None, (disagreeing, _left_out(grounding.dropped)))),
            by_model=True,
            found=found,
        )

    steps = RunnableLambda(condense) | RunnableLambda(understand) | RunnableLambda(retrieve)
    return steps | RunnableGenerator(generate) | RunnableGenerator(cite)


def _left_out(statements: int) -> str:
    if not statements:
        return ""
    what, them = ("one statement", "it") if statements == 1 else (f"{statements} statements", "them")
    return f"I left out {what}: no document that you may read supports {them}."


async def _quoted(found: Found, failure: str, embed: Embed | None, confidence: Confidence | None) -> Draft:
    embed = remembering(embed) if embed else None
    verdict = await confidence.verdict(found.query, found.evidence, found.signals, embed) if confidence else None
    quoted = None
    if verdict is not Verdict.REFUSE:
        quoted = await quote(found.query, found.evidence, embed, about=verdict is not None)
    if quoted is None:
        return _refused(found, notice=f"{failure}, so I could only look for the words of your question." if failure else "")
    said = f"{failure}, so these are quotes from the documents." if failure else QUOTES_ONLY
    return Draft(
        text=quoted.text,
        citations=quoted.citations,
        mode=AnswerMode.QUOTES,
        notice=f"{said} {UNSURE}" if verdict is Verdict.UNSURE else said,
        by_model=False,
        found=found,
    )


def _refused(found: Found, *, by_model: bool = False, notice: str = "") -> Draft:
    refusal = refuse(found.query, found.evidence)
    return Draft(
        text=refusal.text,
        citations=(),
        mode=AnswerMode.NOT_FOUND,
        notice=notice,
        by_model=by_model,
        found=found,
        near=refusal.near,
    )


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
