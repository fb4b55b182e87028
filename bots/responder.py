"""The flow that all platforms share: one addressed message ends in exactly one reply."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from core.errors import TransientError, UserError
from core.models import Answer, Message, now
from core.ports import AudienceOf, Reply
from core.telemetry import ANSWER_SECONDS, MESSAGES, RESOLVED

if TYPE_CHECKING:
    from core.answering.assistant import Assistant
    from core.answering.gate import Gate

log = structlog.get_logger(__name__)

GREETING = (
    "Hello! Ask me a question and I answer from your team's pages, with a footnote for every statement. "
    "For example: *How many days of leave do I have?*"
)


class Responder:
    """Answers messages. It never raises, so that a platform's event loop never dies of an answer."""

    def __init__(self, assistant: Assistant, gate: Gate, *, clock: Callable[[], datetime] = now) -> None:
        self._assistant = assistant
        self._gate = gate
        self._clock = clock

    async def respond(self, message: Message, reply: Reply, audience_of: AudienceOf) -> None:
        """Reply once: an answer, a refusal with its reason, or an error with its id. A duplicate gets nothing."""
        with structlog.contextvars.bound_contextvars(message=message.id, conversation=message.conversation_id):
            if not await self._gate.claim(message):
                log.debug("message.repeated")
                return
            MESSAGES.labels(message.platform).inc()
            started = time.perf_counter()
            outcome = "failed"
            try:
                outcome = await self._resolve(message, reply, audience_of)
            except asyncio.CancelledError:
                # Stopped before the reply was sent: whoever is handed the message again shall answer it.
                await asyncio.shield(self._gate.release(message))
                raise
            except Exception:
                await self._apologise(message, reply)
            finally:
                RESOLVED.labels(message.platform, outcome).inc()
                ANSWER_SECONDS.labels(message.platform).observe(time.perf_counter() - started)

    async def _resolve(self, message: Message, reply: Reply, audience_of: AudienceOf) -> str:
        if not message.text.strip():
            await reply.say(GREETING)
            return "greeted"
        try:
            await self._gate.admit(message)
            # The platform's sign of life and the look-up of who will read the answer do not wait for each other.
            _, audience = await asyncio.gather(reply.working(), audience_of(message))
            async for part in self._assistant.answer(message, audience):
                if isinstance(part, Answer):
                    await reply.answer(part)
                    self._log_answer(message, part)
                else:
                    await reply.stream(part)
        except UserError as refusal:
            await reply.say(str(refusal))
            return "refused"
        except TransientError as error:
            log.warning("answer.failed", error=str(error))
            await reply.say(f"{error} Ask again in a minute; nothing was lost.")
            return "failed"
        return "answered"

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

    async def _apologise(self, message: Message, reply: Reply) -> None:
        error_id = secrets.token_hex(4)
        log.exception("answer.failed", error_id=error_id)
        try:
            await reply.say(
                f"Something went wrong on my side (error `{error_id}`). Please ask again; "
                "if it happens once more, give this id to your administrator."
            )
        except Exception:
            log.exception("reply.failed", error_id=error_id)
            # Nobody saw a reply: a redelivery of the same message must not be taken for a duplicate.
            await self._gate.release(message)
