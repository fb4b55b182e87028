"""To which messages the bot replies: those that speak to it, and what a channel's policy adds to them."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from bots.discord.threads import DiscordThreads
from bots.discord.translate import home_id, is_addressed, is_for_others, is_post, replies_to_us, spoken
from bots.questions import goes_on, is_farewell, is_question, is_thanks
from core.channels import DEFAULT, ChannelConfig, Channels, Policy

_SPOKEN = {discord.MessageType.default, discord.MessageType.reply}


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A message that is to be answered."""

    addressed: bool
    """Spoken to the bot, or in a thread with it. What was asked of nobody in particular it answers only if it knows."""
    config: ChannelConfig


class Policies:
    """Threads do as the channel around them. What does not mention the bot has a text only with the privileged intent for
    message content; without it every policy comes down to mentions.
    """

    def __init__(self, channels: Channels, threads: DiscordThreads) -> None:
        self._channels = channels
        self._threads = threads

    async def of(self, channel: object) -> ChannelConfig:
        home = home_id(channel)
        if not home or isinstance(channel, discord.DMChannel):
            return DEFAULT
        return await self._channels.of("discord", home)

    async def heard(self, message: discord.Message, me: discord.ClientUser) -> Heard | None:
        """None for what is to be left alone."""
        if is_addressed(message, me):
            if message.type is discord.MessageType.reply and is_thanks(spoken(message, me)):
                # Discord has replies ping by default, so that this was hardly meant to.
                return None
            await self.join(message.channel)
            return Heard(addressed=True, config=await self.of(message.channel))
        if message.author.bot or message.webhook_id is not None or message.type not in _SPOKEN:
            return None
        if not message.content.strip() or is_for_others(message, me):
            return None
        config = await self.of(message.channel)
        if config.policy is Policy.MENTION:
            return None
        text = spoken(message, me)
        in_thread = isinstance(message.channel, discord.Thread) and await self._takes_part(message.channel, me)
        if in_thread or replies_to_us(message, me):
            if not (goes_on(text) or (in_thread and is_farewell(text))):
                return None
            await self.join(message.channel)
            return Heard(addressed=True, config=config)
        if config.policy is Policy.QUESTIONS and (is_post(message) or is_question(text)):
            return Heard(addressed=False, config=config)
        return None

    async def _takes_part(self, thread: discord.Thread, me: discord.ClientUser) -> bool:
        known = await self._threads.joined(thread.id)
        return thread.owner_id == me.id if known is None else known

    async def join(self, channel: object) -> None:
        """We were asked there."""
        if isinstance(channel, discord.Thread):
            await self._threads.join(channel.id)

    async def leave(self, channel: object) -> None:
        """We were told to be quiet there until somebody asks again."""
        if isinstance(channel, discord.Thread):
            await self._threads.leave(channel.id)
