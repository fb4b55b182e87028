"""What is kept for buttons: how long, how much, and that it goes with the person."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from bots.desk import KEPT_SECONDS, AnswerDesk
from core.errors import TransientError
from tests.fakes import answer, message
from tests.one_redis import redis_away


async def nothing(_audience: object) -> list[str]:
    return []


@pytest.fixture
def desk(redis: Redis) -> AnswerDesk:
    return AnswerDesk(redis, nothing)


async def test_every_answer_can_be_rated_for_thirty_days_and_asked_again_in_private_for_an_hour(
    desk: AnswerDesk, redis: Redis
) -> None:
    await desk.answered(message("What?"), answer(question="What?"))
    await desk.answered(message("And?", private=True), answer(question="And?", id="p1"))
    for id, question in (("a1", "What?"), ("p1", "And?")):
        kept = await desk.rated(id)
        assert kept is not None
        assert (kept.question, kept.private) == (question, id == "p1")
        assert await redis.ttl(f"footnote:answered:{id}") > 29 * 86_400
    assert await desk.load("a1")
    assert 0 < await redis.ttl("footnote:kept:a1") <= KEPT_SECONDS
    assert await desk.load("p1") is None, "it was private already"


async def test_the_last_answer_of_a_conversation_is_known_and_none_of_a_private_one(desk: AnswerDesk) -> None:
    assert await desk.last_in("test:thread") is None
    await desk.answered(message(), answer())
    await desk.answered(message(), answer(id="a2"))
    last = await desk.last_in("test:thread")
    assert last is not None
    assert last.id == "a2"
    await desk.answered(message(private=True, conversation_id="dm"), answer(id="p1"))
    assert await desk.last_in("dm") is None


async def test_a_person_is_forgotten_with_all_that_was_kept_of_their_answers(desk: AnswerDesk, redis: Redis) -> None:
    await desk.answered(message(user="slack:ANA"), answer())
    await desk.answered(message(user="slack:ANA", private=True, conversation_id="dm:ANA"), answer(id="p1"))
    await desk.answered(message(user="slack:BOB"), answer(id="b1"))
    assert await desk.forget_person("slack:ANA") == 2
    assert [await desk.rated(id) for id in ("a1", "p1")] == [None, None]
    assert await desk.load("a1") is None
    assert await desk.rated("b1")
    names = b"".join([key async for key in redis.scan_iter("*")])
    assert b"ANA" not in names
    assert await desk.forget_person("slack:ANA") == 0


async def test_sharing_an_answer_that_is_not_kept_any_more_keeps_nothing(desk: AnswerDesk, redis: Redis) -> None:
    await desk.shared("unknown")
    assert await redis.dbsize() == 0


async def test_without_redis_an_answer_is_given_all_the_same_and_its_buttons_say_why_they_do_not_work() -> None:
    desk = AnswerDesk(redis_away(), nothing)
    await desk.answered(message(), answer())
    with pytest.raises(TransientError, match="try again in a minute"):
        await desk.rated("a1")
