"""How people let an app into an emulated workspace or organisation: consent, codes, tokens, and their end."""

from __future__ import annotations

import base64
import binascii
import itertools
import math
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.emulators.slack_rules import Refused
from tests.emulators.slack_team import SlackTeam
from tests.emulators.slack_web import HISTORY_SCOPES, METHOD_SCOPES, READ_SCOPES
from tests.emulators.slack_workspace import APP, Home, envelope

CODE_SECONDS = 600.0
ACTIVE_TOKENS = 2
"""Of an installation whose tokens rotate."""
BOT_SCOPES = {*METHOD_SCOPES.values(), *HISTORY_SCOPES.values(), *READ_SCOPES.values()}
BOT_SCOPES |= {"app_mentions:read", "commands", "files:read", "users:read.email", "reactions:write", "chat:write.public"}
"""Those that an app can ask for here."""
_PLACES = ("channel", "channel_id", "user", "user_id", "trigger_id", "view_id", "file")


@dataclass
class Org:
    """An Enterprise Grid organisation. An app that is installed for all of it reaches the workspaces that were added to it."""

    id: str
    teams: list[SlackTeam]
    added: set[str] = field(default_factory=set)
    """Ids of the workspaces."""

    @property
    def home(self) -> Home:
        return self.teams[0].workspace.home


@dataclass(eq=False)
class Installation:
    where: SlackTeam | Org
    scopes: set[str]
    tokens: dict[str, float] = field(default_factory=dict)
    """Until when each is good, by the clock; those that were replaced, too."""
    refresh: str = ""
    refused: str = ""
    """The error with which Slack refuses its tokens now."""

    @property
    def teams(self) -> list[SlackTeam]:
        return self.where.teams if isinstance(self.where, Org) else [self.where]

    @property
    def home(self) -> Home:
        return self.where.home if isinstance(self.where, Org) else self.where.workspace.home

    @property
    def reached(self) -> list[SlackTeam]:
        """The workspaces that its tokens open."""
        added = self.where.added if isinstance(self.where, Org) else {self.where.id}
        return [team for team in self.teams if team.id in added]


@dataclass
class _Asked:
    """What the consent page shows, and then what its code stands for."""

    scopes: set[str]
    redirect_uri: str
    sent_uri: str | None
    state: str
    made: float
    where: SlackTeam | Org | None = None
    used: bool = False


class OAuth:
    """The app as it is registered, and who let it in. ``rotating`` is ``token_rotation_enabled``; tokens then live ``life`` s."""

    def __init__(self) -> None:
        self.client_id = "1000000001.2000000002"
        self.client_secret = secrets.token_hex(16)
        self.redirect_uris: list[str] = []
        self.rotating = False
        self.life = 43_200
        self.places: dict[str, SlackTeam | Org] = {}
        """Where the app can be installed, by id."""
        self.installations: list[Installation] = []
        self.asked_for: list[set[str]] = []
        """The scopes of each request for consent."""
        self.refreshed = 0
        self.methods = {
            "oauth.v2.access": self.access,
            "auth.revoke": self.revoke,
            "auth.teams.list": self.list_teams,
            "apps.uninstall": self.uninstall_itself,
        }
        self._later = 0.0
        self._asked: dict[str, _Asked] = {}
        self._codes: dict[str, _Asked] = {}
        self._numbers = itertools.count(1)

    def pass_time(self, seconds: float) -> None:
        """Codes and tokens grow older."""
        self._later += seconds

    def of(self, token: str) -> Installation | None:
        return next((installation for installation in self.installations if token in installation.tokens), None)

    def at(self, place: str) -> Installation:
        """The latest one in a team or an organisation, by its id."""
        return next(one for one in reversed(self.installations) if one.where is self.places[place])

    def open_to(self, token: str, team: str) -> None:
        """Raises Refused unless this token opens this team now."""
        installation = self._good(token)
        if team not in {reached.id for reached in installation.reached}:
            raise Refused("team_access_not_granted")

    def team_for(self, token: str, arguments: Mapping[str, Any]) -> SlackTeam | None:
        """The workspace that a call is about: the token says it, or in an organisation what the call names."""
        installation = self.of(token)
        if installation is None:
            return None
        named = arguments.get("team_id")
        about = [team for team in installation.teams if named == team.id or (not named and _knows(team, arguments))]
        return next(iter(about or installation.reached or installation.teams))

    # In somebody's browser.

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The page on which people are asked."""
        query = request.query
        scopes = {scope for scope in query.get("scope", "").split(",") if scope}
        uri = query.get("redirect_uri") or next(iter(self.redirect_uris), "")
        if query.get("client_id") != self.client_id:
            return _page(400, "Something went wrong: invalid_client_id")
        if not scopes or scopes - BOT_SCOPES or query.get("user_scope"):
            return _page(400, f"Something went wrong: invalid_scope {sorted(scopes - BOT_SCOPES)}")
        if not any(uri == known or uri.startswith(f"{known}/") for known in self.redirect_uris):
            return _page(400, "Something went wrong: bad_redirect_uri did not match any configured URIs")
        self.asked_for.append(scopes)
        id = secrets.token_hex(8)
        asked = _Asked(scopes, uri, query.get("redirect_uri"), query.get("state", ""), self._now())
        self._asked[id] = asked
        return _page(200, f'Footnote would like to: {sorted(scopes)} <input name="request" value="{id}">')

    async def decide(self, request: web.Request) -> web.StreamResponse:
        """What people press there: ``allow`` in a team or organisation, or ``cancel``."""
        form = await request.post()
        asked = self._asked.pop(str(form["request"]))
        if form["decision"] != "allow":
            raise web.HTTPFound(f"{asked.redirect_uri}?{urlencode({'error': 'access_denied', 'state': asked.state})}")
        asked.where, asked.made = self.places[str(form["where"])], self._now()
        code = f"{secrets.token_hex(6)}.{secrets.token_hex(32)}"
        self._codes[code] = asked
        raise web.HTTPFound(f"{asked.redirect_uri}?{urlencode({'code': code, 'state': asked.state})}")

    # The methods.

    def access(self, proof: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self._prove(proof, arguments)
        match arguments.get("grant_type", "authorization_code"):
            case "authorization_code":
                installation = self._exchange(arguments)
            case "refresh_token":
                installation = self._refresh(str(arguments.get("refresh_token")))
            case _:
                raise Refused("invalid_grant_type")
        return self._told(installation)

    def revoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        installation = self._good(token)
        if str(arguments.get("test", "")).lower() in {"1", "true"}:
            return {"revoked": False}
        self._end(installation, "token_revoked", "tokens_revoked")
        return {"revoked": True}

    def list_teams(self, token: str, _arguments: dict[str, Any]) -> dict[str, Any]:
        reached = self._good(token).reached
        teams = [{"id": team.id, "name": team.workspace.home.name} for team in reached]
        return {"teams": teams, "response_metadata": {"next_cursor": ""}}

    def uninstall_itself(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self._prove("", arguments)
        self._end(self._good(token), "account_inactive", "tokens_revoked", "app_uninstalled")
        return {}

    # What is done to an installation, by the id of its team or organisation.

    def uninstall(self, place: str, *, told: tuple[str, ...] = ("tokens_revoked", "app_uninstalled")) -> None:
        """``told`` are the events, in their order; Slack promises none."""
        self._end(self.at(place), "account_inactive", *told)

    def cut_off(self, place: str, error: str = "token_revoked") -> None:
        """Its tokens are refused from now on, and no event says so."""
        self.at(place).refused = error

    def add(self, org: Org, team: SlackTeam) -> None:
        """Let the app of an organisation into one more of its workspaces."""
        org.added.add(team.id)
        team.installed = True
        self._tell(self.at(org.id), {"type": "team_access_granted", "team_ids": [team.id]})

    def withdraw(self, org: Org, team: SlackTeam) -> None:
        org.added.discard(team.id)
        team.installed = False
        self._tell(self.at(org.id), {"type": "team_access_revoked", "team_ids": [team.id]})

    def _prove(self, proof: str, arguments: Mapping[str, Any]) -> None:
        id, secret = str(arguments.get("client_id", "")), str(arguments.get("client_secret", ""))
        if proof.startswith("Basic "):
            try:
                id, _, secret = base64.b64decode(proof.removeprefix("Basic "), validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise Refused("invalid_client_id") from error
        if id != self.client_id:
            raise Refused("invalid_client_id")
        if secret != self.client_secret:
            raise Refused("bad_client_secret")

    def _exchange(self, arguments: Mapping[str, Any]) -> Installation:
        asked = self._codes.get(str(arguments.get("code")))
        if asked is None:
            raise Refused("invalid_code")
        if asked.used:
            raise Refused("code_already_used")
        if self._now() - asked.made > CODE_SECONDS:
            raise Refused("code_expired")
        if arguments.get("redirect_uri", asked.sent_uri) != asked.sent_uri:
            raise Refused("bad_redirect_uri")
        asked.used = True
        assert asked.where is not None
        return self._install(asked.where, asked.scopes)

    def _install(self, where: SlackTeam | Org, scopes: set[str]) -> Installation:
        there = [one for one in self.installations if one.where is where and not one.refused]
        if there:
            installation = there[0]
        else:
            installation = Installation(where, set())
            self.installations.append(installation)
        installation.scopes |= scopes
        if isinstance(where, Org):
            where.added |= {team.id for team in where.teams} if not where.added else set()
        for team in installation.teams:
            team.workspace.home.org_wide = isinstance(where, Org)
            team.api.scopes = set(installation.scopes)
            team.installed = team in installation.reached
        # A bot's token that does not rotate stays the same until it is revoked.
        if self.rotating or not installation.tokens:
            self._issue(installation)
        return installation

    def _refresh(self, token: str) -> Installation:
        installation = next((one for one in self.installations if token and one.refresh == token), None)
        if installation is None or installation.refused:
            raise Refused("invalid_refresh_token")
        self.refreshed += 1
        self._issue(installation)
        return installation

    def _issue(self, installation: Installation) -> None:
        kind = "xoxe.xoxb-1-" if self.rotating else "xoxb-"
        token = f"{kind}{next(self._numbers)}-{secrets.token_hex(16)}"
        for earlier in list(installation.tokens)[: 1 - ACTIVE_TOKENS]:
            installation.tokens[earlier] = -math.inf
        installation.tokens[token] = self._now() + self.life if self.rotating else math.inf
        installation.refresh = f"xoxe-1-{secrets.token_hex(24)}" if self.rotating else ""

    def _told(self, installation: Installation) -> dict[str, Any]:
        home, org_wide = installation.home, isinstance(installation.where, Org)
        rotation = {"expires_in": self.life, "refresh_token": installation.refresh} if installation.refresh else {}
        return {
            "access_token": next(reversed(installation.tokens)),
            "token_type": "bot",
            "scope": ",".join(sorted(installation.scopes)),
            "bot_user_id": home.bot_user,
            "app_id": APP,
            "team": None if org_wide else {"id": home.team, "name": home.name},
            "enterprise": {"id": home.org, "name": f"{home.org} Corp"} if home.org else None,
            "is_enterprise_install": org_wide,
            "authed_user": {"id": "U0INSTALLER"},
            **rotation,
        }

    def _good(self, token: str) -> Installation:
        installation = self.of(token)
        if installation is None:
            raise Refused("invalid_auth" if token else "not_authed")
        if installation.refused:
            raise Refused(installation.refused)
        if installation.tokens[token] <= self._now():
            raise Refused("token_expired")
        return installation

    def _end(self, installation: Installation, error: str, *events: str) -> None:
        installation.refused = error
        tokens = {"oauth": [], "bot": [installation.home.bot_user]}
        for type in events:
            self._tell(installation, {"type": type} | ({"tokens": tokens} if type == "tokens_revoked" else {}))
        for team in installation.teams:
            team.installed = False

    def _tell(self, installation: Installation, event: dict[str, Any]) -> None:
        home = installation.home
        if isinstance(installation.where, Org):
            home = Home(team="", bot=home.bot, bot_user=home.bot_user, org=home.org, org_wide=True)
        installation.teams[0].announce(envelope(event, home=home))

    def _now(self) -> float:
        return time.monotonic() + self._later


def _knows(team: SlackTeam, arguments: Mapping[str, Any]) -> bool:
    """Whether what a call names is in this workspace."""
    return any(str(arguments[name]) in set(_ids(team)) for name in _PLACES if name in arguments)


def _ids(team: SlackTeam) -> Iterator[str]:
    yield from team.workspace.channels
    yield from team.workspace.users
    yield from team.files.stored
    yield from team.api.views.modals
    yield from team.api.views.triggers


def _page(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"<!DOCTYPE html><html><body>{text}</body></html>", content_type="text/html")
