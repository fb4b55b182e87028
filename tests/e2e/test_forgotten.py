"""An administrator has a page forgotten from Slack, Discord and the command line: nobody is told it again, until it is undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.team import ANA, Team, a_team

pytestmark = pytest.mark.slow

KITES = "# Kite day\n\nOn kite day everybody receives a purple zeppelin.\n"
QUESTION = "What does everybody receive on kite day?"
PAGE = "folder:kites.md"


@pytest.fixture
async def team(data_dir: Path) -> AsyncIterator[Team]:
    async with a_team(data_dir) as team:
        (team.pages / "kites.md").write_text(KITES)
        yield team


async def test_a_page_is_forgotten_for_good_and_comes_back_when_that_is_undone(team: Team) -> None:
    async with team.serving():
        await team.reindex()
        assert "purple zeppelin" in await team.asked(QUESTION)
        assert "administrators" in await team.says(f"forget document {PAGE}", ANA)
        assert f"Forgotten: `{PAGE}`" in await team.says(f"forget document {PAGE}")
        assert "zeppelin" not in await team.asked(QUESTION)

        (team.pages / "kites.md").write_text(KITES.replace("purple", "golden"))
        assert "forgotten by an administrator 1" in await team.reindex()
        forced = await team.footnote.run("reindex", "folder", "--force", "--json")
        assert forced.json[0]["coverage"]["skipped"] == {"forgotten by an administrator": 1}
        assert "zeppelin" not in await team.asked(QUESTION)

        given = await team.discord.slash(team.boss, "forget-document", channel=team.general, document=PAGE, undo=True)
        [text] = await team.discord.finished(given)
        assert f"No longer forgotten: `{PAGE}`" in text
        await team.until_told(QUESTION, lambda answer: "golden zeppelin" in answer, within=60)


async def test_on_the_command_line_a_page_and_a_person_are_forgotten(team: Team) -> None:
    forgotten = await team.footnote.run("forget", "document", "kites.md")
    assert forgotten.out.startswith(f"Forgotten: `{PAGE}`"), forgotten.err
    [synced] = (await team.footnote.run("sync", "folder", "--json")).json
    assert (synced["indexed"], synced["coverage"]["skipped"]) == (1, {"forgotten by an administrator": 1})
    undone = await team.footnote.run("forget", "document", PAGE, "--undo")
    assert undone.out.startswith(f"No longer forgotten: `{PAGE}`"), undone.err
    [synced] = (await team.footnote.run("sync", "folder", "--json")).json
    assert (synced["coverage"]["in_index"], synced["coverage"]["skipped"]) == (2, {})
    assert "0 questions" in (await team.footnote.run("forget", "person", f"slack:{ANA}")).out


async def test_a_person_has_all_forgotten_that_is_kept_of_them(team: Team) -> None:
    async with team.serving():
        await team.reindex()
        await team.asked(QUESTION)
        asked = await team.slack.mention(ANA, "C1", QUESTION)
        await team.slack.until_reply(asked)
        first = await team.says("forget", ANA)
        assert first.startswith("Forgotten: 2 questions with their answers, 0 that wait for one, 2 kept for buttons, 0 ratings")
        second = await team.says("forget me", ANA)
        assert second.startswith("Forgotten: 0 questions with their answers, 0 that wait for one, 0 kept for buttons, 0 ratings")
        assert "Nothing was left" in second
