"""The people, channels and messages of an emulated Slack workspace, and the events that they cause."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.slack_rules import texts

TEAM, APP, BOT, BOT_USER = "T0FOOT", "A0FOOT", "B0FOOT", "U0FOOT"


@dataclass
class Home:
    """Whose workspace it is, and who the app is there."""

    team: str = TEAM
    name: str = "Footnote Inc"
    bot: str = BOT
    bot_user: str = BOT_USER
    org: str | None = None
    """The Enterprise Grid organisation that it belongs to."""
    org_wide: bool = False
    """Whether the app was installed for that organisation, not for this workspace alone."""

    @property
    def enterprise(self) -> dict[str, str] | None:
        """What interactions tell of the organisation."""
        return {"id": str(self.org), "name": f"{self.org} Corp"} if self.org_wide else None

    @property
    def told(self) -> dict[str, str] | None:
        """What interactions tell of the workspace: nothing where the app was installed for the organisation."""
        return None if self.org_wide else {"id": self.team, "domain": self.name.partition(" ")[0].lower()}


@dataclass
class User:
    id: str
    name: str
    email: str | None
    flags: dict[str, Any]
    team: str = TEAM

    @property
    def foreign(self) -> bool:
        return bool(self.flags.get("is_stranger")) or self.flags.get("team_id", self.team) != self.team

    def profile(self, *, with_email: bool) -> dict[str, Any]:
        """As users.info and users.list show it."""
        names = {"display_name": self.name, "real_name": self.name}
        email = {"email": self.email} if self.email and with_email else {}
        base = {
            "id": self.id,
            "team_id": self.team,
            "name": self.name.lower(),
            "real_name": self.name,
            "deleted": False,
            "is_bot": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "is_email_confirmed": True,
            "profile": names | email,
        }
        return base | self.flags


@dataclass
class Channel:
    id: str
    kind: str
    """``channel``, ``group`` (private), ``mpim`` or ``im``, as in ``channel_type`` of events."""
    with_bot: bool = True
    archived: bool = False
    inside: set[str] | None = None
    """The people in it; None: all of the workspace, and all who are yet to come."""
    shared: bool = False
    """With another organisation."""


@dataclass
class Post:
    """A message. ``edits`` are the times of its edits, in seconds of the monotonic clock."""

    channel: str
    ts: str
    user: str
    text: str
    thread_ts: str | None = None
    bot_id: str | None = None
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    client_msg_id: str | None = None
    at: float = field(default_factory=time.monotonic)
    edits: list[float] = field(default_factory=list)
    edited: str = ""
    """The ts of its last edit by a person."""
    subtype: str = ""
    files: list[dict[str, Any]] = field(default_factory=list)
    team: str = TEAM

    @property
    def root(self) -> str:
        return self.thread_ts or self.ts

    @property
    def shown(self) -> str:
        """What people read."""
        return "\n".join(texts(self.blocks)) if self.blocks else self.text

    def payload(self, *, metadata: bool = False) -> dict[str, Any]:
        fields: dict[str, Any] = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text, "team": self.team}
        if self.thread_ts:
            fields["thread_ts"] = self.thread_ts
        if self.client_msg_id:
            fields["client_msg_id"] = self.client_msg_id
        if self.bot_id:
            fields |= {"bot_id": self.bot_id, "app_id": APP, "bot_profile": {"id": self.bot_id, "app_id": APP}}
        if self.edited:
            fields["edited"] = {"user": self.user, "ts": self.edited}
        if self.subtype:
            fields["subtype"] = self.subtype
        if self.blocks:
            fields["blocks"] = self.blocks
        if metadata and self.metadata:
            fields["metadata"] = self.metadata
        if self.files:
            fields |= {"files": self.files, "upload": False}
        return fields


@dataclass(frozen=True)
class Whisper:
    """An ephemeral message: seen by one person and kept nowhere."""

    channel: str
    user: str
    thread_ts: str | None
    shown: str
    via: str
    """``chat.postEphemeral`` or ``response_url``."""
    blocks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def buttons(self) -> list[str]:
        """What stands on them."""
        elements = [element for block in self.blocks if block["type"] == "actions" for element in block["elements"]]
        return [element["text"]["text"] for element in elements]


class Workspace:
    def __init__(self, home: Home | None = None) -> None:
        self.home = home or Home()
        bot = self.home.bot_user
        self.users = {bot: User(bot, "Footnote", None, {"is_bot": True}, self.home.team)}
        self.channels: dict[str, Channel] = {}
        self.posts: list[Post] = []
        self.whispers: list[Whisper] = []
        self.statuses: dict[tuple[str, str], str] = {}
        """Status by channel and thread; the empty ones are gone."""
        self.clock: Callable[[], float] = time.time
        self._ticks = itertools.count(100, 100)

    def next_ts(self) -> str:
        """Unique and rising, as Slack's are."""
        return f"{int(self.clock())}.{next(self._ticks):06d}"

    def members(self, channel: Channel) -> list[str]:
        """Ids, our bot's as well."""
        if channel.kind == "im":
            return [channel.id.removeprefix("D"), self.home.bot_user]
        inside = channel.inside
        if inside is None:
            inside = {user.id for user in self.users.values() if not user.foreign and not user.flags.get("deleted")}
        return sorted(inside | {self.home.bot_user} if channel.with_bot else inside - {self.home.bot_user})

    def find(self, channel: str, ts: str) -> Post | None:
        return next((post for post in self.posts if post.channel == channel and post.ts == ts), None)

    def thread(self, channel: str, root: str) -> list[Post]:
        return [post for post in self.posts if post.channel == channel and post.root == root]

    def write(self, channel: str, user: str, text: str, *, thread_ts: str | None = None, **fields: Any) -> Post:
        post = Post(channel, self.next_ts(), user, text, thread_ts=thread_ts, team=self.home.team, **fields)
        self.posts.append(post)
        return post

    def events_of(self, post: Post) -> Iterator[dict[str, Any]]:
        """What Slack tells an app of a new message: the mention, and the message itself."""
        channel = self.channels[post.channel]
        if not channel.with_bot:
            return
        if f"<@{self.home.bot_user}" in post.text and channel.kind != "im":
            yield post.payload() | {"type": "app_mention", "channel": post.channel, "event_ts": post.ts}
        subtype = {"subtype": "file_share"} if post.files else {}
        yield post.payload() | subtype | {"channel": post.channel, "channel_type": channel.kind, "event_ts": post.ts}

    def changed(self, post: Post, text: str, *, after: float = 0.0) -> dict[str, Any]:
        """The event of an edit; ``after`` so many seconds, if it is not made now."""
        before = post.payload()
        post.text = text
        post.edited = f"{float(post.ts) + after:.6f}" if after else self.next_ts()
        return self.change_of(post, before)

    def change_of(self, post: Post, before: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """The event of a message that looks different now; ``fields`` are what else is new in it."""
        change = {"hidden": True, "message": post.payload() | fields, "previous_message": before}
        return self._subtype(post, "message_changed") | change

    def deleted(self, post: Post) -> dict[str, Any]:
        """The event of a deletion. A message with replies leaves a tombstone, so that its thread stays."""
        before = post.payload()
        if len(self.thread(post.channel, post.ts)) > 1:
            post.text, post.user, post.client_msg_id, post.subtype = "This message was deleted.", "USLACKBOT", None, "tombstone"
            return self.change_of(post, before, hidden=True)
        self.posts.remove(post)
        self.statuses.pop((post.channel, post.ts), None)
        gone = {"hidden": True, "deleted_ts": post.ts, "previous_message": before}
        return self._subtype(post, "message_deleted") | gone

    def _subtype(self, post: Post, subtype: str) -> dict[str, Any]:
        ts = self.next_ts()
        place = {"channel": post.channel, "channel_type": self.channels[post.channel].kind}
        return {"type": "message", "subtype": subtype, "ts": ts, "event_ts": ts} | place


def envelope(event: dict[str, Any], event_id: str | None = None, home: Home | None = None) -> dict[str, Any]:
    """The body in which the Events API delivers an event."""
    home = home or Home()
    # Of an installation for an organisation Slack does not say the workspace here, only beside it.
    team = {} if home.org_wide else {"team_id": home.team}
    return {
        "token": "verification",
        "team_id": home.team or None,
        "enterprise_id": home.org,
        "context_team_id": home.team or None,
        "context_enterprise_id": home.org,
        "api_app_id": APP,
        "event": event,
        "type": "event_callback",
        "event_id": event_id or f"Ev{uuid.uuid4().hex[:10].upper()}",
        "event_time": int(time.time()),
        "authorizations": [
            {"enterprise_id": home.org, "user_id": home.bot_user, "is_bot": True, "is_enterprise_install": home.org_wide} | team
        ],
        "is_ext_shared_channel": False,
        "event_context": "4-emulated",
    }
