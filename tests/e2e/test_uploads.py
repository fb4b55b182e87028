"""Files that people add: who drops what where, when it can be asked about, by whom, and when it is gone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bots.app import App, open_app
from core.settings import Settings
from core.together import cancelled
from tests.emulators.discord import DiscordServer
from tests.emulators.slack import SlackServer
from tests.emulators.slack_workspace import Post
from tests.unit.core.indexing.pdf import make_pdf

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ANA, BEN, ADMIN = "U1ANA", "U2BEN", "U3ADMIN"
GENERAL, OTHER = "C1GENERAL", "C2OTHER"
WITHIN = 10.0
"""Seconds from a file to an answer from it."""
QUESTION = "How much may a night in Oslo cost?"


def travel(amount: str) -> bytes:
    lines = [("Travel allowances", 18), (f"A night in Oslo may cost up to {amount} euros in any season.", 10)]
    return make_pdf([lines, [("Nights in other cities are agreed on with the team lead.", 10)]])


class Company:
    def __init__(self, app: App, slack: SlackServer, discord: DiscordServer) -> None:
        self.app = app
        self.slack = slack
        self.discord = discord
        self.general = discord.channel("general")
        self.other = discord.channel("other")
        self.bo = discord.user("Bo")
        self.cy = discord.user("Cy")

    async def drop(self, user: str, channel: str, name: str, body: bytes, text: str = "add this to what you know") -> Post:
        """Mention the bot with a file, or write it a direct message."""
        file = self.slack.files.upload(user, name, body)
        if channel.startswith("D"):
            return await self.slack.dm(user, text, files=[file])
        return await self.slack.mention(user, channel, text, files=[file])

    async def told(self, user: str, what: str) -> str:
        """The notice to this person that says so."""
        await self.slack.until(lambda: any(what in whisper.shown for whisper in self.slack.whispers(user)), what=what)
        return next(whisper.shown for whisper in reversed(self.slack.whispers(user)) if what in whisper.shown)

    async def asked(self, user: str, channel: str, question: str = QUESTION) -> str:
        if channel.startswith("D"):
            return (await self.slack.until_reply(await self.slack.dm(user, question))).shown
        return (await self.slack.until_reply(await self.slack.mention(user, channel, question))).shown

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def company(home: Path, **settings: object) -> AsyncIterator[Company]:
    """Footnote as it is served, between an emulated Slack and an emulated Discord; without a model it answers in quotes."""
    async with SlackServer() as slack, DiscordServer() as discord:
        for user in (ANA, BEN, ADMIN):
            slack.user(user, name=user[2:].title(), email=f"{user[2:].lower()}@acme.com")
        slack.channel(GENERAL)
        slack.channel(OTHER)
        values = {
            "footnote_data_dir": home,
            "footnote_embeddings": "local:wordllama",
            "footnote_admins": (f"slack:{ADMIN}",),
            "slack_bot_token": slack.bot_token,
            "slack_app_token": slack.app_token,
            "slack_api_url": slack.url,
            "discord_bot_token": discord.token,
            "discord_api_url": discord.api_url,
        }
        async with open_app(Settings(_env_file=None, **(values | settings))) as app:
            await app.warm()
            talk = Company(app, slack, discord)
            background = [asyncio.create_task(work) for work in app.background()]
            try:
                for platform in app.platforms:
                    await platform.start()
                yield talk
                assert slack.flaws == []
            finally:
                await asyncio.gather(*(platform.stop(5) for platform in app.platforms))
                await cancelled(*background)


async def test_a_file_that_is_added_by_mention_is_answered_from_within_ten_seconds_with_a_footnote(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        began = time.monotonic()
        await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"))
        assert "I read `Travel.pdf`" in await talk.told(ANA, "I read")
        answer = await talk.asked(BEN, GENERAL)
        assert time.monotonic() - began < WITHIN
        assert "190 euros" in answer
        assert "https://footnote.slack.com/files/U1ANA/F00000001/travel.pdf|" in answer
        assert "Travel" in answer.splitlines()[-1]

        assert "190" not in await talk.asked(ANA, OTHER), "another channel does not see it"
        assert "190" not in await talk.asked(ANA, f"D{ANA}"), "nor does a direct message"


async def test_a_newer_version_takes_its_place_and_the_button_removes_it(data_dir: Path) -> None:
    async with company(data_dir, footnote_audit_log=data_dir / "audit.jsonl") as talk:
        await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"))
        await talk.told(ANA, "I read")
        await talk.drop(BEN, GENERAL, "travel.PDF", travel("230"), "please add this file")
        assert "takes the place of that of" in await talk.told(BEN, "I read")
        answer = await talk.asked(ANA, GENERAL)
        assert "230 euros" in answer
        assert "190" not in answer

        await talk.slack.command(ANA, GENERAL, "/footnote", "uploads")
        await talk.told(ANA, "Files that were added")
        listed = talk.slack.whispers(ANA)[-1]
        assert "travel.PDF" in listed.shown
        assert "Ben" in listed.shown
        assert listed.buttons == [], "who did not add it cannot remove it"
        await talk.slack.command(ANA, OTHER, "/footnote", "uploads")
        assert "Nobody added a file" in await talk.told(ANA, "Nobody added")

        await talk.slack.command(BEN, GENERAL, "/footnote", "uploads")
        await talk.told(BEN, "Files that were added")
        await talk.slack.press(BEN, talk.slack.whispers(BEN)[-1], "Remove travel.PDF")
        assert "nothing of it is left" in await talk.told(BEN, "is removed")
        assert "230" not in await talk.asked(BEN, GENERAL)
        assert await talk.app.uploads.all() == []
        talk.app.audit.close()
        lines = [json.loads(line) for line in (data_dir / "audit.jsonl").read_text().splitlines()]
        kinds = [(line["event"], line["who"]) for line in lines if line["event"].startswith("upload.")]
        assert kinds == [
            ("upload.added", f"slack:{ANA}"),
            ("upload.added", f"slack:{BEN}"),
            ("upload.removed", f"slack:{BEN}"),
        ]
        assert "ravel" not in json.dumps(lines), "neither names nor text"


async def test_the_shortcut_of_a_message_adds_its_files_for_the_channel(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        file = talk.slack.files.upload(BEN, "Travel.pdf", travel("190"))
        dropped = await talk.slack.say(BEN, GENERAL, "our allowances", files=[file])
        await talk.slack.choose(ANA, dropped, "add")
        assert "Everybody in this channel" in await talk.told(ANA, "I read `Travel.pdf`")
        assert "190 euros" in await talk.asked(BEN, GENERAL)

        empty = await talk.slack.say(BEN, GENERAL, "nothing hangs here")
        await talk.slack.choose(ANA, empty, "add")
        assert "Add to Footnote" in await talk.told(ANA, "There is no file")


async def test_what_is_added_in_a_direct_message_is_for_that_person_alone(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        dropped = await talk.drop(ANA, f"D{ANA}", "Travel.pdf", travel("190"), "remember this")
        assert "Only you can ask me about it" in (await talk.slack.until_reply(dropped)).shown
        assert "190 euros" in await talk.asked(ANA, f"D{ANA}")
        assert "190" not in await talk.asked(BEN, f"D{BEN}")
        assert "190" not in await talk.asked(ANA, GENERAL)


async def test_a_file_that_an_administrator_has_forgotten_is_gone_for_good(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"))
        await talk.told(ANA, "I read")
        (kept,) = await talk.app.uploads.all()
        await talk.slack.command(ADMIN, GENERAL, "/footnote", f"forget document {kept.id}")
        await talk.told(ADMIN, "Forgotten")
        assert "190" not in await talk.asked(ANA, GENERAL)
        assert await talk.app.uploads.all() == [], "nor are its bytes kept"
        await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"))
        await talk.told(ANA, "An administrator had `Travel.pdf` forgotten")
        assert await talk.app.uploads.all() == []
        assert "190" not in await talk.asked(ANA, GENERAL)


async def test_why_a_file_cannot_be_added_is_said_plainly_and_an_older_version_stays(data_dir: Path) -> None:
    async with company(data_dir, footnote_upload_mb=1) as talk:
        await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"))
        await talk.told(ANA, "I read")
        for name, body, why in (
            ("kite.png", b"\x89PNG", "I read PDF, Word"),
            ("Travel.pdf", b"%PDF-1.4 " + bytes(1_100_000), "files of up to 1 MB"),
            ("Travel.pdf", make_pdf([[("Secret", 10)]], encrypted=True), "protected by a password"),
            ("Travel.pdf", b"PK\x03\x04 this is no PDF", "content"),
        ):
            await talk.drop(ANA, GENERAL, name, body)
            await talk.told(ANA, why)
        assert talk.slack.files.stored["F00000002"].served == 0, "nobody fetches what cannot be read"
        assert "190 euros" in await talk.asked(ANA, GENERAL)


async def test_who_may_add_files_is_a_setting(data_dir: Path) -> None:
    async with company(data_dir, footnote_uploads="admins") as talk:
        await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"))
        assert "Only Footnote's administrators" in await talk.told(ANA, "administrators")
        await talk.drop(ADMIN, GENERAL, "Travel.pdf", travel("190"))
        await talk.told(ADMIN, "I read")


async def test_the_token_goes_to_slack_alone(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        talk.slack.files.redirect = talk.discord.file("bait.txt", b"bait").url
        await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"))
        assert "files:read" in await talk.told(ANA, "does not let me open")
        talk.slack.files.redirect = None

        bait = talk.discord.file("bait.pdf", travel("190"))
        file = talk.slack.files.upload(ANA, "bait.pdf", b"", url_private=bait.url, url_private_download=bait.url)
        await talk.slack.mention(ANA, GENERAL, "add this", files=[file])
        await talk.told(ANA, "not stored in Slack")
        assert bait.served == []


async def test_a_file_of_which_an_event_tells_nothing_is_looked_up(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        file = talk.slack.files.upload(ANA, "Travel.pdf", travel("190"))
        await talk.slack.mention(ANA, GENERAL, "add this", files=[talk.slack.files.unexplained(file)])
        await talk.told(ANA, "I read `Travel.pdf`")
        assert "190 euros" in await talk.asked(ANA, GENERAL)


async def test_in_discord_a_file_is_added_by_mention_by_menu_and_by_command(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        discord = talk.discord
        question = await discord.mention(talk.bo, talk.general, QUESTION)
        assert "190" not in (await discord.answer_to(question)).content

        began = time.monotonic()
        dropped = await discord.mention(talk.bo, talk.general, "add this", files=[discord.file("Travel.pdf", travel("190"))])
        assert "I read `Travel.pdf`" in (await discord.answer_to(dropped)).content
        question = await discord.mention(talk.cy, talk.general, QUESTION)
        answer = (await discord.answer_to(question)).content
        assert time.monotonic() - began < WITHIN
        assert "190 euros" in answer
        assert f"https://discord.com/channels/{discord.guild_id}/{talk.general.id}/{dropped.id}" in answer
        elsewhere = await discord.mention(talk.cy, talk.other, QUESTION)
        assert "190" not in (await discord.answer_to(elsewhere)).content

        lying = await discord.say(talk.bo, talk.general, "see here", files=[discord.file("Travel.pdf", travel("230"))])
        menu = await discord.menu(talk.cy, "Add to Footnote", lying)
        await talk.until(lambda: any("takes the place" in text for text in menu.texts))
        given = await discord.slash(talk.cy, "add", channel=talk.other, file=discord.file("Kites.md", b"Kite day is in May."))
        await talk.until(lambda: any("I read `Kites.md`" in text for text in given.texts))
        question = await discord.mention(talk.bo, talk.other, "When is kite day?")
        assert "in May" in (await discord.answer_to(question)).content

        listed = await discord.slash(talk.cy, "footnote uploads", channel=talk.other)
        await talk.until(lambda: bool(listed.shown))
        await discord.press(talk.cy, listed.shown[-1], "Remove Kites.md")
        question = await discord.mention(talk.bo, talk.other, "When is kite day?")
        assert "in May" not in (await discord.answer_to(question)).content


async def test_in_a_private_thread_of_discord_a_file_stays_in_that_thread(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        discord = talk.discord
        thread = discord.thread(talk.general, "just us", invited=[talk.bo])
        dropped = await discord.mention(talk.bo, thread, "add this", files=[discord.file("Travel.pdf", travel("190"))])
        assert "I read" in (await discord.answer_to(dropped)).content
        here = await discord.mention(talk.bo, thread, QUESTION)
        assert "190 euros" in (await discord.answer_to(here)).content
        around = await discord.mention(talk.cy, talk.general, QUESTION)
        assert "190" not in (await discord.answer_to(around)).content


async def test_an_address_of_discord_that_expired_is_told_so_and_redirects_are_not_followed(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        discord = talk.discord
        gone = discord.file("Travel.pdf", travel("190"))
        discord.cdn.expire(gone)
        dropped = await discord.mention(talk.bo, talk.general, "add this", files=[gone])
        assert "not there any more" in (await discord.answer_to(dropped)).content
        there = discord.file("Travel.pdf", travel("190"))
        discord.cdn.redirect = talk.slack.url
        dropped = await discord.mention(talk.bo, talk.general, "add this", files=[there])
        assert "not there any more" in (await discord.answer_to(dropped)).content


async def test_a_file_that_comes_with_a_question_is_read_for_its_thread_only(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        asked = await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"), QUESTION)
        answer = (await talk.slack.until_reply(asked)).shown
        assert "190 euros" in answer
        assert "https://footnote.slack.com/files/U1ANA/F00000001/travel.pdf|" in answer
        await talk.slack.mention(BEN, GENERAL, "And nights in other cities, who agrees on them?", thread=asked)
        assert "team lead" in (await talk.slack.until_reply(asked, 2)).shown

        assert "190" not in await talk.asked(ANA, GENERAL), "another thread is not about it"
        assert await talk.app.uploads.all() == []
        assert await talk.app.index.counts() == {}

        await talk.slack.command(ANA, GENERAL, "/footnote", "forget me")
        await talk.told(ANA, "Forgotten")
        await talk.slack.mention(BEN, GENERAL, QUESTION, thread=asked)
        assert "190" not in (await talk.slack.until_reply(asked, 3)).shown


async def test_a_file_that_cannot_be_read_is_told_of_with_the_answer(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        asked = await talk.drop(ANA, GENERAL, "kite.png", b"\x89PNG", "what does this show?")
        assert "I cannot read `kite.png`" in (await talk.slack.until_reply(asked)).shown
        asked = await talk.drop(ANA, GENERAL, "Secret.pdf", make_pdf([[("Secret", 10)]], encrypted=True), "what does it say?")
        assert "protected by a password" in (await talk.slack.until_reply(asked)).shown
        await talk.drop(ANA, GENERAL, "Travel.pdf", travel("190"), "")
        await talk.told(ANA, "Ask me about it with the file")


async def test_a_direct_message_with_a_file_is_answered_from_it(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        asked = await talk.drop(ANA, f"D{ANA}", "Travel.pdf", travel("190"), QUESTION)
        assert "190 euros" in (await talk.slack.until_reply(asked)).shown
        question = await talk.discord.dm(talk.bo, QUESTION, files=[talk.discord.file("Travel.pdf", travel("230"))])
        assert "230 euros" in (await talk.discord.answer_to(question)).content


async def test_asked_about_a_message_it_reads_its_files_for_that_person_s_questions_there_alone(data_dir: Path) -> None:
    async with company(data_dir) as talk:
        discord = talk.discord
        said = await discord.say(talk.bo, talk.general, QUESTION, files=[discord.file("Travel.pdf", travel("190"))])
        [text] = await discord.finished(await discord.menu(talk.cy, "Ask about this", said))
        assert "190 euros" in text
        further = await discord.slash(talk.cy, "ask", channel=talk.general, question=QUESTION, private=True)
        assert "190 euros" in "".join(await discord.finished(further))
        public = await discord.mention(talk.cy, talk.general, QUESTION)
        assert "190" not in (await discord.answer_to(public)).content
        assert await talk.app.index.counts() == {}
