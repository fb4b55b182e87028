"""An answer for one person to a question that was answered for a channel, and sharing it there on purpose.

A channel's answer is made from what everybody in it may read. Whoever may read more can have it answered for themselves;
with the sources before them, they may then show that answer to the channel.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from bots.command import Button, Command, CommandReply
from bots.desk import AnswerDesk, Kept
from bots.platform import Groups
from core.errors import UserError
from core.models import Answer, AnswerMode, Audience, Message, now
from core.ports import Accesses
from core.principals import expand

if TYPE_CHECKING:
    from bots.responder import Responder

ASK, SHARE = "private", "share"
"""The commands of the two buttons; each takes the id of an answer."""

log = structlog.get_logger(__name__)


class PrivateAnswers:
    """What the buttons do."""

    def __init__(
        self,
        desk: AnswerDesk,
        responder: Responder,
        groups: Groups,
        accesses: Accesses,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._desk = desk
        self._responder = responder
        self._groups = groups
        self._accesses = accesses
        self._clock = clock

    async def ask(self, command: Command, reply: CommandReply) -> None:
        """Answer the question again, for whoever pressed the button and from what they may read."""
        kept = await self._kept(command)
        message = Message(
            id=f"private:{uuid.uuid4().hex}",
            platform=command.platform,
            conversation_id=f"private:{command.channel_id}:{command.user}",
            channel_id=command.channel_id,
            user=command.user,
            user_name=command.user_name,
            text=kept.question,
            sent_at=self._clock(),
            private=True,
        )

        async def audience_of(_: Message) -> Audience:
            return await self._audience(command)

        await self._responder.respond(message, _Shareable(reply, self._desk, command), audience_of)

    async def share(self, command: Command, reply: CommandReply) -> None:
        """Show a private answer to the channel: by the person who got it, while they may read all that it was made from."""
        kept = await self._kept(command)
        if kept.answer is None or (kept.user, kept.channel_id) != (command.user, command.channel_id):
            raise UserError("Only the person who got this answer can share it, in the channel where it was asked.")
        audience, accesses = await self._audience(command), await self._accesses(kept.answer.documents)
        if not all(id in accesses and audience.may_read(accesses[id]) for id in kept.answer.documents):
            raise UserError("What this answer was made from has changed since. Please ask again.")
        log.info("answer.shared", answer=kept.answer.id, documents=list(kept.answer.documents))
        notice = f"Shared by {command.user_name}. {kept.answer.notice}".strip()
        await self._desk.shared(kept.answer.id)
        await reply.publish(replace(kept.answer, notice=notice))

    async def _kept(self, command: Command) -> Kept:
        kept = await self._desk.load(command.text.strip())
        if kept is None:
            raise UserError("That was more than an hour ago, and I do not remember it. Please ask me in a direct message.")
        return kept

    async def _audience(self, command: Command) -> Audience:
        return Audience.of(expand(command.principals, await self._groups()))


class _Shareable:
    """The reply to a private question; below an answer with sources stands the button that shares it."""

    def __init__(self, reply: CommandReply, desk: AnswerDesk, command: Command) -> None:
        self._reply = reply
        self._desk = desk
        self._command = command

    async def working(self, before: int = 0) -> None:
        await self._reply.working(before)

    async def stream(self, text: str) -> None:
        await self._reply.stream(text)

    async def answer(self, answer: Answer) -> None:
        await self._reply.answer(answer)
        if answer.mode is AnswerMode.NOT_FOUND:
            return
        kept = Kept(
            user=self._command.user,
            channel_id=self._command.channel_id,
            question=answer.question,
            answer=replace(answer, hits=(), taken_as=""),
        )
        await self._desk.keep(answer.id, kept)
        await self._reply.offer(
            "Only you see this answer. It may come from pages that others here may not read: look at its sources before you "
            "share it.",
            [Button(label="Share it here", command=f"{SHARE} {answer.id}")],
        )

    async def say(self, text: str) -> None:
        await self._reply.say(text)

    async def fail(self, text: str, again: str) -> None:
        await self._reply.fail(text, again)

    async def offer_private(self, answer_id: str) -> None:
        """It is private already."""

    async def show(self, text: str) -> None:
        await self._reply.show(text)
