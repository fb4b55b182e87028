"""The button below an error has the question answered where it was asked."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.retry import Retry
from bots.pending import Pending, Question
from bots.responder import RETRY
from core.errors import UserError
from tests.fakes import RecordingReply, message


def pressed(user: str, text: str = "test:1") -> Command:
    return Command(
        name=RETRY,
        text=text,
        user=user,
        user_name="Ana",
        principals=frozenset({user}),
        platform="test",
        channel_id="test:channel",
        conversation_id=None,
    )


async def test_it_is_tried_again_once_by_who_asked(redis: Redis) -> None:
    pending, reply = Pending(redis), RecordingReply()
    held = await pending.begin(Question(message=message(), place={"thread": "17.1"}))
    assert held is not None
    retry = Retry(pending)
    with pytest.raises(UserError, match="at it already"):
        await retry.run(pressed("test:ana"), reply)
    await held.failed()
    with pytest.raises(UserError, match="somebody else"):
        await retry.run(pressed("test:ben"), reply)
    with pytest.raises(UserError, match="ask me again"):
        await retry.run(pressed("test:ana", "test:unknown"), reply)
    await retry.run(pressed("test:ana"), reply)
    assert reply.replies == ["I am trying it again."]
    [left] = await pending.left_behind("test")
    assert (left.question.tries, left.question.place) == (1, {"thread": "17.1"})
    with pytest.raises(UserError):
        await retry.run(pressed("test:ana"), reply)


async def test_the_button_works_for_an_hour(redis: Redis) -> None:
    held = await Pending(redis).begin(Question(message=message()))
    assert held is not None
    await held.failed()
    assert 3500 < await redis.ttl("footnote:{pending}:question:test:1") <= 3600
