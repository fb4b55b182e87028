"""Slack as a local server: Web API, Socket Mode and Events API. It acts for the people of a workspace and shows what they see.

async with SlackServer() as slack:
    slack.user("U1ANA", email="ana@acme.com")
    slack.channel("C1GENERAL")
    question = await slack.mention("U1ANA", "C1GENERAL", "How many days of leave do I have?")
    assert "Thirty" in (await slack.until_reply(question)).shown
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Self

from aiohttp import web

from tests.emulators.slack_delivery import Courier, Delivery
from tests.emulators.slack_faults import Fault, Faults
from tests.emulators.slack_web import READ_SCOPES, Call, ResponseUrl, WebApi
from tests.emulators.slack_workspace import APP, BOT_USER, TEAM, Channel, Post, User, Whisper, Workspace, envelope

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
SUBSCRIPTIONS = frozenset({"app_mention", *_SUBSCRIPTION.values(), *_MEMBERSHIP, *_PEOPLE})


class SlackServer:
    """``retry_seconds`` are the pauses before an unacknowledged event comes again (Slack: at once, 1 min, 5 min).

    ``scopes`` are those that the bot token was granted; None grants all. ``messages_first`` delivers the ``message``
    event of a mention before its ``app_mention``; Slack promises no order.
    """

    def __init__(
        self,
        *,
        retry_seconds: Sequence[float] = (0.05, 0.2, 0.5),
        subscriptions: frozenset[str] = SUBSCRIPTIONS,
        scopes: set[str] | None = None,
        messages_first: bool = False,
    ) -> None:
        self.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self.app_token = f"xapp-1-{APP}-{secrets.token_hex(12)}"
        self.signing_secret = secrets.token_hex(16)
        self.workspace = Workspace()
        self.faults = Faults()
        self.courier = Courier(retry_seconds)
        self.api = WebApi(self.workspace, self.faults, bot_token=self.bot_token, app_token=self.app_token, scopes=scopes)
        self.delivered: set[str] = set()
        """Subscriptions whose events were sent."""
        self._subscriptions = subscriptions
        self._messages_first = messages_first
        self._running: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self.api.handle)
        app.router.add_post("/respond/{id}", self.api.respond)
        app.router.add_get("/link/", self.courier.accept)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.courier.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.courier.signing_secret = self.signing_secret
        self.api.open_link = self.courier.open_link
        self.api.on_post = self._announce
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.courier.close()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """SLACK_API_URL."""
        return f"{self.courier.base}/api/"

    # Who and where.

    def user(self, id: str, *, name: str | None = None, email: str | None = None, **flags: Any) -> User:
        user = self.workspace.users[id] = User(id, name or id.title(), email, flags)
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
        self._membership("member_joined_channel", channel, user=user, team=TEAM, inviter="U0INVITER")

    async def leave(self, user: str, channel: str) -> None:
        self._inside(channel).discard(user)
        self._membership("member_left_channel", channel, user=user, team=TEAM)

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
        place.inside = set(self.workspace.members(place)) - {BOT_USER}
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
        return await self.say(user, channel, f"<@{BOT_USER}> {text}", **how)

    async def dm(self, user: str, text: str, *, thread: Post | None = None) -> Post:
        return await self.say(user, f"D{user}", text, thread=thread)

    async def say(self, user: str, channel: str, text: str, *, thread: Post | None = None, times: int = 1, **fields: Any) -> Post:
        """Deliver each event ``times`` times; ``fields`` are added to them: ``bot_id``, ``subtype``, ``client_msg_id`` ..."""
        gesture = fields.pop("client_msg_id", str(uuid.uuid4()))
        post = self.workspace.write(channel, user, text, thread_ts=thread.root if thread else None, client_msg_id=gesture)
        self._announce(post, times=times, **fields)
        return post

    async def edit(self, post: Post, text: str) -> None:
        self.emit(self.workspace.changed(post, text))

    async def delete(self, post: Post) -> None:
        self.emit(self.workspace.deleted(post))

    async def command(self, user: str, channel: str, command: str, text: str = "") -> str:
        """Type a slash command; returns the id of its response_url."""
        id = uuid.uuid4().hex
        self.api.response_urls[id] = ResponseUrl(channel, user)
        self.api.used_scopes.add("commands")
        payload = {
            "token": "verification",
            "team_id": TEAM,
            "channel_id": channel,
            "channel_name": "directmessage" if channel.startswith("D") else "general",
            "user_id": user,
            "user_name": self.workspace.users[user].name.lower(),
            "command": command,
            "text": text,
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": f"{self.courier.base}/respond/{id}",
            "trigger_id": f"{time.time_ns()}.{id[:8]}",
        }
        self._start(self.courier.deliver("slash_commands", payload, id=id, retried=False))
        return id

    async def press(self, user: str, whisper: Whisper, label: str) -> str:
        """Press a button below a notice; returns the id of its response_url."""
        buttons = [element for block in whisper.blocks if block["type"] == "actions" for element in block["elements"]]
        (button,) = [button for button in buttons if button["text"]["text"] == label]
        id = uuid.uuid4().hex
        self.api.response_urls[id] = ResponseUrl(whisper.channel, user)
        payload = {
            "type": "block_actions",
            "api_app_id": APP,
            "token": "verification",
            "team": {"id": TEAM, "domain": "footnote"},
            "user": {"id": user, "username": self.workspace.users[user].name.lower(), "team_id": TEAM},
            "channel": {"id": whisper.channel, "name": "general"},
            "container": {
                "type": "message",
                "message_ts": self.workspace.next_ts(),
                "channel_id": whisper.channel,
                "is_ephemeral": True,
                **({"thread_ts": whisper.thread_ts} if whisper.thread_ts else {}),
            },
            "is_enterprise_install": False,
            "response_url": f"{self.courier.base}/respond/{id}",
            "trigger_id": f"{time.time_ns()}.{id[:8]}",
            "actions": [button | {"block_id": "b1", "action_ts": self.workspace.next_ts()}],
        }
        self._start(self.courier.deliver("interactive", payload, id=id, retried=False))
        return id

    def emit(self, event: dict[str, Any], *, event_id: str | None = None, times: int = 1) -> str:
        """Deliver an event ``times`` times under one id, which is returned."""
        body = envelope(event, event_id)
        for _ in range(times):
            self._start(self.courier.deliver("events_api", body, id=body["event_id"]))
        return str(body["event_id"])

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

    def calls(self, method: str) -> list[Call]:
        return [call for call in self.api.calls if call.method == method]

    async def until_reply(self, post: Post, count: int = 1, *, timeout: float = 60.0) -> Post:
        """Wait for ``count`` replies in the thread; returns the last of them."""
        await self.until(lambda: len(self.replies(post)) >= count, timeout=timeout, what=f"{count} replies to {post.text!r}")
        return self.replies(post)[count - 1]

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
        return [*self.api.flaws, *self.api.warnings]

    # What goes wrong.

    def fail(self, method: str, *, times: int = 1, **fault: Any) -> None:
        """Answer the next calls with a ``status`` (and ``retry_after``), an ``error``, or a ``body`` that is not JSON."""
        self.faults.add(Fault(method, times, **fault))

    def lose(self, method: str, *, times: int = 1) -> None:
        """The next calls take effect, but their answers are lost."""
        self.faults.add(Fault(method, times, lost=True))

    def slow(self, seconds: float, method: str = "*", *, times: int = 1_000_000) -> None:
        self.faults.add(Fault(method, times, seconds=seconds))

    def revoke(self) -> None:
        """The tokens are not accepted any more."""
        self.api.bot_token = self.api.app_token = None
