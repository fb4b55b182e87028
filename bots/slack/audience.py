"""Who will see an answer in Slack."""

from __future__ import annotations

import asyncio

import structlog

from bots.platform import Groups
from bots.slack.changes import SlackChanges
from bots.slack.channels import CROWD, SlackChannels
from bots.slack.client import UNANSWERED, failure
from bots.slack.people import Person, SlackPeople
from bots.slack.translate import Identity
from core.models import Audience, Message, Principal
from core.principals import expand_all

log = structlog.get_logger(__name__)

_SECONDS = 3.0
"""A question waits for this. What is still being asked then is known to the next one."""

_AT_ONCE = 500
"""Readers whose groups are found in some milliseconds; those of more in a thread, so that other answers go on."""

Reader = frozenset[Principal]


class SlackAudience:
    """Those who can read a channel at the moment when they are looked up: its members, and in a public channel every full
    member of the workspace. Whoever joins later finds what was answered before.

    Each holds the channel, a full member the workspace and their address as well. Nothing more than the channel is held by
    a guest, a stranger, a bot, and where nobody can be known. Where there are too many, one who holds channel and workspace
    stands for them all.
    """

    def __init__(self, me: Identity, people: SlackPeople, channels: SlackChannels, changes: SlackChanges, groups: Groups) -> None:
        self._me = me
        self._workspace = f"workspace:slack:{me.team}"
        self._people = people
        self._channels = channels
        self._changes = changes
        self._groups = groups

    async def of(self, message: Message) -> Audience:
        """In a direct message, and for what is shown to the asker alone, the asker; else all who can read the channel."""
        await self._catch_up()
        asker = self._me.bare(message.user.removeprefix("slack:"))
        channel_id = self._me.bare(message.channel_id)
        if message.private:
            readers = frozenset({self._reader(await self._people.find(asker), channel_id)})
        else:
            readers = await self._readers(channel_id, asker)
        groups = await self._groups()
        if len(readers) <= _AT_ONCE:
            return Audience(readers=expand_all(readers, groups))
        return Audience(readers=await asyncio.to_thread(expand_all, readers, groups))

    async def principals(self, user_id: str, channel_id: str) -> Reader:
        """Of a person who gives a command: what a right may be given to, and what they may read as."""
        await self._catch_up()
        return self._reader(await self._people.find(user_id), channel_id) | {self._me.person(user_id)}

    async def changed(self, id: str) -> None:
        """A channel, a person or the workspace is not as it was: what was known of it is believed no longer, anywhere."""
        self._forget(id)
        await self._changes.tell(id)

    async def _catch_up(self) -> None:
        for id in await self._changes.told():
            self._forget(id)

    def _forget(self, id: str) -> None:
        self._channels.forget(id)
        self._people.forget(id)

    async def _readers(self, channel_id: str, asker: str) -> frozenset[Reader]:
        nobody_known = frozenset({self._me.place(channel_id)})
        somebody = nobody_known | {self._workspace}
        try:
            async with asyncio.timeout(_SECONDS):
                channel = await self._channels.find(channel_id)
                if channel.shared:
                    return frozenset({nobody_known})
                if channel.members is None:
                    return frozenset({somebody})
                inside = {*channel.members, asker} - {self._me.user}
                members = await self._people.find_all(inside)
                readers = {self._reader(person, channel_id) for person in members if not person.gone}
                outside = await self._people.directory() - inside if channel.public else frozenset[str]()
                if len(outside) > CROWD:
                    readers.add(somebody)
                else:
                    others = await self._people.find_all(outside)
                    readers.update(self._reader(person, channel_id) for person in others if person.colleague)
        except UNANSWERED as error:
            log.warning("channel.not_read", channel=channel_id, error=failure(error), consequence="nobody in it is known")
            return frozenset({nobody_known})
        # Who holds least decides: nobody else needs to be looked at.
        return frozenset({nobody_known}) if nobody_known in readers else frozenset(readers)

    def _reader(self, person: Person, channel_id: str) -> Reader:
        held = set() if channel_id.startswith("D") else {self._me.place(channel_id)}
        if person.member:
            held.add(self._workspace)
        if person.email:
            held.add(f"user:{person.email}")
        return frozenset(held)
