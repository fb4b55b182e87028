"""`footnote serve` and the platforms it hangs on: what it says of them while they are away, and of tokens that they refuse."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.team import Team, a_team

pytestmark = [pytest.mark.slow, pytest.mark.fault]


async def until_ready(team: Team, *, status: int, within: float) -> dict[str, Any]:
    """What `/readyz` says of each part, once it answers with that status."""
    async with httpx.AsyncClient(timeout=10) as http, asyncio.timeout(within):
        while True:
            answer = await http.get(f"{team.address}/readyz")
            if answer.status_code == status:
                return dict(answer.json()["parts"])
            await asyncio.sleep(0.05)


async def test_readiness_names_the_platform_that_is_away_until_it_is_back_by_itself(data_dir: Path) -> None:
    async with a_team(data_dir) as team, team.serving():
        await until_ready(team, status=200, within=10)
        team.slack.courier.refuse_handshakes = 2
        team.slack.courier.cut()
        parts = await until_ready(team, status=503, within=15)
        assert {part for part, state in parts.items() if state != "up"} == {"slack"}
        assert "not connected" in parts["slack"]
        await until_ready(team, status=200, within=45)
        assert await team.asked("How many days?")
        team.discord.gateway.refused_handshakes = 2
        await team.discord.gateway.cut()
        parts = await until_ready(team, status=503, within=15)
        assert {part for part, state in parts.items() if state != "up"} == {"discord"}
        await until_ready(team, status=200, within=45)
        assert await team.discord.answer_to(await team.discord.mention(team.bo, team.general, "How many days?"))


@pytest.mark.parametrize(
    ("setting", "token"),
    [("SLACK_BOT_TOKEN", "xoxb-1-wrong"), ("DISCORD_BOT_TOKEN", "wrong.wrong.wrong")],
    ids=["slack", "discord"],
)
async def test_a_token_that_is_refused_ends_the_start_with_one_line_that_names_it(
    data_dir: Path, setting: str, token: str
) -> None:
    """That a platform needs less than ten seconds to say so is held by the dialogues of each; here other things start, too."""
    async with a_team(data_dir) as team, asyncio.timeout(60):
        wrong = replace(team.footnote, settings={**team.footnote.settings, setting: token})
        ran = await wrong.run("serve")
    assert ran.status == 2
    [line] = [line for line in ran.err.splitlines() if setting in line]
    assert line == ran.err.splitlines()[-1]
    assert token not in ran.err
    assert "Traceback" not in ran.err
