"""What there is to ask about, and what one might ask first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from bots.overview import Overview, Shelf
from bots.prompts import questions
from core.errors import TransientError
from core.indexing.index import Glimpse
from core.models import ANYONE, Audience, SyncState
from tests.fakes import NOON


def glimpse(number: int, title: str, *headings: str) -> Glimpse:
    return Glimpse(document_id=f"wiki:{number}", title=title, headings=headings)


def test_headings_that_are_questions_come_first() -> None:
    seen = [glimpse(1, "Travel policy"), glimpse(2, "Leave", "Rules", "How many days\n do I have?"), glimpse(3, "Who pays?")]
    assert questions(seen) == ["How many days do I have?", "Who pays?", 'What does "Travel policy" say?']


def test_a_document_and_a_wording_are_asked_about_once() -> None:
    seen = [glimpse(1, "Leave", "May I carry it over?", "Who approves it?"), glimpse(2, "Absence", "MAY I carry it over?")]
    assert questions(seen) == ["May I carry it over?", 'What does "Absence" say?']


def test_at_most_four_are_chosen_and_always_the_same_ones() -> None:
    seen = [glimpse(number, f"Page {number}") for number in range(50)]
    assert questions(seen) == questions(seen)
    assert len(questions(seen)) == 4
    assert len(questions(seen, 2)) == 2


def test_what_nobody_would_ask_is_no_question() -> None:
    assert questions([glimpse(1, "2024-01"), glimpse(2, "x" * 200), glimpse(3, " ", "Why?", "y" * 100 + "?")]) == []
    assert questions([glimpse(1, 'The "one"  page?')]) == ['The "one" page?']
    assert questions([glimpse(1, "من يوافق على السفر؟"), glimpse(2, "休暇は何日ありますか？")]) == [
        "من يوافق على السفر؟",
        "休暇は何日ありますか？",
    ]


class Parts:
    def __init__(self, *, away: bool = False, states_away: bool = False) -> None:
        self._away, self._states_away = away, states_away

    async def counts(self, _audience: Audience) -> Mapping[str, int]:
        if self._away:
            raise TransientError("away")
        return {"drive": 5, "wiki": 70}

    async def glimpses(self, _audience: Audience) -> Sequence[Glimpse]:
        if self._away:
            raise TransientError("away")
        return [glimpse(1, "Leave")]

    async def states(self) -> Mapping[str, SyncState]:
        if self._states_away:
            raise TransientError("away")
        return {"wiki": SyncState(source="wiki", fresh_at=NOON), "vault": SyncState(source="vault", fresh_at=NOON)}


def overview(parts: Parts) -> Overview:
    return Overview(parts.counts, parts.glimpses, parts.states)


async def test_sources_come_by_their_size_with_their_age_and_no_other_is_named() -> None:
    assert await overview(Parts()).shelves(ANYONE) == [
        Shelf(source="wiki", documents=70, fresh_at=NOON),
        Shelf(source="drive", documents=5, fresh_at=None),
    ]


async def test_without_the_states_only_the_age_is_unknown() -> None:
    assert [shelf.fresh_at for shelf in await overview(Parts(states_away=True)).shelves(ANYONE)] == [None, None]


async def test_without_the_index_nothing_is_known() -> None:
    with pytest.raises(TransientError):
        await overview(Parts(away=True)).shelves(ANYONE)
    assert await overview(Parts(away=True)).questions(ANYONE) == []
    assert await overview(Parts()).questions(ANYONE) == ['What does "Leave" say?']


def test_a_shelf_is_told_in_a_line() -> None:
    at = NOON + timedelta(minutes=4)
    assert Shelf(source="wiki", documents=1240, fresh_at=NOON).told(at) == (
        "**Wiki** · 1,240 documents that you may read · read 4 min ago"
    )
    assert Shelf(source="Drive", documents=1, fresh_at=None).told(at) == (
        "**Drive** · 1 document that you may read · being read for the first time"
    )


async def test_it_waits_for_nobody_for_long() -> None:
    began = asyncio.get_running_loop().time()

    class Slow(Parts):
        async def counts(self, _audience: Audience) -> Mapping[str, int]:
            await asyncio.sleep(20)
            return {}

    slow = Slow()
    with pytest.raises(TransientError, match="try again"):
        await Overview(slow.counts, slow.glimpses, slow.states, seconds=0.05).shelves(ANYONE)
    assert asyncio.get_running_loop().time() - began < 5
