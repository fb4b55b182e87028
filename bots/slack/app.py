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
from aiohttp import ClientSession, web
from redis.asyncio import Redis
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

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
from bots.slack.departures import Departed
from bots.slack.direct import SlackMessenger
from bots.slack.events import EventsEndpoint
from bots.slack.files import opened_by
from bots.slack.install import INSTALL, REDIRECT
from bots.slack.keeping import kept, named
from bots.slack.place import Place
from bots.slack.render import render_text
from bots.slack.reply import CommandReply
from bots.slack.running import Running
from bots.slack.several import Several
from bots.slack.stops import SlackStops
from bots.slack.translate import Given, changed, chosen, hear
from bots.slack.workspace import Workspace, enter
from bots.slack.workspaces import OneWorkspace, Workspaces, ids
from core.audit import OFF, Audit
from core.errors import FootnoteError, TransientError
from core.models import Attachment, Principal
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
_WORKSPACE = "workspace:slack:"
_KEPT_SECONDS = 0.8
"""Slack brings a question again, to another process if need be, until it is acknowledged: not before it is kept, or late."""
_MEMBERSHIP = re.compile(r"^(member_joined_channel|member_left_channel|channel_shared|channel_unshared)$")
_SAID = {"app_mention", "message"}
_COMMANDS = re.compile(r"^/(reindex|footnote)$")
_GONE = re.compile(r"^(app_uninstalled|tokens_revoked)$")
_GRANTED = re.compile(r"^team_access_(granted|revoked)$")
_PAUSED = "Footnote is paused in this workspace. Whoever runs it can say why, and you can ask them to install it again."
_SHORTCUTS = re.compile(rf"^({ADD}|{KEEP})$")


class Replies(CommandReplies, Protocol):
    """One that has to be closed."""

    async def close(self) -> None: ...


class Runs(Protocol):
    async def run(self, command: Command, reply: CommandReplies) -> None: ...


class SlackBot:
    """The workspace of the settings, or all that installed Footnote; over Socket Mode if there is an app token, else over HTTP
    events.

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
        departed: Departed | None = None,
        audit: Audit = OFF,
    ) -> None:
        self._settings = settings
        self._app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else None
        self._responder = responder
        self._commands = commands
        self._redis = redis
        self._groups = groups
        self._ping = ping
        self._grace = grace
        self._channels = channels
        self._overview = overview
        self._departed = departed
        self._audit = audit
        self._stops = SlackStops(redis)
        self._session: ClientSession | None = None
        self._workspaces: OneWorkspace | Workspaces | None = None
        self._several: Several | None = None
        self._connection: Connection | None = None
        self._endpoint: EventsEndpoint | None = None
        self._answers = Running("answer")
        self._running_commands = Running("command")
        self._stopping = False
        self._heeding: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """True while events arrive: the socket is open, or the HTTP endpoint is ready."""
        if self._stopping or self._workspaces is None:
            return False
        return self._connection.connected if self._connection else self._endpoint is not None

    @property
    def http_handler(self) -> Callable[[web.Request], Awaitable[web.StreamResponse]] | None:
        """For ``POST /slack/events``; None in Socket Mode."""
        return None if self._app_token else self._receive

    @property
    def pages(self) -> Mapping[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]:
        """What people open to install Footnote, by path; none where the workspace stands in the settings."""
        return {} if self._settings.slack_client_id is None else {INSTALL: self._begin_installing, REDIRECT: self._end_installing}

    async def start(self) -> None:
        """Check the tokens, then connect. Raises ConfigError within 10 s when Slack refuses them.

        If Slack accepts them but no connection comes about in 20 s, it returns all the same and goes on trying.
        """
        self._session = open_session()
        try:
            self._workspaces = await self._open(self._session)
        except BaseException:
            await self._session.close()
            raise
        self._workspaces.start()
        self._heeding = asyncio.create_task(self._stops.heed(self._responder.stop))
        client = build_client("", self._settings.slack_api_url, self._session)
        app = self._build_app(client)
        if self._app_token is None:
            secret = self._settings.slack_signing_secret
            self._endpoint = EventsEndpoint(app, secret.get_secret_value() if secret else "", self._redis)
        else:
            self._connection = Connection(app, client, self._app_token, ping=self._ping, grace=self._grace)
            if not await self._connection.open(patience=_CONNECT_SECONDS):
                log.warning("slack.not_connected", hint="the tokens are good; it goes on trying")
        log.info("slack.started", several=self._several is not None, socket=self._connection is not None)

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
        if self._several is not None:
            await self._several.departures.stop()
        if self._workspaces is not None:
            await self._workspaces.stop()
        if self._session is not None:
            await self._session.close()

    async def resume(self, left: LeftBehind) -> None:
        """Begin to finish a question where it was asked; returns at once."""
        if self._workspaces is None or self._stopping:
            return
        # slack:T1:C1:1700000000.000100
        workspace = await self._workspaces.of(left.question.message.id.split(":")[1])
        if workspace is not None:
            answering = Answering(workspace, self._responder)
            self._answers.start(answering.finish(left, Place.at(left.question.place)), workspace.me.team)

    async def fetch(self, file: Attachment, most: int) -> Fetched:
        """See :data:`bots.files.Fetch`."""
        id, file = opened_by(file)
        workspace = await self._workspaces.of(id) if self._workspaces else None
        if workspace is None:
            raise TransientError("Slack is not connected.")
        return await workspace.files.fetch(file, most)

    async def messenger(self, principals: frozenset[Principal]) -> SlackMessenger | None:
        """See :data:`bots.owners.Reach`: in the workspace of somebody who holds these principals."""
        held = sorted(name.removeprefix(_WORKSPACE) for name in principals if name.startswith(_WORKSPACE))
        for id in (*held, ""):
            if self._workspaces is not None and (workspace := await self._workspaces.of(id)) is not None:
                return SlackMessenger(workspace)
        return None

    async def check(self) -> str:
        """Ask Slack about the tokens: who we are, and where. Raises ConfigError."""
        how = "Socket Mode" if self._app_token else "HTTP events"
        async with open_session() as session:
            if self._settings.slack_client_id is not None:
                several = self._build_several(session)
                return f"{await several.check()}, over {how}"
            workspace = await enter(self._settings, session, self._redis, self._groups)
        return f"{workspace.team_name}, as @{workspace.user_name}, over {how}"

    async def _open(self, session: ClientSession) -> OneWorkspace | Workspaces:
        if self._settings.slack_client_id is None:
            return OneWorkspace(await enter(self._settings, session, self._redis, self._groups, self._channels))
        self._several = self._build_several(session)
        await self._several.start()
        return self._several.workspaces

    def _build_several(self, session: ClientSession) -> Several:
        return Several(
            self._settings,
            session,
            self._redis,
            self._groups,
            self._channels,
            departed=self._departed,
            audit=self._audit,
            left=self._silence,
        )

    def _silence(self, id: str) -> None:
        """A workspace is no more."""
        for running in (self._answers, self._running_commands):
            running.cancel_in(id)

    async def _find(self, body: Mapping[str, Any]) -> Workspace:
        workspace = await self._workspaces.find(body) if self._workspaces else None
        if workspace is None:
            raise TransientError("Footnote is paused in this workspace.")
        return workspace

    def _build_app(self, client: AsyncWebClient) -> AsyncApp:
        async def authorize(context: AsyncBoltContext) -> AuthorizeResult:
            workspace: Workspace = context["workspace"]
            me = workspace.me
            # Bolt would ask auth.test again for each of the first events; the answer is known.
            return AuthorizeResult(
                enterprise_id=None, team_id=me.team, bot_user_id=me.user, bot_id=me.bot, bot_token=workspace.client.token
            )

        async def enter_first(
            body: dict[str, Any], context: AsyncBoltContext, next: Callable[[], Awaitable[None]]
        ) -> BoltResponse | None:
            if _is_of_a_workspace(body):
                try:
                    workspace = await self._workspaces.find(body) if self._workspaces else None
                except TransientError:
                    return BoltResponse(status=503)
                if workspace is None:
                    # Of what is paused one line was written.
                    log.debug("event.ignored", reason="its workspace is paused, or not installed", workspaces=ids(body))
                    return BoltResponse(status=200, body=_PAUSED if "command" in body else "")
                context["workspace"] = workspace
            await next()
            return None

        secret = self._settings.slack_signing_secret
        library_log = logging.getLogger("slack_bolt")
        # It would warn that SLACK_BOT_TOKEN, which it finds in the environment, is not used.
        library_log.disabled = True
        try:
            app = AsyncApp(
                name="footnote",
                logger=library_log,
                client=client,
                before_authorize=enter_first,
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

        async def hear_first(body: dict[str, Any], context: AsyncBoltContext, next: Callable[[], Awaitable[None]]) -> None:
            workspace: Workspace | None = context.get("workspace")
            if workspace is None or body.get("event", {}).get("type") not in _SAID:
                pass
            elif (said := hear(body, workspace.me)) is not None:
                begun = asyncio.Event()
                hearing = Answering(workspace, self._responder).hear(said, begun)
                await self._answers.start_until(begun, hearing, _KEPT_SECONDS, workspace.me.team)
            await next()

        async def on_event(body: dict[str, Any], context: AsyncBoltContext) -> None:
            workspace: Workspace = context["workspace"]
            if hear(body, workspace.me) is not None:
                return  # Long since begun.
            if (change := changed(body, workspace.me)) is not None:
                self._answers.start(Answering(workspace, self._responder).heed(change), workspace.me.team)

        actions = Actions(
            self._find,
            lambda workspace, said, reply: self._running_commands.start(self._run(workspace, said, reply), workspace.me.team),
            lambda workspace, asked: self._answers.start(self._ask(workspace, asked), workspace.me.team),
            self._groups,
            admins=self._settings.admins,
            remembered_for=self._settings.footnote_memory_ttl,
            channels=self._channels,
            overview=self._overview,
        )

        async def on_shortcut(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
            await ack()
            workspace: Workspace = context["workspace"]
            self._running_commands.start(self._choose(workspace, body), workspace.me.team)

        async def on_membership(event: dict[str, Any], context: AsyncBoltContext) -> None:
            await context["workspace"].audience.changed(str(event["channel"]))

        async def on_stop(event: dict[str, Any], context: AsyncBoltContext) -> None:
            await self._stop_answering(context["workspace"], str(event["channel"]), str(event["thread_ts"]))

        async def on_person(event: dict[str, Any], context: AsyncBoltContext) -> None:
            workspace: Workspace = context["workspace"]
            if not workspace.people.knows(event["user"]):
                await workspace.audience.changed(str(event["user"]["id"]))

        async def on_newcomer(context: AsyncBoltContext) -> None:
            workspace: Workspace = context["workspace"]
            await workspace.audience.changed(workspace.me.team)

        async def on_access(body: dict[str, Any]) -> None:
            """A workspace of an organisation came or went."""
            if (workspace := await self._workspaces.find(body) if self._workspaces else None) is not None:
                await workspace.audience.changed(workspace.me.team)

        async def on_gone(body: dict[str, Any], event: dict[str, Any]) -> None:
            """A workspace uninstalled Footnote, or revoked its token."""
            uninstalled = event["type"] == "app_uninstalled"
            if self._several is not None and (uninstalled or (event.get("tokens") or {}).get("bot")) and (found := ids(body)):
                await self._several.departures.begin(found[0], uninstalled=uninstalled)

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
        app.event(_GRANTED)(on_access)
        app.event(_GONE)(on_gone)
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

    async def _begin_installing(self, request: web.Request) -> web.StreamResponse:
        if self._several is None or self._stopping:
            return web.Response(status=503, text="not ready, try again")
        return await self._several.install.begin(request)

    async def _end_installing(self, request: web.Request) -> web.StreamResponse:
        if self._several is None or self._stopping:
            return web.Response(status=503, text="not ready, try again")
        return await self._several.install.end(request)

    async def _stop_answering(self, workspace: Workspace, channel: str, thread: str) -> None:
        """Somebody pressed Stop: end the answers in a thread, whichever process writes them."""
        conversation = f"slack:{workspace.me.team}:{channel}:{thread}"
        here = await self._responder.stop(conversation)
        log.info("answer.stopped", conversation=conversation, here=here)
        await self._stops.tell(conversation)
        if not here:
            # Slack leaves it to us, also when nobody works on it any more.
            await workspace.sessions.idle(channel, thread)

    async def _ask(self, workspace: Workspace, asked: Asked) -> None:
        """A button asked a question: it is answered like a mention by whoever pressed it."""
        if not await first(self._redis, workspace.me.team, asked):
            return
        try:
            said = await put(workspace.poster, asked, (await workspace.people.find(asked.user)).name)
        except FootnoteError as error:
            if asked.response_url:
                await workspace.poster.respond(render_text(str(error))[0], asked.response_url, asked.thread)
            raise
        await Answering(workspace, self._responder).hear(said)

    async def _choose(self, workspace: Workspace, body: dict[str, Any]) -> None:
        command = chosen(body, workspace.me)
        if command.name == KEEP:
            people = named(body)
            names = await workspace.people.names(people) if people else {}
            command = replace(command, text=kept(body, workspace.me, names))
        await self._run(workspace, command)

    async def _run(self, workspace: Workspace, given: Given, told: Replies | None = None) -> None:
        command = Command(
            name=given.name,
            text=given.text,
            user=workspace.me.person(given.user),
            user_name=(await workspace.people.find(given.user)).name,
            principals=await workspace.audience.principals(given.user, given.channel),
            platform=self.name,
            channel_id=workspace.me.own(given.channel),
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


def _is_of_a_workspace(body: Mapping[str, Any]) -> bool:
    """Not Slack's checks of our address, nor what it says of a workspace that is none of ours any more."""
    event = body.get("event")
    kind = event.get("type") if isinstance(event, Mapping) else body.get("type")
    return not (kind == "url_verification" or "ssl_check" in body or _GONE.match(str(kind)) or _GRANTED.match(str(kind)))
