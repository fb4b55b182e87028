"""Slack: Bolt's app, wired to the responder and the commands."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from aiohttp import web
from redis.asyncio import Redis
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.response import BoltResponse

from bots.command import Command
from bots.command import CommandReply as CommandReplies
from bots.commands.reviewed import KEEP
from bots.commands.uploads import ADD
from bots.files import Fetched
from bots.pending import LeftBehind
from bots.platform import Groups
from bots.slack.actions import Actions
from bots.slack.answering import Answering, Responds
from bots.slack.asked import Asked, first, put
from bots.slack.client import build_client, open_session
from bots.slack.connection import Connection
from bots.slack.events import EventsEndpoint
from bots.slack.keeping import kept, named
from bots.slack.place import Place
from bots.slack.render import render_text
from bots.slack.reply import CommandReply
from bots.slack.running import Running
from bots.slack.translate import Given, changed, chosen, hear
from bots.slack.workspace import Workspace, enter
from core.errors import ConfigError, FootnoteError, TransientError
from core.models import Attachment
from core.settings import Settings
from core.together import cancelled

if TYPE_CHECKING:
    from bots.overview import Overview
    from core.channels import Channels

log = structlog.get_logger(__name__)

_CONNECT_SECONDS = 20.0
_FAREWELL_SECONDS = 3.0
"""Of the time to drain: for telling people that their answer will not come."""
_RECENT_SECONDS = 3600.0
"""How far back a card is looked for; more than clocks differ."""
_KEPT_SECONDS = 0.8
"""Slack brings a question again, to another process if need be, until it is acknowledged: not before it is kept, or late."""
_MEMBERSHIP = re.compile(r"^(member_joined_channel|member_left_channel|channel_shared|channel_unshared)$")
_SAID = {"app_mention", "message"}
_COMMANDS = re.compile(r"^/(reindex|footnote)$")
_SHORTCUTS = re.compile(rf"^({ADD}|{KEEP})$")


class Replies(CommandReplies, Protocol):
    """One that has to be closed."""

    async def close(self) -> None: ...


class Runs(Protocol):
    async def run(self, command: Command, reply: CommandReplies) -> None: ...


class SlackBot:
    """One workspace, over Socket Mode if there is an app token, else over HTTP events.

    ``ping`` is the interval of Socket Mode's pings in seconds, ``grace`` how long the library may try to reconnect.
    """

    name = "slack"

    def __init__(
        self,
        settings: Settings,
        responder: Responds,
        commands: Runs,
        redis: Redis,
        groups: Groups,
        *,
        ping: float = 5.0,
        grace: float = 15.0,
        channels: Channels | None = None,
        overview: Overview | None = None,
    ) -> None:
        if settings.slack_bot_token is None:
            raise ConfigError("SLACK_BOT_TOKEN is not set: copy the Bot User OAuth Token (xoxb-...) from OAuth & Permissions")
        self._settings = settings
        self._bot_token = settings.slack_bot_token.get_secret_value()
        self._app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else None
        self._responder = responder
        self._commands = commands
        self._redis = redis
        self._groups = groups
        self._ping = ping
        self._grace = grace
        self._channels = channels
        self._overview = overview
        self._workspace: Workspace | None = None
        self._connection: Connection | None = None
        self._endpoint: EventsEndpoint | None = None
        self._answers = Running("answer")
        self._running_commands = Running("command")
        self._stopping = False
        self._heeding: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """True while events arrive: the socket is open, or the HTTP endpoint is ready."""
        if self._stopping or self._workspace is None:
            return False
        return self._connection.connected if self._connection else self._endpoint is not None

    @property
    def http_handler(self) -> Callable[[web.Request], Awaitable[web.StreamResponse]] | None:
        """For ``POST /slack/events``; None in Socket Mode."""
        return None if self._app_token else self._receive

    async def start(self) -> None:
        """Check the tokens, then connect. Raises ConfigError within 10 s when Slack refuses them.

        If Slack accepts them but no connection comes about in 20 s, it returns all the same and goes on trying.
        """
        session = open_session()
        try:
            workspace = await enter(self._settings, session, self._redis, self._groups, self._channels)
        except BaseException:
            await session.close()
            raise
        self._workspace = workspace
        self._heeding = asyncio.create_task(workspace.stops.heed(self._responder.stop))
        app = self._build_app(workspace)
        if self._app_token is None:
            secret = self._settings.slack_signing_secret
            self._endpoint = EventsEndpoint(app, secret.get_secret_value() if secret else "", self._redis)
        else:
            self._connection = Connection(app, workspace.client, self._app_token, ping=self._ping, grace=self._grace)
            if not await self._connection.open(patience=_CONNECT_SECONDS):
                log.warning("slack.not_connected", hint="the tokens are good; it goes on trying")
        log.info("slack.started", team=workspace.me.team, bot=workspace.me.user, socket=self._connection is not None)

    async def stop(self, drain: float = 25.0) -> None:
        """Take no new events, let running answers finish, leave what takes too long to the next process, close. Takes at most
        ``drain`` s.
        """
        self._stopping = True
        until = time.monotonic() + drain
        if self._connection is not None:
            await self._connection.silence()
        farewell = min(_FAREWELL_SECONDS, drain / 4)
        await self._answers.drain(until - farewell - time.monotonic())
        # Nobody waits for the end of a sync that a command merely follows.
        await asyncio.gather(self._answers.cancel(farewell), self._running_commands.cancel(farewell))
        if self._heeding is not None:
            await cancelled(self._heeding)
        if self._workspace is not None:
            await self._workspace.session.close()

    async def resume(self, left: LeftBehind) -> None:
        """Begin to finish a question where it was asked; returns at once."""
        if self._workspace is not None and not self._stopping:
            answering = Answering(self._workspace, self._responder)
            self._answers.start(answering.finish(left, Place.at(left.question.place)))

    async def fetch(self, file: Attachment, most: int) -> Fetched:
        """See :data:`bots.files.Fetch`."""
        if self._workspace is None:
            raise TransientError("Slack is not connected.")
        return await self._workspace.files.fetch(file, most)

    async def check(self) -> str:
        """Ask Slack about the tokens: who we are, and where. Raises ConfigError."""
        async with open_session() as session:
            workspace = await enter(self._settings, session, self._redis, self._groups)
        how = "Socket Mode" if self._app_token else "HTTP events"
        return f"{workspace.team_name}, as @{workspace.user_name}, over {how}"

    def _build_app(self, workspace: Workspace) -> AsyncApp:
        me = workspace.me

        async def authorize() -> AuthorizeResult:
            # Bolt would ask auth.test again for each of the first events; the answer is known.
            return AuthorizeResult(
                enterprise_id=None, team_id=me.team, bot_user_id=me.user, bot_id=me.bot, bot_token=self._bot_token
            )

        secret = self._settings.slack_signing_secret
        library_log = logging.getLogger("slack_bolt")
        # It would warn that SLACK_BOT_TOKEN, which it finds in the environment, is not used.
        library_log.disabled = True
        try:
            app = AsyncApp(
                name="footnote",
                logger=library_log,
                client=build_client("", self._settings.slack_api_url, workspace.session),
                authorize=authorize,
                signing_secret=secret.get_secret_value() if secret else "",
            )
        finally:
            library_log.disabled = False

        async def only_while_running(next: Callable[[], Awaitable[None]]) -> BoltResponse | None:
            if self._stopping:
                return BoltResponse(status=503)  # Not acknowledged, so Slack gives it to another process or again later.
            await next()
            return None

        async def hear_first(body: dict[str, Any], next: Callable[[], Awaitable[None]]) -> None:
            if body.get("event", {}).get("type") in _SAID and (said := hear(body, me)) is not None:
                begun = asyncio.Event()
                await self._answers.start_until(begun, Answering(workspace, self._responder).hear(said, begun), _KEPT_SECONDS)
            await next()

        async def on_event(body: dict[str, Any]) -> None:
            if hear(body, me) is not None:
                return  # Long since begun.
            if (change := changed(body, me)) is not None:
                self._answers.start(Answering(workspace, self._responder).heed(change))

        async def find(_body: Mapping[str, Any]) -> Workspace:
            return workspace

        actions = Actions(
            find,
            lambda workspace, said, reply: self._running_commands.start(self._run(workspace, said, reply)),
            lambda workspace, asked: self._answers.start(self._ask(workspace, asked)),
            self._groups,
            admins=self._settings.admins,
            remembered_for=self._settings.footnote_memory_ttl,
            channels=self._channels,
            overview=self._overview,
        )

        async def on_shortcut(ack: AsyncAck, body: dict[str, Any]) -> None:
            await ack()
            self._running_commands.start(self._choose(workspace, body))

        async def on_membership(event: dict[str, Any]) -> None:
            await workspace.audience.changed(str(event["channel"]))

        async def on_stop(event: dict[str, Any]) -> None:
            await self._stop_answering(workspace, str(event["channel"]), str(event["thread_ts"]))

        async def on_person(event: dict[str, Any]) -> None:
            if not workspace.people.knows(event["user"]):
                await workspace.audience.changed(str(event["user"]["id"]))

        async def on_newcomer() -> None:
            await workspace.audience.changed(me.team)

        async def ignore() -> None:
            """An event that was subscribed to by mistake, or for a later version, is acknowledged."""

        async def on_error(error: Exception) -> None:
            log.error("event.failed", exc_info=error)

        app.use(only_while_running)
        app.use(hear_first)
        app.event("app_mention")(on_event)
        app.event("message")(on_event)
        app.event(_MEMBERSHIP)(on_membership)
        app.event("agent_session_stopped")(on_stop)
        app.event("user_change")(on_person)
        app.event("team_join")(on_newcomer)
        app.command(_COMMANDS)(actions.on_command)
        actions.listen(app)
        app.message_shortcut(_SHORTCUTS)(on_shortcut)
        app.event(re.compile(".*"))(ignore)
        app.error(on_error)
        return app

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        if self._endpoint is None or self._stopping:
            return web.Response(status=503, text="not ready, try again")
        return await self._endpoint(request)

    async def _stop_answering(self, workspace: Workspace, channel: str, thread: str) -> None:
        """Somebody pressed Stop: end the answers in a thread, whichever process writes them."""
        conversation = f"slack:{workspace.me.team}:{channel}:{thread}"
        here = await self._responder.stop(conversation)
        log.info("answer.stopped", conversation=conversation, here=here)
        await workspace.stops.tell(conversation)
        if not here:
            # Slack leaves it to us, also when nobody works on it any more.
            await workspace.sessions.idle(channel, thread)

    async def _ask(self, workspace: Workspace, asked: Asked) -> None:
        """A button asked a question: it is answered like a mention by whoever pressed it."""
        if not await first(self._redis, asked):
            return
        try:
            said = await put(workspace.poster, asked, (await workspace.people.find(asked.user)).name)
        except FootnoteError as error:
            if asked.response_url:
                await workspace.poster.respond(render_text(str(error))[0], asked.response_url, asked.thread)
            raise
        await Answering(workspace, self._responder).hear(said)

    async def _choose(self, workspace: Workspace, body: dict[str, Any]) -> None:
        command = chosen(body)
        if command.name == KEEP:
            people = named(body)
            names = await workspace.people.names(people) if people else {}
            command = replace(command, text=kept(body, workspace.me, names))
        await self._run(workspace, command)

    async def _run(self, workspace: Workspace, given: Given, told: Replies | None = None) -> None:
        command = Command(
            name=given.name,
            text=given.text,
            user=f"slack:{given.user}",
            user_name=(await workspace.people.find(given.user)).name,
            principals=await workspace.audience.principals(given.user, given.channel),
            platform=self.name,
            channel_id=given.channel,
            # Of a typed command Slack says the channel, never the thread.
            conversation_id=f"slack:{workspace.me.team}:{given.channel}:{given.thread}" if given.thread else None,
            files=given.files,
        )
        key = f"slack:{workspace.me.team}:{given.channel}:{given.trigger}"
        reply = told or CommandReply(given, key, f"{time.time() - _RECENT_SECONDS:.6f}", workspace.poster)
        try:
            await self._commands.run(command, reply)
        except asyncio.CancelledError:
            await reply.say("I am being restarted. `/footnote status` will tell how it ended.")
            raise
        finally:
            await reply.close()
