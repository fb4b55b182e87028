"""Which conversation a message belongs to, when a channel holds many."""

from __future__ import annotations

from collections import OrderedDict

import aiohttp
import discord
import structlog

from bots.discord.translate import chain_conversation, own_conversation

log = structlog.get_logger(__name__)

_REMEMBERED = 10_000
"""Messages, about 2 MB."""
_HOPS = 10
"""Messages fetched to find the root of a chain that began before this process did."""


class Chains:
    """Reply chains: every message of one belongs to the conversation named after its root."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._roots: OrderedDict[int, int] = OrderedDict()
        self._remembered = remembered

    async def conversation(self, message: discord.Message) -> str:
        return own_conversation(message.channel) or chain_conversation(message.channel.id, await self._root(message))

    def add(self, message_id: int, root: int) -> None:
        """Remember that this message belongs to the chain of ``root``."""
        self._roots[message_id] = root
        while len(self._roots) > self._remembered:
            self._roots.popitem(last=False)

    def root(self, message_id: int) -> int:
        return self._roots.get(message_id, message_id)

    async def _root(self, message: discord.Message) -> int:
        root = message.id
        above = _replied_to(message)
        for _ in range(_HOPS):
            if above is None:
                break
            root = above.message_id or root
            if root in self._roots:
                root = self._roots[root]
                break
            above = await self._above(message.channel, above)
        self.add(message.id, root)
        return root

    async def _above(
        self, channel: discord.abc.MessageableChannel, reference: discord.MessageReference
    ) -> discord.MessageReference | None:
        if isinstance(reference.resolved, discord.Message):
            return _replied_to(reference.resolved)
        if reference.message_id is None or isinstance(reference.resolved, discord.DeletedReferencedMessage):
            return None
        try:
            return _replied_to(await channel.fetch_message(reference.message_id))
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # Gone, or we may not read the history: the conversation begins here then.
            log.debug("chain.ended", error=type(error).__name__)
            return None


def _replied_to(message: discord.Message) -> discord.MessageReference | None:
    return message.reference if message.type is discord.MessageType.reply else None
