"""Calling somebody on Discord by name, which nothing else that the bot writes does, and the word that it was taken care of."""

from __future__ import annotations

import re

import discord
from discord import ui

from bots.discord.render import notice
from core.errors import UserError


def called(who: str) -> tuple[str, discord.AllowedMentions]:
    """The mention of ``discord:456``, a person, or ``discord:role:789``, and the leave to notify them alone. Raises UserError."""
    found = re.fullmatch(r"discord:(role:)?(\d{1,20})", who)
    if found is None:
        raise UserError(
            f"The settings of this channel name `{who}` to be called, which is neither a person nor a role of Discord. Name "
            "another with `/config`."
        )
    of_role, someone = bool(found[1]), [discord.Object(int(found[2]))]
    allowed = discord.AllowedMentions(
        everyone=False, replied_user=False, users=[] if of_role else someone, roles=someone if of_role else []
    )
    return f"<@{'&' if of_role else ''}{found[2]}>", allowed


async def settle(message: discord.Message, text: str) -> None:
    """Put ``text`` below a message of ours in the place of its buttons. Raises what discord.py raises."""
    line = notice(text)[0].text
    if not message.flags.components_v2:
        await message.edit(content=f"{message.content}\n{line}", view=None)
        return
    layout = ui.LayoutView.from_message(message, timeout=None)
    for item in list(layout.children):
        if isinstance(item, ui.ActionRow):
            layout.remove_item(item)
    layout.add_item(ui.TextDisplay(line))
    layout.stop()
    await message.edit(content=None, view=layout)
