"""Buttons and forms on Discord: what they do stands in their ids, so that they work after any restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import discord
from discord import ui

from bots.command import Button
from bots.discord.translate import Asked

_PREFIX = "run:"
_GIVEN = {discord.InteractionType.component, discord.InteractionType.modal_submit}


def button_of(button: Button) -> ui.Button[Any]:
    style = discord.ButtonStyle.danger if button.danger else discord.ButtonStyle.secondary
    return ui.Button(label=button.label, style=style, custom_id=id_of(button.command))


def id_of(command: str) -> str:
    """The custom id that gives a command, of at most 90 characters."""
    return f"{_PREFIX}{command}"


def pressed(interaction: Asked) -> tuple[str, str] | None:
    """Name and text of the command that a pressed button gives, or a form with what was entered; None for anything else."""
    if interaction.type not in _GIVEN:
        return None
    data = cast("Mapping[str, Any]", interaction.data or {})
    custom_id = str(data.get("custom_id", ""))
    if not custom_id.startswith(_PREFIX):
        return None
    name, _, text = custom_id.removeprefix(_PREFIX).partition(" ")
    return name, " ".join([text, *_entered(data)]).strip()


def _entered(data: Mapping[str, Any]) -> Iterator[str]:
    """The fields of a form, in order; its texts without the line breaks that would end a command."""
    if data.get("component_type") is not None:
        return
    for label in data.get("components", ()):
        field = label.get("component", {})
        values = field.get("values") or [field.get("value")]
        yield from (" ".join(str(value).split()) for value in values if value)
