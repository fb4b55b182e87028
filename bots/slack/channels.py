"""Who is in a channel, and who else can open it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.remembered import Remembered

FRESH_SECONDS = 60.0
"""How long members are believed if no event tells of a change."""
CROWD = 5000
"""With more members than that nobody is looked at singly."""
_PAGE = 999
"""The most that conversations.members gives at once."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    members: frozenset[str] | None
    """User ids; None: more than CROWD."""
    public: bool
    """Every full member of the workspace can open it and read on."""
    shared: bool
    """With another workspace or organisation, whose people we do not know."""


class SlackChannels:
    """conversations.info and conversations.members, believed for a minute."""

    def __init__(
        self, client: AsyncWebClient, *, organisation: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``organisation``: the workspaces of ours are no strangers to each other."""
        self._client = client
        self._organisation = organisation
        self._known = Remembered(self._ask, FRESH_SECONDS, clock=clock)

    async def find(self, channel_id: str) -> Channel:
        """Raises one of UNANSWERED: without the scope, where we are not, and while Slack is away."""
        return await self._known.find(channel_id)

    def forget(self, id: str) -> None:
        """Somebody came or went, or it is shared with somebody else now."""
        self._known.forget(id)

    async def _ask(self, channel_id: str) -> Channel:
        info, members = await asyncio.gather(self._client.conversations_info(channel=channel_id), self._members(channel_id))
        channel: dict[str, Any] = info["channel"]
        # What is not said is taken for the worse.
        return Channel(
            members=members,
            public=not any(channel.get(kind) is True for kind in ("is_private", "is_im", "is_mpim")),
            shared=any(channel.get(flag) is not False for flag in self._strangers(channel)),
        )

    def _strangers(self, channel: dict[str, Any]) -> tuple[str, ...]:
        """What says that there are people of others."""
        if self._organisation and channel.get("is_org_shared") is True:
            return ("is_ext_shared",)
        return ("is_ext_shared", "is_shared") if self._organisation else ("is_shared", "is_ext_shared", "is_org_shared")

    async def _members(self, channel_id: str) -> frozenset[str] | None:
        members: set[str] = set()
        async for page in await self._client.conversations_members(channel=channel_id, limit=_PAGE):
            members.update(page["members"])
            if len(members) > CROWD:
                return None
        return frozenset(members)
