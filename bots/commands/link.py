"""Linking an account of a platform that tells no addresses with an address that another one has verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bots.command import Command, CommandReply
from core.errors import UserError

if TYPE_CHECKING:
    from core.links import Links

ISSUE, REDEEM, UNLINK = "link", "redeem", "unlink"
"""Commands: the first where one is known by an address, the second, with the code, where one is not."""


class LinkCommands:
    """Only the person sees what these say."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def issue(self, command: Command, reply: CommandReply) -> None:
        addresses = _addresses(command)
        # Who is known by a link alone cannot renew it by themselves: they may have left.
        if not addresses or await self._links.of([command.user]):
            raise UserError("I do not know you by an e-mail address here, so I cannot give you a code. Your administrator can.")
        code = await self._links.issue(addresses[0])
        await reply.say(
            f"Give this in Discord within ten minutes: `/link code:{code}`. The account that does may then read there, in "
            f"private, what {addresses[0]} may read: tell the code to nobody."
        )

    async def redeem(self, command: Command, reply: CommandReply) -> None:
        person = await self._links.redeem(command.user, command.text)
        await reply.say(
            f"This account is now known as {person.removeprefix('user:')}, for 90 days. What that person may read is in your "
            "private answers and direct messages. `/unlink` ends it."
        )

    async def unlink(self, command: Command, reply: CommandReply) -> None:
        """Of the account; where that has no link, of all that are linked with its address."""
        links = await self._links.unlink(command.user)
        if not links:
            links = sum([await self._links.unlink(address) for address in _addresses(command)])
        await reply.say(f"Links taken away: {links}. It may take a minute until every answer knows.")


def _addresses(command: Command) -> list[str]:
    names = sorted(name for name in command.principals if name.startswith("user:") and "@" in name)
    return [name.removeprefix("user:") for name in names]
