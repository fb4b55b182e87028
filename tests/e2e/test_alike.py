"""Slack and Discord side by side in one company: what is answered, refused, counted, written down and logged is the same."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from bots.app import App, open_app
from core.audit import verify
from core.settings import Settings
from tests.contract.pages import document
from tests.emulators.discord import DiscordServer
from tests.emulators.slack import SlackServer

ANA, GENERAL = "U1ANA", "C1GENERAL"
LEAVE, NONSENSE = "How many days of paid vacation are there in a year?", "Which zorblax has a quibbled fnord?"


class Company:
    """Ana asks in Slack, Bo on Discord."""

    def __init__(self, slack: SlackServer, discord: DiscordServer, app: App) -> None:
        self.slack = slack
        self.discord = discord
        self.app = app
        self.bo = discord.user("Bo")
        self.general = discord.channel("general")
        self.logs: list[MutableMapping[str, Any]] = []
        """All that is logged while they ask."""

    def logged(self, event: str) -> list[str]:
        """The ids that those lines have."""
        return [line["message"] for line in self.logs if line["event"] == event]

    async def slack_says(self, question: str) -> str:
        before = len(self.slack.whispers(ANA))
        asked = await self.slack.mention(ANA, GENERAL, question)
        await self.slack.until(lambda: self.slack.replies(asked) or len(self.slack.whispers(ANA)) > before, what="a reply")
        shown = self.slack.replies(asked) or self.slack.whispers(ANA)[before:]
        return plain(shown[0].shown)

    async def discord_says(self, question: str) -> str:
        return plain((await self.discord.answer_to(await self.discord.mention(self.bo, self.general, question))).content)

    def audited(self) -> list[dict[str, Any]]:
        """The lines on questions, in their order."""
        self.app.audit.close()
        path = self.app.settings.audit_log
        assert path is not None
        assert verify(path).broken is None
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [line for line in lines if line["event"].startswith("question.")]


@asynccontextmanager
async def company(data_dir: Path, **settings: Any) -> AsyncIterator[Company]:
    async with SlackServer() as slack, DiscordServer() as discord:
        slack.user(ANA, name="Ana", email="ana@acme.com")
        slack.channel(GENERAL)
        tokens = {"slack_bot_token": slack.bot_token, "slack_app_token": slack.app_token, "slack_api_url": slack.url}
        tokens |= {"discord_bot_token": discord.token, "discord_api_url": discord.api_url}
        loaded = Settings(_env_file=None, footnote_data_dir=data_dir, **(tokens | settings))
        async with open_app(loaded) as app:
            await app.index.upsert([document("leave", "Everybody has thirty days of paid vacation in a year.")])
            here = Company(slack, discord, app)
            for platform in app.platforms:
                await platform.start()
            try:
                with capture_logs(processors=[merge_contextvars]) as here.logs:
                    yield here
            finally:
                for platform in app.platforms:
                    await platform.stop(5)
        assert slack.flaws == []


def plain(shown: str) -> str:
    """Without what each platform writes in its own way: links, marks, small print and where a source is listed."""
    text = re.sub(r"<(?:https?://[^|>]*)\|([^>]*)>|\[(\[?[^\]]*\]?)\]\(<?https?://[^)]*>?\)", r"\1\2", shown)
    return " ".join(re.sub(r"[*_`\\>•]|-#", "", text).split())


async def test_the_same_question_has_the_same_answer_sources_and_refusal_on_both_and_one_line_in_the_audit_log(
    data_dir: Path,
) -> None:
    async with company(data_dir) as here:
        told = [(await here.slack_says(question), await here.discord_says(question)) for question in (LEAVE, NONSENSE, "🏖️")]
        lines = here.audited()
        tokens = (here.slack.bot_token, here.slack.app_token, here.discord.token)
    for answer in told[0]:
        assert "thirty days of paid vacation in a year. [1]" in answer
    assert told[1][0] == told[1][1]
    assert told[2][0] == told[2][1]
    assert [line["where"]["platform"] for line in lines] == ["slack", "discord"] * 3
    for in_slack, on_discord in zip(lines[::2], lines[1::2], strict=True):
        assert in_slack["event"] == on_discord["event"]
        for fact in ("question", "mode", "returned", "cited", "reason"):
            assert in_slack["facts"].get(fact) == on_discord["facts"].get(fact), fact
    assert lines[0]["facts"]["cited"] == ["wiki:leave"]
    for kept_out in (*tokens, "thirty days", "vacation", "zorblax", "://wiki"):
        assert kept_out not in json.dumps(lines)


async def test_what_is_logged_of_a_question_has_one_id_from_its_event_to_its_answer(data_dir: Path) -> None:
    away = {"openai_base_url": "http://127.0.0.1:1/v1", "openai_api_key": "sk-of-nobody", "footnote_model": "openai:gpt"}
    async with company(data_dir, **away) as here:
        for ask in (here.slack_says, here.discord_says):
            assert "thirty days" in await ask(LEAVE)
        await here.slack.until(lambda: len(here.logged("answer.sent")) == 2, what="the ends of both")
        failed, sent = here.logged("model.failed"), here.logged("answer.sent")
        assert [id.partition(":")[0] for id in sent] == ["slack", "discord"]
        assert failed == sent


async def test_whoever_asks_too_much_is_told_so_in_the_same_words_on_both(data_dir: Path) -> None:
    async with company(data_dir, footnote_rate_limit=2) as here:
        for ask in (here.slack_says, here.discord_says):
            for _ in range(2):
                assert "thirty days" in await ask(LEAVE)
        in_slack, on_discord = await here.slack_says(LEAVE), await here.discord_says(LEAVE)
        pattern = r"You asked 2 questions in the last minute, which is the limit\. Please ask again in \d+ seconds?\."
        assert re.fullmatch(pattern, in_slack)
        assert re.fullmatch(pattern, on_discord)
        assert [line["facts"].get("reason") for line in here.audited()] == [None] * 4 + ["TooMany"] * 2


async def test_a_new_topic_what_is_remembered_and_what_is_forgotten_are_told_alike_on_both(data_dir: Path) -> None:
    async with company(data_dir) as here:
        asked = await here.slack.mention(ANA, GENERAL, LEAVE)
        await here.slack.until_reply(asked)
        await here.slack.mention(ANA, GENERAL, "new topic", thread=asked)
        in_slack = [plain((await here.slack.until_whisper(ANA)).shown)]
        first = await here.discord.answer_to(await here.discord.mention(here.bo, here.general, LEAVE))
        anew = await here.discord.say(here.bo, here.general, f"{here.discord.bot.mention} new topic", reply_to=first)
        on_discord = [plain((await here.discord.answer_to(anew)).content)]
        for command in ("memory", "forget", "memory"):
            before = len(here.slack.whispers(ANA))
            await here.slack.command(ANA, GENERAL, "/footnote", command)
            in_slack.append(plain((await here.slack.until_whisper(ANA, before + 1)).shown))
            given = await here.discord.slash(here.bo, command, channel=here.general)
            on_discord += [plain(text) for text in await here.discord.finished(given)]
    for told in (in_slack, on_discord):
        anew_told, remembered, forgotten, after = told
        assert anew_told.startswith("A new topic")
        assert remembered.startswith("I remember 1 question of yours")
        assert "1 question" in forgotten
        assert after.startswith("I remember no questions of yours")


async def test_the_settings_of_a_channel_are_its_own_whatever_it_is_called(data_dir: Path) -> None:
    async with company(data_dir, footnote_admins=f"slack:{ANA}") as here:
        # Slack says "general" of each of them. Ben is no administrator, who is shown the settings as a form.
        here.slack.channel("C2")
        here.slack.user("U2BEN", name="Ben")
        chris, other = here.discord.user("Chris", admin=True), here.discord.channel("other")
        await here.slack.command(ANA, GENERAL, "/footnote", "config policy=mention")
        await here.slack.until_whisper(ANA)
        await here.discord.finished(await here.discord.slash(chris, "config", channel=here.general, policy="mention"))
        here.general.name, other.name = other.name, here.general.name
        for channel in (here.general, other):
            here.discord.gateway.dispatch("CHANNEL_UPDATE", channel.json())
        shown: list[str] = []
        for id in (GENERAL, "C2"):
            await here.slack.command("U2BEN", id, "/footnote", "config")
            shown.append((await here.slack.until_whisper("U2BEN", len(shown) + 1)).shown)
        for there in (here.general, other):
            given = await here.discord.slash(chris, "config", channel=there)
            await here.discord.finished(given)
            shown.append(given.texts[0])
    assert [plain(text).partition("policy: ")[2].split(".")[0] for text in shown] == [
        "mention",
        "sticky-thread (default)",
        "mention",
        "sticky-thread (default)",
    ]
