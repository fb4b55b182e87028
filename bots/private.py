"""An answer for one person to a question that was answered for a channel, and sharing it there on purpose.

A channel's answer is made from what everybody in it may read. Whoever may read more can have it answered for themselves;
with the sources before them, they may then show that answer to the channel.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from pydantic import TypeAdapter

from bots.command import Button, Command, CommandReply
from core.errors import TransientError, UserError
from core.models import Answer, AnswerMode, Audience, Message, Principal, now
from core.ports import Accesses, AudienceOf, Reply
from core.principals import expand
from core.redis import AWAY

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bots.responder import Responder

ASK, SHARE = "private", "share"
"""The commands of the two buttons; each takes the id of an answer."""
KEPT_SECONDS = 3600
"""How long both buttons work."""

Classes = Callable[[Audience], Awaitable[Collection[str]]]
"""The access classes in the index that an audience may read."""
Groups = Callable[[], Awaitable[Mapping[Principal, Iterable[Principal]]]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a button needs to know of an answer."""

    user: str
    channel_id: str
    question: str
    answer: Answer | None = None
    """Of a private answer: what may be shared, without its hits."""


_KEPT: TypeAdapter[Kept] = TypeAdapter(Kept)


class AnswerDesk:
    """Keeps for an hour, in Redis, what the buttons need. Without Redis they say that they know nothing any more."""

    def __init__(self, redis: Redis, classes: Classes) -> None:
        self._redis = redis
        self._classes = classes

    async def keep(self, answer_id: str, kept: Kept) -> None:
        """Before the answer is shown, so that its button works at once."""
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                # The person's set first: it may name an answer too many, never one too few.
                pipeline.sadd(_of(kept.user), answer_id)
                pipeline.expire(_of(kept.user), 2 * KEPT_SECONDS)
                pipeline.set(_key(answer_id), _KEPT.dump_json(kept), ex=KEPT_SECONDS)
                await pipeline.execute()
        except AWAY as error:
            log.warning("answer.not_kept", error=type(error).__name__, consequence="its buttons will not work")

    async def load(self, answer_id: str) -> Kept | None:
        try:
            raw = await self._redis.get(_key(answer_id))
        except AWAY as error:
            raise TransientError("I cannot look it up right now. Please try again in a minute.") from error
        return _KEPT.validate_json(raw) if raw else None

    async def forget_person(self, user: str) -> int:
        """Delete what was kept of a person's questions and private answers: how many. Raises what the client raises."""
        ids = [member.decode() if isinstance(member, bytes) else member for member in await _members(self._redis, _of(user))]
        forgotten = sum([int(await self._redis.delete(_key(answer_id))) for answer_id in sorted(ids)])
        await self._redis.delete(_of(user))
        return forgotten

    async def answered(self, message: Message, answer: Answer) -> None:
        """An answer to ``message`` is about to be shown to others, too."""
        await self.keep(answer.id, Kept(user=message.user, channel_id=message.channel_id, question=answer.question))

    async def offer(self, message: Message, answer: Answer, audience: Audience, audience_of: AudienceOf, reply: Reply) -> None:
        """Offer a private answer to somebody who may read more than the channel: more than it at all, whatever was asked,
        so that the offer tells nothing of what there is about the question.
        """
        own = await audience_of(replace(message, private=True))
        if set(await self._classes(own)) > set(await self._classes(audience)):
            await reply.offer_private(answer.id)


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
        notice = " ".join(filter(None, (f"Shared by {command.user_name}.", kept.answer.notice)))
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

    async def working(self) -> None:
        await self._reply.working()

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
            answer=replace(answer, hits=()),
        )
        await self._desk.keep(answer.id, kept)
        await self._reply.offer(
            "Only you see this answer. It may come from pages that others here may not read: look at its sources before you "
            "share it.",
            [Button(label="Share it here", command=f"{SHARE} {answer.id}")],
        )

    async def say(self, text: str) -> None:
        await self._reply.say(text)

    async def offer_private(self, answer_id: str) -> None:
        """It is private already."""

    async def show(self, text: str) -> None:
        await self._reply.show(text)


async def _members(redis: Redis, key: str) -> set[bytes | str]:
    return await redis.smembers(key)


def _key(answer_id: str) -> str:
    return f"footnote:kept:{answer_id}"


def _of(user: str) -> str:
    return f"footnote:kept-of:{{{user}}}"
