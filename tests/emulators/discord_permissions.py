"""Who may do what in a channel: Discord's documented algorithm, for one member at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.emulators.discord_world import Channel, Role, User

ADMINISTRATOR, MANAGE_GUILD, VIEW, SEND, HISTORY = 1 << 3, 1 << 5, 1 << 10, 1 << 11, 1 << 16
MANAGE_CHANNELS, MANAGE_THREADS, PUBLIC_THREADS, SEND_IN_THREADS = 1 << 4, 1 << 34, 1 << 35, 1 << 38
ALL = (1 << 53) - 1
USUAL = VIEW | SEND | HISTORY | PUBLIC_THREADS | SEND_IN_THREADS
"""What a new server gives to everybody, and the invitation to the bot."""


@dataclass(frozen=True)
class Overwrite:
    allow: int = 0
    deny: int = 0

    def over(self, permissions: int) -> int:
        return permissions & ~self.deny | self.allow


def permissions(user: User, channel: Channel, everyone: Role, owner: User) -> int:
    """All bits that a member has in a channel or thread of the server."""
    if user is owner:
        return ALL
    held = everyone.permissions
    for role in user.roles:
        held |= role.permissions
    if held & ADMINISTRATOR:
        return ALL
    opened = channel.opened_by
    held = opened.get(everyone.id, Overwrite()).over(held)
    of_roles = [opened[role.id] for role in user.roles if role.id in opened]
    for overwrite in of_roles:
        held &= ~overwrite.deny
    for overwrite in of_roles:
        held |= overwrite.allow
    held = opened.get(user.id, Overwrite()).over(held)
    if channel.invited is not None and user not in channel.invited and not held & MANAGE_THREADS:
        return 0
    # Whoever does not see a channel does nothing there.
    return held if held & VIEW else 0
