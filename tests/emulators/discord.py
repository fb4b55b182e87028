"""A Discord of its own on a local port: its REST API, its gateway, and people who talk there.

::

    async with DiscordServer() as discord:
        ana, general = discord.user("Ana"), discord.channel("general")
        question = await discord.mention(ana, general, "How many days of leave do I have?")
        answer = await discord.answer_to(question)

Whatever a careful bot must not do is collected in :attr:`DiscordServer.violations` and fails the block at its end.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.emulators.discord_components import INPUT, SELECT, buttons_of
from tests.emulators.discord_files import Cdn, File
from tests.emulators.discord_gateway import MESSAGE_CONTENT, Gateway
from tests.emulators.discord_permissions import MANAGE_GUILD, SEND, SEND_IN_THREADS, USUAL, VIEW, Overwrite, permissions
from tests.emulators.discord_rest import Call, Fault, Rest
from tests.emulators.discord_world import (
    CATEGORY,
    DM,
    FORUM,
    NEWS,
    NEWS_THREAD,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    THREADS,
    VOICE,
    Channel,
    Clock,
    Interaction,
    Json,
    Message,
    Role,
    User,
    mentioned,
)

_OPTION_TYPES = {str: 3, int: 4, bool: 5, User: 9, Role: 9, File: 11}


class DiscordServer:
    def __init__(self, token: str = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.emulated-token-of-the-bot-0123456789") -> None:
        self.token = token
        self.clock = Clock()
        self.users: dict[int, User] = {}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, Message] = {}
        self.interactions: dict[str, Interaction] = {}
        self.violations: list[str] = []
        self.extra_latency = 0.0
        """Seconds added to the age of an interaction when its callback is judged."""
        self.guild_id = self.clock.snowflake()
        while not self.guild_id >> 22 & 1:
            # Of two shards the second is the server's; the first has the direct messages.
            self.guild_id = self.clock.snowflake()
        self.everyone = Role(self.guild_id, "@everyone", USUAL)
        self.roles = [self.everyone]
        self.owner = self.user("Owner")
        self.bot = self.user("Footnote", bot=True)
        self.gateway = Gateway(self)
        self.bot.roles = (self.role("Footnote", USUAL, bot=self.bot),)
        self.rest = Rest(self)
        self.cdn = Cdn()
        self._dms: dict[int, Channel] = {}
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.add_routes(self.rest.routes())
        application.router.add_get("/gateway/", self.gateway.handle)
        application.router.add_get("/attachments/{channel}/{id}/{name}", self.cdn.handle)
        application.router.add_get("/website/{page:.*}", _page)
        self._runner = web.AppRunner(application, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.cdn.base = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        if kind is None:
            assert not self.violations, "\n".join(self.violations)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/gateway/"

    # What exists.

    def role(self, name: str, permissions: int = 0, *, bot: User | None = None) -> Role:
        role = Role(self.clock.snowflake(), name, permissions, bot)
        self.roles.append(role)
        self.gateway.dispatch("GUILD_ROLE_CREATE", {"guild_id": str(self.guild_id), "role": role.json()})
        return role

    def permit(self, role: Role, permissions: int) -> None:
        """Give a role these permissions on the whole server, and no others."""
        role.permissions = permissions
        self.gateway.dispatch("GUILD_ROLE_UPDATE", {"guild_id": str(self.guild_id), "role": role.json()})

    def delete_role(self, role: Role) -> None:
        self.roles.remove(role)
        for user in self.users.values():
            user.roles = tuple(held for held in user.roles if held is not role)
        self.gateway.dispatch("GUILD_ROLE_DELETE", {"guild_id": str(self.guild_id), "role_id": str(role.id)})
        for channel in self.channels.values():
            if channel.overwrites.pop(role.id, None):
                self.gateway.dispatch("CHANNEL_UPDATE", channel.json())

    def user(self, name: str, *, roles: tuple[Role, ...] = (), bot: bool = False, admin: bool = False) -> User:
        user = User(self.clock.snowflake(), name, bot=bot, roles=roles, admin=admin)
        self.users[user.id] = user
        return user

    def category(self, name: str) -> Channel:
        category = self._channel(Channel(self.clock.snowflake(), name, kind=CATEGORY, guild_id=self.guild_id))
        self.gateway.dispatch("CHANNEL_CREATE", category.json())
        return category

    def channel(self, name: str, *, category: Channel | None = None, only_for: Sequence[Role | User] = ()) -> Channel:
        """A text channel, in sync with its category; ``only_for`` makes it a private one, as Discord's client does."""
        channel = self._channel(Channel(self.clock.snowflake(), name, guild_id=self.guild_id, parent=category))
        if category is not None:
            channel.overwrites, channel.members = dict(category.overwrites), set(category.members)
        self.gateway.dispatch("CHANNEL_CREATE", channel.json())
        if only_for:
            self.overwrite(channel, self.everyone, deny=VIEW)
            for holder in (*only_for, self.bot):
                self.overwrite(channel, holder, allow=VIEW)
        return channel

    def voice(self, name: str, kind: int = VOICE) -> Channel:
        """A voice channel or a stage, which has a text chat of its own."""
        return self._opened(Channel(self.clock.snowflake(), name, kind=kind, guild_id=self.guild_id))

    def news(self, name: str) -> Channel:
        """A channel for announcements, which other servers can follow."""
        return self._opened(Channel(self.clock.snowflake(), name, kind=NEWS, guild_id=self.guild_id))

    def forum(self, name: str) -> Channel:
        return self._opened(Channel(self.clock.snowflake(), name, kind=FORUM, guild_id=self.guild_id))

    def _opened(self, channel: Channel) -> Channel:
        self.gateway.dispatch("CHANNEL_CREATE", channel.json())
        return self._channel(channel)

    def overwrite(self, channel: Channel, holder: Role | User, *, allow: int = 0, deny: int = 0) -> None:
        """Change what a role or a member may in a channel; channels in sync with a category follow it."""
        assert channel.kind not in (DM, *THREADS), "only channels and categories have overwrites"
        in_sync = [
            below
            for below in self.channels.values()
            if below is channel or (below.parent is channel and below.overwrites == channel.overwrites)
        ]
        for changed in in_sync:
            changed.overwrites[holder.id] = Overwrite(allow, deny)
            if isinstance(holder, User):
                changed.members.add(holder.id)
            self.gateway.dispatch("CHANNEL_UPDATE", changed.json())

    def thread(self, parent: Channel, name: str, *, invited: Sequence[User] = ()) -> Channel:
        """A thread in a channel, private to those who are ``invited``; the bot always is."""
        thread = Channel(self.clock.snowflake(), name, PUBLIC_THREAD, guild_id=self.guild_id, parent=parent)
        if invited:
            thread.kind, thread.invited = PRIVATE_THREAD, {*invited, self.bot}
        self.gateway.dispatch("THREAD_CREATE", thread.json())
        return self._channel(thread)

    def lock(self, thread: Channel) -> None:
        """Close a thread, as a moderator does."""
        thread.locked = True
        self.gateway.dispatch("THREAD_UPDATE", thread.json())

    def delete_channel(self, channel: Channel) -> None:
        del self.channels[channel.id]
        for message in channel.messages:
            message.deleted = True
        self.gateway.dispatch("THREAD_DELETE" if channel.kind in THREADS else "CHANNEL_DELETE", channel.json())

    def thread_of(self, message: Message, name: str, owner: User) -> Channel:
        """The thread that hangs on a message, whose id it has."""
        kind = NEWS_THREAD if message.channel.kind == NEWS else PUBLIC_THREAD
        thread = Channel(message.id, name, kind, guild_id=self.guild_id, parent=message.channel, owner=owner)
        self.gateway.dispatch("THREAD_CREATE", thread.json() | {"newly_created": True})
        return self._channel(thread)

    def permissions(self, user: User, channel: Channel) -> int:
        """All bits that somebody has in a channel of the server."""
        return permissions(user, channel, self.everyone, self.owner)

    def sees(self, user: User, channel: Channel) -> bool:
        if channel.kind == DM:
            return user in (channel.recipient, self.bot)
        return bool(self.permissions(user, channel) & VIEW)

    def may_write(self, user: User, channel: Channel) -> bool:
        needed = SEND_IN_THREADS if channel.kind in THREADS else SEND
        return bool(self.permissions(user, channel) & needed)

    def dm_channel(self, user: User) -> Channel:
        if user.id not in self._dms:
            self._dms[user.id] = self._channel(Channel(self.clock.snowflake(), user.name, kind=DM, recipient=user))
        return self._dms[user.id]

    def _channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        return channel

    # What people do.

    async def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        reply_to: Message | None = None,
        ping: bool = True,
        webhook: bool = False,
        kind: int | None = None,
        files: Sequence[File] = (),
    ) -> Message:
        """Write in a channel; ``reply_to`` with or without pinging its author."""
        assert channel.kind == DM or self.may_write(user, channel), f"{user.name} may not write in #{channel.name}"
        mentions = mentioned(text, self.users)
        if reply_to is not None and ping and reply_to.author not in mentions:
            mentions = (*mentions, reply_to.author)
        message = self.add_message(channel, user, text, reply_to=reply_to)
        message.mentions, message.files = mentions, tuple(files)
        message.kind = kind if kind is not None else 19 if reply_to else 0
        message.webhook_id = self.clock.snowflake() if webhook else None
        self.deliver(message)
        return message

    async def forward(self, user: User, channel: Channel, message: Message) -> Message:
        """Show a message of another channel here."""
        forwarded = self.add_message(channel, user, "")
        forwarded.forwards = message
        self.deliver(forwarded)
        return forwarded

    async def post(self, user: User, forum: Channel, title: str, text: str) -> Message:
        """Begin a post in a forum: a thread with the id of its first message."""
        assert forum.kind == FORUM, f"#{forum.name} is no forum"
        post = Channel(self.clock.snowflake(), title, PUBLIC_THREAD, guild_id=self.guild_id, parent=forum, owner=user)
        self._channel(post)
        self.gateway.dispatch("THREAD_CREATE", post.json() | {"newly_created": True})
        message = Message(post.id, post, user, text, self.clock(), mentions=mentioned(text, self.users))
        post.messages.append(message)
        self.messages[message.id] = message
        self.deliver(message)
        return message

    async def mention(self, user: User, channel: Channel, text: str, *, files: Sequence[File] = ()) -> Message:
        return await self.say(user, channel, f"{self.bot.mention} {text}", files=files)

    async def dm(self, user: User, text: str, *, files: Sequence[File] = ()) -> Message:
        return await self.say(user, self.dm_channel(user), text, files=files)

    def file(self, name: str, body: bytes, content_type: str | None = None) -> File:
        """To hang on a message, or to give to a command."""
        return self.cdn.store(self.clock.snowflake(), name, body, content_type)

    async def edit(self, message: Message, text: str) -> None:
        message.content = text
        message.edits.append((self.clock(), text))
        # Whom the reply pinged stays pinged.
        pinged = [user for user in message.mentions if message.reply_to and user is message.reply_to.author]
        message.mentions = tuple(dict.fromkeys([*mentioned(text, self.users), *pinged]))
        self._tell("MESSAGE_UPDATE", message)

    async def unfurl(self, message: Message) -> None:
        """Discord adds a preview to a message by itself, some time after it was written: no edit of a person's."""
        self._tell("MESSAGE_UPDATE", message)

    async def delete(self, message: Message) -> None:
        message.deleted = True
        where = {"id": str(message.id), "channel_id": str(message.channel.id)}
        if message.channel.guild_id is not None:
            where["guild_id"] = str(message.channel.guild_id)
        self.gateway.dispatch("MESSAGE_DELETE", where)

    def deliver(self, message: Message) -> None:
        """Send the event of a message, or send it once more, if the bot sees the channel."""
        self._tell("MESSAGE_CREATE", message)

    def _tell(self, event: str, message: Message) -> None:
        if self.sees(self.bot, message.channel):
            stripped = self.event_json(message, stripped=self._is_privileged(message))
            self.gateway.dispatch(event, self.event_json(message, stripped=False), stripped=stripped)

    async def slash(
        self, user: User, command: str, *, channel: Channel | None = None, hidden: bool = False, **options: Any
    ) -> Interaction:
        """Give a command (``"ask"``, ``"footnote help"``) as Discord's client sends it; in a DM without a channel.

        ``hidden`` calls one that the client does not offer to this person, as a raw client can.
        """
        name, *subcommands = command.split()
        registered = self._registered(name, 1)
        if registered["default_member_permissions"] and not user.admin and not hidden:
            raise AssertionError(f"Discord does not offer /{name} to {user.name}")
        known = registered.get("options", [])
        for subcommand in subcommands:
            known = next(option for option in known if option["name"] == subcommand).get("options", [])
        types = {option["name"]: option for option in known}
        if missing := [key for key, option in types.items() if option.get("required") and key not in options]:
            raise AssertionError(f"/{command} needs {missing}")
        given: list[Json] = []
        resolved: Json = {}
        for key, value in options.items():
            assert types[key]["type"] == _OPTION_TYPES[type(value)], f"/{command} {key} is of another type"
            if isinstance(value, User | Role):
                kind = "users" if isinstance(value, User) else "roles"
                resolved.setdefault(kind, {})[str(value.id)] = value.json()
                if isinstance(value, User):
                    resolved.setdefault("members", {})[str(value.id)] = value.member() | {"permissions": "0"}
                given.append({"name": key, "type": 9, "value": str(value.id)})
                continue
            if isinstance(value, File):
                resolved.setdefault("attachments", {})[str(value.id)] = value.json()
                given.append({"name": key, "type": 11, "value": str(value.id)})
                continue
            assert len(str(value)) <= types[key].get("max_length", 6000), f"/{command} {key} is too long"
            if choices := types[key].get("choices"):
                assert value in [choice["value"] for choice in choices], f"/{command} {key} offers no {value!r}"
            given.append({"name": key, "type": types[key]["type"], "value": value})
        for subcommand in reversed(subcommands):
            given = [{"name": subcommand, "type": 1, "options": given}]
        assert channel is not None or 1 in (registered["contexts"] or [0, 1]), f"Discord offers /{name} in servers only"
        data = {"id": registered["id"], "name": name, "type": 1, "options": given, "resolved": resolved}
        return self._interact(user, channel, data)

    async def type(self, user: User, command: str, option: str, typed: str, *, channel: Channel | None = None) -> Interaction:
        """Type in an option that completes itself: :attr:`Interaction.choices` are what is offered then."""
        registered = self._registered(command, 1)
        known = next(given for given in registered["options"] if given["name"] == option)
        assert known.get("autocomplete"), f"/{command} {option} does not complete itself"
        options = [{"name": option, "type": 3, "value": typed, "focused": True}]
        data = {"id": registered["id"], "name": command, "type": 1, "options": options}
        return self._interact(user, channel, data, completes=True)

    async def menu(self, user: User, name: str, message: Message) -> Interaction:
        """Choose an entry of a message's menu."""
        registered = self._registered(name, 3)
        data = {
            "id": registered["id"],
            "name": name,
            "type": 3,
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): message.json()}},
        }
        return self._interact(user, message.channel, data)

    async def press(self, user: User, message: Message, label: str) -> Interaction:
        """Press a button below a message that this person sees."""
        assert message.only_for in (None, user), f"{user.name} does not see the button"
        (button,) = [button for button in buttons_of(message.components) if button["label"] == label]
        data = {"id": button["id"], "component_type": 2, "custom_id": button["custom_id"]}
        return self._interact(user, message.channel, data, pressed_on=message)

    async def choose(self, user: User, message: Message, value: str) -> Interaction:
        """Choose from the list below a message that this person sees."""
        assert message.only_for in (None, user), f"{user.name} does not see the list"
        (chosen,) = [part for row in message.components for part in row.get("components", []) if part["type"] == SELECT]
        assert value in [option["value"] for option in chosen["options"]], f"there is no {value!r}"
        data = {"id": chosen["id"], "component_type": SELECT, "custom_id": chosen["custom_id"], "values": [value]}
        return self._interact(user, message.channel, data, pressed_on=message)

    async def submit(self, opened: Interaction, **fields: str) -> Interaction:
        """Fill in the form that a press opened, and hand it in; what is not filled in stays empty."""
        assert opened.form is not None, "no form was opened"
        labels: list[Json] = []
        for label in opened.form["components"]:
            field = label["component"]
            value = fields.pop(field["custom_id"], "")
            if field["type"] == INPUT:
                assert len(value) <= field.get("max_length", 4000), "the text is too long"
            elif value:
                assert value in [option["value"] for option in field["options"]], f"{value!r} is no option"
            assert value or not field.get("required", True), f"{field['custom_id']} has to be filled in"
            entered: Json = {"values": [value]} if field["type"] == SELECT else {"value": value or None}
            if field["type"] == INPUT:
                entered = {"value": value}
            labels.append({"type": 18, "id": 0, "component": {"type": field["type"], "custom_id": field["custom_id"], **entered}})
        assert not fields, f"the form has no {sorted(fields)}"
        data = {"custom_id": opened.form["custom_id"], "components": labels}
        return self._interact(opened.user, opened.channel, data, pressed_on=opened.pressed_on, submits=True)

    def _registered(self, name: str, kind: int) -> Json:
        found = [command for command in self.rest.commands if (command["type"], command["name"]) == (kind, name)]
        assert found, f"the command {name!r} is not registered"
        return found[0]

    def _interact(
        self,
        user: User,
        channel: Channel | None,
        data: Json,
        *,
        pressed_on: Message | None = None,
        submits: bool = False,
        completes: bool = False,
    ) -> Interaction:
        channel = channel or self.dm_channel(user)
        assert self.sees(user, channel), f"{user.name} does not see #{channel.name}"
        interaction = Interaction(
            id=self.clock.snowflake(),
            token=secrets.token_hex(16),
            user=user,
            channel=channel,
            data=data,
            created_at=self.clock(),
            sent=time.monotonic(),
            pressed_on=pressed_on,
            submits=submits,
            completes=completes,
        )
        self.interactions[interaction.token] = interaction
        self.deliver_interaction(interaction)
        return interaction

    def deliver_interaction(self, interaction: Interaction) -> None:
        """Send the event of an interaction, or send it once more."""
        event: Json = {
            "id": str(interaction.id),
            "application_id": str(self.bot.id),
            "type": interaction.kind,
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": str(interaction.channel.id),
            "channel": interaction.channel.json(),
            "locale": "en-US",
            "entitlements": [],
            "attachment_size_limit": 10_485_760,
            "authorizing_integration_owners": {"0": str(self.guild_id)},
        }
        if interaction.pressed_on is not None:
            event["message"] = interaction.pressed_on.json()
        if interaction.channel.kind == DM:
            event |= {"user": interaction.user.json(), "context": 1, "app_permissions": "0"}
        else:
            of_user = self.permissions(interaction.user, interaction.channel)
            permissions = str(of_user | (MANAGE_GUILD if interaction.user.admin else 0))
            event |= {
                "guild_id": str(self.guild_id),
                "guild": {"id": str(self.guild_id), "locale": "en-US", "features": []},
                "guild_locale": "en-US",
                "member": interaction.user.member() | {"user": interaction.user.json(), "permissions": permissions},
                "app_permissions": str(self.permissions(self.bot, interaction.channel)),
                "context": 0,
            }
        self.gateway.dispatch("INTERACTION_CREATE", event)

    # What people see.

    def seen_by(self, user: User, channel: Channel) -> list[str]:
        """The texts in a channel that this person sees, the oldest first; "thinking…" is no text."""
        if not self.sees(user, channel):
            return []
        return [
            message.content
            for message in channel.messages
            if not message.deleted and message.content and message.only_for in (None, user)
        ]

    def said_by_bot(self, channel: Channel) -> list[Message]:
        return [message for message in channel.messages if message.author is self.bot and message.content and not message.deleted]

    async def answer_to(self, message: Message, timeout: float = 60.0) -> Message:
        """The first message of the bot that replies to this one."""
        await self.until(lambda: bool(self._replies(message)), timeout, f"a reply to {message.content!r}")
        return self._replies(message)[0]

    async def finished(self, interaction: Interaction, timeout: float = 60.0) -> list[str]:
        """What the person sees once "thinking…" is replaced."""
        await self.until(lambda: bool(interaction.texts), timeout, f"an answer to {interaction.data}")
        return interaction.texts

    def _replies(self, message: Message) -> list[Message]:
        return [found for found in message.channel.messages if found.author is self.bot and found.reply_to is message]

    async def until(self, condition: Callable[[], bool], timeout: float = 60.0, what: str = "it") -> None:
        """Wait for something that a request of the bot brings about."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    self._changed.clear()
                    waiting = asyncio.create_task(self._changed.wait())
                    await asyncio.wait({waiting}, timeout=0.05)
                    waiting.cancel()
        except TimeoutError:
            raise AssertionError(f"waited {timeout:g} s for {what}") from None

    async def stays(self, condition: Callable[[], bool], seconds: float = 0.4) -> None:
        """Assert that something remains true for a while: silence is shown by nothing else."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert condition()
            await asyncio.sleep(0.02)

    def calls(self, method: str, path: str) -> list[Call]:
        return [call for call in self.rest.calls if call.method == method and re.search(path, call.path)]

    # How it fails.

    def fail(self, method: str, path: str, kind: int | str, *, times: int = 1, retry_after: float = 0.05) -> None:
        """Fail the next requests whose path matches: a status, ``lost`` (done, unanswered) or ``refused``."""
        self.rest.faults.append(Fault(method, re.compile(path), kind, times, retry_after))

    # For the parts of the server.

    def add_message(
        self,
        channel: Channel,
        author: User,
        content: str,
        *,
        reply_to: Message | None = None,
        flags: int = 0,
        payload: Json | None = None,
    ) -> Message:
        message = Message(
            self.clock.snowflake(), channel, author, content, self.clock(), flags=flags, reply_to=reply_to, payload=payload or {}
        )
        message.kind = 19 if reply_to else 0
        channel.messages.append(message)
        self.messages[message.id] = message
        self.touch()
        return message

    def grant_message_content(self) -> None:
        """Switch the intent on in the portal."""
        self.gateway.granted |= MESSAGE_CONTENT

    @property
    def flags(self) -> int:
        """The application's, which tell that its intents are granted (to an app that is in few servers)."""
        return 1 << 19 if self.gateway.granted & MESSAGE_CONTENT else 0

    def is_stripped(self, message: Message) -> bool:
        """Whether the app gets no text."""
        return self._is_privileged(message) and not self.gateway.granted & MESSAGE_CONTENT

    def _is_privileged(self, message: Message) -> bool:
        return not (message.author is self.bot or message.channel.kind == DM or self.bot in message.mentions)

    def event_json(self, message: Message, *, stripped: bool | None = None) -> Json:
        event = message.json(stripped=self.is_stripped(message) if stripped is None else stripped)
        if message.channel.guild_id is not None:
            event["guild_id"] = str(self.guild_id)
            if message.webhook_id is None:
                event["member"] = message.author.member()
        return event

    def touch(self) -> None:
        self._changed.set()

    def spawn(self, work: Coroutine[Any, Any, None] | Awaitable[None]) -> None:
        async def run() -> None:
            # A connection that was cut meanwhile gets it when it resumes.
            with suppress(ConnectionError):
                await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def application_json(self) -> Json:
        owner = self.owner.json()
        return {
            "id": str(self.bot.id),
            "name": self.bot.name,
            "icon": None,
            "description": "",
            "summary": "",
            "type": None,
            "verify_key": "00",
            "flags": self.flags,
            "flags_new": str(self.flags),
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "owner": owner,
            "approximate_guild_count": 1,
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": None,
            "eligible_oauth2_scopes": [],
            "bot_public": False,
            "bot_require_code_grant": False,
        }

    def ready(self, session_id: str, shard: int, shards: int, *, guild: bool) -> Json:
        return {
            "v": 10,
            "user": self.bot.json() | {"verified": True, "email": None, "mfa_enabled": True},
            "guilds": [{"id": str(self.guild_id), "unavailable": True}] if guild else [],
            "session_id": session_id,
            "resume_gateway_url": self.gateway_url,
            "shard": [shard, shards],
            "application": {"id": str(self.bot.id), "flags": self.flags},
        }

    def guild_json(self) -> Json:
        channels = [channel for channel in self.channels.values() if channel.guild_id is not None]
        return {
            "id": str(self.guild_id),
            "name": "Acme",
            "owner_id": str(self.owner.id),
            "member_count": len(self.users),
            "roles": [role.json() for role in self.roles],
            "channels": [channel.json() for channel in channels if channel.kind not in THREADS],
            "threads": [channel.json() for channel in channels if channel.kind in THREADS],
            "members": [self.bot.member() | {"user": self.bot.json()}],
            "emojis": [],
            "stickers": [],
            "presences": [],
            "voice_states": [],
            "features": [],
            "unavailable": False,
            "verification_level": 0,
            "default_message_notifications": 0,
        }


async def _page(_request: web.Request) -> web.Response:
    """What Discord's website answers to any address: a page for people."""
    return web.Response(text="<!doctype html><title>Discord</title>", content_type="text/html")
