"""An answer from a source that is late says so, and is never kept waiting for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from core.answering.assistant import Assistant
from core.answering.freshness import Freshness
from core.answering.memory import Memory
from core.errors import TransientError
from core.models import ANYONE, Hit, SyncState, SyncStatus
from tests.answering import LEAVE_HIT, ScriptedSearch, asked
from tests.fakes import NOON, message

QUESTION = "How many days of paid leave do employees get?"
QUOTED = "Quoted word for word from the documents."


class States:
    """What is known of the sources; counts how often it is asked."""

    def __init__(self, *states: SyncState, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.states = {state.source: state for state in states}
        self.seconds = seconds
        self.error = error
        self.asked = 0

    async def __call__(self) -> Mapping[str, SyncState]:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return self.states


def read(ago: timedelta | None, status: SyncStatus = SyncStatus.DONE, source: str = "wiki") -> SyncState:
    return SyncState(source=source, status=status, fresh_at=None if ago is None else NOON - ago)


async def notice(states: States, interval: timedelta = timedelta(minutes=10)) -> str:
    freshness = Freshness(states, interval, clock=lambda: NOON)
    async with freshness.looking() as late:
        return await late(["wiki"])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (read(timedelta(minutes=29)), ""),
        (read(timedelta(minutes=31)), "Wiki was last read 31 min ago; newer edits are not in this answer."),
        (read(timedelta(hours=3), SyncStatus.RUNNING), "Wiki was last read 3 h ago; newer edits are not in this answer."),
        (read(timedelta(minutes=2), SyncStatus.FAILED), ""),
        (
            read(timedelta(minutes=2), SyncStatus.NEEDS_ATTENTION),
            "Wiki was last read 2 min ago; newer edits are not in this answer.",
        ),
        (read(None, SyncStatus.NEEDS_ATTENTION), "Wiki cannot be read at the moment; newer edits are not in this answer."),
        (read(None, SyncStatus.RUNNING), ""),
        (read(timedelta(days=2), source="files"), ""),
    ],
    ids=["in time", "late", "late and being read", "failed once", "refused", "refused at once", "first sync", "not cited"],
)
async def test_a_source_is_late_after_half_an_hour_or_when_it_refuses_us(state: SyncState, said: str) -> None:
    assert await notice(States(state)) == said


async def test_where_syncs_are_rare_three_intervals_are_allowed() -> None:
    assert await notice(States(read(timedelta(hours=2))), interval=timedelta(hours=1)) == ""
    assert "4 h ago" in await notice(States(read(timedelta(hours=4))), interval=timedelta(hours=1))


async def test_it_is_looked_up_once_in_some_seconds() -> None:
    states, timer = States(read(timedelta(hours=3))), [100.0]
    freshness = Freshness(states, clock=lambda: NOON, timer=lambda: timer[0])
    for timer[0] in (100.0, 104.0, 106.0):
        async with freshness.looking() as late:
            assert "3 h ago" in await late(["wiki"])
    assert states.asked == 2


async def test_while_nobody_knows_nothing_is_said() -> None:
    assert await notice(States(error=TransientError())) == ""


async def test_an_answer_does_not_wait_for_it() -> None:
    began = time.monotonic()
    assert await notice(States(read(timedelta(hours=3)), seconds=30)) == ""
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("hits", "said"),
    [((LEAVE_HIT,), f"{QUOTED} Wiki was last read 3 h ago; newer edits are not in this answer."), ((), "")],
    ids=["found", "not found"],
)
async def test_the_answer_says_so_of_what_it_cites(redis: Redis, hits: tuple[Hit, ...], said: str) -> None:
    states = States(read(timedelta(hours=3)), read(timedelta(days=9), source="files"))
    search = ScriptedSearch(*hits)
    assistant = Assistant(
        search=search,
        accesses=search.accesses,
        model=None,
        memory=Memory(redis, turns=5, ttl=timedelta(minutes=5), accesses=search.accesses),
        freshness=Freshness(states, clock=lambda: NOON),
    )
    _, answer = await asked(assistant, message(QUESTION), ANYONE)
    assert answer.notice == said
