"""`/footnote gaps`: what the pages do not answer, for administrators, and what was done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from bots.command import Button, Command, CommandReply, require_admin
from bots.platform import Groups
from bots.questions import is_question
from core.errors import FootnoteError, UserError
from core.evaluation.feedback import Answered
from core.evaluation.gaps import Gap, unanswered
from core.models import Answer, Audience, Message, Principal, Reason, now
from core.ports import Search
from core.principals import expand
from core.together import cancelled

if TYPE_CHECKING:
    from core.evaluation.gaps import Gaps

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
    readers of every page, and what was written since counts.
    """

    def __init__(
        self,
        gaps: Gaps,
        search: Search,
        groups: Groups,
        admins: frozenset[Principal],
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._gaps = gaps
        self._search = search
        self._groups = groups
        self._admins = admins
        self._clock = clock

    async def run(self, command: Command, reply: CommandReply) -> None:
        """``gaps``, or ``gaps done ID``."""
        require_admin(replace(command, name="footnote gaps"), self._admins)
        match command.text.split():
            case []:
                text, buttons = await self.told(Audience.of(expand(command.principals, await self._groups())))
                await reply.offer(text, buttons)
            case ["done", id]:
                await reply.say(await self.done(id, command.user))
            case _:
                raise UserError("`gaps` shows what is not answered; `gaps done ID` takes a gap off the list.")

    async def told(self, audience: Audience, shown: int = SHOWN) -> tuple[str, list[Button]]:
        """The list in Markdown for these readers, with a button for each gap on it."""
        gaps = await self._gaps.gaps()
        worded = [gap for gap in gaps if gap.question or Reason.PRIVATE in gap.reasons]
        unworded = sum(gap.asked for gap in gaps) - sum(gap.asked for gap in worded)
        top = worded[:shown]
        if not gaps:
            return "No gaps: nobody was left without an answer in the last 90 days, or all of it is done.", []
        pages = await asyncio.gather(*(self._nearest(gap, audience) for gap in top))
        lines = [_line(number, gap, page) for number, (gap, page) in enumerate(zip(top, pages, strict=True), start=1)]
        count = "1 gap" if len(worded) == 1 else f"{len(worded)} gaps"
        head = f"**{count}**, what most people miss first" if worded else "**No gaps** that I may show"
        if len(worded) > shown:
            lines.append(f"… and {len(worded) - shown} more: `footnote gaps` on the command line shows all.")
        if unworded:
            lines.append(f"Besides, {unworded} asked in private: I keep none of the words.")
        buttons = [Button(label=f"Done: {number}", command=f"{GAPS} done {gap.id}") for number, gap in enumerate(top, start=1)]
        return "\n".join([head, *lines]), buttons

    async def rows(self, audience: Audience) -> list[dict[str, Any]]:
        """All of them as JSON, those included that have no words."""
        gaps = await self._gaps.gaps()
        pages = [await self._nearest(gap, audience) for gap in gaps]
        return [_row(gap, page) for gap, page in zip(gaps, pages, strict=True)]

    async def done(self, id: str, by: str) -> str:
        """Raises UserError when there is no such gap."""
        if not await self._gaps.done(id, self._clock()):
            raise UserError(f"There is no gap `{id}` any more.")
        log.info("gap.done", gap=id, by=by)
        return "Done. It comes back when somebody asks again and I still do not know."

    async def _nearest(self, gap: Gap, audience: Audience) -> _Page | None:
        if not gap.question:
            return None
        try:
            found = await self._search(gap.question, audience, 1)
        except FootnoteError:
            return None
        return _Page(found[0].chunk.document_id, found[0].chunk.title, found[0].chunk.url) if found else None


class _Page:
    def __init__(self, id: str, title: str, url: str) -> None:
        self.id, self.title, self.url = id, title, url

    def __str__(self) -> str:
        return f"[{_plain(self.title)}]({self.url})" if self.url else f"“{_plain(self.title)}”"


def _line(number: int, gap: Gap, page: _Page | None) -> str:
    question = f"**{_plain(gap.question)}**" if gap.question else "A question that was asked in private"
    also = "".join(f" · “{_plain(sample)}”" for sample in gap.samples[1:_OTHER_WORDS])
    parts = [f"{_times(gap.asked)} by {_people(gap.people)} since {gap.first_at:%Y-%m-%d}, last {gap.last_at:%Y-%m-%d}"]
    if reasons := [f"{reason} {count}" for reason, count in sorted(gap.reasons.items(), key=lambda pair: -pair[1])]:
        parts.append(", ".join(reasons))
    if Reason.PRIVATE in gap.reasons:
        documents = ", ".join(f"`{document}`" for document in gap.documents) or "none that is known"
        parts.append(f"⚠️ somebody says that they should not have read this; it was made from {documents}")
    elif page:
        parts.append(f"nearest page: {page}")
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
        "nearest": {"document_id": page.id, "title": page.title, "url": page.url} if page else None,
        "first_at": gap.first_at.isoformat(),
        "last_at": gap.last_at.isoformat(),
        "again": gap.again,
    }


def _plain(text: str) -> str:
    """What people asked and pages are called, as part of our own line: no markup of theirs."""
    return "".join(character for character in text if character not in "*_`[]<>|~\n")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"
