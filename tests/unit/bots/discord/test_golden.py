"""Each kind of message, as Discord is told it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bots.command import Button
from bots.discord.cards import Card, payload, row
from bots.discord.in_interaction import ELSEWHERE
from bots.discord.render import growing
from bots.preview.samples import samples
from tests.emulators.discord_components import TEXT, check_form, check_message, walk
from tests.golden import Golden

GROWN = "You have **thirty days** of paid leave [1], which your team lead gra"


async def discord_payloads() -> dict[str, Sequence[Mapping[str, Any]]]:
    """By name: those of the preview, and the states that a message passes through."""
    known: dict[str, Sequence[Mapping[str, Any]]] = {sample.name: sample.discord for sample in await samples() if sample.discord}
    grown = growing(GROWN)
    assert grown is not None
    below: Any = row([Button(label="Mark resolved", command="resolved a")])
    return known | {
        "growing": [payload(Card(text="You have")), payload(grown)],
        "handed-over": [payload(Card(text=grown.text, small=ELSEWHERE))],
        "called": [{"content": "<@&7> Ana asks for a person's answer here.", "components": below.to_components()}],
        "asked-on": [payload(grown.below("-# Ana asked: How many days?"))],
    }


async def test_every_message_is_as_it_was_found_good(golden: Golden) -> None:
    for name, payloads in (await discord_payloads()).items():
        golden.check(f"discord/{name}", payloads)


async def test_discord_takes_every_message() -> None:
    for payloads in (await discord_payloads()).values():
        for body in json.loads(json.dumps(payloads)):
            if "title" in body:
                check_form(body)
            else:
                check_message(body, body.get("flags", 0))


async def test_no_file_is_left_of_a_message_that_is_no_more(golden: Golden) -> None:
    assert golden.names("discord") == set(await discord_payloads())


@pytest.mark.parametrize(
    "name",
    ["answer", "quotes", "not-found", "greeting", "refusal", "error", "private", "rating", "config", "growing"],
)
async def test_each_kind_of_message_is_among_them(name: str) -> None:
    assert (await discord_payloads())[name]


async def test_sources_stand_in_small_print_below_a_line() -> None:
    [body] = (await discord_payloads())["answer"]
    texts = [part["content"] for part in walk(list(body["components"])) if part["type"] == TEXT]
    assert len(texts) == 2
    assert all(line.startswith("-# ") for line in texts[1].splitlines())
