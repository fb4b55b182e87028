"""Slack: slash commands, their progress and who sees it."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from bots.command import Command
from core.indexing.ledger import Row
from core.ports import Reply
from tests.e2e.scripted_syncs import ScriptedJobs, commands_over
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, SECRET, Dialogue, ScriptedCommands, dialogue
from tests.emulators.slack_workspace import Whisper


async def reindexes(_command: Command, reply: Reply) -> None:
    await reply.show("**handbook**: waiting for a worker")
    for seen in range(0, 250, 10):
        await reply.show(f"**handbook**: syncing · {seen} seen")
        await asyncio.sleep(0.06)
    await reply.show("**handbook**: done in 2.5 s · 250 seen")


async def test_a_command_is_acknowledged_at_once_and_answered_to_the_person_alone() -> None:
    async with dialogue() as talk, talk.running():
        await talk.slack.command(ANA, GENERAL, "/footnote", "status")
        whisper = await talk.slack.until_whisper(ANA)
        await talk.slack.settled()
        assert (whisper.shown, whisper.via) == ("You said `status`.", "response_url")
        assert talk.slack.deliveries[0].seconds is not None
        assert talk.slack.deliveries[0].seconds < 1
        assert talk.slack.posts(GENERAL) == []


async def test_a_command_names_the_person_and_the_rights_that_may_be_given_to_them() -> None:
    async with dialogue() as talk, talk.running():
        await talk.slack.command(ANA, GENERAL, "/reindex", "handbook --full")
        await talk.slack.command(BEN, GENERAL, "/footnote", "forget here")
        await talk.slack.command(BEN, f"D{BEN}", "/footnote")
        await talk.slack.until_whisper(ANA)
        await talk.slack.until_whisper(BEN, 2)
        by_name = {command.name: command for command in talk.commands.asked}
        assert set(by_name) == {"reindex", "forget", "help"}
        assert by_name["reindex"].principals == {
            f"slack:{ANA}",
            "user:ana@acme.com",
            f"channel:slack:{GENERAL}",
            "workspace:slack:T0FOOT",
        }
        assert (by_name["reindex"].text, by_name["reindex"].user) == ("handbook --full", f"slack:{ANA}")
        assert by_name["forget"].principals == {f"slack:{BEN}", f"channel:slack:{GENERAL}"}
        assert by_name["help"].principals == {f"slack:{BEN}"}
        assert by_name["forget"].user_name == "Ben"
        assert by_name["forget"].text == "here"


async def test_progress_is_one_message_in_the_channel_edited_in_place() -> None:
    async with dialogue(commands=ScriptedCommands(reindexes)) as talk, talk.running():
        await talk.slack.command(ANA, GENERAL, "/reindex")
        await talk.slack.until(lambda: "done in" in "".join(p.shown for p in talk.slack.posts(GENERAL)), what="the report")
        (card,) = talk.slack.posts(GENERAL)
        assert card.shown == "*handbook*: done in 2.5 s · 250 seen"
        times = [card.at, *card.edits]
        assert len(times) >= 3
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 0.9


async def test_where_the_bot_is_not_in_the_channel_the_person_is_shown_the_first_and_the_last_progress() -> None:
    async with dialogue(commands=ScriptedCommands(reindexes)) as talk, talk.running():
        talk.slack.channel(SECRET, private=True, with_bot=False)
        talk.slack.channel("C5ELSEWHERE", with_bot=False)
        channels = [SECRET, "C5ELSEWHERE", "C6UNKNOWN"]
        for channel in channels:
            await talk.slack.command(ANA, channel, "/reindex")
        await talk.slack.until_whisper(ANA, 6)
        await asyncio.sleep(0.1)
        for channel in channels:
            first, last = (whisper.shown for whisper in talk.slack.whispers(ANA) if whisper.channel == channel)
            assert "done" not in first
            assert last == "*handbook*: done in 2.5 s · 250 seen"


async def test_a_card_that_somebody_deleted_is_posted_anew() -> None:
    async with dialogue(commands=ScriptedCommands(reindexes)) as talk, talk.running():
        await talk.slack.command(ANA, GENERAL, "/reindex")
        await talk.slack.until(lambda: talk.slack.posts(GENERAL), what="the card")
        talk.slack.workspace.posts.remove(talk.slack.posts(GENERAL)[0])
        await talk.slack.until(lambda: "done in" in "".join(p.shown for p in talk.slack.posts(GENERAL)), what="the report")
        assert len(talk.slack.posts(GENERAL)) == 1


@pytest.mark.fault
async def test_progress_survives_a_lost_answer_rate_limits_and_server_errors() -> None:
    async with dialogue(commands=ScriptedCommands(reindexes)) as talk, talk.running():
        talk.slack.lose("chat.postMessage")
        talk.slack.fail("chat.update", status=429, retry_after=1)
        talk.slack.fail("chat.update", status=500)
        await talk.slack.command(ANA, GENERAL, "/reindex")
        await talk.slack.until(lambda: "done in" in "".join(p.shown for p in talk.slack.posts(GENERAL)), what="the report")
        assert len(talk.slack.posts(GENERAL)) == 1


@pytest.mark.fault
async def test_a_notice_is_repeated_after_a_rate_limit() -> None:
    async with dialogue() as talk, talk.running():
        talk.slack.fail("response_url", status=429, retry_after=1)
        await talk.slack.command(ANA, GENERAL, "/footnote", "status")
        await talk.slack.until_whisper(ANA)


BROKEN = {"handbook:broken.docx": Row(reason="it is no Word file", attempts=2)}


async def failures_of(talk: Dialogue, jobs: ScriptedJobs) -> Whisper:
    """What Ana is told below the card of her `/reindex`."""
    await talk.slack.command(ANA, GENERAL, "/reindex", "handbook")
    return await talk.slack.until_whisper(ANA)


@pytest.mark.parametrize("over", ["socket", "http"])
async def test_what_failed_is_listed_with_a_button_that_tries_it_again(over: str) -> None:
    jobs = ScriptedJobs()
    jobs.failed = BROKEN
    async with dialogue() as talk:
        talk.commands = commands_over(jobs, talk.redis, admins={f"slack:{ANA}"})
        async with talk.running(talk.http_bot() if over == "http" else None):
            listed = await failures_of(talk, jobs)
            assert "`handbook:broken.docx`: it is no Word file (tried 2 times" in listed.shown
            assert not any("broken" in post.shown for post in talk.slack.posts(GENERAL))
            jobs.failed = {}
            await talk.slack.press(ANA, listed, "Retry failed: handbook")
            await talk.slack.until(lambda: len(talk.slack.posts(GENERAL)) == 2, what="the card of the retry")
            await talk.slack.until(lambda: "done in" in talk.slack.posts(GENERAL)[1].shown, what="its report")
            await talk.slack.settled()
            assert talk.slack.deliveries[-1].seconds is not None
            assert talk.slack.deliveries[-1].seconds < 1
    assert [(request.source, request.scope) for request in jobs.requests] == [("handbook", None), ("handbook", "failed")]


async def test_a_button_works_after_a_restart_and_only_for_who_is_an_administrator_then() -> None:
    jobs = ScriptedJobs()
    jobs.failed = BROKEN
    async with dialogue() as talk:
        talk.commands = commands_over(jobs, talk.redis, admins={f"slack:{ANA}"})
        async with talk.running():
            listed = await failures_of(talk, jobs)
        async with talk.running():
            await talk.slack.press(ANA, listed, "Retry failed: handbook")
            await talk.slack.until_whisper(ANA, 2)
        talk.commands = commands_over(jobs, talk.redis, admins={"slack:U9SOMEBODY"})
        async with talk.running():
            await talk.slack.press(ANA, listed, "Retry failed: handbook")
            assert "administrators" in (await talk.slack.until_whisper(ANA, 3)).shown
    assert len(jobs.requests) == 2


async def test_when_too_much_vanished_a_button_confirms_it() -> None:
    jobs = ScriptedJobs()
    jobs.withheld = 61
    async with dialogue() as talk:
        talk.commands = commands_over(jobs, talk.redis, admins={f"slack:{ANA}"})
        async with talk.running():
            asked = await failures_of(talk, jobs)
            await talk.slack.until(lambda: "61 vanished." in talk.slack.posts(GENERAL)[0].shown, what="the card")
            await talk.slack.press(ANA, asked, "Remove 61 documents: handbook")
            await talk.slack.until_whisper(ANA, 2)
    assert [request.prune for request in jobs.requests] == [False, True]


@pytest.mark.parametrize("over", ["socket", "http"])
async def test_every_command_of_administrators_is_refused_to_everybody_else_however_it_is_given(over: str) -> None:
    jobs = ScriptedJobs()
    jobs.withheld, jobs.failed = 61, BROKEN
    async with dialogue() as talk:
        talk.commands = commands_over(jobs, talk.redis, admins={f"slack:{ANA}"})
        async with talk.running(talk.http_bot() if over == "http" else None):
            listed = await failures_of(talk, jobs)
        talk.commands = commands_over(jobs, talk.redis, admins={"slack:U9SOMEBODY", "user:ben@guest.example"})
        async with talk.running(talk.http_bot() if over == "http" else None):
            before = len(talk.slack.whispers(ANA))
            await talk.slack.press(ANA, listed, "Remove 61 documents: handbook")
            await talk.slack.press(ANA, listed, "Retry failed: handbook")
            await talk.slack.command(ANA, GENERAL, "/reindex", "handbook")
            await talk.slack.command(ANA, GENERAL, "/footnote", "status")
            await talk.slack.until_whisper(ANA, before + 4)
            # Ben is a guest: that he gives the address of an administrator as his own proves nothing.
            await talk.slack.command(BEN, GENERAL, "/reindex", "handbook --prune")
            await talk.slack.until_whisper(BEN)
            told = [*talk.slack.whispers(ANA)[before:], *talk.slack.whispers(BEN)]
            assert all("is for Footnote's administrators" in whisper.shown for whisper in told)
    assert len(jobs.requests) == 1


async def test_a_dry_run_names_what_would_change_to_the_person_alone() -> None:
    jobs = ScriptedJobs()
    async with dialogue() as talk:
        talk.commands = commands_over(jobs, talk.redis, admins={f"slack:{ANA}"})
        async with talk.running():
            await talk.slack.command(ANA, GENERAL, "/reindex", "travel —dry-run")
            listed = await talk.slack.until_whisper(ANA)
            assert "would index `handbook:new.md`" in listed.shown
            await talk.slack.until(lambda: "nothing was changed" in talk.slack.posts(GENERAL)[0].shown, what="the card")
            assert "new.md" not in talk.slack.posts(GENERAL)[0].shown


async def test_a_restart_says_where_the_end_of_a_reindex_can_be_seen() -> None:
    async with dialogue(commands=ScriptedCommands(reindexes)) as talk:
        async with talk.running():
            await talk.slack.command(ANA, GENERAL, "/reindex")
            await talk.slack.until(lambda: talk.slack.posts(GENERAL), what="the card")
        assert "`/footnote status`" in talk.slack.whispers(ANA)[0].shown
