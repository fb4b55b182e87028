"""A part that is busy is waited for; one that is away is left alone."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import TransientError
from core.outage import Outage


async def taking(seconds: float, value: str = "kept") -> str:
    await asyncio.sleep(seconds)
    return value


async def test_what_is_slow_because_many_ask_at_once_is_waited_for_while_others_are_answered() -> None:
    outage = Outage("nothing is remembered", timeout=1.0)
    calls = [outage.reach(lambda seconds=seconds: taking(seconds)) for seconds in (0.8, 1.6, 2.4, 3.2)]  # type: ignore[misc]
    assert await asyncio.gather(*calls) == ["kept"] * 4


async def test_nobody_waits_longer_than_four_times_the_limit_however_many_others_are_answered() -> None:
    outage = Outage("nothing is remembered", timeout=1.0)
    others = [outage.reach(lambda seconds=seconds: taking(seconds)) for seconds in (0.9, 1.8, 2.7, 3.6)]  # type: ignore[misc]
    *_, stuck = await asyncio.gather(*others, outage.reach(lambda: taking(4.2)), return_exceptions=True)
    assert isinstance(stuck, TransientError)


async def test_a_part_that_answers_nobody_is_given_up_in_time_and_then_left_alone() -> None:
    outage = Outage("nothing is remembered", timeout=1.0)
    began = asyncio.get_running_loop().time()
    with pytest.raises(TransientError, match="does not answer"):
        await outage.reach(lambda: taking(60))
    assert asyncio.get_running_loop().time() - began < 1.5
    with pytest.raises(TransientError, match="moments ago"):
        await outage.reach(lambda: taking(0))
