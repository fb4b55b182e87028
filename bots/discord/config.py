"""What Discord adds to the settings of a channel: a list to choose the policy from, and which of them can work."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, cast

import discord

from bots.discord.translate import Asked
from core.channels import Policy

_ID = "config:policy"
_LABELS = {
    Policy.MENTION: "Mentions, and replies to me",
    Policy.STICKY: "Also further questions in a thread in which I was asked",
    Policy.QUESTIONS: "Also every question, and every new post of a forum",
}
EVERYTHING = "everything"
"""What is cleared to have a channel behave as by default again."""
DEAF = (
    "`sticky-thread` and `questions` cannot work yet: Discord gives me the text of mentions, of replies that ping me and of "
    "direct messages only. Whoever runs Footnote can switch on **Message Content Intent** in the Developer Portal (page Bot, "
    "Privileged Gateway Intents) and set `DISCORD_MESSAGE_CONTENT=true`. Until then every policy works as `mention`."
)


def written(wanted: Mapping[str, str]) -> str:
    """The text of the command that sets these: ``policy=mention 'tone=brief, please'``."""
    if EVERYTHING in wanted:
        return "reset"
    return shlex.join(f"{name}={value}" for name, value in wanted.items())


def notice(policy: Policy, *, content: bool) -> str:
    """What is to be said besides of a policy that does not work as it says; empty when all is well."""
    return "" if content or policy is Policy.MENTION else DEAF


def policies(current: Policy) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    options = [
        discord.SelectOption(label=policy.value, value=policy.value, description=_LABELS[policy], default=policy is current)
        for policy in Policy
    ]
    view.add_item(discord.ui.Select(custom_id=_ID, placeholder="To which messages do I reply?", options=options))
    # discord.py would otherwise keep it in memory and wait for it.
    view.stop()
    return view


def chosen(interaction: Asked) -> dict[str, str] | None:
    """What was chosen from the list of policies; None for anything else."""
    data = cast("Mapping[str, Any]", interaction.data or {})
    if interaction.type is not discord.InteractionType.component or data.get("custom_id") != _ID:
        return None
    (policy,) = data["values"]
    return {"policy": str(policy)}
