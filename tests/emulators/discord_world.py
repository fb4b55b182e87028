"""What exists on an emulated Discord: people, channels, messages, interactions, and their JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.emulators.discord_components import V2
from tests.emulators.discord_files import File
from tests.emulators.discord_permissions import Overwrite

Json = dict[str, Any]

EPOCH_MS = 1_420_070_400_000
EPHEMERAL, LOADING, SUPPRESS_EMBEDS = 1 << 6, 1 << 7, 1 << 2
TEXT, DM, VOICE, CATEGORY, NEWS, NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD, STAGE, FORUM = 0, 1, 2, 4, 5, 10, 11, 12, 13, 15
THREADS = (NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD)
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


class Clock:
    """The server's time; :meth:`advance` lets tokens expire without waiting."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._last = 0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)

    def snowflake(self) -> int:
        """An id from the present moment, larger than all before."""
        fresh = (int(self().timestamp() * 1000) - EPOCH_MS) << 22
        self._last = max(fresh, self._last + 1)
        return self._last


@dataclass(eq=False)
class Role:
    id: int
    name: str
    permissions: int = 0
    bot: User | None = None
    """Whose role it is, when Discord made it for a bot that was invited."""

    def json(self) -> Json:
        tags = {"tags": {"bot_id": str(self.bot.id)}} if self.bot else {}
        return tags | {
            "id": str(self.id),
            "name": self.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "position": 1,
            "permissions": str(self.permissions),
            "managed": self.bot is not None,
            "mentionable": False,
            "flags": 0,
        }


@dataclass(eq=False)
class User:
    id: int
    name: str
    bot: bool = False
    takes_dms: bool = True
    roles: tuple[Role, ...] = ()
    admin: bool = False
    """Whether Discord's client offers them commands with default member permissions."""

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    def json(self) -> Json:
        return {
            "id": str(self.id),
            "username": self.name.lower(),
            "global_name": self.name,
            "avatar": None,
            "discriminator": "0",
            "public_flags": 0,
            "flags": 0,
            "bot": self.bot,
            "primary_guild": None,
        }

    def member(self) -> Json:
        return {
            "avatar": None,
            "banner": None,
            "communication_disabled_until": None,
            "flags": 0,
            "joined_at": "2026-01-05T09:00:00+00:00",
            "nick": None,
            "pending": False,
            "premium_since": None,
            "roles": [str(role.id) for role in self.roles],
            "mute": False,
            "deaf": False,
        }


@dataclass(eq=False)
class Channel:
    id: int
    name: str
    kind: int = TEXT
    guild_id: int | None = None
    parent: Channel | None = None
    """Of a thread its channel, of a channel its category."""
    recipient: User | None = None
    owner: User | None = None
    """Of a thread: who began it."""
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    """By the id of a role or a member."""
    members: set[int] = field(default_factory=set)
    """Those of them that are members'."""
    invited: set[User] | None = None
    """Of a private thread: who is in it."""
    locked: bool = False
    """Of a thread: closed by a moderator."""
    messages: list[Message] = field(default_factory=list)
    typing: int = 0
    """How often the bot's typing indicator was sent."""

    @property
    def opened_by(self) -> dict[int, Overwrite]:
        """The overwrites that count here: a thread has none of its own."""
        return self.parent.overwrites if self.kind in THREADS and self.parent else self.overwrites

    def json(self) -> Json:
        if self.kind == DM:
            assert self.recipient is not None
            return {"id": str(self.id), "type": DM, "flags": 0, "last_message_id": None, "recipients": [self.recipient.json()]}
        common: Json = {"id": str(self.id), "type": self.kind, "flags": 0, "guild_id": str(self.guild_id), "name": self.name}
        if self.kind != CATEGORY:
            # Also of one that was deleted since.
            said = [message for message in self.messages if not message.only_for]
            common["last_message_id"] = str(said[-1].id) if said else None
        if self.kind in THREADS:
            assert self.parent is not None
            return common | {
                "parent_id": str(self.parent.id),
                "owner_id": str(self.owner.id) if self.owner else "1",
                "message_count": 0,
                "member_count": 1,
                "total_message_sent": 0,
                "thread_metadata": {
                    "archived": self.locked,
                    "archive_timestamp": "2026-01-05T09:00:00+00:00",
                    "auto_archive_duration": 1440,
                    "locked": self.locked,
                    "create_timestamp": "2026-01-05T09:00:00+00:00",
                },
            }
        # Roles are of type 0, members of type 1; Discord promises no order.
        overwrites = [
            {"id": str(id), "type": int(id in self.members), "allow": str(overwrite.allow), "deny": str(overwrite.deny)}
            for id, overwrite in reversed(self.overwrites.items())
        ]
        common |= {"position": 0, "permission_overwrites": overwrites, "parent_id": str(self.parent.id) if self.parent else None}
        more: dict[int, Json] = {
            CATEGORY: {},
            VOICE: {"nsfw": False, "bitrate": 64_000, "user_limit": 0, "rtc_region": None},
            STAGE: {"nsfw": False, "bitrate": 64_000, "user_limit": 0, "rtc_region": None, "topic": None},
            FORUM: {"nsfw": False, "topic": None, "available_tags": [], "default_forum_layout": 0},
        }
        return common | more.get(self.kind, {"nsfw": False, "topic": None})


@dataclass(eq=False)
class Message:
    id: int
    channel: Channel
    author: User
    content: str
    """What people read, in components, too."""
    sent_at: datetime
    flags: int = 0
    kind: int = 0
    reply_to: Message | None = None
    ping: bool = True
    webhook_id: int | None = None
    only_for: User | None = None
    """Of an ephemeral message: the one who sees it."""
    interaction: Interaction | None = None
    mentions: tuple[User, ...] = ()
    edits: list[tuple[datetime, str]] = field(default_factory=list)
    """When it was edited, and its text then."""
    deleted: bool = False
    payload: Json = field(default_factory=dict)
    """The request that made it, when the bot did."""
    components: list[Json] = field(default_factory=list)
    files: tuple[File, ...] = ()
    embeds: list[Json] = field(default_factory=list)
    forwards: Message | None = None
    """What it shows instead of words of its own."""

    def json(self, *, nested: bool = False, stripped: bool = False) -> Json:
        body: Json = {
            "id": str(self.id),
            "type": self.kind,
            "channel_id": str(self.channel.id),
            "author": self.author.json(),
            "content": "" if stripped or self.flags & V2 else self.content,
            "timestamp": self.sent_at.isoformat(),
            "edited_timestamp": self.edits[-1][0].isoformat() if self.edits else None,
            "flags": self.flags,
            "mentions": [user.json() for user in self.mentions],
            "mention_roles": [],
            "mention_everyone": False,
            "attachments": [] if stripped else [file.json() for file in self.files],
            "embeds": [] if stripped else self.embeds,
            "components": [] if stripped else self.components,
            "pinned": False,
            "tts": False,
        }
        if self.webhook_id is not None:
            body["webhook_id"] = str(self.webhook_id)
        if self.forwards is not None and not stripped:
            told = (
                "type",
                "content",
                "timestamp",
                "edited_timestamp",
                "flags",
                "mentions",
                "mention_roles",
                "attachments",
                "embeds",
            )
            first = self.forwards.json()
            body["message_snapshots"] = [{"message": {name: first[name] for name in (*told, "components")}}]
            where = {"message_id": str(self.forwards.id), "channel_id": str(self.forwards.channel.id)}
            body["message_reference"] = where | {"type": 1, "guild_id": str(self.channel.guild_id)}
        if self.reply_to is not None:
            body["message_reference"] = {
                "type": 0,
                "message_id": str(self.reply_to.id),
                "channel_id": str(self.reply_to.channel.id),
            }
            if self.channel.guild_id:
                body["message_reference"]["guild_id"] = str(self.channel.guild_id)
            if not nested:
                body["referenced_message"] = None if self.reply_to.deleted else self.reply_to.json(nested=True)
        return body


@dataclass(eq=False)
class Interaction:
    """A command that a person gave, typed or by a button, and all that they saw of it."""

    id: int
    token: str
    user: User
    channel: Channel
    data: Json
    created_at: datetime
    sent: float
    """Monotonic seconds."""
    pressed_on: Message | None = None
    """The message whose button was pressed, also of a form that it opened; None of a command."""
    form: Json | None = None
    """The form that the press opened."""
    submits: bool = False
    """It hands in a form."""
    completes: bool = False
    """Somebody types, and has not given the command yet."""
    choices: list[str] | None = None
    """What was offered to them then."""
    acknowledged_after: float | None = None
    """Seconds from the event to the callback; None until then."""
    ephemeral: bool = False
    loading: bool = False
    original: Message | None = None
    follow_ups: list[Message] = field(default_factory=list)

    @property
    def kind(self) -> int:
        if self.submits:
            return 5
        if self.completes:
            return 4
        return 3 if self.pressed_on else 2

    @property
    def shown(self) -> list[Message]:
        """The messages that are its answer, the "thinking…" excepted."""
        return [*([self.original] if self.original is not None and not self.loading else []), *self.follow_ups]

    @property
    def texts(self) -> list[str]:
        return [message.content for message in self.shown]


def mentioned(content: str, users: dict[int, User]) -> tuple[User, ...]:
    """Whom a text mentions: outside code, as Discord parses it."""
    ids = re.findall(r"<@!?(\d+)>", CODE.sub("", content))
    return tuple(users[int(found)] for found in dict.fromkeys(ids) if int(found) in users)
