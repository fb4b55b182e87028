"""Who will see an answer, from what the gateway keeps current: the server's owner and roles, each channel's overwrites.

Who is a member of a server is not known, because the list of them is a privileged intent. It need not be. Whoever sees a
channel came in by one of its :class:`Ways` and holds at least the principals of that way, and one more principal never
takes an access away. So what the holder of each way may read is what everybody in the channel may read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

import discord
from discord.abc import GuildChannel

from bots.discord.translate import Person, principals, user_id
from bots.platform import Groups
from core.models import ANYONE, EVERYONE, Audience, Message, Principal
from core.ports import AudienceOf
from core.principals import expand, expand_all

MOST_WAYS = 100
"""Into a channel that more of them lead to, only what everybody in it holds counts."""

AddressesOf = Callable[[Collection[str]], Awaitable[Mapping[str, Principal]]]
"""The e-mail addresses, as principals, that accounts (``discord:456``) are linked with; who has none is missing."""


class DiscordAudience:
    def __init__(self, groups: Groups, addresses_of: AddressesOf) -> None:
        self._groups = groups
        self._addresses_of = addresses_of

    def of(self, person: Person, channel: object) -> AudienceOf:
        """Of what ``person`` asks in ``channel``: they alone, or all who see the channel."""

        async def audience_of(message: Message) -> Audience:
            if message.private:
                return await self.alone(person, channel)
            return await self.in_channel(channel)

        return audience_of

    async def alone(self, person: Person, channel: object) -> Audience:
        """Somebody who speaks in ``channel`` and whom nobody else hears."""
        return Audience.of(expand(await self.principals(person, channel), await self._groups()))

    async def principals(self, person: Person, channel: object) -> frozenset[Principal]:
        """Who somebody is who speaks in ``channel``, and therefore sees it."""
        account = user_id(person)
        addresses = await self._addresses_of([account])
        return principals(person) | _held_by_all(channel) | frozenset(addresses.values())

    async def in_channel(self, channel: object) -> Audience:
        """All who see a channel or thread of a server. One of which the gateway did not tell may be seen by anyone."""
        opened = _opened(channel)
        if opened is None or opened.guild.unavailable or opened.guild.default_role is None:
            return ANYONE
        ways, here = Ways.into(opened), _held_by_all(channel)
        if ways.count > MOST_WAYS:
            return Audience(readers=expand_all([here], await self._groups()))
        accounts = {f"discord:{id}" for id in ways.people}
        addresses = await self._addresses_of(accounts) if accounts else {}
        readers = [here | {f"role:discord:{id}"} for id in ways.roles]
        readers += [here | {f"user:{account}"} | {addresses.get(account, EVERYONE)} for account in accounts]
        return Audience(readers=expand_all(readers, await self._groups()))


@dataclass(frozen=True, kw_only=True)
class Ways:
    """The ways in which one can come to see a channel, by ids."""

    roles: frozenset[int]
    """Whoever has one of them may see it."""
    people: frozenset[int]
    """Who may see it whatever their roles are."""

    @property
    def count(self) -> int:
        return len(self.roles) + len(self.people)

    @classmethod
    def into(cls, channel: GuildChannel) -> Ways:
        """By Discord's own rule. The owner and administrators see everything. For the others, what roles may on the whole
        server is overruled by the channel's overwrite for @everyone, that by those for the person's roles, and these by the
        one for the person; of the overwrites for several roles, one that allows overrules those that deny.

        So whoever sees the channel is the owner, or is allowed to by an overwrite of their own, or has a role that alone
        would suffice: one of an administrator, one that an overwrite allows, or one that may see channels and that neither
        its own overwrite nor that of @everyone denies it. An overwrite that denies only keeps out some who have such a role
        besides; leaving it aside for people with several roles adds readers who may not exist, which is the safe side.

        This bot reads nothing that others do not: neither its account nor the role that only it can have is a way.
        """
        guild, own_role = channel.guild, channel.guild.self_role
        if channel.permissions_for(guild.default_role).view_channel:
            return cls(roles=frozenset({guild.id}), people=frozenset())
        roles = {role.id for role in guild.roles if role != own_role and channel.permissions_for(role).view_channel}
        allowed = {holder for holder, overwrite in channel.overwrites.items() if overwrite.pair()[0].view_channel}
        # 0 is nobody: of an owner who was not told, nothing is known.
        people = {guild.owner_id or 0, *(holder.id for holder in allowed if not _is_role(holder))}
        return cls(roles=frozenset(roles), people=frozenset(people - {guild.me.id}))


def _is_role(holder: discord.Role | discord.Member | discord.Object) -> bool:
    """Whom discord.py does not keep, it gives as an object of that type."""
    return discord.Role in (type(holder), getattr(holder, "type", None))


def _opened(channel: object) -> GuildChannel | None:
    """The channel, or the one around a thread, as the gateway keeps it: what stands in an event has no overwrites.

    A private thread is seen by fewer than see the channel around it, and never by others.
    """
    if not isinstance(channel, GuildChannel | discord.Thread):
        return None
    return channel.guild.get_channel(channel.parent_id if isinstance(channel, discord.Thread) else channel.id)


def _held_by_all(channel: object) -> frozenset[Principal]:
    """What everybody holds who sees a channel of a server: its own principals, and those of the channel around a thread."""
    opened = _opened(channel)
    if opened is None or not isinstance(channel, GuildChannel | discord.Thread):
        return frozenset()
    return frozenset(
        {f"role:discord:{opened.guild.id}", f"channel:discord:{opened.id}", f"channel:discord:{channel.id}"},
    )
