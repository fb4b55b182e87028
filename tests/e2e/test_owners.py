"""Slack and Discord: the owner of a page is told what it does not answer, by a direct message with buttons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.owner import OwnerAnswers
from bots.owners import OWNER, Owners, Reach
from core.errors import UserError
from core.evaluation.gaps import Gaps
from core.indexing.index import Owned
from core.links import Links
from core.models import PUBLIC, Principal
from tests.e2e.discord_dialogue import scene
from tests.e2e.scripted_syncs import ScriptedJobs, commands_over
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, SECRET, dialogue
from tests.fakes import groups
from tests.memory_index import WordEmbedder
from tests.unit.core.evaluation.test_gaps import asked, miss

ROOT = "U3ROOT"
PAGE = Owned(
    document_id="wiki:travel",
    source="wiki",
    title="Travel",
    url="https://wiki.acme.com/travel",
    owners=("user:ana@acme.com",),
    access=PUBLIC,
)


class Queue:
    """A gap, and who tells its owner."""

    def __init__(self, redis: Redis, platform: str, reach: Reach) -> None:
        self.gaps = Gaps(redis, WordEmbedder())
        self.owners = Owners(self.gaps, groups({}))
        self.owners.reached_by(platform, reach)
        self.platform = platform

    async def tell(self, *conversations: str, owners: Sequence[Principal] = PAGE.owners) -> str:
        """Tell the owner what was asked in these conversations."""
        at = datetime.now(UTC)
        for number, conversation in enumerate(conversations):
            answered = asked(f"train ticket expenses {'?' * number}", id=f"a{number}", at=at, conversation_id=conversation)
            await self.gaps.note(miss(answered))
        [gap] = await self.gaps.gaps()
        asked_by = Command(
            name="gaps",
            text="",
            user=f"{self.platform}:root",
            user_name="Root",
            principals=frozenset(),
            platform=self.platform,
            channel_id="",
            conversation_id=None,
        )
        return await self.owners.tell(gap, PAGE, owners, asked_by)


@pytest.mark.parametrize("answer", ["Done", "Not mine"])
async def test_in_slack_the_owner_is_found_by_address_and_answers_by_a_button(answer: str) -> None:
    async with dialogue() as talk:
        gaps = Gaps(talk.redis, WordEmbedder())
        talk.commands = commands_over(ScriptedJobs(), talk.redis, admins=set(), more={OWNER: OwnerAnswers(gaps).run})
        async with talk.running() as bot:
            queue = Queue(talk.redis, "slack", bot.messenger)
            team = talk.slack.workspace.home.team
            assert await queue.tell(f"slack:{team}:{GENERAL}:1.1", f"slack:{team}:{SECRET}:1.1") == "ana@acme.com"
            [post] = talk.slack.posts(f"D{ANA}")
            assert "<https://wiki.acme.com/travel|Travel>" in post.shown
            assert "train ticket expenses" in post.shown
            await talk.slack.press(ANA, post, answer)
            await talk.slack.until(lambda: "Done, thank you" in post.shown or "not yours" in post.shown, what="the settled card")
            assert len(await gaps.gaps()) == (0 if answer == "Done" else 1)


async def test_in_slack_a_guest_and_whom_nobody_knows_are_told_nothing() -> None:
    async with dialogue() as talk, talk.running() as bot:
        queue = Queue(talk.redis, "slack", bot.messenger)
        team = talk.slack.workspace.home.team
        with pytest.raises(UserError, match=r"ben@guest\.example is nobody whom I can find on Slack"):
            await queue.tell(f"slack:{team}:{GENERAL}:1.1", owners=["user:ben@guest.example"])
        with pytest.raises(UserError, match=r"eve@acme\.com is nobody"):
            await queue.tell(f"slack:{team}:{GENERAL}:1.1", owners=["user:eve@acme.com"])
        assert talk.slack.posts(f"D{BEN}") == []


async def test_in_slack_what_was_asked_in_a_private_channel_is_told_to_its_members_only() -> None:
    async with dialogue() as talk:
        talk.slack.user(ROOT, name="Root", email="root@acme.com")
        talk.slack.channel("G2ROOT", ROOT, private=True)
        async with talk.running() as bot:
            queue = Queue(talk.redis, "slack", bot.messenger)
            team = talk.slack.workspace.home.team
            with pytest.raises(UserError, match="may not tell them"):
                await queue.tell(f"slack:{team}:G2ROOT:1.1", f"slack:T0ELSE:{GENERAL}:1.1")
            assert await queue.tell(f"slack:{team}:G2ROOT:1.1", owners=["user:root@acme.com"]) == "root@acme.com"


async def test_in_discord_the_owner_is_found_by_a_linked_address_and_answers_by_a_button() -> None:
    async with scene() as talk:
        gaps, links = Gaps(talk.redis, WordEmbedder()), Links(talk.redis)
        talk.more[OWNER] = OwnerAnswers(gaps).run
        await links.redeem(f"discord:{talk.ana.id}", await links.issue("ana@acme.com"))
        hidden = talk.discord.channel("hidden", only_for=[talk.root])
        async with talk.running() as bot:

            async def messenger(_principals: frozenset[Principal]) -> object:
                return bot.messenger(links.accounts)

            queue = Queue(talk.redis, "discord", messenger)  # type: ignore[arg-type]  # as the process wires it
            with pytest.raises(UserError, match="may not tell them"):
                await queue.tell(f"discord:{hidden.id}:7")
            thread = talk.discord.thread(talk.general, "Leave")
            assert await queue.tell(f"discord:{thread.id}") == "ana@acme.com"
            [direct] = talk.discord.said_by_bot(talk.discord.dm_channel(talk.ana))
            assert "[Travel](<https://wiki.acme.com/travel>)" in direct.content
            pressed = await talk.discord.press(talk.ana, direct, "Done")
            await talk.discord.finished(pressed)
            assert await gaps.gaps() == []


async def test_in_discord_who_takes_no_messages_is_named_to_the_administrator() -> None:
    async with scene() as talk, talk.running() as bot:
        links = Links(talk.redis)
        await links.redeem(f"discord:{talk.ana.id}", await links.issue("ana@acme.com"))
        talk.ana.takes_dms = False

        async def messenger(_principals: frozenset[Principal]) -> object:
            return bot.messenger(links.accounts)

        queue = Queue(talk.redis, "discord", messenger)  # type: ignore[arg-type]  # as the process wires it
        with pytest.raises(UserError, match=r"ana@acme\.com could not be written to: Discord does not let me"):
            await queue.tell(f"discord:{talk.general.id}:7")
        assert await queue.gaps.tellings.all() == []
