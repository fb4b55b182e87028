"""What the buttons below answers need to know when they are pressed.

Two things are kept apart: for an hour, what it takes to answer a question again for one person or to share such an answer;
and for thirty days what a rating is noted with (:class:`core.evaluation.feedback.Answered`), of every answer, and without its
text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import structlog
from pydantic import TypeAdapter

from core.errors import TransientError
from core.evaluation.feedback import FEEDBACK_TTL, Answered
from core.models import Answer, Audience, Message
from core.ports import AudienceOf, Reply
from core.redis import AWAY, text

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEPT_SECONDS = 3600
"""How long the buttons work that ask again in private, and share."""
_CALLED_SECONDS = 600
"""Who is called twice by one button is called once."""

_RATED_SECONDS = int(FEEDBACK_TTL.total_seconds())
_DAY = 86_400

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
_ANSWERED: TypeAdapter[Answered] = TypeAdapter(Answered)


class AnswerDesk:
    """Keeps in Redis what the buttons need. Without Redis they say that they know nothing any more."""

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
        raw = await self._get(_key(answer_id))
        return _KEPT.validate_json(raw) if raw else None

    async def answered(self, message: Message, answer: Answer) -> None:
        """An answer to ``message`` is about to be shown: it can be rated, and where others see it, asked again in private."""
        answered = Answered.of(message, answer)
        kept = Kept(user=message.user, channel_id=message.channel_id, question=answer.question)
        at = message.sent_at.timestamp()
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                # As in keep: the person's sets may name an answer too many, never one too few.
                pipeline.zadd(_rated_of(message.user), {answer.id: at})
                pipeline.zremrangebyscore(_rated_of(message.user), "-inf", at - _RATED_SECONDS - _DAY)
                pipeline.expire(_rated_of(message.user), _RATED_SECONDS + _DAY)
                pipeline.set(_rated_key(answer.id), _ANSWERED.dump_json(answered), ex=_RATED_SECONDS)
                if not message.private:
                    pipeline.sadd(_of(message.user), answer.id)
                    pipeline.expire(_of(message.user), 2 * KEPT_SECONDS)
                    pipeline.set(_key(answer.id), _KEPT.dump_json(kept), ex=KEPT_SECONDS)
                    pipeline.set(_last_key(message.conversation_id), answer.id, ex=_RATED_SECONDS)
                await pipeline.execute()
        except AWAY as error:
            log.warning("answer.not_kept", error=type(error).__name__, consequence="its buttons will not work")

    async def rated(self, answer_id: str) -> Answered | None:
        """What a rating of an answer is noted with; None after thirty days. Raises TransientError."""
        raw = await self._get(_rated_key(answer_id))
        return _ANSWERED.validate_json(raw) if raw else None

    async def shared(self, answer_id: str) -> None:
        """A private answer is about to be shown to others: from now on they can rate it, too. Raises TransientError."""
        if answered := await self.rated(answer_id):
            raw = _ANSWERED.dump_json(replace(answered, private=False))
            try:
                await self._redis.set(_rated_key(answer_id), raw, keepttl=True, xx=True)
            except AWAY as error:
                raise TransientError("I cannot share it right now. Please try again in a minute.") from error

    async def last_in(self, conversation_id: str) -> Answered | None:
        """The last answer that a conversation saw which is not private, for thirty days. Raises TransientError."""
        answer_id = await self._get(_last_key(conversation_id))
        return await self.rated(text(answer_id)) if answer_id else None

    async def call(self, answer_id: str) -> bool:
        """Whether nobody was called to an answer in the last minutes. Without Redis everybody may be called again."""
        try:
            return bool(await self._redis.set(f"footnote:called:{answer_id}", 1, nx=True, ex=_CALLED_SECONDS))
        except AWAY as error:
            log.warning("call.not_noted", error=type(error).__name__)
            return True

    async def call_failed(self, answer_id: str) -> None:
        """Nobody was called after all."""
        try:
            await self._redis.delete(f"footnote:called:{answer_id}")
        except AWAY as error:
            log.warning("call.not_noted", error=type(error).__name__)

    async def forget_person(self, user: str) -> int:
        """Delete what was kept of the answers to a person's questions: of how many. Raises what the client raises."""
        kept = {text(member) for member in await _members(self._redis, _of(user))}
        rated = {text(member) for member in cast("list[bytes | str]", await self._redis.zrange(_rated_of(user), 0, -1))}
        gone = 0
        for answer_id in sorted(kept | rated):
            deleted = [await self._redis.delete(_key(answer_id)), await self._redis.delete(_rated_key(answer_id))]
            gone += any(deleted)
        await self._redis.delete(_of(user))
        await self._redis.delete(_rated_of(user))
        return gone

    async def offer(self, message: Message, answer: Answer, audience: Audience, audience_of: AudienceOf, reply: Reply) -> None:
        """Offer a private answer to somebody who may read more than the channel: more than it at all, whatever was asked,
        so that the offer tells nothing of what there is about the question.
        """
        own = await audience_of(replace(message, private=True))
        if set(await self._classes(own)) > set(await self._classes(audience)):
            await reply.offer_private(answer.id)

    async def _get(self, key: str) -> bytes | str | None:
        try:
            raw: bytes | str | None = await self._redis.get(key)
        except AWAY as error:
            raise TransientError("I cannot look it up right now. Please try again in a minute.") from error
        return raw


async def _members(redis: Redis, key: str) -> set[bytes | str]:
    return await redis.smembers(key)


def _key(answer_id: str) -> str:
    return f"footnote:kept:{answer_id}"


def _of(user: str) -> str:
    return f"footnote:kept-of:{{{user}}}"


def _rated_key(answer_id: str) -> str:
    return f"footnote:answered:{answer_id}"


def _rated_of(user: str) -> str:
    return f"footnote:answered-of:{{{user}}}"


def _last_key(conversation_id: str) -> str:
    return f"footnote:answered-in:{conversation_id}"
