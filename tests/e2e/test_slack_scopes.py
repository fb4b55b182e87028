"""Slack: the manifest asks for exactly the rights that a full run uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, SECRET, ScriptedCommands, dialogue
from tests.e2e.test_slack_commands import reindexes

MANIFEST: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml").read_text())


@pytest.mark.fault
async def test_every_scope_and_event_of_the_manifest_is_used_and_no_other() -> None:
    scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    events = frozenset(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
    talking = dialogue(commands=ScriptedCommands(reindexes), scopes=scopes, subscriptions=events)
    async with talking as talk, talk.running():
        talk.slack.channel("C3SEVERAL", ANA, BEN, kind="mpim")
        for channel in (GENERAL, SECRET, "C3SEVERAL"):
            question = await talk.slack.mention(ANA, channel, "how many days?")
            await talk.slack.until_reply(question)
            talk.slack.lose("chat.postMessage")
            await talk.slack.say(ANA, channel, "and for part-timers?", thread=question)
            await talk.slack.until_reply(question, 2)
        talk.slack.lose("chat.postMessage")
        await talk.slack.until_reply(await talk.slack.dm(ANA, "how many days?"))
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
        assert [call for call in talk.slack.api.calls if call.error] == []
        assert talk.slack.api.used_scopes == scopes
        assert talk.slack.delivered == events


def test_the_manifest_declares_the_commands_that_are_understood() -> None:
    assert {command["command"] for command in MANIFEST["features"]["slash_commands"]} == {"/reindex", "/footnote"}
