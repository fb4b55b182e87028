"""Each message once, of a sensible size, not too many from one person; over a real server and without one."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from core.answering.gate import LONGEST_QUESTION, Gate, TooMany
from core.errors import UserError
from tests.fakes import message
from tests.one_redis import redis_away


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(redis: Redis, clock: Clock) -> Gate:
    return Gate(redis, rate_limit=3, clock=clock)


@pytest.fixture
def lost(clock: Clock) -> Gate:
    """A gate whose server is not there."""
    return Gate(redis_away(), rate_limit=3, clock=clock)


async def test_a_message_is_claimed_once_under_all_its_names(gate: Gate, redis: Redis) -> None:
    other = Gate(redis, rate_limit=3)
    assert await gate.claim(message(id="ts:1", aliases=("event:1", "client:1")))
    assert not await gate.claim(message(id="ts:1"))
    assert not await other.claim(message(id="ts:1"))
    assert not await other.claim(message(id="event:1"))
    assert not await other.claim(message(id="ts:2", aliases=("client:1",)))
    assert await other.claim(message(id="ts:3"))


async def test_a_repetition_makes_its_other_names_known(gate: Gate, redis: Redis) -> None:
    assert await gate.claim(message(id="ts:1", aliases=("event:1",)))
    assert not await Gate(redis, 3).claim(message(id="ts:1", aliases=("event:2",)))
    assert not await Gate(redis, 3).claim(message(id="event:2"))


async def test_a_claim_whose_answer_was_lost_is_asked_again_and_still_ours(gate: Gate, redis: Redis) -> None:
    said = message(id="ts:1", aliases=("event:1",))
    assert await gate.claim(said)
    # The client asks again by itself, below what this process knows.
    gate._claims.clear()
    assert await gate.claim(said)
    assert not await Gate(redis, rate_limit=3).claim(said)


async def test_of_many_who_claim_at_once_exactly_one_succeeds(redis: Redis) -> None:
    gates = [Gate(redis, rate_limit=3) for _ in range(10)]
    for number in range(20):
        claims = await asyncio.gather(
            *(
                gate.claim(message(id=f"m:{number}", aliases=(f"a:{number}", f"own:{number}:{who}")))
                for who, gate in enumerate(gates)
            ),
            *(gate.claim(message(id=f"a:{number}", aliases=(f"m:{number}",))) for gate in gates),
        )
        assert sum(claims) == 1


async def test_a_redis_that_is_busy_for_two_seconds_does_not_make_two_processes_answer(redis: Redis) -> None:
    gates = [Gate(redis, rate_limit=3) for _ in range(2)]
    await redis.execute_command("CLIENT", "PAUSE", 2000, "ALL")
    assert sum(await asyncio.gather(*(gate.claim(message(id="ts:1")) for gate in gates))) == 1


async def test_a_released_message_may_be_claimed_again_but_not_by_releasing_anothers(gate: Gate, redis: Redis) -> None:
    other = Gate(redis, rate_limit=3)
    asked = message(id="ts:1", aliases=("event:1",))
    assert await gate.claim(asked)
    await other.release(asked)
    assert not await other.claim(asked)
    await gate.release(asked)
    await other.release(asked)
    assert await other.claim(message(id="event:1"))


async def test_a_claim_lasts_longer_than_any_platform_repeats(gate: Gate, redis: Redis) -> None:
    await gate.claim(message(id="ts:1", aliases=("event:1",)))
    keys = await redis.keys("*")
    assert len(keys) == 2
    assert all([await redis.ttl(key) >= 15 * 60 for key in keys])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no question"),
        (" \n\t ", "no question"),
        ("🎉", "in words"),
        ("?!…", "in words"),
        (":tada: :+1: <:party:123456>", "in words"),
        ("x" * 20_000, "20,000 characters, and I read 4,000 at most"),
    ],
)
async def test_what_is_no_question_is_refused_with_what_to_do(gate: Gate, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        await gate.admit(message(text))


@pytest.mark.parametrize("text", ["ok", "年休は何日？", "🎉 what is this?", "7", "x" * LONGEST_QUESTION, "сколько дней?"])
async def test_short_questions_in_any_language_are_admitted(gate: Gate, text: str) -> None:
    await gate.admit(message(text))


async def check_window(gate: Gate, clock: Clock) -> None:
    for _ in range(3):
        await gate.admit(message())
        clock.now += 10
    with pytest.raises(UserError, match=r"3 questions in the last minute.*in 30 seconds"):
        await gate.admit(message())
    await gate.admit(message(user="test:ben"))
    clock.now += 29.5
    with pytest.raises(UserError, match=r"in 1 second\."):
        await gate.admit(message())
    clock.now += 0.6
    await gate.admit(message())
    with pytest.raises(UserError, match="in 10 seconds"):
        await gate.admit(message())


async def test_a_person_may_ask_so_many_questions_in_any_minute_and_is_told_when_again(gate: Gate, clock: Clock) -> None:
    await check_window(gate, clock)


async def test_without_redis_the_same_limit_holds_within_the_process(lost: Gate, clock: Clock) -> None:
    await check_window(lost, clock)


async def test_the_limit_is_shared_by_all_processes(redis: Redis, clock: Clock) -> None:
    gates = [Gate(redis, rate_limit=3, clock=clock) for _ in range(4)]
    outcomes = await asyncio.gather(*(gate.admit(message()) for gate in gates), return_exceptions=True)
    assert sum(isinstance(outcome, UserError) for outcome in outcomes) == 1


BUSY = {"rate_limit": 3, "channel_rate_limit": 4}


async def check_channel(gate: Gate, clock: Clock) -> None:
    for user in ("ana", "ben", "eve", "ana"):
        await gate.admit(message(user=f"test:{user}"))
        clock.now += 10
    with pytest.raises(TooMany, match=r"in this channel asked 4 questions in the last minute.*in 20 seconds"):
        await gate.admit(message(user="test:dan"))
    await gate.admit(message(user="test:dan", channel_id="test:elsewhere"))
    await gate.admit(message(user="test:dan", private=True))
    clock.now += 20.1
    await gate.admit(message(user="test:dan"))


async def test_a_channel_may_ask_so_many_questions_in_any_minute_and_what_is_private_does_not_count(
    redis: Redis, clock: Clock
) -> None:
    await check_channel(Gate(redis, **BUSY, clock=clock), clock)


async def test_without_redis_the_channels_limit_holds_within_the_process(clock: Clock) -> None:
    await check_channel(Gate(redis_away(), **BUSY, clock=clock), clock)


async def check_uncharged(gate: Gate, clock: Clock) -> None:
    for _ in range(3):
        await gate.admit(message(user="test:ana"))
    for _ in range(5):
        with pytest.raises(TooMany, match="You asked 3"):
            await gate.admit(message(user="test:ana"))
    await gate.admit(message(user="test:ben"))
    for _ in range(5):
        with pytest.raises(TooMany, match="this channel"):
            await gate.admit(message(user="test:dan"))
    for _ in range(3):
        await gate.admit(message(user="test:dan", channel_id="test:elsewhere"))


async def test_what_one_limit_refuses_is_not_charged_to_the_other(redis: Redis, clock: Clock) -> None:
    await check_uncharged(Gate(redis, **BUSY, clock=clock), clock)


async def test_without_redis_what_one_limit_refuses_is_not_charged_to_the_other(clock: Clock) -> None:
    await check_uncharged(Gate(redis_away(), **BUSY, clock=clock), clock)


async def test_whom_both_limits_refuse_is_told_of_the_one_that_lasts_longer(redis: Redis, clock: Clock) -> None:
    gate = Gate(redis, rate_limit=2, channel_rate_limit=3, clock=clock)
    await gate.admit(message(user="test:ben"))
    clock.now += 5
    await gate.admit(message())
    await gate.admit(message())
    with pytest.raises(TooMany, match=r"You asked 2 .*in 60 seconds"):
        await gate.admit(message())


async def test_refused_questions_do_not_count(gate: Gate) -> None:
    for _ in range(5):
        with pytest.raises(UserError):
            await gate.admit(message("x" * 5000))
    await gate.admit(message())


async def test_without_redis_a_message_is_still_answered_once_and_the_outage_logged_once(lost: Gate) -> None:
    with capture_logs() as logs:
        started = time.perf_counter()
        assert await lost.claim(message(id="ts:1", aliases=("event:1",)))
        for number in range(20):
            assert not await lost.claim(message(id="event:1", aliases=(f"x:{number}",)))
        await lost.release(message(id="ts:1", aliases=("event:1",)))
        assert await lost.claim(message(id="ts:1"))
        assert time.perf_counter() - started < 15
    assert [entry["event"] for entry in logs] == ["redis.went_away"]


async def test_a_redis_that_came_back_empty_does_not_make_this_process_answer_twice(gate: Gate, redis: Redis) -> None:
    assert await gate.claim(message(id="ts:1"))
    await redis.flushall()
    assert not await gate.claim(message(id="ts:1"))
