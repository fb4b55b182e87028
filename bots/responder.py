"""The flow that all platforms share: one addressed message ends in exactly one reply."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from core.audit import OFF, Audit, question_facts
from core.errors import FootnoteError, TransientError, UserError
from core.models import Answer, Audience, Message, now
from core.ports import AudienceOf, Reply
from core.telemetry import ANSWER_SECONDS, MESSAGES, RESOLVED

if TYPE_CHECKING:
    from bots.desk import AnswerDesk
    from core.answering.assistant import Assistant
    from core.answering.gate import Gate

log = structlog.get_logger(__name__)

GREETING = (
    "Hello! Ask me a question and I answer from your team's pages, with a footnote for every statement. "
    "For example: *How many days of leave do I have?*"
)


class Responder:
    """Answers messages. It never raises, so that a platform's event loop never dies of an answer."""

    def __init__(
        self,
        assistant: Assistant,
        gate: Gate,
        *,
        desk: AnswerDesk | None = None,
        audit: Audit = OFF,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """With a ``desk``, whoever may read more than the channel they ask in is offered a private answer."""
        self._assistant = assistant
        self._gate = gate
        self._desk = desk
        self._audit = audit
        self._clock = clock

    async def respond(self, message: Message, reply: Reply, audience_of: AudienceOf) -> None:
        """Reply once: an answer, a refusal with its reason, or an error with its id. A duplicate gets nothing."""
        with structlog.contextvars.bound_contextvars(message=message.id, conversation=message.conversation_id):
            once = _Once(reply)
            try:
                try:
                    if not await self._gate.claim(message):
                        log.debug("message.repeated")
                        return
                    await self._counted(message, once, audience_of)
                except Exception:
                    await self._apologise(message, once)
            except asyncio.CancelledError:
                if not once.given:
                    # Stopped before a reply was sent: whoever is handed the message again shall answer it.
                    await asyncio.shield(self._gate.release(message))
                raise

    async def _counted(self, message: Message, once: _Once, audience_of: AudienceOf) -> None:
        MESSAGES.labels(message.platform).inc()
        started = time.perf_counter()
        outcome = "failed"
        try:
            outcome = await self._resolve(message, once, audience_of)
        finally:
            RESOLVED.labels(message.platform, outcome).inc()
            ANSWER_SECONDS.labels(message.platform).observe(time.perf_counter() - started)

    async def _resolve(self, message: Message, once: _Once, audience_of: AudienceOf) -> str:
        if not message.text.strip():
            await once.say(GREETING)
            return "greeted"
        try:
            await self._gate.admit(message)
            # The platform's sign of life and the look-up of who will read the answer do not wait for each other.
            _, audience = await asyncio.gather(once.reply.working(), audience_of(message))
            # Closed at once when a reply fails: the model must not go on talking to nobody.
            async with aclosing(self._assistant.answer(message, audience)) as parts:
                async for part in parts:
                    if isinstance(part, Answer):
                        await self._answer(message, part, audience, audience_of, once)
                    else:
                        await once.reply.stream(part)
        except UserError as refusal:
            self._record("question.refused", message, reason=type(refusal).__name__)
            await once.say(str(refusal))
            return "refused"
        except TransientError as error:
            self._record("question.failed", message, reason=type(error).__name__)
            log.warning("answer.failed", error=str(error))
            await once.say(f"{error} Ask again in a minute; nothing was lost.")
            return "failed"
        return "answered"

    async def _answer(self, message: Message, answer: Answer, audience: Audience, audience_of: AudienceOf, once: _Once) -> None:
        for_others = self._desk is not None and not message.private
        if self._desk and for_others:
            await self._desk.answered(message, answer)
        await once.answer(answer)
        self._log_answer(message, answer)
        self._record(
            "question.answered",
            message,
            answer=answer.id,
            mode=answer.mode.value,
            returned=sorted({hit.chunk.document_id for hit in answer.hits}),
            cited=[citation.document_id for citation in answer.citations],
            audience=audience,
        )
        if self._desk and for_others:
            try:
                await self._desk.offer(message, answer, audience, audience_of, once.reply)
            except FootnoteError as error:
                # The question is answered; what was offered besides is not worth an apology.
                log.warning("offer.failed", reason=str(error))

    def _record(self, event: str, message: Message, **facts: Any) -> None:
        where = {"platform": message.platform, "channel": message.channel_id}
        question = question_facts(message.text)
        self._audit.record(event, who=message.user, where=where, question=question, private=message.private, **facts)

    def _log_answer(self, message: Message, answer: Answer) -> None:
        log.info(
            "answer.sent",
            platform=message.platform,
            user=message.user,
            mode=answer.mode.value,
            documents=[citation.document_id for citation in answer.citations],
            model=answer.model,
            prompt=answer.prompt_version,
            total_ms=round(answer.timings.get("total", 0.0)),
            waited_ms=round((self._clock() - message.sent_at).total_seconds() * 1000),
        )

    async def _apologise(self, message: Message, once: _Once) -> None:
        error_id = secrets.token_hex(4)
        log.exception("answer.failed", error_id=error_id)
        self._record("question.failed", message, reason="unexpected", error_id=error_id)
        if once.given:
            return
        try:
            await once.say(
                f"Something went wrong on my side (error `{error_id}`). Please ask again; "
                "if it happens once more, give this id to your administrator."
            )
        except Exception:
            log.exception("reply.failed", error_id=error_id)
            # Nobody saw a reply: a redelivery of the same message must not be taken for a duplicate.
            await self._gate.release(message)


class _Once:
    """A reply that knows whether it was given."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.given = False

    async def answer(self, answer: Answer) -> None:
        await self.reply.answer(answer)
        self.given = True

    async def say(self, text: str) -> None:
        await self.reply.say(text)
        self.given = True
