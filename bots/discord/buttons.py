"""Buttons on Discord: what they do stands in their ids, so that they work after any restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import discord

from bots.command import Button
from bots.discord.translate import Asked

_PREFIX = "run:"
_MOST = 25
"""Five rows of five."""


def below(buttons: Sequence[Button]) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for button in buttons[:_MOST]:
        style = discord.ButtonStyle.danger if button.danger else discord.ButtonStyle.secondary
        view.add_item(discord.ui.Button(label=button.label, style=style, custom_id=f"{_PREFIX}{button.command}"))
    # discord.py would otherwise keep it in memory and wait for it.
    view.stop()
    return view


def pressed(interaction: Asked) -> tuple[str, str] | None:
    """Name and text of the command that a pressed button gives; None for anything else."""
    if interaction.type is not discord.InteractionType.component:
        return None
    data = cast("Mapping[str, Any]", interaction.data or {})
    custom_id = str(data.get("custom_id", ""))
    if not custom_id.startswith(_PREFIX):
        return None
    name, _, text = custom_id.removeprefix(_PREFIX).partition(" ")
    return name, text
