"""/reindex, /footnote status ...: parse, check the right, act. The same for all platforms."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from bots import reports
from bots.command import Action, Command, CommandReply, require_admin
from bots.commands import forget
from bots.commands.private import SHARE
from bots.commands.reindex import USAGE, Reindex, offers
from bots.owners import OWNER
from core.audit import OFF, Audit, address_hidden
from core.errors import FootnoteError, UserError
from core.models import Principal, SyncState, now
from core.ports import Reply, Source

if TYPE_CHECKING:
    from core.indexing.index import Index
    from core.indexing.jobs import Jobs

log = structlog.get_logger(__name__)

_UNDERSTOOD = frozenset({"reindex", "forget", "gaps", OWNER, SHARE})
"""When one of these was run, all that was said to it are names, options and ids, which the audit log may hold."""

HELP = f"""\
**Ask me** by mentioning me, in a direct message, or with `/ask` (Discord).
I answer from your team's pages and give a footnote for every statement.
- **Ask about a file**: drop it together with your question; I read it for that thread only
- **Add a file**: "Add to Footnote" in the menu of its message, or mention me with it and say *add this* (Discord: also `/add`)
- `/footnote uploads` lists the files that were added here, with buttons that remove them
- `/footnote help` shows this
- `/footnote forget` (Discord: `/forget`) deletes what I remember of your questions
- “new topic”, said to me, has me leave out what was said before; `/footnote memory` (Discord: `/memory`) shows what I remember
- `/footnote config` (Discord: `/config`) shows how I behave in this channel, and whoever looks after it changes that there
- `/footnote link` (Slack) gives you a code, and `/link` (Discord) takes it: then I know you there, until `/unlink`
- for administrators: {USAGE}, `/footnote status`, `/footnote gaps` (what my pages do not answer), {forget.USAGE}"""


class Commands:
    def __init__(
        self,
        *,
        jobs: Jobs,
        index: Index,
        sources: Mapping[str, Source],
        admins: frozenset[Principal],
        interval: timedelta,
        more: Mapping[str, Action] | None = None,
        audit: Audit = OFF,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """``more`` commands by name, beside those that are told here."""
        self._jobs = jobs
        self._index = index
        self._sources = sources
        self._admins = admins
        self._interval = interval
        self._audit = audit
        self._clock = clock
        self._following = Reindex(jobs, sources, clock)
        own = {"reindex": self._reindex, "status": self._status, "help": self._help}
        self._actions: Mapping[str, Action] = {**own, **(more or {})}

    async def run(self, command: Command, reply: CommandReply) -> None:
        """Act and reply. It never raises; who may not is told so."""
        with structlog.contextvars.bound_contextvars(command=command.name, user=command.user, channel=command.channel_id):
            event, reason = "command.run", ""
            try:
                action = self._actions.get(command.name)
                if action is None:
                    raise UserError(f"I do not know the command `{command.name}`.\n{HELP}")
                await action(command, reply)
            except FootnoteError as error:
                event, reason = "command.refused", type(error).__name__
                log.info("command.refused", reason=str(error))
                await self._tell(reply, str(error))
            except Exception:
                error_id = secrets.token_hex(4)
                event, reason = "command.failed", error_id
                log.exception("command.failed", error_id=error_id)
                await self._tell(reply, f"Something went wrong on my side (error `{error_id}`). Please try again.")
            finally:
                self._record(event, command, reason)

    def _record(self, event: str, command: Command, reason: str) -> None:
        where = {"platform": command.platform, "channel": command.channel_id}
        facts: dict[str, Any] = {"command": command.name if command.name in self._actions else "unknown"}
        if reason:
            facts["reason"] = reason
        elif command.name in _UNDERSTOOD:
            facts["words"] = [address_hidden(word) for word in command.text.split()]
        if command.name == SHARE and not reason:
            event = "answer.shared"
        self._audit.record(event, who=command.user, where=where, **facts)

    async def _tell(self, reply: Reply, text: str) -> None:
        try:
            await reply.say(text)
        except Exception:
            log.exception("reply.failed")

    async def _reindex(self, command: Command, reply: CommandReply) -> None:
        require_admin(command, self._admins)
        await self._following.run(command, reply)

    async def _help(self, _command: Command, reply: CommandReply) -> None:
        await reply.say(HELP)

    async def _status(self, command: Command, reply: CommandReply) -> None:
        require_admin(command, self._admins)
        states, documents, rebuild = await asyncio.gather(self._states(), self._index.counts(), self._index.rebuild())
        buttons = [button for state in states.values() for button in offers(state)]
        await reply.offer(reports.status(states, documents, self._interval, self._clock(), rebuild), buttons)

    async def _states(self) -> dict[str, SyncState]:
        known = await self._jobs.states()
        return {name: known.get(name, SyncState(source=name)) for name in self._sources}
