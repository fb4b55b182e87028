"""How many calls a process makes."""

from __future__ import annotations

from bots.slack.allowance import Allowance


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_never_more_than_the_burst_and_the_rate_in_any_minute() -> None:
    clock = Clock()
    allowance = Allowance(burst=25, per_minute=75, clock=clock, sleep=clock.sleep)
    taken = []
    for _ in range(400):
        await allowance.wait()
        taken.append(clock.now)
    assert max(sum(start <= at < start + 60 for at in taken) for start in taken) <= 100
    # And not much less, either.
    assert 400 / clock.now * 60 > 75


async def test_an_unused_minute_is_not_saved_up() -> None:
    clock = Clock()
    allowance = Allowance(burst=3, per_minute=60, clock=clock)
    clock.now = 600.0
    assert [allowance.take() for _ in range(3)] == [0.0] * 3
    assert allowance.take() == 1.0


async def test_silence_that_slack_asks_for_is_kept() -> None:
    clock = Clock()
    allowance = Allowance(burst=3, per_minute=60, clock=clock, sleep=clock.sleep)
    allowance.pause(7)
    await allowance.wait()
    assert clock.now == 7
