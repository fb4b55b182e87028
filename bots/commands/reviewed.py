"""`keep`: what somebody who knows wrote in the thread of an answer becomes an answer that is told from then on, with a footnote
to that thread.

It is kept as a file that was added to what we know (:mod:`core.indexing.uploads`): Markdown, with the question as its title and
the message as its address. So search, access, footnotes, lists, removal and forgetting are those of every other document. It
may be read by those who see the channel, and is told until it expires: what an expert says is true for a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from bots.command import Button, Command, CommandReply
from bots.commands.uploads import REMOVE
from bots.upload import Added, Adding, Offered
from core.errors import TransientError, UserError
from core.models import Access, Principal, now

if TYPE_CHECKING:
    from bots.desk import AnswerDesk
    from core.channels import Channels
    from core.evaluation.gaps import Gaps
    from core.indexing.uploads import Uploads

KEEP = "keep"
"""The command, which platforms give for a message: ``ADDRESS PLACE [DAYS]`` in the first line, then what it says, as Markdown.
Its conversation is that of the answer. The place is what everybody holds who sees the message, and whoever gives the command
must hold it, too: ``channel:slack:C1``, ``channel:discord:7``, of a private thread its own. In private there is none.
"""
EXPIRES = timedelta(days=180)
LONGEST = 12_000
"""Characters of a reply that is kept."""

_TITLE = 200
_HEAD = re.compile(r"(?P<url>https?://\S+)(?:\s+(?P<place>channel:\S+))?(?:\s+(?P<days>\d{1,4})d?)?")

log = structlog.get_logger(__name__)


class ReviewedAnswers:
    def __init__(self, adding: Adding, uploads: Uploads) -> None:
        self._adding = adding
        self._uploads = uploads

    async def keep(
        self,
        *,
        question: str,
        text: str,
        url: str,
        access: Access,
        place: Principal,
        by: str,
        by_name: str,
        expires_at: datetime,
        made_from: Collection[str] = (),
    ) -> Added:
        """``text`` of the message at ``url`` answers ``question`` from now on; kept once more, it takes its own place.

        ``made_from``: ids of the documents that it may repeat. Raises UserError, or TransientError while a part is away.
        """
        title = " ".join(question.split())
        # Each message is a document of its own: two experts may both be right.
        digest = hashlib.sha256(url.encode()).hexdigest()[:8]
        return await self._adding.add(
            Offered(
                name=f"reviewed-answer-{digest}.md",
                title=f"Reviewed answer: {title[:_TITLE]}",
                body=text.encode(),
                media_type="text/markdown",
                access=access,
                place=place,
                by=by,
                by_name=by_name,
                url=url,
                expires_at=expires_at,
                made_from=tuple(made_from),
            ),
            {"channel": place},
        )

    async def forget_made_from(self, document_ids: Collection[str], by: str) -> list[str]:
        """Remove for good what was kept below answers that cited one of these documents: the ids. Raises TransientError."""
        files = [file for file in await self._uploads.all() if not set(document_ids).isdisjoint(file.made_from)]
        for file in files:
            await self._adding.remove(file, by)
        return [file.id for file in files]


class Keeping:
    """What the command does."""

    def __init__(
        self,
        reviewed: ReviewedAnswers,
        desk: AnswerDesk,
        gaps: Gaps,
        channels: Channels,
        admins: frozenset[Principal],
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._reviewed = reviewed
        self._desk = desk
        self._gaps = gaps
        self._channels = channels
        self._admins = admins
        self._clock = clock

    async def keep(self, command: Command, reply: CommandReply) -> None:
        """Administrators may, and whoever is called in this channel when an answer does not help."""
        expert = (await self._channels.of(command.platform, command.channel_id)).escalate_to
        if self._admins.isdisjoint(command.principals) and expert not in command.principals:
            raise UserError(
                "Answers are kept by Footnote's administrators, and by whoever is named for this channel to be called "
                "(`/footnote config escalate=...`; Discord: `/config`). Please ask one of them."
            )
        url, place, days, text = _parsed(command.text)
        if place not in command.principals:
            raise UserError("I keep answers that were given in a channel: in private, nobody else could be told them.")
        answered = await self._desk.last_in(command.conversation_id) if command.conversation_id else None
        if answered is None:
            raise UserError("I do not know which question this answers: keep a reply in a thread where I was asked lately.")
        await reply.working()
        at = self._clock()
        expires_at = at + (timedelta(days=days) if days else EXPIRES)
        added = await self._reviewed.keep(
            question=answered.question,
            text=text,
            url=url,
            access=Access(gates=(frozenset({place}),)),
            place=place,
            by=command.user,
            by_name=command.user_name,
            expires_at=expires_at,
            made_from=[cited.document_id for cited in answered.cited],
        )
        log.info("answer.kept", answer=answered.id, document=added.upload.id)
        with suppress(TransientError):
            await self._gaps.answered(answered.id, at)
        soon = "" if added.ready else " I am still busy: it takes me a few minutes to know it."
        await reply.offer(
            f"Kept as the answer to “{' '.join(answered.question.split())[:_TITLE]}” until {expires_at:%Y-%m-%d}. Everybody in "
            f"this channel can have it told here, with a footnote to this thread.{soon}",
            [Button(label="Do not keep it", command=f"{REMOVE} {added.upload.id}", danger=True)],
        )


def _parsed(text: str) -> tuple[str, Principal, int, str]:
    """The address, the place, the days, and what is kept."""
    first, _, rest = text.strip().partition("\n")
    head = _HEAD.fullmatch(first.strip())
    if not head:
        raise UserError("Choose **Keep as answer** from the menu of the reply that answers the question.")
    kept = rest.strip()
    if not kept:
        raise UserError("There is nothing to keep in this message. Choose the reply that answers the question.")
    if len(kept) > LONGEST:
        raise UserError(f"That is longer than {LONGEST:,} characters: it should be a page, which I then read.")
    return head["url"], head["place"] or "", int(head["days"] or 0), kept
