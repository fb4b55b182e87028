"""`/forget`: what is kept of a person or a conversation, and, for administrators, a document."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from bots.command import Command, CommandReply, require_admin
from bots.commands.selection import named, words
from core.audit import OFF, Audit
from core.errors import FootnoteError, TransientError, UserError
from core.models import PUSH, Principal, SyncRequest, now
from core.ports import Source
from core.redis import AWAY

if TYPE_CHECKING:
    from bots.desk import AnswerDesk
    from bots.pending import Pending
    from core.answering.memory import Memory
    from core.evaluation.feedback import FeedbackLog
    from core.evaluation.gaps import Gaps
    from core.indexing.index import Index
    from core.indexing.jobs import Jobs

USAGE = "`/footnote forget document <address or id> [undo]` (Discord: `/forget-document`)"
UPLOADS = "uploads"
"""The source of added files."""
MOST = 20
"""Documents that are forgotten at once: a page with what hangs on it. A space or a folder is more."""

Repeating = Callable[[Collection[str], str], Awaitable[list[str]]]
"""Takes out what repeats these documents, for whoever had them forgotten: the ids. Raises TransientError."""

log = structlog.get_logger(__name__)


async def nothing(_document_ids: Collection[str], _by: str) -> list[str]:
    return []


class Forget:
    """All of it may be said again: what is gone already is counted as none.

    How often a person asked in the last minute, and what they used of the day's budget, stays: it names no question, ends by
    itself, and forgetting it would lift the limit.
    """

    def __init__(
        self,
        *,
        memory: Memory,
        desk: AnswerDesk,
        pending: Pending,
        feedback: FeedbackLog,
        gaps: Gaps,
        repeating: Repeating = nothing,
        traces: Callable[[str], Awaitable[int]] | None = None,
        files: Callable[[str], Awaitable[int]] | None = None,
        discard: Callable[[str], Awaitable[bool]] | None = None,
        jobs: Jobs,
        index: Index,
        sources: Mapping[str, Source],
        admins: frozenset[Principal],
        audit: Audit = OFF,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """``traces`` deletes what a platform noted of a person's questions besides, and says of how many; ``files`` the files of
        a conversation that was asked about them; ``discard`` an added file.
        """
        self._memory = memory
        self._desk = desk
        self._pending = pending
        self._traces = traces
        self._files = files
        self._discard = discard
        self._feedback = feedback
        self._gaps = gaps
        self._repeating = repeating
        self._jobs = jobs
        self._index = index
        self._sources = sources
        self._admins = admins
        self._audit = audit
        self._clock = clock

    async def run(self, command: Command, reply: CommandReply) -> None:
        match words(command.text) or ["me"]:
            case [what] if what.casefold() == "me":
                await reply.say(await self.person(command.user))
            case [what] if what.casefold() == "here":
                await reply.say(await self._here(command))
            case [what, *said] if what.casefold() == "document":
                require_admin(replace(command, name="footnote forget document"), self._admins)
                wishes = set()
                while len(said) > 1 and said[-1] in {"undo", "all"}:
                    wishes.add(said.pop())
                await reply.say(await self.document(" ".join(said), command.user, undo="undo" in wishes, every="all" in wishes))
            case _:
                raise UserError(
                    "`forget` takes `me` (all my questions, everywhere; the default) or `here` (this conversation). "
                    f"For administrators: {USAGE}."
                )

    async def person(self, user: str) -> str:
        """Delete all that is kept of ``slack:U1``, and say how much it was. Raises TransientError."""
        turns = await self._memory.forget_person(user)
        try:
            kept = await self._desk.forget_person(user)
            waiting = await self._pending.forget_person(user)
            if self._traces is not None:
                await self._traces(user)
        except AWAY as error:
            raise TransientError("What is kept of you cannot be reached right now: please try it again.") from error
        ratings = await self._feedback.forget_person(user) + await self._gaps.forget_person(user)
        requests = await self._jobs.withdraw(user)
        log.info("person.forgotten", person=user, turns=turns, kept=kept, waiting=waiting, ratings=ratings, requests=requests)
        told = (
            f"Forgotten: {turns} questions with their answers, {waiting} that wait for one, {kept} kept for buttons, {ratings} "
            f"ratings and questions without an answer, {requests} syncs that were waiting."
        )
        return told if turns or kept or waiting or ratings or requests else f"{told} Nothing was left to forget."

    async def _here(self, command: Command) -> str:
        if command.conversation_id is None:
            raise UserError("I am not told in which thread you are. `forget me` deletes all your questions, everywhere.")
        turns = await self._memory.forget(command.conversation_id)
        if self._files is not None:
            await self._files(command.conversation_id)
        log.info("conversation.forgotten", turns=turns)
        return f"Forgotten: {turns} questions of this conversation, with their answers."

    async def document(self, name: str, by: str, *, undo: bool = False, every: bool = False) -> str:
        """Take what is called so, by its address or id, out of the index for good, or let it come back, and say what it was.

        Raises UserError when nothing is called so, or several documents are and not ``every`` one is meant.
        """
        if not name:
            raise UserError(f"Say which document, by its address or id: {USAGE}.")
        found = await self._found(name)
        ids = [document.id for document in found]
        if len(found) > MOST:
            raise UserError(f"`{name}` is more than {MOST} documents. I forget pages and files, by their addresses or ids.")
        if len(found) > 1 and not (undo or every):
            raise UserError(
                f"`{name}` is {len(found)} documents: {_listed(ids)}. Name one by its id, or say `all` behind it (on the command "
                "line `--all`) to have all of them forgotten."
            )
        changed: set[str] = set()
        for source in sorted({document.source for document in found}):
            of_source = [document.id for document in found if document.source == source]
            if undo:
                changed |= await self._index.readmit(of_source)
            else:
                changed |= await self._index.forget(of_source, source, by=by, at=self._clock())
                if source == UPLOADS and self._discard is not None:
                    # Their bytes are kept by us alone, and an undo does not bring them back.
                    for document_id in of_source:
                        await self._discard(document_id)
        # What repeats them goes, too, and an undo does not bring it back.
        repeated = [] if undo else await self._repeating(ids, by)
        event = "documents.readmitted" if undo else "documents.forgotten"
        log.info(event, documents=ids, by=by)
        self._audit.record(event, who=by, documents=ids)
        await self._request(found)
        also = f" Reviewed answers that repeated it are removed, too: {_listed(repeated)}." if repeated else ""
        return _said(ids, changed, undo=undo) + also

    async def _found(self, name: str) -> list[_Document]:
        """By its id in the index, else what the sources know by that name, else by its address in the index."""
        if source := await self._index.source_of(name):
            return [_Document(id=name, source=source)]
        sources = list(self._sources.values())
        answers = await asyncio.gather(*(_named(source, name) for source in sources))
        found = [
            _Document(id=id, source=source.name)
            for source, answer in zip(sources, answers, strict=True)
            if not isinstance(answer, str)
            for id in answer
        ]
        if exact := [document for document in found if document.id == name]:
            return exact
        found = found or [_Document(id=id, source=source) for id, source in (await self._index.at(name)).items()]
        if not found:
            why = "\n".join(f"- {answer}" for answer in answers if isinstance(answer, str))
            raise UserError(f"There is no document `{name}` in the index, and none that a source knows by that name.\n{why}")
        return found

    async def _request(self, found: Sequence[_Document]) -> None:
        """Have them looked at, as after a push. What has to be so at once is so already."""
        try:
            for document in found:
                if document.source in self._sources:
                    id, at = secrets.token_hex(8), self._clock()
                    request = SyncRequest(id=id, source=document.source, requested_by=PUSH, at=at, scope=document.id)
                    await self._jobs.submit(request)
        except TransientError as error:
            log.warning("request.failed", reason=str(error), consequence="the next sync does it")


@dataclass(frozen=True, kw_only=True)
class _Document:
    id: str
    source: str


async def _named(source: Source, name: str) -> list[str] | str:
    """The ids, or why there are none."""
    try:
        return await named(source, name, MOST + 1)
    except FootnoteError as error:
        return str(error)


def _said(ids: Sequence[str], changed: set[str], *, undo: bool) -> str:
    parts = []
    if now_changed := [id for id in ids if id in changed]:
        parts.append(
            f"No longer forgotten: {_listed(now_changed)}. The next sync brings back what the source still has."
            if undo
            else f"Forgotten: {_listed(now_changed)}. No sync brings it back until you say the same with `undo` behind it."
        )
    if before := [id for id in ids if id not in changed]:
        parts.append(f"{'Not forgotten' if undo else 'Forgotten before'}: {_listed(before)}.")
    return " ".join(parts)


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(f"`{id}`" for id in ids)
