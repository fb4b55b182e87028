"""An administrator brings the index up to date from Slack and from Discord, and a source does by itself with a push."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bots.push import PAUSE_SECONDS
from tests.e2e.installation import ready
from tests.e2e.team import ADMIN, ANA, Team, a_team
from tests.emulators.slack_workspace import Whisper

pytestmark = pytest.mark.slow

SECRET = "a secret of some length"
BROKEN = b"PK\x03\x04 and nothing behind it"
KITES = "# Kite day\n\nOn kite day everybody receives a purple zeppelin.\n"
RETRY = "Retry failed: folder"


@pytest.fixture
async def team(data_dir: Path) -> AsyncIterator[Team]:
    async with a_team(data_dir) as team:
        yield team


async def listed(team: Team, count: int = 1) -> Whisper:
    """The list of what failed, which only the administrator sees."""
    return await team.slack.until_whisper(ADMIN, count)


def cards(team: Team) -> list[str]:
    return [post.shown for post in team.slack.posts("C1")]


async def test_in_slack_an_admin_sees_what_failed_mends_it_and_tries_it_again_after_a_restart(team: Team) -> None:
    (team.pages / "kites.docx").write_bytes(BROKEN)
    async with team.serving():
        assert "in the source 2 · in the index 1 · failed 1" in await team.reindex()
        whisper = await listed(team)
        assert "failed `folder:kites.docx`" in whisper.shown
        assert "kites" not in "".join(cards(team))
    (team.pages / "kites.docx").unlink()
    (team.pages / "kites.md").write_text(KITES)
    (team.pages / "more.docx").write_bytes(BROKEN)
    async with team.serving():
        await team.slack.press(ADMIN, whisper, RETRY)
        await team.slack.until(lambda: len(cards(team)) == 2 and "done in" in cards(team)[-1], what="the report of the retry")
        await team.slack.command(ADMIN, "C1", "/reindex", "kites.md")
        await team.slack.until(lambda: len(cards(team)) == 3 and "done in" in cards(team)[-1], what="the report of the page")
        asked = await team.slack.mention(ANA, "C1", "What does everybody receive on kite day?")
        answer = await team.slack.until_reply(asked)
        assert "purple zeppelin" in answer.shown


async def test_in_slack_a_dry_run_changes_nothing_and_names_the_pages_to_the_admin_alone(team: Team) -> None:
    async with team.serving():
        await team.reindex()
        (team.pages / "kites.md").write_text(KITES)
        await team.slack.command(ADMIN, "C1", "/reindex", "folder --dry-run")
        whisper = await listed(team)
        assert "would index `folder:kites.md`" in whisper.shown
        await team.slack.until(lambda: "nothing was changed" in cards(team)[-1], what="the report")
        assert (await team.footnote.run("search", "purple zeppelin", "--json")).json["hits"][0][
            "document_id"
        ] == "folder:leave.md"


async def test_in_discord_an_admin_sees_what_failed_and_tries_it_again(team: Team) -> None:
    (team.pages / "kites.docx").write_bytes(BROKEN)
    async with team.serving():
        given = await team.discord.slash(team.boss, "reindex", channel=team.general, source="folder")
        await team.discord.until(lambda: bool(given.follow_ups), what="what failed")
        [told] = given.follow_ups
        assert "failed `folder:kites.docx`" in told.content
        assert given.original is not None
        assert given.original.edits
        await team.discord.until(lambda: "in the source 2 · in the index 1 · failed 1" in given.texts[0], what="the report")
        pressed = await team.discord.press(team.boss, told, RETRY)
        await team.discord.until(lambda: "done in" in "".join(pressed.texts), what="the report of the retry")
        await team.discord.until(lambda: bool(pressed.follow_ups), what="what failed again")
        assert "tried 2 times" in pressed.follow_ups[0].content
        assert team.discord.seen_by(team.bo, team.general) == []
    status = (await team.footnote.run("status", "--json")).json["sources"][0]
    assert status["coverage"] | {"listed_at": None} == {
        **{"in_source": 2, "in_index": 1, "skipped": {}, "failed": 1, "missing": 0, "listed_at": None}
    }
    (failure,) = status["failures"]
    assert (failure["document_id"], failure["attempts"]) == ("folder:kites.docx", 2)


async def test_a_push_makes_an_edit_answerable_and_ten_thousand_of_them_make_a_few_syncs(team: Team) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    process = await team.footnote.start("serve", FOOTNOTE_PUSH_SECRET=SECRET, FOOTNOTE_SYNC_INTERVAL="1h")
    try:
        async with httpx.AsyncClient(base_url=await ready(process), timeout=60) as http:
            assert process.stderr is not None
            log = asyncio.create_task(process.stderr.read())
            await team.reindex()
            (team.pages / "kites.md").write_text(KITES)
            began = time.monotonic()
            assert (await http.post("/push/folder", headers=headers)).status_code == 202
            assert (await http.post("/push/folder", headers={"Authorization": "Bearer another"})).status_code == 401
            async with asyncio.timeout(30):
                while "purple zeppelin" not in await _answer(team, time.monotonic()):
                    await asyncio.sleep(0.1)
            assert time.monotonic() - began < 10

            before, began = await _syncs(http), time.monotonic()
            room = asyncio.Semaphore(50)

            async def push() -> int:
                async with room:
                    return (await http.post("/push/folder", headers=headers)).status_code

            assert set(await asyncio.gather(*(push() for _ in range(10_000)))) == {202}
            assert await _syncs(http) - before <= 2 + (time.monotonic() - began) / PAUSE_SECONDS
    finally:
        process.terminate()
        await process.wait()
        await log


async def _answer(team: Team, number: float) -> str:
    asked = await team.slack.mention(ANA, "C1", f"What does everybody receive on kite day ({number})?")
    return (await team.slack.until_reply(asked)).shown


async def _syncs(http: httpx.AsyncClient) -> int:
    lines = (await http.get("/metrics")).text.splitlines()
    return int(
        float(next(line for line in lines if line.startswith('footnote_syncs_total{source="folder",status="done"')).split()[-1])
    )
