"""One workspace of the emulated Slack: it acts for the people in it and shows what they see."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.slack_delivery import Courier, Delivery
from tests.emulators.slack_faults import Faults
from tests.emulators.slack_hands import HOME_OPENED, Hands
from tests.emulators.slack_views import OpenView
from tests.emulators.slack_web import READ_SCOPES, Call, ResponseUrl, WebApi
from tests.emulators.slack_workspace import APP, Channel, Home, Post, User, Whisper, Workspace, envelope

EVENT_SCOPES = {
    ("app_mention", None): "app_mentions:read",
    ("message", "channel"): "channels:history",
    ("message", "group"): "groups:history",
    ("message", "mpim"): "mpim:history",
    ("message", "im"): "im:history",
}
_SUBSCRIPTION = {"channel": "message.channels", "group": "message.groups", "mpim": "message.mpim", "im": "message.im"}
_MEMBERSHIP = {"member_joined_channel", "member_left_channel", "channel_shared", "channel_unshared"}
_PEOPLE = {"user_change", "team_join"}
_STOPPED = "agent_session_stopped"
INSTALLATION = frozenset({"app_uninstalled", "tokens_revoked", "team_access_granted", "team_access_revoked"})
SUBSCRIPTIONS = frozenset({"app_mention", *_SUBSCRIPTION.values(), *_MEMBERSHIP, *_PEOPLE, _STOPPED, HOME_OPENED, *INSTALLATION})


@dataclass
class App:
    """What all workspaces of the app share."""

    courier: Courier
    faults: Faults
    subscriptions: frozenset[str]
    messages_first: bool
    delivered: set[str] = field(default_factory=set)
    """Subscriptions whose events were sent."""
    running: set[asyncio.Task[None]] = field(default_factory=set)


class SlackTeam:
    def __init__(
        self, app: App, home: Home, *, scopes: set[str] | None = None, bot_token: str | None = None, app_token: str | None = None
    ) -> None:
        self.workspace = Workspace(home)
        self.courier = app.courier
        self.faults = app.faults
        self.delivered = app.delivered
        self.api = WebApi(self.workspace, app.faults, bot_token=bot_token, app_token=app_token, scopes=scopes)
        self.streams = self.api.streams
        self.files = self.api.files
        self.hands = Hands(self, self._start)
        self.installed = bot_token is not None
        """Whether Slack tells the app what happens here."""
        self.sisters: list[SlackTeam] = [self]
        """The workspaces of its organisation, itself as well."""
        self._subscriptions = app.subscriptions
        self._messages_first = app.messages_first
        self._running = app.running
        self.api.on_post = self.streams.on_post = self._announce
        self.api.on_change = self._changed
        self.streams.stoppable = _STOPPED in app.subscriptions

    @property
    def id(self) -> str:
        return self.workspace.home.team

    # Who and where.

    def user(self, id: str, *, name: str | None = None, email: str | None = None, **flags: Any) -> User:
        user = self.workspace.users[id] = User(id, name or id.title(), email, flags, self.id)
        if (org := self.workspace.home.org) and not user.foreign:
            here = [team for team in self.sisters if id in team.workspace.users]
            who = {"id": id, "enterprise_id": org, "enterprise_name": f"{org} Corp", "is_admin": False, "is_owner": False}
            for team in here:
                team.workspace.users[id].flags["enterprise_user"] = who | {"teams": [one.id for one in here]}
        self.workspace.channels.setdefault(f"D{id}", Channel(f"D{id}", "im"))
        return user

    def channel(self, id: str, *members: str, private: bool = False, kind: str | None = None, **how: bool) -> Channel:
        """With these members; without any named, with everybody in the workspace. ``kind`` is for an ``mpim``."""
        kind = kind or ("group" if private else "channel")
        channel = self.workspace.channels[id] = Channel(id, kind, inside=set(members) or None, **how)
        return channel

    # What people do, and what is done to them.

    async def join(self, user: str, channel: str) -> None:
        self._inside(channel).add(user)
        self._membership("member_joined_channel", channel, user=user, team=self.id, inviter="U0INVITER")

    async def leave(self, user: str, channel: str) -> None:
        self._inside(channel).discard(user)
        self._membership("member_left_channel", channel, user=user, team=self.id)

    async def share(self, channel: str) -> None:
        """With another organisation."""
        self.workspace.channels[channel].shared = True
        self._membership("channel_shared", channel, connected_team_id="T0OTHER")

    async def unshare(self, channel: str) -> None:
        self.workspace.channels[channel].shared = False
        self._membership("channel_unshared", channel, previously_connected_team_id="T0OTHER", is_ext_shared=False)

    async def arrive(self, id: str, **who: Any) -> None:
        """Somebody new in the workspace; ``who`` as for :meth:`user`."""
        self._person("team_join", self.user(id, **who))

    async def become(self, id: str, **flags: Any) -> None:
        """A guest, deactivated, somebody with another status line ..."""
        user = self.workspace.users[id]
        user.flags |= flags
        self._person("user_change", user)

    def _inside(self, channel: str) -> set[str]:
        place = self.workspace.channels[channel]
        place.inside = set(self.workspace.members(place)) - {self.workspace.home.bot_user}
        return place.inside

    def _membership(self, type: str, channel: str, **fields: Any) -> None:
        place = self.workspace.channels[channel]
        kind = {"channel_type": "C" if channel.startswith("C") else "G"} if type.startswith("member") else {}
        if place.with_bot:
            self._happened({"type": type, "channel": channel} | kind | fields, READ_SCOPES[place.kind])

    def _person(self, type: str, user: User) -> None:
        self._happened({"type": type, "user": user.profile(with_email=self.api.with_email())}, "users:read")

    def _happened(self, event: dict[str, Any], scope: str) -> None:
        if event["type"] in self._subscriptions and self.api.grants(scope):
            self.delivered.add(event["type"])
            self.api.used_scopes.add(scope)
            self.emit(event | {"event_ts": self.workspace.next_ts()})

    async def mention(self, user: str, channel: str, text: str, **how: Any) -> Post:
        """``@Footnote text``; ``how`` as for :meth:`say`."""
        return await self.say(user, channel, f"<@{self.workspace.home.bot_user}> {text}", **how)

    async def dm(self, user: str, text: str, *, thread: Post | None = None, **how: Any) -> Post:
        return await self.say(user, f"D{user}", text, thread=thread, **how)

    async def say(self, user: str, channel: str, text: str, *, thread: Post | None = None, times: int = 1, **fields: Any) -> Post:
        """Deliver each event ``times`` times; ``fields`` are added to them: ``bot_id``, ``subtype``, ``client_msg_id`` ...
        ``files`` hang on the message.
        """
        gesture = fields.pop("client_msg_id", str(uuid.uuid4()))
        root, files = thread.root if thread else None, fields.pop("files", [])
        post = self.workspace.write(channel, user, text, thread_ts=root, client_msg_id=gesture, files=files)
        self._announce(post, times=times, **fields)
        return post

    async def edit(self, post: Post, text: str, *, after: float = 0.0, times: int = 1) -> None:
        """``after`` so many seconds from the message, if it is not edited now."""
        self.emit(self.workspace.changed(post, text, after=after), times=times)

    async def unfurl(self, post: Post) -> None:
        """Slack shows a preview of a link in the message."""
        before = post.payload()
        self.emit(self.workspace.change_of(post, before, attachments=[{"title": "A page", "from_url": "https://acme.com"}]))

    async def delete(self, post: Post, *, times: int = 1) -> None:
        self.emit(self.workspace.deleted(post), times=times)

    def _changed(self, event: dict[str, Any]) -> None:
        """A message of ours looks different now, or is gone."""
        if _SUBSCRIPTION[event["channel_type"]] in self._subscriptions:
            self.emit(event)

    async def stop(self, user: str, post: Post) -> None:
        """Press Stop in the thread of this message."""
        stopped = self.streams.press_stop(post.channel, post.root)
        event = {"type": _STOPPED, "channel": post.channel, "thread_ts": post.root, "user": user}
        self._happened(event | {"streaming_message_ts": stopped}, "chat:write")

    async def command(self, user: str, channel: str, command: str, text: str = "") -> str:
        """Type a slash command; returns the id of its response_url."""
        id = uuid.uuid4().hex
        self.api.response_urls[id] = ResponseUrl(channel, user)
        self.api.used_scopes.add("commands")
        home = self.workspace.home
        payload = {
            "token": "verification",
            "team_id": self.id,
            "channel_id": channel,
            "channel_name": "directmessage" if channel.startswith("D") else "general",
            "user_id": user,
            "user_name": self.workspace.users[user].name.lower(),
            "command": command,
            "text": text,
            "api_app_id": APP,
            "is_enterprise_install": str(home.org_wide).lower(),
            **({"enterprise_id": home.org, "enterprise_name": f"{home.org} Corp"} if home.org else {}),
            "response_url": f"{self.courier.base}/respond/{id}",
            "trigger_id": self.api.views.trigger(user),
        }
        self._start(self.courier.deliver("slash_commands", payload, id=id, retried=False))
        return id

    async def press(self, user: str, where: Whisper | Post | OpenView, label: str) -> str:
        """Press a button below a message, or in a view; returns the id of its response_url."""
        return await self.hands.press(user, where, label)

    def happened(self, event: dict[str, Any]) -> None:
        """Deliver an event that needs no scope, if it is subscribed to."""
        if event["type"] in self._subscriptions:
            self.delivered.add(event["type"])
            self.emit(event)

    async def choose(self, user: str, post: Post, shortcut: str) -> str:
        """Choose a shortcut, by its callback id, from the menu of a message; returns the id of its response_url."""
        id = uuid.uuid4().hex
        self.api.response_urls[id] = ResponseUrl(post.channel, user)
        self.api.used_scopes.add("commands")
        home = self.workspace.home
        payload = {
            "type": "message_action",
            "callback_id": shortcut,
            "token": "verification",
            "team": home.told,
            "user": {"id": user, "username": self.workspace.users[user].name.lower(), "team_id": self.id, "name": "x"},
            "channel": {"id": post.channel, "name": "directmessage" if post.channel.startswith("D") else "general"},
            "is_enterprise_install": home.org_wide,
            "enterprise": home.enterprise,
            "message": post.payload(),
            "message_ts": post.ts,
            "action_ts": self.workspace.next_ts(),
            "response_url": f"{self.courier.base}/respond/{id}",
            "trigger_id": self.api.views.trigger(user),
        }
        self._start(self.courier.deliver("interactive", payload, id=id, retried=False))
        return id

    def emit(self, event: dict[str, Any], *, event_id: str | None = None, times: int = 1) -> str:
        """Deliver an event ``times`` times under one id, which is returned; where the app is not installed it hears of none."""
        body = envelope(event, event_id, self.workspace.home)
        for _ in range(times if self.installed else 0):
            self._start(self.courier.deliver("events_api", body, id=body["event_id"]))
        return str(body["event_id"])

    def announce(self, body: dict[str, Any]) -> None:
        """Deliver what became of the installation itself, if it is subscribed to."""
        if (type := body["event"]["type"]) in self._subscriptions:
            self.delivered.add(type)
            self._start(self.courier.deliver("events_api", body, id=body["event_id"]))

    def late(self, event: dict[str, Any], delays: Sequence[float]) -> None:
        """Deliver an event under one id, once after each of these seconds; others may overtake it."""
        body = envelope(event, home=self.workspace.home)

        async def after(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await self.courier.deliver("events_api", body, id=body["event_id"])

        for seconds in delays:
            self._start(after(seconds))

    def _announce(self, post: Post, *, times: int = 1, **fields: Any) -> None:
        events = list(self.workspace.events_of(post))
        for event in reversed(events) if self._messages_first else events:
            kind = event.get("channel_type")
            subscription = event["type"] if event["type"] == "app_mention" else _SUBSCRIPTION[str(kind)]
            if subscription in self._subscriptions:
                self.delivered.add(subscription)
                self.api.used_scopes.add(EVENT_SCOPES[event["type"], kind])
                self.emit(event | fields, times=times)

    def _start(self, delivery: Any) -> None:
        task = asyncio.create_task(delivery)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    # What people see.

    def replies(self, post: Post) -> list[Post]:
        """The bot's messages in the thread of this one, oldest first."""
        return [reply for reply in self.workspace.thread(post.channel, post.root) if reply.bot_id]

    def posts(self, channel: str) -> list[Post]:
        """The bot's messages in a channel, outside of threads too."""
        return [post for post in self.workspace.posts if post.channel == channel and post.bot_id]

    def whispers(self, user: str) -> list[Whisper]:
        return [whisper for whisper in self.workspace.whispers if whisper.user == user]

    def status(self, post: Post) -> str | None:
        return self.workspace.statuses.get((post.channel, post.root))

    def session(self, post: Post) -> str | None:
        """The status of the session in the thread of this message."""
        return self.streams.sessions.get((post.channel, post.root))

    def calls(self, method: str) -> list[Call]:
        return [call for call in self.api.calls if call.method == method]

    async def until_reply(self, post: Post, count: int = 1, *, timeout: float = 60.0) -> Post:
        """Wait for ``count`` replies in the thread; returns the last of them."""
        await self.until(lambda: len(self.replies(post)) >= count, timeout=timeout, what=f"{count} replies to {post.text!r}")
        return self.replies(post)[count - 1]

    async def until_shown(self, post: Post, text: str, *, timeout: float = 60.0) -> None:
        """Wait until a message says so."""
        await self.until(lambda: text in post.shown, timeout=timeout, what=f"{text!r} in {post.shown!r}")

    async def until_whisper(self, user: str, count: int = 1, *, timeout: float = 60.0) -> Whisper:
        await self.until(lambda: len(self.whispers(user)) >= count, timeout=timeout, what=f"{count} notices to {user}")
        return self.whispers(user)[count - 1]

    async def until(self, condition: Callable[[], object], *, timeout: float = 60.0, what: str = "it") -> None:
        try:
            async with asyncio.timeout(timeout):
                while True:
                    if condition():
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            errors = [f"{call.method}: {call.error}" for call in self.api.calls if call.error]
            raise AssertionError(f"{what} did not happen within {timeout} s; refused calls: {errors}") from error

    async def settled(self) -> None:
        """Until no delivery is on its way."""
        while self._running:
            await asyncio.wait(set(self._running))

    @property
    def deliveries(self) -> list[Delivery]:
        return self.courier.deliveries

    @property
    def flaws(self) -> list[str]:
        """Whatever Slack would warn about or people would see wrongly, in all messages so far."""
        return [*self.api.flaws, *self.api.views.flaws, *self.api.warnings, *self.streams.flaws, *self.streams.warnings]
