"""Slack as a local server: Web API, OAuth, Socket Mode and Events API, for one workspace or several.

async with SlackServer() as slack:
    slack.user("U1ANA", email="ana@acme.com")
    slack.channel("C1GENERAL")
    question = await slack.mention("U1ANA", "C1GENERAL", "How many days of leave do I have?")
    assert "Thirty" in (await slack.until_reply(question)).shown
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

from aiohttp import web

from tests.emulators.slack_delivery import Courier
from tests.emulators.slack_faults import Fault, Faults
from tests.emulators.slack_oauth import OAuth, Org
from tests.emulators.slack_rules import Refused
from tests.emulators.slack_team import SUBSCRIPTIONS, App, SlackTeam
from tests.emulators.slack_web import WebApi, token_of
from tests.emulators.slack_workspace import APP, Home

__all__ = ["SUBSCRIPTIONS", "SlackServer"]


class SlackServer(SlackTeam):
    """It is the first workspace itself, in which the app is installed from the beginning and has the token ``bot_token``; into
    those of :meth:`team` and :meth:`org` somebody has to let it, see ``oauth``. Ids may be the same in several of them.

    ``retry_seconds`` are the pauses before an unacknowledged event comes again (Slack: at once, 1 min, 5 min). ``scopes`` are
    those that the bot token was granted; None grants all. ``messages_first`` delivers the ``message`` event of a mention before
    its ``app_mention``; Slack promises no order.
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
        self.oauth = OAuth()
        self.teams: dict[str, SlackTeam] = {}
        """The others, by id."""
        self._app = App(Courier(retry_seconds), Faults(), subscriptions, messages_first)
        super().__init__(self._app, Home(), scopes=scopes, bot_token=self.bot_token, app_token=self.app_token)
        self._join(self)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self._call)
        app.router.add_get("/oauth/v2/authorize", self.oauth.show)
        app.router.add_post("/oauth/v2/authorize", self.oauth.decide)
        app.router.add_post("/respond/{id}", self._respond)
        app.router.add_get("/link/", self.courier.accept)
        app.router.add_get("/files-pri/{id}/{path:.*}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.courier.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.courier.signing_secret = self.signing_secret
        self.api.open_link = self.courier.open_link
        for team in self._everywhere():
            team.files.base = self.courier.base
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

    @property
    def flaws(self) -> list[str]:
        """Of all workspaces."""
        return [*super().flaws, *(flaw for team in self.teams.values() for flaw in team.flaws)]

    # Further workspaces.

    def team(self, id: str, *, name: str | None = None, org: str | None = None, bot_user: str | None = None) -> SlackTeam:
        """One more workspace, into which nobody has let the app yet."""
        rest = id.removeprefix("T")
        home = Home(id, name or f"{id.title()} Inc", f"B{rest}", bot_user or f"U0{rest}BOT", org)
        team = self.teams[id] = SlackTeam(self._app, home)
        self._join(team)
        return team

    def org(self, id: str, *teams: str) -> Org:
        """An Enterprise Grid organisation with these workspaces. In all of them the app is the same bot user."""
        org = Org(id, [self.team(team, org=id, bot_user=f"W0{id}BOT") for team in teams])
        for team in org.teams:
            team.sisters = org.teams
        self.oauth.places[id] = org
        return org

    def _join(self, team: SlackTeam) -> None:
        self.oauth.places[team.id] = team
        team.files.base = self.courier.base
        team.api.of_the_app = self.oauth.methods
        team.api.open_to = partial(self.oauth.open_to, team=team.id)
        team.api.elsewhere = lambda channel: any(channel in other.workspace.channels for other in self._everywhere())

    def _everywhere(self) -> list[SlackTeam]:
        return [self, *self.teams.values()]

    async def _call(self, request: web.Request) -> web.StreamResponse:
        return await (await self._api_for(request)).handle(request)

    async def _api_for(self, request: web.Request) -> WebApi:
        token = token_of(request)
        try:
            arguments = await self.api.arguments(request, request.match_info["method"])
        except Refused:
            arguments = {}
        team = self.oauth.team_for(token or str(arguments.get("token", "")), arguments)
        return team.api if team else self.api

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["id"]
        return await next((team for team in self._everywhere() if id in team.api.response_urls), self).api.respond(request)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        team = request.match_info["id"].partition("-")[0]
        return await self.teams.get(team, self).files.handle(request)

    # What goes wrong.

    def fail(self, method: str, *, times: int = 1, **fault: Any) -> None:
        """Answer the next calls with a ``status`` (and ``retry_after``), an ``error``, or a ``body`` that is not JSON."""
        self.faults.add(Fault(method, times, **fault))

    def lose(self, method: str, *, times: int = 1) -> None:
        """The next calls take effect, but their answers are lost."""
        self.faults.add(Fault(method, times, lost=True))

    def hold(self, method: str, *, seconds: float = 60.0) -> None:
        """The next call takes effect, and its answer comes so much later: time to kill whoever waits for it."""
        self.faults.add(Fault(method, 1, late=seconds))

    def slow(self, seconds: float, method: str = "*", *, times: int = 1_000_000) -> None:
        self.faults.add(Fault(method, times, seconds=seconds))

    def revoke(self) -> None:
        """The tokens are not accepted any more."""
        self.api.bot_token = self.api.app_token = None
