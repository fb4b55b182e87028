"""The stories of the design through one running `footnote serve`, real clients and all: who says what, what they see."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, ready
from tests.emulators.discord import DiscordServer
from tests.emulators.openai import OpenAIServer, Says
from tests.emulators.slack import SlackServer

LEAVE = "# Leave\n\nEverybody has thirty days of paid leave a year. Unused days expire at the end of March.\n"
PARKING = "# Parking\n\nThe garage under the office opens at six in the morning.\n"
ADMIN, ANA = "U1ADMIN", "U2ANA"


class Team:
    """One company: its pages, its Slack, its Discord, its model, and Footnote in the middle."""

    def __init__(self, home: Path, slack: SlackServer, discord: DiscordServer, model: OpenAIServer) -> None:
        self.pages = home / "pages"
        self.slack = slack
        self.discord = discord
        self.model = model
        self.bo = discord.user("Bo")
        self.boss = discord.user("Chris", admin=True)
        self.general = discord.channel("general")
        self.footnote = Installation(
            home,
            {
                "FOOTNOTE_DATA_DIR": str(home / "d"),
                "FOOTNOTE_FOLDER": str(self.pages),
                "FOOTNOTE_HTTP_PORT": "0",
                "FOOTNOTE_LOG_FORMAT": "json",
                "FOOTNOTE_ADMINS": f"slack:{ADMIN}, discord:{self.boss.id}",
                "OPENAI_BASE_URL": model.url,
                "OPENAI_API_KEY": model.key,
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_APP_TOKEN": slack.app_token,
                "SLACK_API_URL": slack.url,
                "DISCORD_BOT_TOKEN": discord.token,
                "DISCORD_API_URL": discord.api_url,
            },
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await self.footnote.start("serve")
        try:
            await ready(process)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.communicate()

    async def reindex(self) -> str:
        """The admin's /reindex, followed to its report."""
        cards = len(self.slack.posts("C1"))
        await self.slack.command(ADMIN, "C1", "/reindex", "folder")
        await self.slack.until(lambda: "done in" in "".join(post.shown for post in self.slack.posts("C1")[cards:]))
        return self.slack.posts("C1")[-1].shown


@pytest.fixture
async def team(data_dir: Path) -> AsyncIterator[Team]:
    async with SlackServer() as slack, DiscordServer() as discord, OpenAIServer() as model:
        slack.user(ADMIN, email="admin@acme.com")
        slack.user(ANA, email="ana@acme.com")
        slack.channel("C1")
        team = Team(data_dir, slack, discord, model)
        team.pages.mkdir()
        (team.pages / "leave.md").write_text(LEAVE)
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
        async with asyncio.timeout(90):
            assert await process.wait() == 0
        assert [len(team.slack.replies(question)) for question in asked] == [1] * 5
        assert all("Thirty days" in team.slack.replies(question)[0].shown for question in asked)
