"""The stories of the design through one running `footnote serve`, real clients and all: who says what, what they see."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.team import ANA, LEAVE, Team, a_team
from tests.emulators.openai import Says

PARKING = "# Parking\n\nThe garage under the office opens at six in the morning.\n"


@pytest.fixture
async def team(data_dir: Path) -> AsyncIterator[Team]:
    async with a_team(data_dir) as team:
        yield team


async def test_a_question_becomes_a_footnoted_answer_on_both_platforms(team: Team) -> None:
    async with team.serving():
        await team.reindex()
        asked = await team.slack.mention(ANA, "C1", "How many days of paid leave do I have?")
        in_slack = await team.slack.until_reply(asked)
        assert "thirty days" in in_slack.shown
        assert "Leave" in in_slack.shown
        asked_there = await team.discord.mention(team.bo, team.general, "How many days of paid leave do I have?")
        in_discord = await team.discord.answer_to(asked_there)
        await team.discord.until(lambda: bool(in_discord.components), what="its sources")
        assert "thirty days" in in_discord.content
        assert "Leave" in in_discord.content


@pytest.mark.slow
async def test_a_changed_page_becomes_knowledge_when_an_admin_says_so(team: Team) -> None:
    async with team.serving():
        assert "1 seen" in await team.reindex()
        (team.pages / "parking.md").write_text(PARKING)
        (team.pages / "leave.md").write_text(LEAVE.replace("thirty", "thirty-two"))
        assert "2 seen · 2 indexed" in await team.reindex()
        asked = await team.slack.mention(ANA, "C1", "When does the garage under the office open?")
        assert "six in the morning" in (await team.slack.until_reply(asked)).shown
        asked = await team.slack.mention(ANA, "C1", "How many days of paid leave does everybody have?")
        assert "thirty-two" in (await team.slack.until_reply(asked)).shown


@pytest.mark.slow
async def test_a_stop_during_five_answers_finishes_all_five(team: Team) -> None:
    async with team.serving() as process:
        await team.reindex()
        team.model.script(Says(text="Thirty days [1].", first_token_after=2.0))
        asked = [await team.slack.mention(ANA, "C1", f"How many days of paid leave, {number}?") for number in range(5)]
        await team.slack.until(lambda: len(team.model.requests) >= 5)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
        assert [len(team.slack.replies(question)) for question in asked] == [1] * 5
        assert all("Thirty days" in team.slack.replies(question)[0].shown for question in asked)
