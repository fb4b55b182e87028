"""What is away, and what only seems so to a process that has too much to do."""

from __future__ import annotations

import asyncio
import time

import pytest

from core.patience import Patience

LIMIT = 0.2
"""Seconds."""


async def several_round_trips() -> str:
    for _ in range(5):
        await asyncio.sleep(0)
    return "there"


async def test_what_says_nothing_is_given_up_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with Patience().within(LIMIT):
            await asyncio.Event().wait()
    assert LIMIT * 0.9 <= time.monotonic() - began < 5


async def test_an_answer_that_a_busy_process_did_not_come_to_is_not_taken_for_none() -> None:
    done = asyncio.Event()

    async def work() -> None:
        while not done.is_set():
            time.sleep(LIMIT)  # noqa: ASYNC251  # the loop comes to nothing else meanwhile
            await asyncio.sleep(0)

    busy = asyncio.create_task(work())
    await asyncio.sleep(0)
    async with Patience().within(LIMIT):
        assert await several_round_trips() == "there"
    done.set()
    await busy
