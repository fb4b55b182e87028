"""The log of ratings, over a real Redis."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from redis.asyncio import Redis

from core.errors import TransientError
from core.evaluation.feedback import Answered, FeedbackLog, Rating
from core.models import PUBLIC, Chunk, Citation, Feedback, Hit, Reason
from tests.fakes import NOON, answer, message
from tests.one_redis import redis_away


def hit(document_id: str, score: float) -> Hit:
    chunk = Chunk(
        document_id=document_id,
        position=2,
        source="folder",
        title="A title that nobody keeps",
        url="",
        headings=(),
        text="A text that nobody keeps",
        updated_at=NOON,
        access=PUBLIC,
    )
    return Hit(chunk=chunk, score=score)


def answered(id: str = "a1", question: str = "How many days?", **fields: Any) -> Answered:
    asked = message(question, user="slack:ANA", **fields)
    return Answered.of(asked, answer(id=id, question=question, hits=(hit("folder:leave.md", 0.8), hit("folder:pay.md", 0.2))))


def rated(user: str = "slack:BOB", id: str = "a1", *, good: bool = False, minutes: int = 0, **fields: Any) -> Feedback:
    return Feedback(answer_id=id, user=user, good=good, at=NOON + timedelta(minutes=minutes), **fields)


async def all_of(log: FeedbackLog) -> list[Rating]:
    return [rating async for rating in log.ratings()]


async def test_a_rating_is_noted_with_what_the_answer_was_made_from(redis: Redis) -> None:
    log = FeedbackLog(redis)
    await log.note(rated(reason=Reason.WRONG, comment="It is 28."), answered())
    [rating] = await all_of(log)
    assert rating == Rating(feedback=rated(reason=Reason.WRONG, comment="It is 28."), answered=answered())
    row = rating.as_row()
    assert (row["question"], row["good"], row["reason"], row["comment"]) == ("How many days?", False, "wrong", "It is 28.")
    assert row["hits"][0] == {"document_id": "folder:leave.md", "position": 2, "score": 0.8}
    assert (row["mode"], row["model"], row["prompt"]) == ("generated", "scripted", "0")


async def test_what_is_kept_of_an_answer_is_small_and_holds_neither_texts_nor_titles() -> None:
    hits = tuple(hit(f"folder:{'x' * 60}-{number}.md", 1 / (number + 1)) for number in range(50))
    citations = tuple(
        Citation(number=n, document_id=f"folder:{n}", title="A title that nobody keeps", url="", quote="q", updated_at=NOON)
        for n in range(50)
    )
    whole = replace(answer(question="x" * 30_000, hits=hits), citations=citations)
    raw = TypeAdapter(Answered).dump_json(Answered.of(message("x" * 30_000), whole))
    assert len(raw) < 3_500
    assert b"nobody keeps" not in raw


async def test_a_later_rating_of_the_same_person_takes_the_place_of_the_earlier_one(redis: Redis) -> None:
    log = FeedbackLog(redis)
    await log.note(rated(good=True), answered())
    await log.note(rated("slack:EVE", good=True), answered())
    await log.note(rated(minutes=5, reason=Reason.OTHER), answered())
    assert [(each.feedback.user, each.feedback.good) for each in await all_of(log)] == [("slack:EVE", True), ("slack:BOB", False)]


async def test_the_oldest_ratings_make_room(redis: Redis) -> None:
    log = FeedbackLog(redis, most=3)
    for number in range(5):
        await log.note(rated(id=f"a{number}", minutes=number), answered(f"a{number}"))
    assert [each.answered.id for each in await all_of(log)] == ["a2", "a3", "a4"]
    assert await redis.hlen("footnote:{feedback}:ratings") == 3


async def test_an_export_names_nobody(redis: Redis) -> None:
    log = FeedbackLog(redis)
    asked = answered(question="Is <@U123> allowed to see slack:U9 and discord:456?")
    await log.note(rated(comment="ask <@!789> or xoxb-1234567890-abcdefghijkl"), asked)
    [rating] = await all_of(log)
    raw = json.dumps(rating.as_row())
    assert rating.as_row()["question"] == "Is @somebody allowed to see @somebody and @somebody?"
    assert not [name for name in ("ANA", "BOB", "U123", "U9", "456", "789", "xoxb-1234567890") if name in raw]


async def test_the_words_of_a_private_question_are_noted_only_when_its_answer_was_missing(redis: Redis) -> None:
    log = FeedbackLog(redis)
    secret = answered("a1", "Am I being fired?", private=True)
    await log.note(rated("slack:ANA", reason=Reason.WRONG), secret)
    assert (await all_of(log))[0].answered.question == ""
    assert "fired" not in str(await redis.hgetall("footnote:{feedback}:ratings"))
    await log.note(rated("slack:ANA", reason=Reason.MISSING), secret)
    assert (await all_of(log))[0].answered.question == "Am I being fired?"


async def test_a_person_is_forgotten_with_their_ratings_and_with_those_of_what_they_asked(redis: Redis) -> None:
    log = FeedbackLog(redis)
    await log.note(rated("slack:BOB"), answered("a1"))
    await log.note(rated("slack:ANA", id="b1"), Answered.of(message(user="slack:EVE"), answer(id="b1")))
    await log.note(rated("slack:BOB", id="b1"), Answered.of(message(user="slack:EVE"), answer(id="b1")))
    assert await log.forget_person("slack:ANA") == 2
    assert [(each.feedback.user, each.answered.id) for each in await all_of(log)] == [("slack:BOB", "b1")]
    assert "ANA" not in str(await redis.hkeys("footnote:{feedback}:ratings"))
    assert await log.forget_person("slack:ANA") == 0


async def test_thousands_of_ratings_are_read_in_pages_each_once(redis: Redis) -> None:
    log = FeedbackLog(redis)
    for number in range(1_050):
        await log.note(rated(id=f"a{number}", minutes=number), answered(f"a{number}"))
    assert [each.answered.id for each in await all_of(log)] == [f"a{number}" for number in range(1_050)]


async def test_nothing_is_said_to_be_noted_while_redis_is_away() -> None:
    log = FeedbackLog(redis_away())
    with pytest.raises(TransientError, match="Please try again"):
        await log.note(rated(), answered())
