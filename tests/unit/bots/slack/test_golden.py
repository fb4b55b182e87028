"""Each kind of message, as Slack is told it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bots.command import Button
from bots.preview.samples import samples
from bots.slack.asked import render_asked
from bots.slack.modals import Origin, told
from bots.slack.render import render_call, render_settled
from tests.emulators.slack_rules import flaws, formatted, markup_flaws, refusal
from tests.emulators.slack_views import view_refusal
from tests.golden import Golden

PINGS = {"U7INES"}


async def slack_payloads() -> dict[str, Sequence[Mapping[str, Any]]]:
    """By name: those of the preview, and what comes of pressing their buttons."""
    known: dict[str, Sequence[Mapping[str, Any]]] = {sample.name: sample.slack for sample in await samples() if sample.slack}
    call = render_call(
        "slack:U7INES", "Ana asks for a person's answer here.", [Button(label="Mark resolved", command="resolved a")]
    )
    settled = render_settled(call.blocks, "✅ Resolved by Ines, 2026-06-15 09:41 UTC")
    return known | {
        "resolved": [settled.arguments()],
        "asked": [render_asked("Ana *B* @here", "Who approves <a trip> & when?").arguments()],
        "told": [told(Origin(channel="D1"), "Forgotten: **3** questions.", [Button(label="Help", command="help")])],
    }


async def test_every_message_is_as_it_was_found_good(golden: Golden) -> None:
    for name, payloads in (await slack_payloads()).items():
        golden.check(f"slack/{name}", payloads)


async def test_slack_takes_every_message_and_shows_it_without_a_flaw() -> None:
    for name, payloads in (await slack_payloads()).items():
        for payload in payloads:
            if "type" in payload:
                assert view_refusal(payload) is None, name
                assert [flaw for text in formatted(payload["blocks"]) for flaw in markup_flaws(text)] == [], name
            else:
                assert refusal(payload) is None, name
                assert flaws(payload, PINGS) == [], name


async def test_no_file_is_left_of_a_message_that_is_no_more(golden: Golden) -> None:
    assert golden.names("slack") == set(await slack_payloads())


@pytest.mark.parametrize(
    "name",
    [
        "answer", "quotes", "not-found", "greeting", "refusal", "error", "offer", "private", "rating", "config", "home",
        "progress", "call", "resolved",
    ],
)  # fmt: skip
async def test_each_kind_of_message_is_among_them(name: str) -> None:
    assert (await slack_payloads())[name]
