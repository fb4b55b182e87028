"""To which messages the bot replies, and who sees it: as the channel has it set."""

from __future__ import annotations

from dataclasses import dataclass

from bots.slack.threads import SlackThreads
from bots.slack.translate import Heard, Identity
from core.channels import ChannelConfig, Channels, Policy


@dataclass(frozen=True, kw_only=True)
class Regarded:
    """A message that is to be answered."""

    addressed: bool
    """Said to the bot: by a mention, in private, or in a thread with it. Anything else it answers only if it knows."""
    alone: bool
    """In a channel, and only the person who asked sees the answer."""


class Policies:
    def __init__(self, me: Identity, channels: Channels, threads: SlackThreads) -> None:
        self._me = me
        self._channels = channels
        self._threads = threads

    async def regard(self, said: Heard) -> Regarded | None:
        """None for what is to be left alone. A mention in a channel makes its thread one that may be followed."""
        if said.private:
            return Regarded(addressed=True, alone=False)
        config = await self._channels.of("slack", self._me.own(said.channel))
        if said.mentioned and not said.farewell:
            # At once: the next thing that is said there may follow in a second.
            await self._threads.join(said.channel, _followed(said, config))
        elif not said.mentioned and not await self._invited(said, config):
            return None
        return Regarded(addressed=not said.question, alone=config.private)

    async def _invited(self, said: Heard, config: ChannelConfig) -> bool:
        if config.policy is Policy.MENTION:
            return False
        if said.question:
            return config.policy is Policy.QUESTIONS
        return await self._threads.joined(said.channel, _followed(said, config))

    async def follow(self, said: Heard) -> None:
        """A question that nobody was asked is being answered, and the thread goes on from there."""
        await self._threads.join(said.channel, _followed(said, await self._channels.of("slack", self._me.own(said.channel))))

    async def leave(self, said: Heard) -> None:
        """From now on only mentions are answered there."""
        config = await self._channels.of("slack", self._me.own(said.channel))
        await self._threads.leave(said.channel, _followed(said, config))


def _followed(said: Heard, config: ChannelConfig) -> str:
    # Where each person is answered alone, nobody else's words are an answer to ours.
    return f"{said.thread}:{said.user}" if config.private else said.thread
