"""Work that is done together: scripted work, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from core.batches import Batches
from core.errors import TransientError

ONE_RUN = 0.1


class SlowWork:
    """Doubles numbers, ``ONE_RUN`` seconds for each batch; fails for those in ``broken``."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.broken: set[int] = set()
        self.running = self.most_running = 0

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(ONE_RUN)
        self.running -= 1
        if self.broken.intersection(numbers):
            raise TransientError("the work failed")
        return [2 * number for number in numbers]


@pytest.fixture
def work() -> SlowWork:
    return SlowWork()


def start(batches: Batches[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(batches(number)) for number in numbers]


async def test_what_waits_is_worked_on_together_and_everybody_gets_their_own(work: SlowWork) -> None:
    batches = Batches(work, most=8)
    [first] = start(batches, 1)
    await asyncio.sleep(ONE_RUN / 2)
    rest = start(batches, *range(2, 8))
    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10, 12, 14]
    assert work.batches == [[1], [2, 3, 4, 5, 6, 7]]


async def test_nobody_waits_for_others_to_come(work: SlowWork) -> None:
    batches = Batches(work, most=8)
    clock = asyncio.get_running_loop().time
    for _ in range(3):
        began = clock()
        await batches(1)
        assert clock() - began < 1.5 * ONE_RUN


async def test_a_batch_has_a_limit_and_the_first_come_are_the_first_served(work: SlowWork) -> None:
    batches = Batches(work, most=3)
    await asyncio.gather(*start(batches, *range(8)))
    assert work.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_so_many_batches_run_side_by_side_and_no_more(work: SlowWork, at_once: int) -> None:
    batches = Batches(work, most=2, at_once=at_once)
    assert await asyncio.gather(*start(batches, *range(20))) == [2 * number for number in range(20)]
    assert work.most_running == at_once


async def test_whoever_gives_up_takes_nothing_from_the_others(work: SlowWork) -> None:
    batches = Batches(work, most=3)
    running = start(batches, 1, 2, 3)
    waiting = start(batches, 4, 5, 6)
    await asyncio.sleep(ONE_RUN / 2)
    for task in (running[0], waiting[0]):
        task.cancel()
    assert await asyncio.gather(*running[1:], *waiting[1:]) == [4, 6, 10, 12]
    assert work.batches == [[1, 2, 3], [5, 6]], "and who had not begun is left out"


async def test_a_batch_of_which_everybody_gave_up_is_followed_by_the_next(work: SlowWork) -> None:
    batches = Batches(work, most=1)
    running, waiting, last = start(batches, 1, 2, 3)
    await asyncio.sleep(ONE_RUN / 2)
    running.cancel()
    waiting.cancel()
    assert await last == 6
    assert work.batches == [[1], [3]]


async def test_what_goes_wrong_is_told_to_all_in_the_batch_and_to_nobody_else(work: SlowWork) -> None:
    work.broken = {2}
    batches = Batches(work, most=3)
    found = await asyncio.gather(*start(batches, *range(6)), return_exceptions=True)
    assert [type(one) for one in found] == [TransientError] * 3 + [int] * 3
    work.broken = set()
    assert await batches(2) == 4


async def test_work_may_fail_for_one_alone() -> None:
    async def choosy(numbers: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if number % 2 else number for number in numbers]

    batches = Batches(choosy, most=3)
    two, three, four = await asyncio.gather(*start(batches, 2, 3, 4), return_exceptions=True)
    assert (two, str(three), four) == (2, "odd", 4)


async def test_work_that_forgets_somebody_leaves_nobody_waiting() -> None:
    async def forgetful(numbers: Sequence[int]) -> list[int]:
        return list(numbers[:-1])

    batches = Batches(forgetful, most=3)
    found = await asyncio.gather(*start(batches, 1, 2), return_exceptions=True)
    assert [str(error) for error in found] == ["2 items have 1 results"] * 2


async def test_what_is_bound_to_the_first_question_is_not_bound_to_the_work() -> None:
    question = ContextVar("question", default="none")
    seen: list[str] = []

    async def looking(numbers: Sequence[int]) -> Sequence[int]:
        seen.append(question.get())
        return numbers

    question.set("the first")
    await Batches(looking, most=3)(1)
    assert seen == ["none"]
