"""Slack, from its start to its end: the workspaces, the connection, what is running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import structlog
from aiohttp import ClientSession, web
from redis.asyncio import Redis

from bots.files import Fetched
from bots.pending import LeftBehind
from bots.platform import Groups
from bots.slack.answering import Answering, Responds
from bots.slack.client import build_client, open_session
from bots.slack.connection import Connection
from bots.slack.departures import Departed
from bots.slack.direct import SlackMessenger
from bots.slack.events import EventsEndpoint
from bots.slack.files import opened_by
from bots.slack.install import INSTALL, REDIRECT
from bots.slack.listeners import Listeners, Runs
from bots.slack.place import Place
from bots.slack.running import Running
from bots.slack.several import Several
from bots.slack.stops import SlackStops
from bots.slack.workspace import enter
from bots.slack.workspaces import OneWorkspace, Workspaces
from core.audit import OFF, Audit
from core.errors import TransientError
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
_WORKSPACE = "workspace:slack:"


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
        app = self._listeners(self._workspaces).app(client)
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

    def _listeners(self, workspaces: OneWorkspace | Workspaces) -> Listeners:
        return Listeners(
            self._settings,
            workspaces,
            self._responder,
            self._commands,
            self._redis,
            self._groups,
            self._stops,
            answers=self._answers,
            running_commands=self._running_commands,
            stopping=lambda: self._stopping,
            channels=self._channels,
            overview=self._overview,
            departures=self._several.departures if self._several else None,
        )

    def _silence(self, id: str) -> None:
        """A workspace is no more."""
        for running in (self._answers, self._running_commands):
            running.cancel_in(id)

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
