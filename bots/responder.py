"""The flow that all platforms share: one addressed message ends in exactly one reply."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from bots.pending import TRIES, Question, Spot
from core.audit import OFF, Audit, question_facts
from core.channels import DEFAULT, ChannelConfig
from core.errors import FootnoteError, TransientError, UserError
from core.models import Answer, Audience, Message, now
from core.ports import AudienceOf, Reply
from core.telemetry import ANSWER_SECONDS, MESSAGES, RESOLVED

if TYPE_CHECKING:
    from bots.desk import AnswerDesk
    from bots.pending import Held, LeftBehind, Pending
    from core.answering.assistant import Assistant
    from core.answering.gate import Gate
    from core.channels import Channels

log = structlog.get_logger(__name__)

GREETING = (
    "Hello! Ask me a question and I answer from your team's pages, with a footnote for every statement. "
    "For example: *How many days of leave do I have?*"
)

RETRY = "retry"
"""The command of the button below an error; it takes the id of the message."""
RESTARTING = "I am being restarted and could not finish this. Please ask again in a minute."
STOPPED = "Stopped. Ask me again whenever you like."


class Responder:
    """Answers messages. It never raises, so that a platform's event loop never dies of an answer."""

    def __init__(
        self,
        assistant: Assistant,
        gate: Gate,
        *,
        desk: AnswerDesk | None = None,
        pending: Pending | None = None,
        channels: Channels | None = None,
        audit: Audit = OFF,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """With a ``desk``, whoever may read more than the channel they ask in is offered a private answer. With ``pending``, a
        question that this process does not finish is finished by another one.
        """
        self._assistant = assistant
        self._gate = gate
        self._desk = desk
        self._pending = pending
        self._channels = channels
        self._running: dict[asyncio.Task[Any], _Running] = {}
        self._audit = audit
        self._clock = clock

    async def respond(self, message: Message, reply: Reply, audience_of: AudienceOf, *, spot: Spot | None = None) -> None:
        """Reply once: an answer, a refusal with its reason, or an error with its id. A duplicate gets nothing.

        With a ``spot``, which tells where the reply goes, the question survives this process.
        """
        with structlog.contextvars.bound_contextvars(message=message.id, conversation=message.conversation_id):
            held: Held | None = None
            if self._pending is not None and spot is not None:
                held = spot.held = await self._pending.begin(Question(message=message, place=spot.fields))
                if held is None:
                    log.debug("message.repeated")
                    return
            await self._work(message, reply, audience_of, held, claimed=False)

    async def resume(self, left: LeftBehind, reply: Reply, audience_of: AudienceOf) -> None:
        """Finish what another process began, or have a question that failed answered after all. The ``reply`` knows what stands
        there already: its spot was made of the question's place, and holds ``left.held``.
        """
        message = left.question.message
        if any(running.message_id == message.id for running in self._running.values()):
            # It is ours: this process was busy for longer than the lease.
            return
        with structlog.contextvars.bound_contextvars(message=message.id, conversation=message.conversation_id):
            log.info("message.resumed", tries=left.question.tries)
            if left.question.tries <= TRIES:
                await self._work(message, reply, audience_of, left.held, claimed=left.claimed)
                return
            try:
                await self._apologise(message, _Once(reply), left.held)
            finally:
                await left.held.failed()

    async def stop(self, conversation_id: str) -> bool:
        """End the answers that are being written in a conversation here; whether there was one."""
        stopped = [task for task, running in self._running.items() if running.conversation_id == conversation_id]
        for task in stopped:
            self._running[task].stopped = True
            task.cancel()
        return bool(stopped)

    async def _work(self, message: Message, reply: Reply, audience_of: AudienceOf, held: Held | None, *, claimed: bool) -> None:
        task = asyncio.current_task()
        assert task is not None
        running = self._running[task] = _Running(message.id, message.conversation_id)
        once = _Once(reply)
        try:
            async with _kept(held):
                if not claimed and not await self._gate.claim(message):
                    log.debug("message.repeated")
                    await _end(held, "repeated")
                    return
                if held is not None:
                    await held.claimed()
                await _end(held, await self._counted(message, once, audience_of, held))
        except Exception:
            # A part that may be away raised what it never should.
            await self._apologise(message, once, held)
            await _end(held, "failed")
        except asyncio.CancelledError:
            if running.stopped and not once.given:
                task.uncancel()
                await self._stopped(message, once, held)
                return
            if not once.given:
                await asyncio.shield(self._interrupted(message, once, held))
            raise
        finally:
            del self._running[task]

    async def _stopped(self, message: Message, once: _Once, held: Held | None) -> None:
        self._record("question.stopped", message)
        with suppress(FootnoteError):
            await once.say(STOPPED)
        await _end(held, "stopped")

    async def _interrupted(self, message: Message, once: _Once, held: Held | None) -> None:
        """The process stops. Whoever is handed the message again, or finds it left behind, shall answer it."""
        if held is not None and held.kept:
            await held.leave()
            return
        await self._gate.release(message)
        with suppress(FootnoteError):
            await once.say(RESTARTING)

    async def _counted(self, message: Message, once: _Once, audience_of: AudienceOf, held: Held | None) -> str:
        MESSAGES.labels(message.platform).inc()
        started = time.perf_counter()
        outcome = "interrupted"
        try:
            try:
                outcome = await self._resolve(message, once, audience_of, held)
            except Exception:
                outcome = "failed" if await self._apologise(message, once, held) else "unreachable"
        finally:
            RESOLVED.labels(message.platform, outcome).inc()
            ANSWER_SECONDS.labels(message.platform).observe(time.perf_counter() - started)
        return outcome

    async def _resolve(self, message: Message, once: _Once, audience_of: AudienceOf, held: Held | None) -> str:
        if not message.text.strip():
            await once.say(GREETING)
            return "greeted"
        try:
            await self._gate.admit(message)
            # The platform's sign of life and the look-ups do not wait for each other.
            _, audience, config = await asyncio.gather(once.reply.working(), audience_of(message), self._config(message))
            asked = replace(message, sources=message.sources or config.sources)
            # Closed at once when a reply fails: the model must not go on talking to nobody.
            async with aclosing(self._assistant.answer(asked, audience, config)) as parts:
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
            await once.fail(f"{error} Nothing was lost.", _again(message, held))
            return "failed"
        return "answered"

    async def _config(self, message: Message) -> ChannelConfig:
        return DEFAULT if self._channels is None else await self._channels.of(message.platform, message.channel_id)

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

    async def _apologise(self, message: Message, once: _Once, held: Held | None) -> bool:
        """Whether the person has a reply now."""
        error_id = secrets.token_hex(4)
        log.exception("answer.failed", error_id=error_id)
        self._record("question.failed", message, reason="unexpected", error_id=error_id)
        if once.given:
            return True
        try:
            await once.fail(
                f"Something went wrong on my side (error `{error_id}`). If it happens again, give this id to your administrator.",
                _again(message, held),
            )
        except Exception:
            log.exception("reply.failed", error_id=error_id)
            # Nobody saw a reply: a redelivery of the same message must not be taken for a duplicate.
            await self._gate.release(message)
            return False
        return True


@dataclass
class _Running:
    message_id: str
    conversation_id: str
    stopped: bool = False


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

    async def fail(self, text: str, again: str) -> None:
        await self.reply.fail(text, again)
        self.given = True


def _kept(held: Held | None) -> AbstractAsyncContextManager[None]:
    return nullcontext() if held is None else held.renewed()


async def _end(held: Held | None, outcome: str) -> None:
    if held is None:
        return
    if outcome == "failed":
        await held.failed()
    else:
        await held.resolved()


def _again(message: Message, held: Held | None) -> str:
    """The command that tries it again, if there is something to try."""
    return f"{RETRY} {message.id}" if held is not None and held.kept else ""
