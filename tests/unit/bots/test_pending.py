"""A question is kept before it is worked on, and whoever looks after those that were left behind finishes it, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bots.finishing import finish_left_behind
from bots.pending import TRIES, Held, LeftBehind, Pending, Question, Spot
from bots.responder import RESTARTING, STOPPED, Responder
from core.answering.gate import Gate
from core.errors import TransientError
from core.models import ANYONE, Answer, Audience, Message
from tests.fakes import RecordingReply, ScriptedAssistant, answer, message
from tests.one_redis import redis_away

LEASE = 0.4
SOON = 10.0
"""Seconds after which something has gone wrong."""


async def anyone(_message: Message) -> Audience:
    return ANYONE


class Process:
    """One that answers on a platform, and looks after what others left behind there. ``place`` is where replies go."""

    name = "test"
    connected = True

    def __init__(self, redis: Redis, *, script: object = None, lease: float = LEASE) -> None:
        self.pending = Pending(redis, lease=lease)
        self.assistant = ScriptedAssistant(script)  # type: ignore[arg-type]
        self.responder = Responder(self.assistant, Gate(redis, rate_limit=10_000), pending=self.pending)
        self.reply = RecordingReply()
        self.places: list[dict[str, str]] = []
        """Of what was resumed."""
        self.tasks: list[asyncio.Task[None]] = []

    def hears(self, said: Message, **place: str) -> asyncio.Task[None]:
        responding = self.responder.respond(said, self.reply, anyone, spot=Spot(**place))
        self.tasks.append(task := asyncio.create_task(responding))
        return task

    async def resume(self, left: LeftBehind) -> None:
        self.places.append(dict(left.question.place))
        self.tasks.append(asyncio.create_task(self.responder.resume(left, self.reply, anyone)))

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        looking = asyncio.create_task(finish_left_behind(self.pending, self))  # type: ignore[arg-type]
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def replied(self, times: int = 1) -> list[str]:
        async with asyncio.timeout(SOON):
            while len(self.reply.replies) < times or not all(task.done() for task in self.tasks):
                await asyncio.sleep(0.02)
        return self.reply.replies


async def begun(redis: Redis, said: Message, *, lease: float = 0.0, **place: str) -> Held:
    """By a process that has died since."""
    held = await Pending(redis, lease=lease).begin(Question(message=said, place=place))
    assert held is not None
    return held


async def kept(redis: Redis) -> int:
    return len([key async for key in redis.scan_iter("footnote:{pending}:question:*")])


async def hangs(_message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    await asyncio.sleep(60)
    yield answer()


async def test_a_question_is_kept_before_anything_else_is_done_and_only_until_its_reply(redis: Redis) -> None:
    seen: list[int] = []

    async def looks(asked: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        seen.append(await kept(redis))
        yield answer()

    process = Process(redis, script=looks)
    await process.hears(message())
    assert (seen, await kept(redis)) == ([1], 0)


async def test_half_a_character_costs_nobody_their_reply(redis: Redis) -> None:
    process = Process(redis)
    await process.hears(message("half \ud83d a pair of \udc00 paid leave"))
    assert process.reply.replies == ["Thirty days [1]."]


async def test_what_a_dead_process_left_is_answered_where_it_was_asked(redis: Redis) -> None:
    said = message("How many days of leave?", aliases=("event:1",), sources=("wiki",))
    await begun(redis, said, channel="C1", thread="17.1")
    process = Process(redis)
    async with process.looking():
        assert await process.replied() == ["Thirty days [1]."]
    assert process.places == [{"channel": "C1", "thread": "17.1"}]
    assert [asked for asked, _ in process.assistant.asked] == [said], "word for word, with all that belongs to it"
    assert await kept(redis) == 0


async def test_of_several_processes_one_takes_it_over(redis: Redis) -> None:
    for number in range(5):
        await begun(redis, message(id=f"m{number}"))
    processes = [Process(redis) for _ in range(4)]
    taken = await asyncio.gather(*(process.pending.left_behind("test") for process in processes))
    assert sorted(left.question.message.id for found in taken for left in found) == [f"m{number}" for number in range(5)]


async def test_nobody_takes_it_before_its_lease_is_over_nor_while_it_is_renewed(redis: Redis) -> None:
    other = Pending(redis, lease=LEASE)
    held = await begun(redis, message(), lease=LEASE)
    assert await other.left_behind("test") == []
    slow = Process(redis)
    mine = await slow.pending.begin(Question(message=message(id="renewed")))
    assert mine is not None
    async with mine.renewed():
        await asyncio.sleep(2 * LEASE)
        assert [left.question.message.id for left in await other.left_behind("test")] == ["test:1"], "nobody renews this one"
    await held.resolved()


async def test_another_platforms_questions_are_left_alone(redis: Redis) -> None:
    await begun(redis, message(platform="slack"))
    assert await Pending(redis).left_behind("discord") == []


async def test_a_question_that_ends_every_process_gets_an_apology_with_an_id(redis: Redis) -> None:
    await begun(redis, message())
    for tries in range(2, TRIES + 1):
        [left] = await Pending(redis, lease=0.0).left_behind("test")
        assert left.question.tries == tries
    process = Process(redis)
    async with process.looking():
        [said] = await process.replied()
    assert "error `" in said
    assert process.assistant.asked == []
    assert [button.command for button in process.reply.buttons] == ["retry test:1"]


async def test_a_process_that_stops_hands_over_at_once_and_says_nothing(redis: Redis) -> None:
    stopping = Process(redis, script=hangs, lease=3600)
    task = stopping.hears(message(), channel="C1")
    async with asyncio.timeout(SOON):
        while not stopping.assistant.asked:
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert stopping.reply.replies == []
    next_one = Process(redis)
    async with next_one.looking():
        assert await next_one.replied() == ["Thirty days [1]."]


async def test_what_was_noted_of_its_place_comes_back_with_it(redis: Redis) -> None:
    spot = Spot(channel="C1")
    spot.held = await begun(redis, message(), channel="C1")
    await spot.note(stream="17.2")
    assert spot.fields == {"channel": "C1", "stream": "17.2"}
    [left] = await Pending(redis).left_behind("test")
    assert left.question.place == {"channel": "C1", "stream": "17.2"}


async def test_what_is_over_does_not_come_back_when_something_is_noted_of_it(redis: Redis) -> None:
    held = await begun(redis, message())
    await held.resolved()
    await held.note(stream="17.2")
    assert await kept(redis) == 0


async def test_a_twin_is_dropped_while_the_question_is_answered_and_after(redis: Redis) -> None:
    release = asyncio.Event()

    async def waits(asked: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await release.wait()
        yield answer(question=asked.text)

    first, second = Process(redis, script=waits), Process(redis, script=waits)
    tasks = [process.hears(message(id="m1", aliases=("event:1",))) for process in (first, first, second)]
    tasks.append(second.hears(message(id="m2", aliases=("event:1",))))
    await asyncio.sleep(0.2)
    release.set()
    await asyncio.gather(*tasks)
    await second.hears(message(id="m1", aliases=("event:1",)))
    assert len(first.reply.replies + second.reply.replies) == 1
    assert await kept(redis) == 0


async def test_who_takes_a_question_over_takes_its_claim_but_not_that_of_its_twin(redis: Redis) -> None:
    died = Gate(redis, rate_limit=9)
    for said in (message(id="m1", aliases=("event:1",)), message(id="m2", aliases=("event:1",))):
        await begun(redis, said)
        await died.claim(said)
    process = Process(redis)
    async with process.looking():
        assert await process.replied() == ["Thirty days [1]."]
        await asyncio.sleep(LEASE)
    assert [asked.id for asked, _ in process.assistant.asked] == ["m1"]
    assert await kept(redis) == 0


async def test_an_error_is_tried_again_by_its_asker_alone_and_once(redis: Redis) -> None:
    answers = iter([TransientError("Search is unavailable."), None])

    async def fails_first(asked: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        if error := next(answers):
            raise error
        yield answer(question=asked.text)

    process = Process(redis, script=fails_first)
    await process.hears(message(), channel="C1")
    assert process.reply.seen[-1] == ("fail", "Search is unavailable. Nothing was lost: try it again.")
    [button] = process.reply.buttons
    assert button.command == "retry test:1"
    assert await process.pending.left_behind("test") == [], "it is not tried again unasked"
    assert not await process.pending.again("test", "test:1", "test:ben")
    assert not await process.pending.again("test", "test:2", "test:ana")
    assert await process.pending.again("test", "test:1", "test:ana")
    assert not await process.pending.again("test", "test:1", "test:ana")
    async with process.looking():
        assert (await process.replied(2))[-1] == "Thirty days [1]."
    assert process.places == [{"channel": "C1"}]
    assert not await process.pending.again("test", "test:1", "test:ana")


async def test_a_question_that_nobody_could_be_answered_is_tried_again_as_often_as_others(redis: Redis) -> None:
    class Unreachable(RecordingReply):
        tried = 0

        async def answer(self, answer: Answer) -> None:
            raise ConnectionError

        async def fail(self, text: str, again: str) -> None:
            self.tried += 1
            raise ConnectionError

    process = Process(redis, lease=0.1)
    process.reply = reply = Unreachable()
    await process.hears(message())
    async with process.looking(), asyncio.timeout(SOON):
        while await kept(redis):
            await asyncio.sleep(0.05)
    assert reply.tried == TRIES + 1
    assert len(process.assistant.asked) == TRIES


async def test_a_stop_ends_the_answers_of_its_conversation_with_one_notice(redis: Redis) -> None:
    process = Process(redis, script=hangs)
    here = process.hears(message(id="m1"))
    elsewhere = process.hears(message(id="m2", conversation_id="test:other"))
    async with asyncio.timeout(SOON):
        while len(process.assistant.asked) < 2:
            await asyncio.sleep(0.01)
    assert await process.responder.stop("test:thread")
    assert await process.responder.stop("test:thread"), "pressed twice"
    await here
    assert process.reply.replies == [STOPPED]
    assert not elsewhere.done()
    assert not await process.responder.stop("test:thread")
    assert await process.pending.left_behind("test") == []
    elsewhere.cancel()
    with suppress(asyncio.CancelledError):
        await elsewhere
    assert await kept(redis) == 1


async def test_what_is_over_is_told_to_redis_even_if_it_was_away_meanwhile(redis: Redis) -> None:
    process = Process(redis, lease=0.0)

    async def redis_goes(asked: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        process.pending._redis = redis_away()
        yield answer(question=asked.text)

    process.assistant._script = redis_goes
    await process.hears(message())
    assert process.reply.replies == ["Thirty days [1]."]
    assert await kept(redis) == 1
    process.pending._redis = redis
    async with asyncio.timeout(SOON):
        while True:
            with suppress(TransientError):
                assert await process.pending.left_behind("test") == []
                break
            await asyncio.sleep(0.1)
    assert await kept(redis) == 0


async def test_without_redis_questions_are_answered_and_lost_with_their_process() -> None:
    process = Process(redis_away())
    await process.hears(message())
    assert process.reply.replies == ["Thirty days [1]."]
    stopped = Process(redis_away(), script=hangs)
    task = stopped.hears(message(id="m2"))
    async with asyncio.timeout(SOON):
        while not stopped.assistant.asked:
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert stopped.reply.replies == [RESTARTING]
    with pytest.raises(TransientError):
        await process.pending.again("test", "test:1", "test:ana")


async def test_who_was_alive_while_redis_was_away_has_time_to_say_so(redis: Redis) -> None:
    process = Process(redis, lease=1.5)
    process.pending._redis = redis_away()
    async with process.looking():
        await asyncio.sleep(0.7)
        process.pending._redis = redis
        await begun(redis, message())
        await asyncio.sleep(0.7)
        assert process.places == []
        assert await process.replied() == ["Thirty days [1]."]


async def test_a_persons_questions_are_dropped_and_counted(redis: Redis) -> None:
    for number, user in enumerate(["test:ana", "test:ben", "test:ana"]):
        await begun(redis, message(id=f"m{number}", user=user))
    pending = Pending(redis)
    assert await pending.forget_person("test:ana") == 2
    assert await pending.forget_person("test:ana") == 0
    assert [left.question.message.user for left in await pending.left_behind("test")] == ["test:ben"]


async def test_a_question_that_cannot_be_read_or_resumed_does_not_keep_the_others_waiting(redis: Redis) -> None:
    class Fragile(Process):
        async def resume(self, left: LeftBehind) -> None:
            if left.question.message.id == "m2":
                raise RuntimeError("no such channel")
            await super().resume(left)

    for number in range(1, 4):
        await begun(redis, message(id=f"m{number}"))
    await redis.hset("footnote:{pending}:question:m1", "question", '{"of": "another version"}')
    process = Fragile(redis)
    async with process.looking():
        assert await process.replied() == ["Thirty days [1]."]
    assert [asked.id for asked, _ in process.assistant.asked] == ["m3"]


async def test_a_later_wording_is_a_question_of_its_own(redis: Redis) -> None:
    process = Process(redis)
    said = message()
    await process.hears(said)
    await process.hears(replace(said, id="test:1:edited", replaces=said.id))
    assert len(process.reply.replies) == 2
