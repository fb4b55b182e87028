"""Workspaces that uninstall Footnote, or revoke its token: first the token is forgotten, then all that is kept of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from bots.slack.running import Running
from core.audit import OFF, Audit
from core.errors import TransientError

if TYPE_CHECKING:
    from bots.slack.installations import Installations
    from bots.slack.workspaces import Workspaces

Departed = Callable[[str], Awaitable[None]]
"""Remove all that is kept of a workspace. Raises TransientError."""

log = structlog.get_logger(__name__)

_AFTERMATH_SECONDS = 10.0
"""By then every process has noticed it, and what was being answered there has ended."""
_AGAIN_SECONDS = 30.0


class Departures:
    """Each is noted before it begins, so that the next process ends what a dead one began."""

    def __init__(
        self, store: Installations, workspaces: Workspaces, departed: Departed | None = None, *, audit: Audit = OFF
    ) -> None:
        self._store = store
        self._workspaces = workspaces
        self._departed = departed
        self._audit = audit
        self._running = Running("departure")

    async def start(self) -> None:
        """End what was begun. Raises TransientError."""
        for id, how in await self._store.leaving():
            self._running.start(self._part(id, uninstalled=how == "uninstalled"))

    async def begin(self, id: str, *, uninstalled: bool) -> None:
        """Slack tells that a workspace is going. Raises TransientError."""
        await self._store.note_leaving(id, "uninstalled" if uninstalled else "revoked")
        self._running.start(self._part(id, uninstalled=uninstalled))

    async def stop(self) -> None:
        await self._running.cancel(1.0)

    async def _part(self, id: str, *, uninstalled: bool) -> None:
        while True:
            try:
                await self._through(id, uninstalled=uninstalled)
                await self._store.left(id, "uninstalled" if uninstalled else "revoked")
            except TransientError as error:
                log.warning("workspace.not_forgotten", workspace=id, reason=str(error), hint="it is tried again")
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _through(self, id: str, *, uninstalled: bool) -> None:
        if not await self._workspaces.gone(id):
            log.info("workspace.stays", workspace=id, reason="its token works")
            return
        event = "slack.uninstalled" if uninstalled else "slack.revoked"
        log.warning("workspace.removed", workspace=id, uninstalled=uninstalled)
        self._audit.record(event, who=f"slack:{id}", workspace=id)
        if not uninstalled or self._departed is None:
            return
        await self._departed(id)
        await asyncio.sleep(_AFTERMATH_SECONDS)
        if await self._store.kept(id) is None:
            await self._departed(id)
