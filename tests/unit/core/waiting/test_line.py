"""Many questions at once, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from core.answering.line import AGAIN, PATIENCE, SOON, Line
from core.errors import TransientError
from core.patience import AT_MOST

LONG = 1_000.0
"""Seconds that a turn may take, where that does not matter."""


class Person:
    """Asks, and remembers what was said while waiting."""

    def __init__(self, line: Line, seconds: float = 1.0) -> None:
        self.told: list[int] = []
        self.served_at: float | None = None
        self._line = line
        self._seconds = seconds

    async def hear(self, before: int) -> None:
        self.told.append(before)

    async def ask(self) -> None:
        async with self._line.turn(self.hear):
            self.served_at = asyncio.get_running_loop().time()
            await asyncio.sleep(self._seconds)


def start(*people: Person) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(person.ask()) for person in people]


async def test_a_few_are_served_at_once_and_the_first_come_first() -> None:
    line = Line(LONG, width=2)
    people = [Person(line) for _ in range(6)]
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*start(*people))
    assert [round(person.served_at - began) for person in people if person.served_at] == [0, 0, 1, 1, 2, 2]


async def test_who_is_served_soon_hears_nothing_of_a_line() -> None:
    line = Line(LONG, width=1)
    people = [Person(line, seconds=SOON / 4) for _ in range(4)]
    await asyncio.gather(*start(*people))
    assert [person.told for person in people] == [[]] * 4


async def test_who_waits_hears_how_many_are_before_and_that_the_turn_came() -> None:
    line = Line(LONG, width=1)
    people = [Person(line, seconds=(SOON + AGAIN) / 2 + 0.1) for _ in range(4)]
    await asyncio.gather(*start(*people))
    assert [person.told for person in people] == [[], [0, 0], [1, 0, 0], [2, 1, 0]]


async def test_who_waits_in_vain_is_told_the_number_in_line_and_leaves_it() -> None:
    line = Line(LONG, width=1)
    endless, second, third = (Person(line, seconds=seconds) for seconds in (PATIENCE + 5, 1, 1))
    tasks = start(endless, second, third)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[0] is None
    assert all(isinstance(error, TransientError) for error in found[1:])
    assert "after 2 minutes yours is number 1 in line" in str(found[1])
    late = Person(line)
    await late.ask()
    assert late.told == []


@pytest.mark.parametrize("waiting", [False, True], ids=["its turn came", "it waits"])
async def test_a_question_that_is_cancelled_keeps_nobody_waiting(waiting: bool) -> None:
    line = Line(LONG, width=1)
    first, second, third = (Person(line) for _ in range(3))
    tasks = start(first, second, third)
    await asyncio.sleep(0.5)
    tasks[waiting].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert third.served_at
    await Person(line).ask()


async def test_a_question_that_fails_or_cannot_be_told_keeps_nobody_waiting() -> None:
    line = Line(LONG, width=1)

    async def deaf(_: int) -> None:
        raise ConnectionError

    async def fail() -> None:
        async with line.turn():
            await asyncio.sleep(SOON * 2)
            raise ValueError

    async def wait() -> None:
        async with line.turn(deaf):
            raise AssertionError

    found = await asyncio.gather(fail(), wait(), return_exceptions=True)
    assert [type(error) for error in found] == [ValueError, ConnectionError]
    await Person(line).ask()


async def test_a_turn_that_takes_too_long_is_over_and_the_next_has_its_own_time() -> None:
    line = Line(2.5, width=1)
    hanging, late = Person(line, seconds=60), Person(line, seconds=2)
    found = await asyncio.gather(*start(hanging, late), return_exceptions=True)
    assert [type(error) for error in found] == [TimeoutError, type(None)]


async def test_while_others_come_through_slow_is_not_taken_for_away() -> None:
    line = Line(2.5, width=3)
    people = [Person(line, seconds=seconds) for seconds in (6.5, 2, 2, 2, 2, 2, 2)]
    assert await asyncio.gather(*start(*people)) == [None] * 7


async def test_but_not_for_ever() -> None:
    line = Line(2.5, width=2)
    hanging, *others = [Person(line, seconds=seconds) for seconds in (60, *[2] * 10)]
    began = asyncio.get_running_loop().time()
    task, *rest = start(hanging, *others)
    with pytest.raises(TimeoutError):
        await task
    assert asyncio.get_running_loop().time() - began == pytest.approx(AT_MOST * 2.5, abs=0.5)
    await asyncio.gather(*rest)
