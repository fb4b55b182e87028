"""Slack: the manifest asks for exactly the rights that a full run uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bots.commands.reviewed import KEEP
from bots.commands.uploads import ADD
from bots.slack.files import attached
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, SECRET, Dialogue, ScriptedCommands, dialogue
from tests.e2e.test_slack_commands import reindexes
from tests.e2e.test_slack_home import Library

MANIFEST: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml").read_text())


@pytest.mark.fault
async def test_every_scope_and_event_of_the_manifest_is_used_and_no_other() -> None:
    scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    events = frozenset(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
    talking = dialogue(commands=ScriptedCommands(reindexes), scopes=scopes, subscriptions=events)
    async with talking as talk:
        talk.overview = Library().overview
        await _everything(talk)
        assert [call for call in talk.slack.api.calls if call.error] == []
        assert talk.slack.api.used_scopes == scopes
        assert talk.slack.delivered == events


async def _everything(talk: Dialogue) -> None:
    async with talk.running() as bot:
        talk.slack.channel("C3SEVERAL", ANA, BEN, kind="mpim")
        for channel in (GENERAL, SECRET, "C3SEVERAL"):
            question = await talk.slack.mention(ANA, channel, "how many days?")
            await talk.slack.until_reply(question)
            talk.slack.lose("chat.postMessage")
            await talk.slack.say(ANA, channel, "and for part-timers?", thread=question)
            await talk.slack.until_reply(question, 2)
        talk.slack.lose("chat.postMessage")
        await talk.slack.until_reply(await talk.slack.dm(ANA, "how many days?"))
        pay = talk.slack.files.upload(ANA, "pay.txt", b"Thirty days.", "text/plain")
        (file,) = attached({"files": [pay]}, GENERAL, private=False)
        assert (await bot.fetch(file, 100)).body == b"Thirty days."
        await talk.slack.hands.open_home(ANA)
        await talk.slack.hands.until_home(ANA)
        await talk.slack.hands.open_home(ANA, "messages")
        await talk.slack.until(lambda: talk.slack.api.views.prompts, what="the suggested questions")
        await talk.slack.stop(ANA, question)
        await talk.slack.mention(ANA, GENERAL, "")
        await talk.slack.until_whisper(ANA)
        talk.slack.lose("chat.postMessage")
        await talk.slack.command(ANA, GENERAL, "/reindex")
        await talk.slack.until(lambda: "done in" in "".join(p.shown for p in talk.slack.posts(GENERAL)), what="the report")
        for channel in (GENERAL, SECRET):
            await talk.slack.leave(BEN, channel)
            await talk.slack.join(BEN, channel)
        await talk.slack.share(GENERAL)
        await talk.slack.unshare(GENERAL)
        await talk.slack.arrive("U3CARA", email="cara@acme.com")
        await talk.slack.become("U3CARA", is_restricted=True)
        await talk.slack.settled()


def test_the_manifest_declares_the_commands_that_are_understood() -> None:
    assert {command["command"] for command in MANIFEST["features"]["slash_commands"]} == {"/reindex", "/footnote"}


def test_the_manifest_declares_the_shortcuts_that_are_understood() -> None:
    assert {shortcut["callback_id"] for shortcut in MANIFEST["features"]["shortcuts"]} == {ADD, KEEP}
    assert all(len(shortcut["name"]) <= 24 for shortcut in MANIFEST["features"]["shortcuts"])


def test_the_manifest_has_the_agent_view_with_its_home_and_its_messages() -> None:
    features = MANIFEST["features"]
    assert 0 < len(features["agent_view"]["agent_description"]) <= 300
    assert all(set(prompt) == {"title", "message"} for prompt in features["agent_view"]["suggested_prompts"])
    assert features["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert MANIFEST["settings"]["interactivity"]["is_enabled"]
