"""/reindex, /footnote status, /forget ...: parse, check the right, act. The same for all platforms."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from bots import reports
from core.errors import FootnoteError, UserError
from core.models import Principal, SyncRequest, SyncState, SyncStatus, now
from core.ports import Reply, Source

if TYPE_CHECKING:
    from core.answering.memory import Memory
    from core.indexing.index import Index
    from core.indexing.jobs import Jobs

log = structlog.get_logger(__name__)

HELP = """\
**Ask me** by mentioning me, in a direct message, or with `/ask` (Discord).
I answer from your team's pages and give a footnote for every statement.
- `/footnote help` shows this
- `/footnote forget` (Discord: `/forget`) deletes what I remember of your questions
- for administrators: `/reindex [source] [--full] [--dry-run] [--force]`, `/footnote status`"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A slash command as it was typed: ``name`` without the slash, ``text`` after it."""

    name: str
    text: str
    user: str
    user_name: str
    principals: frozenset[Principal]
    """Who the person is: ``slack:U123``, ``discord:456``, ``discord:role:789``, ``user:ana@acme.com``."""
    platform: str
    channel_id: str
    conversation_id: str | None
    """None where the platform does not tell in which conversation a command is given."""


class Commands:
    def __init__(
        self,
        *,
        jobs: Jobs,
        index: Index,
        memory: Memory,
        sources: Mapping[str, Source],
        admins: frozenset[Principal],
        interval: timedelta,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._jobs = jobs
        self._index = index
        self._memory = memory
        self._sources = sources
        self._admins = admins
        self._interval = interval
        self._clock = clock

    async def run(self, command: Command, reply: Reply) -> None:
        """Act and reply. It never raises; who may not is told so."""
        actions = {"reindex": self._reindex, "status": self._status, "forget": self._forget, "help": self._help}
        with structlog.contextvars.bound_contextvars(command=command.name, user=command.user, channel=command.channel_id):
            try:
                action = actions.get(command.name)
                if action is None:
                    raise UserError(f"I do not know the command `{command.name}`.\n{HELP}")
                await action(command, reply)
            except FootnoteError as error:
                log.info("command.refused", reason=str(error))
                await self._tell(reply, str(error))
            except Exception:
                error_id = secrets.token_hex(4)
                log.exception("command.failed", error_id=error_id)
                await self._tell(reply, f"Something went wrong on my side (error `{error_id}`). Please try again.")

    async def _tell(self, reply: Reply, text: str) -> None:
        try:
            await reply.say(text)
        except Exception:
            log.exception("reply.failed")

    def _only_admins(self, command: Command) -> None:
        if self._admins.isdisjoint(command.principals):
            raise UserError(
                f"`/{command.name}` is for Footnote's administrators, and {command.user} is not one. "
                "Whoever runs Footnote can add you to FOOTNOTE_ADMINS."
            )

    async def _help(self, _command: Command, reply: Reply) -> None:
        await reply.say(HELP)

    async def _status(self, command: Command, reply: Reply) -> None:
        self._only_admins(command)
        states, documents = await asyncio.gather(self._states(), self._index.counts())
        await reply.say(reports.status(states, documents, self._interval, self._clock()))

    async def _states(self) -> dict[str, SyncState]:
        known = await self._jobs.states()
        return {name: known.get(name, SyncState(source=name)) for name in self._sources}

    async def _forget(self, command: Command, reply: Reply) -> None:
        scope = command.text.strip().casefold() or "me"
        if scope not in {"me", "here"}:
            raise UserError("`forget` takes `me` (all my questions, everywhere; the default) or `here` (this conversation).")
        if scope == "me":
            turns = await self._memory.forget_person(command.user)
            await reply.say(f"Forgotten: {turns} of your questions, with their answers.")
        elif command.conversation_id is None:
            raise UserError("I am not told in which thread you are. `forget me` deletes all your questions, everywhere.")
        else:
            turns = await self._memory.forget(command.conversation_id)
            await reply.say(f"Forgotten: {turns} questions of this conversation, with their answers.")
        log.info("memory.forgotten", scope=scope, turns=turns)

    async def _reindex(self, command: Command, reply: Reply) -> None:
        self._only_admins(command)
        names, flags = self._parse(command.text)
        requests = [
            SyncRequest(
                id=secrets.token_hex(8),
                source=name,
                requested_by=command.user,
                at=self._clock(),
                full=True,
                force="--force" in flags,
                dry_run="--dry-run" in flags,
            )
            for name in names
        ]
        log.info("reindex.requested", sources=names, flags=sorted(flags))
        await self._follow(requests, reply)

    def _parse(self, text: str) -> tuple[list[str], set[str]]:
        try:
            # Phones turn two hyphens into a dash.
            words = shlex.split(text.replace("\u2014", "--").replace("\u2013", "--"))
        except ValueError as error:
            raise UserError(f"`{text}` has an open quote: close it and try again.") from error
        flags = {word for word in words if word.startswith("-")}
        names = [word for word in words if not word.startswith("-")]
        if unknown := flags - {"--full", "--dry-run", "--force"}:
            raise UserError(f"I do not know {', '.join(sorted(unknown))}: `/reindex [source] [--full] [--dry-run] [--force]`.")
        if missing := [name for name in names if name not in self._sources]:
            known = ", ".join(f"`{name}`" for name in self._sources) or "none is configured"
            raise UserError(f"There is no source `{missing[0]}`. Sources: {known}.")
        if not self._sources:
            raise UserError("There is nothing to reindex: no source is configured.")
        return names or list(self._sources), flags

    async def _follow(self, requests: list[SyncRequest], reply: Reply) -> None:
        """Submit all, then keep one card with a line per source until the last one is over.

        A source that is being synced already gets no second sync: the running one is followed, and the card says so.
        The card stands where others see it, so documents are named to the person alone.
        """
        lines: dict[str, str] = {}
        named: dict[str, str] = {}
        notes: dict[str, str] = {}
        following: list[SyncRequest] = []
        for request in requests:
            submitted = await self._jobs.submit(request)
            if not submitted.accepted:
                doing = "is running" if submitted.state.status is SyncStatus.RUNNING else "is waiting"
                notes[request.source] = f" (a sync {doing} already: I did not start a second one, this is its progress)"
            following.append(request if submitted.accepted else submitted.state.request or request)
            lines[request.source] = reports.progress(submitted.state, self._clock())

        def card() -> str:
            return "\n".join(line + notes.get(source, "") for source, line in lines.items())

        async def follow(request: SyncRequest) -> None:
            async for state in self._jobs.follow(request):
                line = reports.progress(state, self._clock())
                named[request.source] = reports.details(state.report)
                if lines[request.source] != line:
                    lines[request.source] = line
                    await reply.show(card())

        await reply.show(card())
        try:
            async with asyncio.TaskGroup() as group:
                for request in following:
                    group.create_task(follow(request))
        except ExceptionGroup as failures:
            # One cause says it all: the others are the same queue.
            raise failures.exceptions[0] from None
        if any(named.values()):
            await reply.say("\n\n".join(f"**{source}**\n{text}" for source, text in named.items() if text))
