"""One wording of a message is replied to at a time, and the latest one in the end."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from bots.discord.wordings import GONE, Stands, Wordings, forget_person, wording_of

FIRST, SECOND, THIRD = map(wording_of, ("How many days?", "How many days in Spain?", "How many days in France?"))


async def test_only_a_message_that_was_heard_has_a_new_wording(redis: Redis) -> None:
    wordings = Wordings(redis)
    assert not await wordings.told(1, SECOND)
    async with wordings.turn(1, FIRST):
        assert not await wordings.told(1, FIRST)
        assert await wordings.told(1, SECOND)
        assert not await wordings.told(1, SECOND)


async def test_of_two_processes_one_is_the_first_to_tell(redis: Redis) -> None:
    async with Wordings(redis).turn(1, FIRST):
        told = await asyncio.gather(*(Wordings(redis).told(1, SECOND) for _ in range(5)))
    assert sorted(told) == [False, False, False, False, True]


async def test_nothing_is_new_of_a_message_that_is_gone(redis: Redis) -> None:
    wordings = Wordings(redis)
    async with wordings.turn(1, FIRST):
        assert await wordings.told(1, GONE)
        assert not await wordings.told(1, SECOND)
        assert not await wordings.told(1, GONE)


async def test_a_later_wording_waits_for_who_replies_to_an_earlier_one(redis: Redis) -> None:
    wordings, order = Wordings(redis), []

    async def later() -> None:
        assert await Wordings(redis).told(1, SECOND)
        async with Wordings(redis).turn(1, SECOND, wait=True) as latest:
            order.append(("second", latest))

    async with wordings.turn(1, FIRST):
        waiting = asyncio.create_task(later())
        await asyncio.sleep(0.3)
        order.append(("first", True))
    await waiting
    assert order == [("first", True), ("second", True)]


async def test_a_wording_that_was_overtaken_while_it_waited_is_not_replied_to(redis: Redis) -> None:
    wordings = Wordings(redis)
    async with wordings.turn(1, FIRST):
        await wordings.told(1, SECOND)

        async def second() -> bool:
            async with wordings.turn(1, SECOND, wait=True) as latest:
                return latest

        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.15)
        await wordings.told(1, THIRD)
    assert not await waiting


async def test_what_stands_is_kept_for_an_hour_and_not_overwritten_by_who_only_begins(redis: Redis) -> None:
    wordings = Wordings(redis)
    async with wordings.turn(1, FIRST):
        await wordings.begun(1, "discord:7", {"channel": "7"})
        await wordings.replied(1, {"channel": "7", "stands": "channel 8"}, [8, 9])
        await Wordings(redis).begun(1, "discord:7", {"channel": "7"})
    expected = Stands(conversation_id="discord:7", place={"channel": "7", "stands": "channel 8"}, message_ids=(8, 9))
    assert await wordings.stands(1) == expected
    [key] = await redis.keys("*")
    assert 3500 < await redis.ttl(key) <= 3600
    assert "How many" not in str(await redis.hgetall(key))


async def test_of_an_unknown_message_nothing_stands(redis: Redis) -> None:
    assert await Wordings(redis).stands(1) == Stands()


async def test_a_person_can_have_it_forgotten(redis: Redis) -> None:
    wordings = Wordings(redis)
    for message_id, user in ((1, "7"), (2, "7"), (3, "77")):
        async with wordings.turn(message_id, FIRST):
            await wordings.begun(message_id, "discord:5", {"channel": "5", "user": user})
    assert await forget_person(redis, "discord:7") == 2
    assert await wordings.stands(1) == Stands()
    assert (await wordings.stands(3)).place == {"channel": "5", "user": "77"}
