"""Feedback that acts, in a company whose Footnote is served: what nobody answers is listed, an expert answers it, and from then
on it is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.team import ADMIN, ANA, Team, a_team

pytestmark = pytest.mark.slow

BEN = "U3BEN"
BIKES, PARAPHRASE = "Where can I park my bicycle?", "Is there a parking space for bikes?"
LEAVE = "How many days of paid leave does everybody have a year?"


@pytest.fixture
async def team(data_dir: Path) -> AsyncIterator[Team]:
    async with a_team(data_dir) as team:
        team.slack.user(BEN, email="ben@acme.com")
        team.slack.channel("C2")
        yield team


async def whispered(team: Team, user: str, before: int) -> str:
    return (await team.slack.until_whisper(user, before + 1)).shown


async def test_what_people_miss_is_listed_an_expert_answers_it_and_from_then_on_it_is_told(team: Team) -> None:
    async with team.serving():
        await team.reindex()
        asked = await team.slack.mention(ANA, "C1", BIKES)
        assert "did not find" in (await team.slack.until_reply(asked)).shown
        again = await team.slack.mention(BEN, "C1", PARAPHRASE)
        await team.slack.until_reply(again)
        assert "1 gap" in await team.until_said("gaps", PARAPHRASE, BIKES, "2 times by 2 people")
        assert "administrators" in await team.says("gaps", ANA)

        expert = await team.slack.say(
            BEN, "C1", "You can park your bicycle in the *basement*, gate 3, &amp; for free.", thread=asked
        )
        for user, heard in ((ANA, "Answers are kept by"), (ADMIN, "Kept as the answer")):
            before = len(team.slack.whispers(user))
            await team.slack.choose(user, expert, "keep")
            assert heard in await whispered(team, user, before)
        assert "No gaps" in await team.says("gaps")

        reply = await team.slack.until_reply(await team.slack.mention(BEN, "C1", BIKES))
        assert "gate 3, &amp; for free" in reply.shown
        assert f"/archives/C1/p{expert.ts.replace('.', '')}" in str(reply.payload())
        elsewhere = await team.slack.until_reply(await team.slack.mention(BEN, "C2", BIKES))
        assert "gate 3" not in elsewhere.shown


async def test_a_rating_survives_a_restart_and_is_exported_without_anybody(team: Team) -> None:
    async with team.serving():
        await team.reindex()
        reply = await team.slack.until_reply(await team.slack.mention(ANA, "C1", LEAVE))
        assert "thirty days" in reply.shown
    async with team.serving():
        await team.slack.press(BEN, reply, "Bad answer")
        await team.slack.hands.until_modal(BEN)
        await team.slack.hands.submit(BEN, reason="outdated", comment="since <@U2ANA> left")
        assert "The page that I cited was last edited on 20" in await whispered(team, BEN, 0)
        await team.until_said("gaps", LEAVE)
    [row] = (await team.footnote.run("feedback", "--json")).json
    assert (row["question"], row["good"], row["reason"]) == (LEAVE, False, "outdated")
    assert row["cited"] == ["folder:leave.md"]
    assert row["hits"][0]["document_id"] == "folder:leave.md"
    assert row["comment"] == "since @somebody left"
    assert not [person for person in (ANA, BEN) if person in str(row)]
    [gap] = (await team.footnote.run("gaps", "--json")).json
    assert (gap["question"], gap["reasons"]) == (LEAVE, {"outdated": 1})
    assert gap["cited"]["document_id"] == "folder:leave.md"
    assert "Done" in (await team.footnote.run("gaps", "--done", gap["id"])).out
    assert "No gaps" in (await team.footnote.run("gaps")).out
    assert "1 ratings" in (await team.footnote.run("feedback")).out


async def test_a_person_who_is_forgotten_leaves_neither_ratings_nor_words_in_gaps(team: Team) -> None:
    async with team.serving():
        await team.reindex()
        reply = await team.slack.until_reply(await team.slack.mention(ANA, "C1", BIKES))
        await team.slack.press(ANA, reply, "Good answer")
        await whispered(team, ANA, 0)
        await team.until_said("gaps", BIKES)
        told = await team.says("forget", ANA)
        assert "2 ratings and questions without an answer" in told
        assert "No gaps" in await team.says("gaps")
    assert (await team.footnote.run("feedback", "--json")).json == []
