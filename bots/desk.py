"""What the buttons below answers need to know when they are pressed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from pydantic import TypeAdapter

from core.errors import TransientError
from core.models import Answer, Audience, Message
from core.ports import AudienceOf, Reply
from core.redis import AWAY

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEPT_SECONDS = 3600
"""How long buttons work."""

Classes = Callable[[Audience], Awaitable[Collection[str]]]
"""The access classes in the index that an audience may read."""

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


async def _members(redis: Redis, key: str) -> set[bytes | str]:
    return await redis.smembers(key)


def _key(answer_id: str) -> str:
    return f"footnote:kept:{answer_id}"


def _of(user: str) -> str:
    return f"footnote:kept-of:{{{user}}}"
