"""`/footnote gaps`: what the pages do not answer, for administrators, and what was done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from bots.command import Button, Command, CommandReply, require_admin
from bots.owners import address_of, plain
from bots.platform import Groups
from bots.questions import is_question
from core.errors import FootnoteError, UserError
from core.evaluation.feedback import Answered
from core.evaluation.gaps import Gap, unanswered
from core.evaluation.tellings import Telling, since_done
from core.models import Answer, Audience, Hit, Message, Principal, Query, Reason, now
from core.ports import Search
from core.principals import expand
from core.together import cancelled

if TYPE_CHECKING:
    from bots.owners import Owners
    from core.evaluation.gaps import Gaps
    from core.indexing.index import Owned

Documents = Callable[[Collection[str]], Awaitable["Mapping[str, Owned]"]]
"""Documents by id, with who looks after them; those that are gone are missing."""

GAPS = "gaps"
SHOWN = 10
"""Gaps in one list."""
_OTHER_WORDS = 3
_SETTLE_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Unanswered:
    """Has every answer that found nothing become a gap, behind the back of whoever asked: they have their reply already.

    What somebody tells the others in a thread where I answer, such as the answer that I did not know, is no question.
    """

    def __init__(self, gaps: Gaps) -> None:
        self._gaps = gaps
        self._noting: set[asyncio.Task[None]] = set()

    def __call__(self, message: Message, answer: Answer) -> None:
        miss = unanswered(Answered.of(message, answer), message.sent_at)
        if miss is None or _tells(message.text):
            return

        async def note() -> None:
            try:
                await self._gaps.note(miss)
            except FootnoteError as error:
                log.warning("gap.not_noted", answer=answer.id, reason=str(error))
            except Exception:
                log.exception("gap.not_noted", answer=answer.id)

        task = asyncio.create_task(note())
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def settled(self, seconds: float = _SETTLE_SECONDS) -> None:
        """Return when all that was told is noted, or after a while without the rest."""
        if self._noting:
            _, late = await asyncio.wait(self._noting, timeout=seconds)
            await asyncio.gather(*map(cancelled, late))


def _tells(text: str) -> bool:
    return text.rstrip().endswith((".", "!")) and not is_question(text)


class GapList:
    """The list, and its buttons.

    The page that is nearest to a gap is searched for when the list is shown, for whoever looks at it: administrators need not be
    readers of every page, and what was written since counts. Where people say that an answer was not right, it is the page that
    was cited. Owners are named of pages only that whoever looks may read.
    """

    def __init__(
        self,
        gaps: Gaps,
        search: Search,
        groups: Groups,
        admins: frozenset[Principal],
        *,
        documents: Documents,
        owners: Owners,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._gaps = gaps
        self._search = search
        self._groups = groups
        self._admins = admins
        self._documents = documents
        self._owners = owners
        self._clock = clock

    async def run(self, command: Command, reply: CommandReply) -> None:
        """``gaps``, ``gaps done ID`` or ``gaps tell ID``."""
        require_admin(replace(command, name="footnote gaps"), self._admins)
        match command.text.split():
            case []:
                text, buttons = await self.told(await self._reader(command))
                await reply.offer(text, buttons)
            case ["done", id]:
                await reply.say(await self.done(id, command.user))
            case ["tell", id]:
                await reply.say(await self._tell(id, command))
            case _:
                raise UserError(
                    "`gaps` shows what is not answered; `gaps done ID` takes a gap off the list, and `gaps tell ID` tells the "
                    "owner of its page."
                )

    async def told(self, audience: Audience, shown: int = SHOWN) -> tuple[str, list[Button]]:
        """The list in Markdown for these readers, with a button for each gap on it."""
        gaps = await self._gaps.gaps()
        worded = [gap for gap in gaps if gap.question or Reason.PRIVATE in gap.reasons]
        unworded = sum(gap.asked for gap in gaps) - sum(gap.asked for gap in worded)
        top = worded[:shown]
        if not gaps:
            return "No gaps: nobody was left without an answer in the last 90 days, or all of it is done.", []
        pages = await self._pages(top, audience)
        lines = [_line(number, gap, page) for number, (gap, page) in enumerate(zip(top, pages, strict=True), start=1)]
        count = "1 gap" if len(worded) == 1 else f"{len(worded)} gaps"
        head = f"**{count}**, what most people miss first" if worded else "**No gaps** that I may show"
        if len(worded) > shown:
            lines.append(f"… and {len(worded) - shown} more: `footnote gaps` on the command line shows all.")
        if unworded:
            lines.append(f"Besides, {unworded} asked in private: I keep none of the words.")
        buttons: list[Button] = []
        for number, (gap, page) in enumerate(zip(top, pages, strict=True), start=1):
            buttons.append(Button(label=f"Done: {number}", command=f"{GAPS} done {gap.id}"))
            if page and page.untold:
                buttons.append(Button(label=f"Tell the owner: {number}", command=f"{GAPS} tell {gap.id}"))
        return "\n".join([head, *lines]), buttons

    async def rows(self, audience: Audience) -> list[dict[str, Any]]:
        """All of them as JSON, those included that have no words."""
        gaps = await self._gaps.gaps()
        pages = await self._pages(gaps, audience)
        return [_row(gap, page) for gap, page in zip(gaps, pages, strict=True)]

    async def done(self, id: str, by: str) -> str:
        """Raises UserError when there is no such gap."""
        if not await self._gaps.done(id, self._clock()):
            raise UserError(f"There is no gap `{id}` any more.")
        log.info("gap.done", gap=id, by=by)
        return "Done. It comes back when somebody asks again and I still do not know."

    async def _tell(self, id: str, command: Command) -> str:
        """Tell the likeliest owner who was not told yet. Raises UserError when nobody can be, with the reason."""
        gap = await self._gaps.find(id)
        if gap is None:
            raise UserError(f"There is no gap `{id}` any more.")
        [page] = await self._pages([gap], await self._reader(command))
        if page is None or page.owned is None:
            raise UserError("I know no page that it is about, among those that you may read.")
        if not page.owned.owners:
            raise UserError(
                f"Nobody is named as the owner of {page}. Confluence and Google Drive name one by themselves, a Markdown file "
                "does in its front matter (`owner: ana@acme.com`): after the next sync I know."
            )
        if not page.untold:
            raise UserError("Everybody who is named as its owner was told already.")
        return f"{await self._owners.tell(gap, page.owned, page.untold, command)} is told, by a direct message."

    async def _reader(self, command: Command) -> Audience:
        return Audience.of(expand(command.principals, await self._groups()))

    async def _pages(self, gaps: Sequence[Gap], audience: Audience) -> list[_Page | None]:
        """What each is about, of what these readers may read."""
        nearest = await asyncio.gather(*(self._nearest(gap, audience) for gap in gaps))
        cited = {id for gap in gaps if _blamed(gap) for id in gap.documents}
        ids = cited | {hit.chunk.document_id for hit in nearest if hit is not None}
        documents: Mapping[str, Owned] = {}
        tellings: list[Telling] = []
        groups: Mapping[Principal, Iterable[Principal]] = {}
        try:
            if ids:
                documents = await self._documents(ids)
                groups, tellings = await asyncio.gather(self._groups(), self._gaps.tellings.all())
        except FootnoteError as error:
            log.warning("owners.unknown", reason=str(error))
        readable = {id: found for id, found in documents.items() if audience.may_read(found.access)}

        def page(gap: Gap, hit: Hit | None) -> _Page | None:
            blamed = next((id for id in gap.documents if id in readable), "") if _blamed(gap) else ""
            if not blamed and hit is None:
                return None
            owned = readable.get(blamed or (hit.chunk.document_id if hit else ""))
            told = since_done(tellings, gap.id, gap.done_at)
            return _Page.of(hit, owned, groups, told, cited=bool(blamed))

        return [page(gap, hit) for gap, hit in zip(gaps, nearest, strict=True)]

    async def _nearest(self, gap: Gap, audience: Audience) -> Hit | None:
        if not gap.question:
            return None
        try:
            found = (await self._search(Query(text=gap.question), audience, 1)).hits
        except FootnoteError:
            return None
        return found[0] if found else None


def _blamed(gap: Gap) -> bool:
    """Whether somebody says that what it was answered from is not as it should be."""
    return not gap.reasons.keys().isdisjoint({Reason.WRONG, Reason.OUTDATED, Reason.PRIVATE})


@dataclass(frozen=True, kw_only=True)
class _Page:
    id: str
    title: str
    url: str
    cited: bool
    """By an answer that was not right; otherwise it is the nearest one."""
    owned: Owned | None
    """None when that could not be looked up."""
    names: Mapping[Principal, str]
    """Of its owners, the likeliest first: an address, or the principal where none is known."""
    told: Mapping[Principal, Telling]

    @classmethod
    def of(
        cls,
        hit: Hit | None,
        owned: Owned | None,
        groups: Mapping[Principal, Iterable[Principal]],
        told: Mapping[Principal, Telling],
        *,
        cited: bool,
    ) -> _Page:
        if owned is None:
            assert hit is not None
            chunk = hit.chunk
            return cls(id=chunk.document_id, title=chunk.title, url=chunk.url, cited=cited, owned=None, names={}, told={})
        names = {owner: address_of(owner, groups) or owner for owner in owned.owners}
        return cls(id=owned.document_id, title=owned.title, url=owned.url, cited=cited, owned=owned, names=names, told=told)

    @property
    def untold(self) -> list[Principal]:
        return [owner for owner in self.names if owner not in self.told]

    @property
    def owners(self) -> str:
        """Empty when nobody is named."""
        return " or ".join(f"{plain(name)}{self._said(owner)}" for owner, name in self.names.items())

    def _said(self, owner: Principal) -> str:
        telling = self.told.get(owner)
        if telling is None:
            return ""
        return f" (told on {telling.day})" if telling.theirs else " (told; says that it is not theirs)"

    def row(self) -> dict[str, Any]:
        return {"document_id": self.id, "title": self.title, "url": self.url}

    def rows_of_owners(self) -> list[dict[str, Any]]:
        told = [(name, self.told.get(owner)) for owner, name in self.names.items()]
        return [
            {"owner": name, "told_on": telling.day if telling else None, "theirs": telling.theirs if telling else None}
            for name, telling in told
        ]

    def __str__(self) -> str:
        return f"[{plain(self.title)}]({self.url})" if self.url else f"“{plain(self.title)}”"


def _line(number: int, gap: Gap, page: _Page | None) -> str:
    question = f"**{plain(gap.question)}**" if gap.question else "A question that was asked in private"
    also = "".join(f" · “{plain(sample)}”" for sample in gap.samples[1:_OTHER_WORDS])
    parts = [f"{_times(gap.asked)} by {_people(gap.people)} since {gap.first_at:%Y-%m-%d}, last {gap.last_at:%Y-%m-%d}"]
    if reasons := [f"{reason} {count}" for reason, count in sorted(gap.reasons.items(), key=lambda pair: -pair[1])]:
        parts.append(", ".join(reasons))
    if Reason.PRIVATE in gap.reasons:
        documents = ", ".join(f"`{document}`" for document in gap.documents) or "none that is known"
        parts.append(f"⚠️ somebody says that they should not have read this; it was made from {documents}")
    elif page:
        parts.append(f"answered from: {page}" if page.cited else f"nearest page: {page}")
    if page and page.owners and (page.cited or Reason.PRIVATE not in gap.reasons):
        parts.append(f"owner: {page.owners}")
    if gap.again:
        parts.append("asked again after it was done")
    return f"{number}. {question}{also}: {'; '.join(parts)}"


def _row(gap: Gap, page: _Page | None) -> dict[str, Any]:
    return {
        "id": gap.id,
        "question": gap.question or None,
        "samples": list(gap.samples),
        "asked": gap.asked,
        "people": gap.people,
        "reasons": dict(gap.reasons),
        "documents": list(gap.documents),
        "nearest": page.row() if page and not page.cited else None,
        "cited": page.row() if page and page.cited else None,
        "owners": page.rows_of_owners() if page else [],
        "first_at": gap.first_at.isoformat(),
        "last_at": gap.last_at.isoformat(),
        "again": gap.again,
    }


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"
