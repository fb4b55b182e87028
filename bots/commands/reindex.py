"""`/reindex`: a request per source, one card that follows them all, and what is left to do."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from bots import reports
from bots.command import Button, CommandReply
from bots.commands.selection import Selection, selections, words
from core.errors import UserError
from core.models import FAILED, SyncRequest, SyncState, SyncStatus
from core.ports import Source
from core.together import Together

if TYPE_CHECKING:
    from bots.command import Command
    from core.indexing.jobs import Jobs

log = structlog.get_logger(__name__)

USAGE = "`/reindex [source] [space, folder, address or failed] [--dry-run] [--full] [--prune] [--force]`"
_FLAGS = {"--full", "--dry-run", "--prune", "--force"}


class Reindex:
    def __init__(self, jobs: Jobs, sources: Mapping[str, Source], clock: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._sources = sources
        self._clock = clock

    async def run(self, command: Command, reply: CommandReply) -> None:
        """Raises UserError for what is not understood, TransientError while the queue cannot be reached."""
        said, flags = _parse(command.text)
        chosen = await selections(said, self._sources)
        log.info(
            "reindex.requested",
            platform=command.platform,
            sources=[selection.source for selection in chosen],
            scope=chosen[0].scope,
            flags=sorted(flags),
        )
        await self._follow([self._request(selection, command.user, flags) for selection in chosen], reply)

    def _request(self, selection: Selection, user: str, flags: set[str]) -> SyncRequest:
        return SyncRequest(
            id=secrets.token_hex(8),
            source=selection.source,
            requested_by=user,
            at=self._clock(),
            full="--full" in flags,
            force="--force" in flags,
            prune="--prune" in flags,
            dry_run="--dry-run" in flags,
            scope=selection.scope,
        )

    async def _follow(self, requests: list[SyncRequest], reply: CommandReply) -> None:
        """Submit all, then keep one card with a line per source until the last one is over.

        A source that is being synced already gets no second sync: the running one is followed, and the card says so.
        The card stands where others see it, so documents are named to the person alone.
        """
        states: dict[str, SyncState] = {}
        notes: dict[str, str] = {}
        following: list[SyncRequest] = []
        for request in requests:
            submitted = await self._jobs.submit(request)
            if not submitted.accepted:
                doing = "is running" if submitted.state.status is SyncStatus.RUNNING else "is waiting"
                notes[request.source] = f" (a sync {doing} already: I did not start a second one, this is its progress)"
            following.append(request if submitted.accepted else submitted.state.request or request)
            states[request.source] = submitted.state

        def card() -> str:
            return "\n".join(reports.progress(state, self._clock()) + notes.get(name, "") for name, state in states.items())

        async def follow(request: SyncRequest) -> None:
            shown = ""
            async for state in self._jobs.follow(request):
                states[request.source] = state
                if (text := card()) != shown:
                    shown = text
                    await reply.show(text)
            _audit(request, states[request.source])

        await reply.show(card())
        async with Together() as group:
            for request in following:
                group.create_task(follow(request))
        await self._offer(states, reply)

    async def _offer(self, states: Mapping[str, SyncState], reply: CommandReply) -> None:
        """What did not go well, by document, and the commands that mend it."""
        texts, buttons = [], []
        for name, state in states.items():
            rows = await self._jobs.rows(name) if failing(state) else {}
            text = "\n".join(filter(None, (reports.details(state.report), reports.failures(rows, self._clock()))))
            if text:
                texts.append(f"**{name}**\n{text}")
            buttons += offers(state)
        if texts or buttons:
            await reply.offer("\n\n".join(texts) or "This waits for you:", buttons)


def failing(state: SyncState) -> int:
    """How many documents are not in the index because of an error, as far as the last sync tells."""
    return state.report.coverage.failed if state.report.coverage else state.report.failures


def offers(state: SyncState) -> list[Button]:
    """The buttons for what a source needs somebody to decide."""
    found = []
    if state.status is SyncStatus.NEEDS_CONFIRMATION:
        label = f"Remove {state.report.withheld:,} documents: {state.source}"
        found.append(Button(label=label, command=f"reindex {state.source} --prune", danger=True))
    if failing(state):
        found.append(Button(label=f"Retry failed: {state.source}", command=f"reindex {state.source} {FAILED}"))
    return found


def _parse(text: str) -> tuple[list[str], set[str]]:
    said = words(text)
    flags = {word for word in said if word.startswith("-")}
    if unknown := flags - _FLAGS:
        raise UserError(f"I do not know {', '.join(sorted(unknown))}: {USAGE}.")
    return [word for word in said if word not in flags], flags


def _audit(request: SyncRequest, state: SyncState) -> None:
    report = state.report
    log.info(
        "reindex.finished",
        source=request.source,
        request=request.id,
        requested_by=request.requested_by,
        scope=request.scope,
        full=request.full,
        force=request.force,
        prune=request.prune,
        dry_run=request.dry_run,
        status=state.status.value,
        indexed=report.indexed,
        removed=report.removed,
        failed=report.failures,
        withheld=report.withheld,
    )
