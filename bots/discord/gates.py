"""Who may ask in a channel: everybody, or those whom its settings name."""

from __future__ import annotations

import discord

from bots.discord.dialect import literal
from bots.discord.translate import Person, principals
from core.channels import ChannelConfig
from core.models import Principal

_ROLE = "discord:role:"


def refusal(config: ChannelConfig, person: Person, channel: object, admins: frozenset[Principal]) -> str:
    """What to say to somebody who may not ask there; empty for who may."""
    if not config.askers or not principals(person).isdisjoint({*config.askers, *admins}):
        return ""
    guild = getattr(channel, "guild", None)
    roles = [guild.get_role(int(name.removeprefix(_ROLE))) for name in config.askers if guild and name.startswith(_ROLE)]
    named = ", ".join(f"**{literal(role.name)}**" for role in roles if isinstance(role, discord.Role))
    who = f"those who have one of these roles: {named}" if named else "some people"
    return f"Here I answer only {who}. Whoever manages the channel can change that with `/config`."
