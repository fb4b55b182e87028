"""What people said of answers: a log in Redis, for evaluation, and what has to be kept of an answer until somebody rates it.

A rating carries what the answer was made from and by what, so that it can become a case of a test: the question, the passages
that were found with their scores, the documents that were cited, the mode, the model and the version of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter

from core.errors import TransientError
from core.models import Answer, AnswerMode, Feedback, Message, Reason
from core.outage import Outage
from core.redaction import redact

if TYPE_CHECKING:
    from redis.asyncio import Redis

FEEDBACK_TTL = timedelta(days=30)
"""How long an answer can be rated."""
MOST_RATINGS = 20_000
"""The oldest make room: about 30 MB."""

_LONGEST_QUESTION = 1_000
_LONGEST_COMMENT = 1_000
"""Characters."""
_MOST_HITS = 10
_TIMEOUT = 2.0
_PAGE = 500

# One rating of one person for one answer: whoever thinks again replaces what they said.
_NOTE = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[4]
if over > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], over)
  for i = 1, #oldest, 2 do redis.call('HDEL', KEYS[1], oldest[i]) end
end
"""
# One hash tag, hence one slot of a cluster.
_RATINGS, _BY_TIME = "footnote:{feedback}:ratings", "footnote:{feedback}:by-time"

_PERSON = re.compile(r"<[@!&#]+[^<>\s]*>|\b(?:slack|discord):\w+")


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A passage that was found."""

    document_id: str
    position: int
    score: float


@dataclass(frozen=True, kw_only=True)
class Cited:
    document_id: str
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What is kept of an answer until somebody rates it: no text of it, and no title; at most 3 KB."""

    id: str
    question: str
    asked_by: str
    platform: str
    private: bool
    """Only the person who asked saw it."""
    at: datetime
    mode: AnswerMode
    model: str
    prompt_version: str
    hits: tuple[Ranked, ...]
    """The best ten, best first."""
    cited: tuple[Cited, ...]
    conversation_id: str = ""
    """Where it was asked; empty for what was kept before that was noted."""

    @classmethod
    def of(cls, message: Message, answer: Answer) -> Answered:
        return cls(
            id=answer.id,
            question=answer.question[:_LONGEST_QUESTION],
            asked_by=message.user,
            platform=message.platform,
            private=message.private,
            at=message.sent_at,
            conversation_id=message.conversation_id,
            mode=answer.mode,
            model=answer.model,
            prompt_version=answer.prompt_version,
            hits=tuple(
                Ranked(document_id=hit.chunk.document_id, position=hit.chunk.position, score=round(hit.score, 6))
                for hit in answer.hits[:_MOST_HITS]
            ),
            cited=tuple(
                Cited(document_id=citation.document_id, updated_at=citation.updated_at)
                for citation in answer.citations[:_MOST_HITS]
            ),
        )

    @property
    def documents(self) -> tuple[str, ...]:
        """Ids of what it cites, else of what was found for it; best first."""
        named = [cited.document_id for cited in self.cited] or [hit.document_id for hit in self.hits]
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, kw_only=True)
class Rating:
    feedback: Feedback
    answered: Answered

    def as_row(self) -> dict[str, Any]:
        """For files of evaluation: nobody's id in it, and in its texts no mention of anybody and nothing that looks like a
        secret.
        """
        answered, feedback = self.answered, self.feedback
        return {
            "answer": answered.id,
            "platform": answered.platform,
            "question": _nameless(answered.question),
            "private": answered.private,
            "good": feedback.good,
            "reason": feedback.reason.value if feedback.reason else None,
            "comment": _nameless(feedback.comment),
            "rated_at": feedback.at.isoformat(),
            "mode": answered.mode.value,
            "model": answered.model,
            "prompt": answered.prompt_version,
            "hits": [{"document_id": hit.document_id, "position": hit.position, "score": hit.score} for hit in answered.hits],
            "cited": [cited.document_id for cited in answered.cited],
        }


_RATING: TypeAdapter[Rating] = TypeAdapter(Rating)


class FeedbackLog:
    """All methods raise TransientError while Redis is away: nobody is thanked for what was not noted."""

    def __init__(self, redis: Redis, *, most: int = MOST_RATINGS) -> None:
        self._redis = redis
        self._most = most
        self._outage = Outage("answers cannot be rated", timeout=_TIMEOUT)

    async def note(self, feedback: Feedback, answered: Answered) -> None:
        """The words of a question that was asked in private are personal: they are noted only when the person says that the
        answer was missing, which is to say that something should be written about it.
        """
        if answered.private and feedback.reason is not Reason.MISSING:
            answered = replace(answered, question="")
        rating = Rating(feedback=replace(feedback, comment=feedback.comment[:_LONGEST_COMMENT]), answered=answered)
        member, at = _member(rating), feedback.at.timestamp()
        raw = _RATING.dump_json(rating).decode()
        await self._reach(lambda: self._eval(_NOTE, member, raw, str(at), str(self._most)))

    async def ratings(self) -> AsyncIterator[Rating]:
        """Oldest first."""
        start = 0
        while True:
            page = await self._reach(lambda start=start: self._page(start))  # type: ignore[misc]
            if not page:
                return
            start += len(page)
            for raw in page:
                if raw:
                    yield _RATING.validate_json(raw)

    async def people(self) -> frozenset[str]:
        """Whoever rated an answer, or was given one that was rated."""
        return frozenset({user async for rating in self.ratings() for user in (rating.feedback.user, rating.answered.asked_by)})

    async def forget_person(self, user: str) -> int:
        """Delete what a person rated, and the ratings of others for answers to their questions: how many."""
        gone = [_member(rating) async for rating in self.ratings() if user in {rating.feedback.user, rating.answered.asked_by}]
        if gone:
            await self._reach(lambda: self._delete(gone))
        return len(gone)

    async def _page(self, start: int) -> list[Any]:
        members = cast("list[str]", await self._redis.zrange(_BY_TIME, start, start + _PAGE - 1))
        return cast("list[Any]", await cast("Any", self._redis.hmget(_RATINGS, members))) if members else []

    async def _delete(self, members: list[str]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(_RATINGS, *members)
            pipeline.zrem(_BY_TIME, *members)
            await pipeline.execute()

    async def _eval(self, script: str, *arguments: str) -> Any:
        return await cast("Any", self._redis.eval(script, 2, _RATINGS, _BY_TIME, *arguments))

    async def _reach(self, call: Callable[[], Any]) -> Any:
        try:
            return await self._outage.reach(call)
        except TransientError as error:
            raise TransientError("I cannot look after ratings right now. Please try again in a minute.") from error


def _member(rating: Rating) -> str:
    return f"{rating.answered.id}|{rating.feedback.user}"


def _nameless(text: str) -> str:
    return str(redact(_PERSON.sub("@somebody", text)))
