"""The workspaces that this process talks in: the one of the settings, or all that installed Footnote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

import structlog
from slack_bolt.request.internals import extract_enterprise_id, extract_is_enterprise_install, extract_team_id

from bots.slack.install import INSTALL
from bots.slack.installations import Installations, Installed
from bots.slack.tokens import Tokens
from bots.slack.workspace import Workspace
from core.errors import AuthError, ConfigError, TransientError
from core.together import cancelled

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 2.0
"""So late is it noticed what another process was told of a workspace."""
_RETRY_SECONDS = 60.0
"""A token that Slack did not take is tried again."""

_REMEDY = f"have it install Footnote again at https://YOUR-HOST{INSTALL}"
_SURE_SECONDS = (0.0, 2.0, 5.0)
"""Slack may tell of an uninstallation before its own servers all know of it."""

_EXPIRED = "token_expired"

Enter = Callable[[Installed, Callable[[], None]], Workspace]
"""A workspace by its installation; the second is to be called whenever Slack does not take the token."""


class OneWorkspace:
    """That of the settings: whatever comes, comes from there."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def find(self, _body: Mapping[str, Any]) -> Workspace | None:
        return self._workspace

    async def of(self, id: str) -> Workspace | None:
        return self._workspace if id in ("", self._workspace.me.team) else None

    def start(self) -> None:
        """There is nothing to look after."""

    async def stop(self) -> None:
        """There is nothing to finish."""


class Workspaces:
    """Those that installed Footnote, each entered when it is first needed. One whose token Slack does not take is paused: nobody
    is heard there until the token works again, or there is a new one. The others go on.
    """

    def __init__(
        self,
        store: Installations,
        tokens: Tokens,
        enter: Enter,
        teams: Collection[str],
        left: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``teams`` are ids of workspaces and organisations; what others installed before does not count any more. ``left`` is
        called when one is no more.
        """
        self._store = store
        self._tokens = tokens
        self._enter = enter
        self._teams = frozenset(teams)
        self._left = left
        self._clock = clock
        self._entered: dict[str, Workspace] = {}
        self._read: dict[str, str] = {}
        """What is kept of each workspace as it was read last."""
        self._barred: dict[str, str] = {}
        """Workspaces of which what is kept does not count, and what that is."""
        self._tried: dict[str, float] = {}
        self._working: dict[str, asyncio.Task[Any]] = {}
        self._keeping_up: asyncio.Task[None] | None = None

    async def find(self, body: Mapping[str, Any]) -> Workspace | None:
        """The workspace that a payload comes from; None where it is not installed, or paused. Raises TransientError."""
        for id in ids(body):
            if (workspace := await self.of(id)) is not None:
                return workspace
        return None

    async def of(self, id: str) -> Workspace | None:
        """As :meth:`find`, by the id of the installation."""
        workspace = self._entered.get(id)
        if workspace is None:
            await self._look_at(id)
            workspace = self._entered.get(id)
        if workspace is None or workspace.paused:
            return None
        installed = workspace.installed
        if installed is not None and installed.is_due(self._clock()):
            renewing = self._begin(id, self._renew(workspace))
            if installed.is_over(self._clock()):
                await asyncio.shield(renewing)
        return None if workspace.paused else workspace

    def start(self) -> None:
        self._keeping_up = asyncio.create_task(self._keep_up())

    async def stop(self) -> None:
        """What is being written for a token is written first."""
        if self._keeping_up is not None:
            await cancelled(self._keeping_up)
        if self._working:
            await asyncio.wait(self._working.values(), timeout=3.0)

    async def look(self) -> None:
        """Whatever was installed, renewed or removed counts from now on in this process, too. Raises TransientError."""
        kept = await self._store.all()
        for id in [id for id in self._entered if id not in kept]:
            self._leave(id)
        for id, raw in kept.items():
            if id in self._entered and raw != self._read.get(id):
                self._take(id, raw)

    async def gone(self, id: str) -> bool:
        """Slack says that it uninstalled Footnote, or revoked its token: forget the token. False where that is old news, and
        what is kept works. Raises TransientError, also when Slack does not say whether it does.
        """
        for wait in _SURE_SECONDS:
            await asyncio.sleep(wait)
            kept = await self._store.kept(id)
            if kept is None:
                self._leave(id)
                return True
            self._take(id, kept)
            workspace = self._entered.get(id)
            refused = await workspace.refused() if workspace else "unreadable"
            if refused is None:
                raise TransientError(f"Slack does not say whether the token of {id} works")
            if refused and await self._store.delete(id, kept):
                self._leave(id)
                return True
        return False

    def _leave(self, id: str) -> None:
        if self._entered.pop(id, None) is not None:
            log.info("workspace.left", workspace=id)
            self._left(id)

    async def _look_at(self, id: str) -> None:
        kept = await self._store.kept(id)
        if kept is not None and id not in self._entered:
            self._take(id, kept)

    def _take(self, id: str, raw: str) -> None:
        """Go by what is kept of a workspace now."""
        if self._barred.get(id) == raw:
            return
        try:
            installed = self._store.read(id, raw)
        except ConfigError as error:
            self._bar(id, raw, str(error))
            return
        if self._teams.isdisjoint({installed.id, installed.organisation}):
            self._bar(
                id, raw, f"SLACK_TEAMS does not list the Slack workspace {id} any more: add it, or have it uninstall Footnote"
            )
            return
        self._read[id] = raw
        if (workspace := self._entered.get(id)) is not None:
            workspace.renew(installed)
            if workspace.paused:
                self._resume(workspace)
            return
        self._entered[id] = self._enter(installed, lambda: self._doubt(id))
        log.info("workspace.entered", workspace=id, name=installed.name)

    def _bar(self, id: str, raw: str, reason: str) -> None:
        self._barred[id] = raw
        self._entered.pop(id, None)
        log.warning("workspace.paused", workspace=id, reason=reason)

    def _doubt(self, id: str) -> None:
        """Slack did not take the token, once."""
        if (workspace := self._entered.get(id)) is not None and not workspace.paused:
            self._begin(id, self._prove(workspace))

    async def _prove(self, workspace: Workspace) -> None:
        """Pause the workspace if its token does not work, and resume it if it does."""
        self._tried[workspace.me.team] = time.monotonic()
        reason = await workspace.refused()
        if reason and await self._renewed(workspace, reason):
            reason = await workspace.refused()
        if reason and not workspace.paused:
            self._pause(workspace, reason)
        elif reason == "" and workspace.paused:
            self._resume(workspace)

    async def _renewed(self, workspace: Workspace, reason: str) -> bool:
        """Whether it has another token now: from another process, or from Slack."""
        before = workspace.client.token
        try:
            await self.look()
            if workspace.client.token == before and reason == _EXPIRED:
                await self._renew(workspace, instead_of=before)
        except TransientError:
            return False
        return workspace.client.token != before

    async def _renew(self, workspace: Workspace, *, instead_of: str | None = None) -> None:
        id = workspace.me.team
        try:
            installed = await self._tokens.renew(id, instead_of=instead_of)
        except AuthError as error:
            # As long as the one that we have works, nobody is silenced.
            if workspace.installed is not None and workspace.installed.is_over(self._clock()) and not workspace.paused:
                self._pause(workspace, str(error))
        except (TransientError, ConfigError) as error:
            log.warning("token.not_renewed", workspace=id, reason=str(error))
        else:
            if installed is None:
                self._leave(id)
            else:
                workspace.renew(installed)

    def _pause(self, workspace: Workspace, reason: str) -> None:
        workspace.paused = reason
        log.warning("workspace.paused", workspace=workspace.me.team, name=workspace.team_name, reason=reason, hint=_REMEDY)

    def _resume(self, workspace: Workspace) -> None:
        workspace.paused = ""
        log.info("workspace.resumed", workspace=workspace.me.team, name=workspace.team_name)

    def _begin(self, id: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        """One at a time for each workspace, and not given up when whoever wanted it is."""
        if (working := self._working.get(id)) is not None:
            work.close()
            return working
        task = self._working[id] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._working.pop(id, None))
        return task

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.look()
            except TransientError:
                continue
            for id, workspace in list(self._entered.items()):
                if workspace.paused and time.monotonic() - self._tried.get(id, 0.0) > _RETRY_SECONDS:
                    self._begin(id, self._prove(workspace))
                elif not workspace.paused and workspace.installed is not None and workspace.installed.is_due(self._clock()):
                    self._begin(id, self._renew(workspace))


def ids(body: Mapping[str, Any]) -> list[str]:
    """Of the installations that a payload may come from, the likeliest first."""
    told = dict(body)
    team, organisation = extract_team_id(told), extract_enterprise_id(told)
    likely = (organisation, team) if extract_is_enterprise_install(told) else (team, organisation)
    return list(dict.fromkeys(id for id in likely if id))
