"""A person who is called to an answer that does not help, and the word that it was taken care of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from bots.command import Button, Command, CommandReply
from core.errors import FootnoteError, UserError
from core.models import now

if TYPE_CHECKING:
    from bots.desk import AnswerDesk
    from core.channels import Channels

ESCALATE, RESOLVED = "escalate", "resolved"
"""The commands of the two buttons; each takes the id of an answer."""

_SHOWN = 300
"""Characters of the question."""

log = structlog.get_logger(__name__)


class Escalation:
    """What the buttons do. Who is called stands in the channel's settings, so that a question can call nobody else."""

    def __init__(self, channels: Channels, desk: AnswerDesk, *, clock: Callable[[], datetime] = now) -> None:
        self._channels = channels
        self._desk = desk
        self._clock = clock

    async def escalate(self, command: Command, reply: CommandReply) -> None:
        """Call the person or group of the channel's settings to where the command was given."""
        config = await self._channels.of(command.platform, command.channel_id)
        if not config.escalate_to:
            raise UserError(
                "Nobody is named for this channel whom I could call. `/footnote config escalate=...` (Discord: `/config`) "
                "names a person or a group."
            )
        answer_id = command.text.strip()
        if not await self._desk.call(answer_id):
            raise UserError("Somebody was called to this answer a few minutes ago.")
        question = await self._question(command, answer_id)
        asked = f"to “{question}”." if question else "here."
        log.info("answer.escalated", answer=answer_id, to=config.escalate_to)
        done = Button(label="Mark resolved", command=f"{RESOLVED} {answer_id}"[:90])
        try:
            await reply.call(config.escalate_to, f"{command.user_name} asks for a person's answer {asked}", [done])
        except FootnoteError:
            await self._desk.call_failed(answer_id)
            raise

    async def resolved(self, command: Command, reply: CommandReply) -> None:
        """Say below the call who took care of it, and when."""
        log.info("answer.resolved", answer=command.text.strip())
        await reply.settle(f"✅ Resolved by {command.user_name}, {self._clock():%Y-%m-%d %H:%M} UTC")

    async def _question(self, command: Command, answer_id: str) -> str:
        """As it was asked here, in front of everybody; nothing of a question that was asked elsewhere or in private."""
        kept = await self._desk.load(answer_id)
        if kept is None or kept.answer is not None or kept.channel_id != command.channel_id:
            return ""
        question = " ".join(kept.question.split())
        return question if len(question) <= _SHOWN else f"{question[: _SHOWN - 1]}…"
