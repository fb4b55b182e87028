"""`new` and `memory`: a conversation starts anew, and what is remembered of a person can be seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from bots.command import Command, CommandReply
from core.answering.footnotes import plain
from core.errors import UserError
from core.models import Turn, now

if TYPE_CHECKING:
    from core.answering.memory import Memory

NEW, MEMORY = "new", "memory"
"""Commands; the first is also understood when somebody says it to the bot in a conversation."""

ANEW = "A new topic: I use nothing of what was said here before. What do you want to know?"

_SHOWN = 10
_LONGEST = 120
_NEW_TOPIC = re.compile(
    r"\s*(?:new topic|new conversation|start over|neues thema|nouveau sujet|nuevo tema)\s*(?:[:;.,!\n\u2013\u2014-]\s*|$)(.*)",
    re.IGNORECASE | re.DOTALL,
)

log = structlog.get_logger(__name__)


def new_topic(text: str) -> str | None:
    """What is asked after ``new topic``, empty when that is all; None when it is not said."""
    match = _NEW_TOPIC.fullmatch(text)
    return match[1].strip() if match else None


class MemoryCommands:
    """Only the person sees what these say."""

    def __init__(self, memory: Memory, *, clock: Callable[[], datetime] = now) -> None:
        self._memory = memory
        self._clock = clock

    async def new(self, command: Command, reply: CommandReply) -> None:
        if command.conversation_id is None:
            raise UserError("I am not told in which thread you are. Say there, to me: “new topic”.")
        await self._memory.begin_anew(command.conversation_id, self._clock())
        log.info("conversation.begun_anew")
        await reply.say(ANEW)

    async def show(self, command: Command, reply: CommandReply) -> None:
        everywhere = await self._memory.asked(command.user)
        lines = [f"I remember {_count(len(everywhere))} of yours with the answers, everywhere together."]
        if command.conversation_id is not None:
            here = await self._memory.asked(command.user, command.conversation_id)
            lines += [f"In this conversation {_count(len(here))}{':' if here else '.'}", *map(_line, here[-_SHOWN:])]
            if len(here) > _SHOWN:
                lines.append(f"- and {len(here) - _SHOWN} before these")
        lines.append(
            f"I use them to understand what you ask next in the same conversation, the last {self._memory.turns} there at most, "
            "the first of a long conversation as a summary. Whoever may not read what an answer was made from is told nothing of "
            f"it. {_duration(self._memory.ttl)} after the last question of a conversation I forget all of it. “New topic” has me "
            "leave out what was said before, and `/footnote forget` (Discord: `/forget`) deletes it."
        )
        await reply.say("\n".join(lines))


def _count(questions: int) -> str:
    return f"{questions or 'no'} question{'' if questions == 1 else 's'}"


def _line(turn: Turn) -> str:
    question = " ".join(plain(turn.question).split())
    shown = question if len(question) <= _LONGEST else f"{question[: _LONGEST - 1]}…"
    return f"- {turn.at:%Y-%m-%d %H:%M} UTC: “{shown}”"


def _duration(span: timedelta) -> str:
    hours = round(span / timedelta(hours=1))
    if hours < 1:
        return f"{max(1, round(span / timedelta(minutes=1)))} minutes"
    return f"{hours} hours" if hours <= 48 else f"{round(hours / 24)} days"
