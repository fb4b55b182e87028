"""An answer is believed for a while, and no longer than until it changes."""

from __future__ import annotations

import asyncio

import pytest

from bots.slack.remembered import Remembered


class Slow:
    """Whoever is asked when they like."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[str]] = []
        self.now = 0.0

    async def ask(self, _key: str) -> str:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]

    def remembered(self, **how: int) -> Remembered[str]:
        return Remembered(self.ask, 60, clock=lambda: self.now, **how)


async def test_what_is_on_its_way_when_it_changes_is_asked_for_again() -> None:
    slow = Slow()
    remembered = slow.remembered()
    before = asyncio.ensure_future(remembered.find("a"))
    await asyncio.sleep(0)
    remembered.forget("a")
    after = asyncio.ensure_future(remembered.find("a"))
    await asyncio.sleep(0.01)
    slow.asked[1].set_result("new")
    assert await after == "new"
    slow.asked[0].set_result("old")
    assert await before == "old"
    assert remembered.known("a") == "new"


async def test_it_is_as_old_as_the_question() -> None:
    slow = Slow()
    remembered = slow.remembered()
    asking = asyncio.ensure_future(remembered.find("a"))
    await asyncio.sleep(0.01)
    slow.now = 59
    slow.asked[0].set_result("then")
    assert await asking == remembered.known("a") == "then"
    slow.now = 60
    assert remembered.known("a") is None


async def test_who_stops_waiting_does_not_stop_the_asking_and_a_failure_is_asked_again() -> None:
    slow = Slow()
    remembered = slow.remembered()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(remembered.find("a"), 0.01)
    slow.asked[0].set_result("late")
    await asyncio.sleep(0.01)
    assert await remembered.find("a") == "late"
    failing = asyncio.ensure_future(remembered.find("b"))
    await asyncio.sleep(0.01)
    slow.asked[1].set_exception(ConnectionError())
    with pytest.raises(ConnectionError):
        await failing
    assert remembered.known("b") is None


async def test_the_oldest_are_forgotten_first() -> None:
    remembered = Slow().remembered(most=2)
    for key in ("a", "b", "a", "c"):
        remembered.keep(key, key)
    assert [remembered.known(key) for key in "abc"] == ["a", None, "c"]
