"""Slack: the app's Home and Messages tabs, and the form of a channel's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from bots.commands.config import CONFIG, ConfigCommand
from bots.overview import Overview
from core.channels import ChannelConfig, Channels, Policy
from core.errors import TransientError
from core.indexing.index import Glimpse
from core.models import Audience, SyncState, now
from tests.e2e.scripted_syncs import ScriptedJobs, commands_over
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, Dialogue, dialogue

WIKI, BOARD = "wiki", "board"


class Library:
    """A wiki that everybody may read, and a board's folder that is Ana's alone."""

    async def counts(self, audience: Audience) -> Mapping[str, int]:
        return {WIKI: 1240} | ({BOARD: 3} if _anas(audience) else {})

    async def glimpses(self, audience: Audience) -> Sequence[Glimpse]:
        common = [
            Glimpse(document_id="wiki:1", title="Leave", headings=("How many days of leave do I have?",)),
            Glimpse(document_id="wiki:2", title="Travel policy", headings=()),
        ]
        secret = Glimpse(document_id="board:1", title="Who will be bought next?", headings=())
        return [*common, secret] if _anas(audience) else common

    async def states(self) -> Mapping[str, SyncState]:
        return {WIKI: SyncState(source=WIKI, fresh_at=now() - timedelta(minutes=3, seconds=5)), "gone": SyncState(source="gone")}

    @property
    def overview(self) -> Overview:
        return Overview(self.counts, self.glimpses, self.states)


def _anas(audience: Audience) -> bool:
    return all("user:ana@acme.com" in reader for reader in audience.readers)


async def test_home_tells_what_a_person_may_read_and_how_fresh_it_is() -> None:
    async with dialogue() as talk:
        talk.overview = Library().overview
        async with talk.running():
            await talk.slack.hands.open_home(ANA)
            home = await talk.slack.hands.until_home(ANA)
    assert "*Hello Ana.*" in home.shown
    assert "*Wiki* · 1,240 documents that you may read · read 3 min ago" in home.shown
    assert "*Board* · 3 documents that you may read · being read for the first time" in home.shown
    assert "remembered for 30 days after the last one" in home.shown
    assert home.buttons == [
        "How many days of leave do I have?",
        "Who will be bought next?",
        'What does "Travel policy" say?',
        "What you remember",
        "Forget",
        "Help",
    ]


async def test_home_names_no_source_of_which_a_person_may_read_nothing() -> None:
    async with dialogue() as talk:
        talk.overview = Library().overview
        async with talk.running():
            await talk.slack.hands.open_home(BEN)
            home = await talk.slack.hands.until_home(BEN)
    assert "*Wiki*" in home.shown
    assert "board" not in str(home.view).casefold()
    assert "bought" not in str(home.view)


async def test_an_example_at_home_is_asked_in_the_direct_messages() -> None:
    async with dialogue() as talk:
        talk.overview = Library().overview
        async with talk.running():
            await talk.slack.hands.open_home(ANA)
            home = await talk.slack.hands.until_home(ANA)
            await talk.slack.press(ANA, home, 'What does "Travel policy" say?')
            await talk.slack.until(lambda: len(talk.slack.posts(f"D{ANA}")) == 2, what="the answer")
    line, reply = talk.slack.posts(f"D{ANA}")
    assert line.shown == '*Ana* asks: What does "Travel policy" say?'
    assert reply.root == line.ts
    ((message, audience),) = talk.assistant.asked
    assert (message.text, message.private) == ('What does "Travel policy" say?', True)
    assert _anas(audience)


async def test_forgetting_at_home_asks_first_and_tells_in_a_window_what_was_forgotten() -> None:
    async with dialogue() as talk:
        talk.overview = Library().overview
        talk.commands = commands_over(ScriptedJobs(), talk.redis, admins=set())
        async with talk.running():
            await talk.slack.hands.open_home(ANA)
            home = await talk.slack.hands.until_home(ANA)
            (forget,) = [e for b in home.view["blocks"] if b["type"] == "actions" for e in b["elements"] if "confirm" in e]
            assert forget["value"] == "forget me"
            await talk.slack.press(ANA, home, "Forget")
            told = await talk.slack.hands.until_modal(ANA, "Nothing was left to forget.")
            assert "0 questions" in told.shown
            await talk.slack.hands.close(ANA)
            await talk.slack.press(ANA, home, "Help")
            await talk.slack.hands.until_modal(ANA, "*Ask me*")
            assert talk.slack.posts(f"D{ANA}") == []


async def test_the_messages_tab_suggests_questions_about_what_the_person_may_read() -> None:
    async with dialogue() as talk:
        talk.overview = Library().overview
        async with talk.running():
            await talk.slack.hands.open_home(BEN, "messages")
            await talk.slack.until(lambda: talk.slack.api.views.prompts, what="the prompts")
    assert [prompt["message"] for prompt in talk.slack.api.views.prompts[f"D{BEN}"]] == [
        "How many days of leave do I have?",
        'What does "Travel policy" say?',
    ]
    assert talk.slack.api.views.homes == {}


async def test_a_conversation_in_the_messages_tab_is_called_as_it_began() -> None:
    async with dialogue() as talk, talk.running():
        began = await talk.slack.dm(ANA, "How many days of leave\n do I have? " + "I ask for a friend. " * 20)
        await talk.slack.until_reply(began)
        await talk.slack.dm(ANA, "And he?", thread=began)
        await talk.slack.until_reply(began, 2)
        in_public = await talk.slack.mention(ANA, GENERAL, "How many days?")
        await talk.slack.until_reply(in_public)
    assert {key: title for key, title in talk.slack.streams.titles.items() if title} == {
        (f"D{ANA}", began.ts): "How many days of leave do I have? I ask for a friend. I ask…"
    }


@pytest.mark.fault
async def test_home_says_so_while_nobody_knows_what_there_is_and_slack_failing_stops_nothing() -> None:
    class Away(Library):
        async def counts(self, audience: Audience) -> Mapping[str, int]:
            raise TransientError("away")

        async def glimpses(self, audience: Audience) -> Sequence[Glimpse]:
            raise TransientError("away")

    async with dialogue() as talk:
        talk.overview = Away().overview
        async with talk.running():
            talk.slack.fail("views.publish", error="internal_error")
            await talk.slack.hands.open_home(ANA)
            await talk.slack.until(lambda: talk.slack.calls("views.publish"), what="the first try")
            await talk.slack.hands.open_home(ANA)
            home = await talk.slack.hands.until_home(ANA)
            assert "I cannot look it up right now" in home.shown
            assert home.buttons == ["What you remember", "Forget", "Help"]
            await talk.slack.until_reply(await talk.slack.mention(ANA, GENERAL, "How many days?"))


# The settings of a channel.


async def known(_command: object) -> list[str]:
    return [WIKI, BOARD]


def configurable(talk: Dialogue) -> Channels:
    """Ana is an administrator."""
    talk.overview = Library().overview
    channels = Channels(talk.redis)
    admins = frozenset({f"slack:{ANA}"})
    command = ConfigCommand(channels, known, admins, model=True)
    talk.commands = commands_over(ScriptedJobs(), talk.redis, admins=set(admins), more={CONFIG: command.run})
    return channels


def admin_bot(talk: Dialogue) -> Any:
    settings = talk.settings(slack_app_token=talk.slack.app_token, footnote_admins=f"slack:{ANA}")
    return talk.bot(settings, ping=0.5, grace=2.0)


async def test_the_settings_open_as_a_form_that_holds_what_is_set_and_saves_what_is_entered() -> None:
    async with dialogue() as talk:
        channels = configurable(talk)
        talk.slack.user("U7EXPERT", name="Eve")
        await channels.change("slack", GENERAL, ChannelConfig(sources=(WIKI,), tone="brief", escalate_to="slack:S77TEAM"))
        async with talk.running(admin_bot(talk)):
            await talk.slack.command(ANA, GENERAL, "/footnote", "config")
            form = await talk.slack.hands.until_modal(ANA)
            assert form.initial == {
                "policy": "sticky-thread",
                "sources": [WIKI],
                "language": None,
                "tone": "brief",
                "person": None,
                "group": "S77TEAM",
                "private": None,
            }
            assert {WIKI, BOARD} <= set(form.shown.split("\n"))
            await talk.slack.hands.submit(
                ANA,
                policy="questions",
                sources=[BOARD, WIKI],
                language="German",
                tone="brief, don’t shout",
                person="U7EXPERT",
                private=["yes"],
            )
            assert "Saved" in (await talk.slack.until_whisper(ANA)).shown
        saved = await Channels(talk.redis).of("slack", GENERAL)
    assert saved == ChannelConfig(
        policy=Policy.QUESTIONS,
        sources=(BOARD, WIKI),
        language="German",
        tone="brief, don't shout",
        escalate_to="slack:U7EXPERT",
        private=True,
    )


async def test_an_emptied_form_takes_everything_back() -> None:
    async with dialogue() as talk:
        channels = configurable(talk)
        full = ChannelConfig(policy=Policy.MENTION, sources=(WIKI,), language="French", escalate_to="slack:UBEN22", private=True)
        await channels.change("slack", GENERAL, full)
        async with talk.running(admin_bot(talk)):
            await talk.slack.command(ANA, GENERAL, "/footnote", "config")
            form = await talk.slack.hands.until_modal(ANA)
            assert (form.initial["person"], form.initial["group"], form.initial["private"]) == ("UBEN22", None, ["yes"])
            await talk.slack.hands.submit(
                ANA, policy="sticky-thread", sources=[], language="", tone="", person=None, group="", private=[]
            )
            assert "Saved" in (await talk.slack.until_whisper(ANA)).shown
        assert await Channels(talk.redis).of("slack", GENERAL) == ChannelConfig()


async def test_who_may_not_change_the_settings_is_told_them() -> None:
    async with dialogue() as talk:
        configurable(talk)
        async with talk.running(admin_bot(talk)):
            await talk.slack.command(BEN, GENERAL, "/footnote", "config")
            assert "`policy`" in (await talk.slack.until_whisper(BEN)).shown
            await talk.slack.command(ANA, GENERAL, "/footnote", "config tone=brief")
            assert "Saved" in (await talk.slack.until_whisper(ANA)).shown
            assert talk.slack.api.views.modals == {}
            assert talk.slack.calls("views.open") == []


async def test_a_form_is_checked_again_when_it_comes_back() -> None:
    async with dialogue() as talk:
        configurable(talk)
        async with talk.running(admin_bot(talk)):
            await talk.slack.command(ANA, GENERAL, "/footnote", "config")
            await talk.slack.hands.until_modal(ANA)
        talk.commands = commands_over(
            ScriptedJobs(),
            talk.redis,
            admins=set(),
            more={CONFIG: ConfigCommand(Channels(talk.redis), known, frozenset({"slack:U0"}), model=True).run},
        )
        async with talk.running():
            await talk.slack.hands.submit(ANA, policy="mention")
            assert "may change them" in (await talk.slack.until_whisper(ANA)).shown
        assert await Channels(talk.redis).of("slack", GENERAL) == ChannelConfig()
