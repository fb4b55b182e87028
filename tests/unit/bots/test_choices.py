"""What is offered while somebody types: what they may know of, and in time."""

from __future__ import annotations

import asyncio
import time

import pytest

from bots.choices import MOST, Choices
from core.errors import TransientError, UserError
from core.models import ANYONE, Audience

ANA = Audience.of(["user:ana@acme.com"])


async def _ana() -> Audience:
    return ANA


def _choices(*names: str) -> Choices:
    async def readable(audience: Audience) -> tuple[str, ...]:
        return names if audience is ANA else ()

    return Choices(readable)


async def test_all_names_are_offered_before_anything_is_typed() -> None:
    assert await _choices("wiki", "drive", "handbook").sources("", _ana()) == ["drive", "handbook", "wiki"]


async def test_names_that_begin_with_what_was_typed_stand_before_those_that_contain_it() -> None:
    assert await _choices("old-wiki", "Wiki", "drive", "wiki-hr").sources(" wIk", _ana()) == ["Wiki", "wiki-hr", "old-wiki"]


async def test_of_many_names_no_more_are_offered_than_discord_shows() -> None:
    assert len(await _choices(*(f"team-{number}" for number in range(100))).sources("", _ana())) == MOST


async def test_who_cannot_be_told_in_time_is_offered_nothing() -> None:
    async def slow(_audience: Audience) -> list[str]:
        await asyncio.sleep(60)
        return ["wiki"]

    started = time.monotonic()
    assert await Choices(slow, seconds=0.05).sources("", _ana()) == []
    assert time.monotonic() - started < 1


async def test_while_the_index_is_away_nothing_is_offered() -> None:
    async def away(_audience: Audience) -> list[str]:
        raise TransientError("Search is unavailable.")

    assert await Choices(away).sources("", _ana()) == []


async def test_a_source_that_is_not_for_somebody_is_refused_like_one_that_is_not_there() -> None:
    choices = _choices("wiki")
    await choices.require("wiki", ANA)
    with pytest.raises(UserError, match="no source `wiki`"):
        await choices.require("wiki", ANYONE)
