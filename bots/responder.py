"""The flow that all platforms share: one addressed message ends in exactly one reply."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from bots.commands.memory import ANEW, new_topic
from bots.once import Join, Once, heard_by, stays_out
from bots.pending import TRIES, Question, Spot
from core.audit import OFF, Audit, question_facts
from core.channels import DEFAULT, ChannelConfig
from core.errors import FootnoteError, TransientError, UserError
from core.models import Answer, Audience, Message, now
from core.ports import AudienceOf, Reply
from core.telemetry import ANSWER_SECONDS, MESSAGES, RESOLVED

if TYPE_CHECKING:
    from bots.attached import FileQuestions
    from bots.commands.uploads import UploadCommands
    from bots.desk import AnswerDesk
    from bots.pending import LeftBehind, Pending
    from core.answering.assistant import Assistant
    from core.answering.gate import Gate
    from core.answering.memory import Memory
    from core.channels import Channels

log = structlog.get_logger(__name__)

GREETING = (
    "Hello! Ask me a question and I answer from your team's pages, with a footnote for every statement. "
    "For example: *How many days of leave do I have?*"
)

FILES = "What is to become of it? Ask me about it with the file, or say *add this*, and I know it from then on."

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
        memory: Memory | None = None,
        unanswered: Callable[[Message, Answer], None] | None = None,
        uploads: UploadCommands | None = None,
        files: FileQuestions | None = None,
        audit: Audit = OFF,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """With a ``desk``, answers can be rated, and whoever may read more than the channel they ask in is offered a private
        answer. With ``pending``, a question that this process does not finish is finished by another one. ``unanswered`` is
        told every answer, and must not make anybody wait. With ``uploads``, a message may say that the files on it are to be
        known; with ``files``, its conversation is answered from them, too.
        """
        self._assistant = assistant
        self._gate = gate
        self._desk = desk
        self._unanswered = unanswered
        self._pending = pending
        self._channels = channels
        self._memory = memory
        self._uploads = uploads
        self._files = files
        self._running: dict[asyncio.Task[Any], _Running] = {}
        self._audit = audit
        self._clock = clock

    async def keep(self, message: Message, spot: Spot) -> bool:
        """Keep a question before its platform is told that it was heard, and before it is worked on. False when it is kept
        already: somebody works on it, or will.
        """
        if self._pending is not None:
            spot.held = await self._pending.begin(Question(message=message, place=spot.fields))
        spot.begun.set()
        return self._pending is None or spot.held is not None

    async def respond(
        self, message: Message, reply: Reply, audience_of: AudienceOf, *, spot: Spot | None = None, join: Join = stays_out
    ) -> None:
        """Reply once: an answer, a refusal with its reason, or an error with its id. A duplicate gets nothing.

        With a ``spot``, which tells where the reply goes, the question survives this process, and is kept here if it was not
        before. ``join`` is called before an answer to a question that nobody was asked is shown.
        """
        with structlog.contextvars.bound_contextvars(message=message.id, conversation=message.conversation_id):
            if spot is not None and not spot.begun.is_set() and not await self.keep(message, spot):
                log.debug("message.repeated")
                return
            once = Once(heard_by(message, reply, join), spot.held if spot is not None else None)
            await self._work(message, once, audience_of)

    async def tell(self, message: Message, reply: Reply, audience_of: AudienceOf, text: str) -> None:
        """Reply once with this text: what the message asked for is done, and needed no answer."""
        with structlog.contextvars.bound_contextvars(message=message.id, conversation=message.conversation_id):
            await self._work(message, Once(reply, None, told=text), audience_of)

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
            once = Once(heard_by(message, reply), left.held, tries=left.question.tries)
            await self._work(message, once, audience_of)

    async def stop(self, conversation_id: str) -> bool:
        """End the answers that are being written in a conversation here; whether there was one."""
        here = [(task, running) for task, running in self._running.items() if running.conversation_id == conversation_id]
        for task, running in here:
            # Once: who presses it again must not cut off the notice.
            if not running.stopped:
                running.stopped = True
                task.cancel()
        return bool(here)

    def withdraw(self, said_as: str) -> None:
        """End the answers to a message that are being written here, without a word: it is not as it was, or gone. What is
        just being shown is shown whole, so that its place is known.
        """
        for task, running in self._running.items():
            if running.said_as == said_as and not running.once.withdrawn:
                running.once.withdrawn = True
                if not running.once.speaking:
                    task.cancel()

    async def forget(self, conversation_id: str, said_as: str) -> None:
        """Remember a message no longer, nor what was answered to it."""
        try:
            await self._assistant.withdraw(conversation_id, said_as)
        except TransientError as error:
            log.warning("turn.not_forgotten", reason=str(error))

    async def _work(self, message: Message, once: Once, audience_of: AudienceOf) -> None:
        task = asyncio.current_task()
        assert task is not None
        running = self._running[task] = _Running(message.id, message.said_as, message.conversation_id, once)
        try:
            async with once.renewed():
                if not await self._gate.claim(message, taken_over=once.tries > 0):
                    log.debug("message.repeated")
                    await once.end()
                    return
                await self._counted(message, once, audience_of, running)
        except Exception:
            # A part that may be away raised what it never should.
            await self._apologise(message, once)
        except asyncio.CancelledError:
            if once.withdrawn or running.stopped:
                if task.cancelling():
                    task.uncancel()
                await (self._withdrawn(message, once) if once.withdrawn else self._stopped(message, once))
                return
            await asyncio.shield(self._interrupted(message, once))
            raise
        finally:
            del self._running[task]

    async def _interrupted(self, message: Message, once: Once) -> None:
        """The process stops. Whoever is handed the message again, or finds it left behind, shall answer it."""
        if once.given:
            await once.end()
            return
        if once.kept:
            await once.leave()
            return
        await self._gate.release(message)
        with suppress(FootnoteError):
            await once.say(RESTARTING)

    async def _counted(self, message: Message, once: Once, audience_of: AudienceOf, running: _Running) -> None:
        if message.addressed:
            MESSAGES.labels(message.platform).inc()
        started = time.perf_counter()
        outcome = "interrupted"
        try:
            try:
                if once.tries > TRIES:
                    raise _Deadly(f"{TRIES} processes ended while they answered it")
                outcome = await self._resolve(message, once, audience_of)
            except Exception:
                outcome = "failed" if await self._apologise(message, once) else "unreachable"
            except asyncio.CancelledError:
                given_up = "withdrawn" if once.withdrawn else "stopped" if running.stopped else outcome
                outcome = "answered" if once.given else given_up
                raise
        finally:
            self._count(message, once, outcome, time.perf_counter() - started)

    def _count(self, message: Message, once: Once, outcome: str, seconds: float) -> None:
        if not message.addressed:
            if not once.shown:
                log.debug("question.passed_over")
                return
            MESSAGES.labels(message.platform).inc()
        RESOLVED.labels(message.platform, outcome).inc()
        ANSWER_SECONDS.labels(message.platform).observe(seconds)

    async def _withdrawn(self, message: Message, once: Once) -> None:
        self._record("question.withdrawn", message)
        await once.end()

    async def _stopped(self, message: Message, once: Once) -> None:
        self._record("question.stopped", message)
        try:
            if not once.given:
                await once.say(STOPPED)
        except Exception:
            # Whoever stopped it sees that it stopped; it is not to be answered after all.
            log.exception("reply.failed")
        finally:
            await once.end()

    async def _resolve(self, message: Message, once: Once, audience_of: AudienceOf) -> str:
        if once.told or not message.text.strip():
            await once.say(once.told or (FILES if message.files else GREETING))
            return "told" if once.told else "greeted"
        try:
            await self._gate.admit(message)
            if self._uploads is not None and self._uploads.wished(message):
                await once.reply.working()
                await once.say(await self._uploads.of_message(message, audience_of))
                return "added"
            topic = new_topic(message.text) if self._memory is not None and message.addressed else None
            if self._memory is not None and topic is not None:
                await self._memory.begin_anew(message.conversation_id, self._clock())
                if not topic:
                    await once.say(ANEW)
                    return "told"
                message = replace(message, text=topic)
            # The platform's sign of life and the look-ups do not wait for each other.
            _, audience, config = await asyncio.gather(once.reply.working(), audience_of(message), self._config(message))
            unread = ""
            if self._files is not None and message.files and message.addressed:
                unread = await self._files.take(message, audience_of)
            # Closed at once when a reply fails: the model must not go on talking to nobody.
            async with aclosing(self._assistant.answer(message, audience, config, waiting=once.reply.working)) as parts:
                async for part in parts:
                    if not isinstance(part, Answer):
                        await once.stream(part)
                    elif message.addressed or part.grounded:
                        # Who is called there could not follow into a private conversation.
                        notice = " ".join(filter(None, (unread, part.notice)))
                        shown = replace(part, escalates=bool(config.escalate_to) and not message.private, notice=notice)
                        await self._answer(message, shown, audience, audience_of, once)
                    else:
                        await once.end()
                        return "unasked"
        except UserError as refusal:
            self._record("question.refused", message, reason=type(refusal).__name__)
            await once.say(str(refusal))
            return "refused"
        except TransientError as error:
            self._record("question.failed", message, reason=type(error).__name__)
            log.warning("answer.failed", error=str(error))
            again = _again(message, once)
            await once.fail(f"{error} {'Nothing was lost: try it again.' if again else 'Please ask again in a minute.'}", again)
            return "failed"
        return "answered"

    async def _config(self, message: Message) -> ChannelConfig:
        return DEFAULT if self._channels is None else await self._channels.of(message.platform, message.channel_id)

    async def _answer(self, message: Message, answer: Answer, audience: Audience, audience_of: AudienceOf, once: Once) -> None:
        for_others = self._desk is not None and not message.private
        if self._desk:
            await self._desk.answered(message, answer)
        await once.answer(answer)
        if self._unanswered:
            self._unanswered(message, answer)
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

    async def _apologise(self, message: Message, once: Once) -> bool:
        """Whether the person has a reply now."""
        error_id = secrets.token_hex(4)
        log.exception("answer.failed", error_id=error_id)
        self._record("question.failed", message, reason="unexpected", error_id=error_id)
        if once.given:
            return True
        try:
            await once.fail(
                f"Something went wrong on my side (error `{error_id}`). If it happens again, give this id to your administrator.",
                _again(message, once),
            )
        except Exception:
            log.exception("reply.failed", error_id=error_id)
            # Nobody saw a reply. A question that is kept is tried again when its lease is over, as often as others; else a
            # redelivery of the message must not be taken for a duplicate.
            if not once.kept or once.tries > TRIES:
                await once.end()
                await self._gate.release(message)
            return False
        return True


class _Deadly(Exception):
    """A question that ended every process that tried to answer it."""


@dataclass
class _Running:
    message_id: str
    said_as: str
    conversation_id: str
    once: Once
    stopped: bool = False


def _again(message: Message, once: Once) -> str:
    """The command that tries it again, if there is something to try."""
    return f"{RETRY} {message.id}" if once.kept else ""
