"""Discord takes five edits in five seconds, and a final text does not queue behind those that are on the way to one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

from bots.discord.pace import INTERVAL, Pace, Paces
from tests.virtual_time import VirtualTimeLoop


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work)


def _pace() -> Pace:
    return Pace(clock=asyncio.get_running_loop().time)


def _most_in_five_seconds(at: list[float]) -> int:
    return max(sum(1 for other in at if begin <= other < begin + 5) for begin in at)


def test_edits_that_others_follow_are_more_than_a_second_apart() -> None:
    async def work() -> None:
        pace, at = _pace(), []
        for _ in range(20):
            await pace.turn()
            at.append(asyncio.get_running_loop().time())
        assert all(later - earlier >= INTERVAL * 0.99 for earlier, later in pairwise(at))
        assert _most_in_five_seconds(at) <= 4

    run(work())


def test_a_final_text_goes_at_once_right_behind_another_edit() -> None:
    async def work() -> None:
        pace, now = _pace(), asyncio.get_running_loop().time
        for _ in range(9):
            await pace.turn()
        begun = now()
        await pace.turn(last=True)
        assert now() - begun < 0.05

    run(work())


def test_many_who_write_in_one_channel_keep_to_its_rate_and_the_final_texts_come_first() -> None:
    async def work() -> None:
        pace, at = _pace(), []
        ended: list[float] = []

        async def stream() -> None:
            for _ in range(5):
                await pace.turn()
                at.append(asyncio.get_running_loop().time())

        async def final() -> None:
            await pace.turn(last=True)
            at.append(asyncio.get_running_loop().time())
            ended.append(at[-1])

        streams = [asyncio.create_task(stream()) for _ in range(5)]
        await asyncio.sleep(10)
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(final() for _ in range(8)))
        assert max(ended) - begun < 12
        await asyncio.gather(*streams)
        assert _most_in_five_seconds(sorted(at)) <= 5

    run(work())


def test_all_replies_in_a_channel_share_one_pace_and_other_channels_have_their_own() -> None:
    paces = Paces()
    first = paces.of(1)
    assert paces.of(1) is first
    assert paces.of(2) is not first
