"""To which messages the bot replies: those that speak to it, and what a channel's policy adds to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import discord

from bots.discord.threads import DiscordThreads
from bots.discord.translate import home_id, is_addressed, is_for_others, is_post
from core.channels import DEFAULT, ChannelConfig, Channels, Policy

IsQuestion = Callable[[str], Awaitable[bool]]

_SPOKEN = {discord.MessageType.default, discord.MessageType.reply}


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A message that is to be answered."""

    addressed: bool
    """Spoken to the bot. Of another one nobody learns when there is nothing to say to it."""
    config: ChannelConfig


class Policies:
    """Threads do as the channel around them. What does not mention the bot has a text only with the privileged intent for
    message content; without it every policy comes down to mentions.
    """

    def __init__(self, channels: Channels | None, threads: DiscordThreads | None, is_question: IsQuestion) -> None:
        self._channels = channels
        self._threads = threads
        self._is_question = is_question

    async def of(self, channel: object) -> ChannelConfig:
        home = home_id(channel)
        if self._channels is None or not home or isinstance(channel, discord.DMChannel):
            return DEFAULT
        return await self._channels.of("discord", home)

    async def heard(self, message: discord.Message, me: discord.ClientUser) -> Heard | None:
        """None for what is to be left alone."""
        if is_addressed(message, me):
            await self._join(message)
            return Heard(addressed=True, config=await self.of(message.channel))
        if message.author.bot or message.webhook_id is not None or message.type not in _SPOKEN:
            return None
        if not message.content.strip() or is_for_others(message, me):
            return None
        config = await self.of(message.channel)
        if not await self._invited(message, me, config.policy):
            return None
        await self._join(message)
        return Heard(addressed=False, config=config)

    async def _invited(self, message: discord.Message, me: discord.ClientUser, policy: Policy) -> bool:
        if policy is Policy.MENTION:
            return False
        thread = message.channel if isinstance(message.channel, discord.Thread) else None
        if thread is not None and (thread.owner_id == me.id or (self._threads and await self._threads.joined(thread.id))):
            return True
        if policy is not Policy.QUESTIONS:
            return False
        return is_post(message) or await self._is_question(message.content)

    async def _join(self, message: discord.Message) -> None:
        if self._threads is not None and isinstance(message.channel, discord.Thread):
            await self._threads.join(message.channel.id)
