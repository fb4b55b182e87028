"""A Slack workspace, who can read which of its channels, and the audiences that Footnote makes of that."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.platform import Groups
from bots.slack.audience import SlackAudience
from bots.slack.channels import SlackChannels
from bots.slack.people import SlackPeople
from bots.slack.translate import Identity
from core.models import Audience
from tests.emulators.slack_faults import Faults
from tests.emulators.slack_web import WebApi
from tests.emulators.slack_workspace import BOT, BOT_USER, TEAM, Channel, User, Workspace
from tests.fakes import message

STATUSES: dict[str, dict[str, Any]] = {
    "member": {},
    "guest": {"is_restricted": True},
    "stranger": {"is_stranger": True, "team_id": "T0ELSE"},
    "gone": {"deleted": True},
}


class Chat:
    def __init__(self, *emails: str) -> None:
        self.workspace = Workspace()
        self.users = [User(f"U{number}", email, email, {}) for number, email in enumerate(emails)]
        self.workspace.users |= {user.id: user for user in self.users}
        ids = [user.id for user in self.users]
        self.channels = [
            Channel("C0ALL", "channel", inside=set(ids)),
            Channel("C0ENG", "channel", inside=set(ids[:2])),
            Channel("C0TEAM", "group", inside=set(ids[:2])),
            Channel("C0BOARD", "group", inside=set(ids[1:3])),
        ]
        self.workspace.channels = {channel.id: channel for channel in self.channels}

    def is_member(self, user: User) -> bool:
        return user.flags == STATUSES["member"]

    def readers(self, channel: Channel, asker: User) -> list[User] | None:
        """Those who can open a channel in which this person asks; None: strangers, of whom nobody knows how many."""
        if channel.shared:
            return None
        inside = {*self.workspace.members(channel), asker.id}
        there = [user for user in self.users if user.flags != STATUSES["gone"]]
        return [user for user in there if user.id in inside or (channel.kind == "channel" and self.is_member(user))]

    async def audience(self, asker: User, channel: Channel | None, groups: Groups) -> Audience:
        """Of an answer in a channel, or (None) in a direct message. Nothing is remembered from the last one."""
        web = InProcess(self.workspace)
        me = Identity(team=TEAM, user=BOT_USER, bot=BOT)
        audience = SlackAudience(me, SlackPeople(web, TEAM), SlackChannels(web), Unchanged(), groups)
        place = channel.id if channel else f"D{asker.id}"
        return await audience.of(message(user=f"slack:{asker.id}", channel_id=place, private=channel is None))


class Unchanged:
    """No event tells of anything."""

    async def told(self) -> Collection[str]:
        return ()


class InProcess(AsyncWebClient):
    """Slack's client on the emulated Web API, without HTTP."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        api = WebApi(workspace, Faults(), bot_token="", app_token="", scopes=None)
        self._methods = {
            "users.info": api.users_info,
            "users.list": api.users_list,
            "conversations.info": api.conversations_info,
            "conversations.members": api.conversations_members,
        }

    async def _request(self, *, http_verb: str, api_url: str, req_args: dict[str, Any]) -> dict[str, Any]:
        answer = self._methods[api_url.rpartition("/")[2]](req_args.get("params") or req_args["data"])
        return {"data": {"ok": True} | answer, "headers": {}, "status_code": 200}
