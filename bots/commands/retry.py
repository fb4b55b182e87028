"""The button below an error: the question is asked again where it was asked, by whoever looks after what was left behind."""

from __future__ import annotations

from bots.command import Command, CommandReply
from bots.pending import Pending
from core.errors import UserError


class Retry:
    def __init__(self, pending: Pending) -> None:
        self._pending = pending

    async def run(self, command: Command, reply: CommandReply) -> None:
        """``command.text`` is the id of the message. Only who asked may, within an hour."""
        if not await self._pending.again(command.platform, command.text.strip(), command.user):
            raise UserError(
                "I am at it already, or it was asked by somebody else, or more than an hour ago. Please ask me again."
            )
        await reply.say("I am trying it again.")
