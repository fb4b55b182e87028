"""One company in one place: its pages, its Slack, its Discord, its model, and Footnote served in the middle of it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.e2e.installation import Installation, ready
from tests.emulators.discord import DiscordServer
from tests.emulators.openai import OpenAIServer
from tests.emulators.slack import SlackServer

LEAVE = "# Leave\n\nEverybody has thirty days of paid leave a year. Unused days expire at the end of March.\n"
ADMIN, ANA = "U1ADMIN", "U2ANA"
PUSH_SECRET = "a secret of some length"


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
        self.address = ""
        """Of Footnote's own HTTP server while it is serving."""
        self.footnote = Installation(
            home,
            {
                "FOOTNOTE_DATA_DIR": str(home / "d"),
                "FOOTNOTE_FOLDER": str(self.pages),
                "FOOTNOTE_HTTP_PORT": "0",
                "FOOTNOTE_LOG_FORMAT": "json",
                "FOOTNOTE_PUSH_SECRET": PUSH_SECRET,
                "FOOTNOTE_RATE_LIMIT": "10000",
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
    async def serving(self, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await self.footnote.start("serve", **settings)
        reading: asyncio.Task[tuple[bytes, bytes]] | None = None
        try:
            self.address = await ready(process)
            # Read on, or a full pipe would stop it.
            reading = asyncio.create_task(process.communicate())
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            _, log = await (reading or process.communicate())
            print(log.decode())

    async def push(self, source: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> int:
        """The status that a notification is answered with."""
        async with httpx.AsyncClient(timeout=60) as http:
            headers = headers or {"Authorization": f"Bearer {PUSH_SECRET}"}
            return (await http.post(f"{self.address}/push/{source}", content=body, headers=headers)).status_code

    async def asked(self, question: str) -> str:
        """What Ana is told when she asks in private, in a thread of its own."""
        return (await self.slack.until_reply(await self.slack.dm(ANA, question))).shown

    async def until_told(self, question: str, told: Callable[[str], bool], *, within: float) -> str:
        """Ask until the answer is like that; it must be, after so many seconds."""
        began = time.monotonic()
        while not told(answer := await self.asked(question)):
            assert time.monotonic() - began < within, f"after {within} s still: {answer}"
        return answer

    async def says(self, text: str, user: str = ADMIN) -> str:
        """What somebody is told who gives `/footnote` with this text in Slack."""
        before = len(self.slack.whispers(user))
        await self.slack.command(user, "C1", "/footnote", text)
        return (await self.slack.until_whisper(user, before + 1)).shown

    async def until_said(self, text: str, *words: str, within: float = 60.0) -> str:
        """Give the command until its reply has all of these words; it must, after so many seconds."""
        began = time.monotonic()
        told = await self.says(text)
        while not all(word in told for word in words):
            assert time.monotonic() - began < within, f"after {within} s still: {told}"
            await asyncio.sleep(0.1)
            told = await self.says(text)
        return told

    async def reindex(self) -> str:
        """The admin's /reindex, followed to its report."""
        cards = len(self.slack.posts("C1"))
        await self.slack.command(ADMIN, "C1", "/reindex", "folder")
        await self.slack.until(lambda: "done in" in "".join(post.shown for post in self.slack.posts("C1")[cards:]))
        return self.slack.posts("C1")[-1].shown


@asynccontextmanager
async def a_team(home: Path) -> AsyncIterator[Team]:
    async with SlackServer() as slack, DiscordServer() as discord, OpenAIServer() as model:
        slack.user(ADMIN, email="admin@acme.com")
        slack.user(ANA, email="ana@acme.com")
        slack.channel("C1")
        team = Team(home, slack, discord, model)
        team.pages.mkdir()
        (team.pages / "leave.md").write_text(LEAVE)
        yield team
