"""What becomes of a reply when its question is edited or deleted."""

from __future__ import annotations

from typing import Protocol

import structlog

from bots.slack.people import SLACKBOT
from bots.slack.place import Place
from bots.slack.policies import Regarded
from bots.slack.translate import Changed, Heard, to_message
from bots.slack.wordings import GONE, Turn
from bots.slack.workspace import Workspace
from core.errors import FootnoteError

log = structlog.get_logger(__name__)

HEARD_SECONDS = 600.0
"""After the message. Later edits change what is written, and not what was asked."""


class Forgets(Protocol):
    async def forget(self, conversation_id: str, said_as: str) -> None: ...


class Edits:
    """A later wording is answered in the place of the earlier one's reply; a reply to what is gone goes, too, unless people
    went on from it.
    """

    def __init__(self, workspace: Workspace, responder: Forgets) -> None:
        self._workspace = workspace
        self._responder = responder

    async def reworded(self, change: Changed) -> Regarded | None:
        """How the new wording is to be answered; None when it is not. Whoever works on an earlier one is told to stop."""
        said = change.said
        if change.seconds > HEARD_SECONDS:
            return None
        regarded = await self._workspace.policies.regard(said)
        if regarded is None or await self._workspace.wordings.tell(Place.of(said), said.wording) is None:
            return None
        log.info("question.edited", message=self._id(said))
        return regarded

    async def earlier(self, said: Heard, turn: Turn) -> list[str]:
        """The messages that stand as the reply to earlier wordings, in their order. Raises FootnoteError."""
        found = await self._workspace.poster.standing(channel=said.channel, thread=said.thread, after=said.ts, key=self._id(said))
        parts = {ts: _number(key) for key, ts in found.parts.items()}
        # What did not come to its end carries no key.
        unfinished = [turn.stream] if turn.stream and turn.stream not in parts else []
        return [*unfinished, *sorted(parts, key=lambda ts: (parts[ts], ts))]

    async def forget(self, said: Heard) -> None:
        """Neither the conversation of the thread nor that with the person alone goes on from what was said before."""
        for alone in (False, True):
            message = to_message(said, self._workspace.me, {}, alone=alone)
            await self._responder.forget(message.conversation_id, message.said_as)

    async def clear_away(self, said: Heard) -> None:
        """Delete what was replied, unless somebody else wrote behind the question, and remember none of it."""
        known = await self._workspace.wordings.tell(Place.of(said), GONE)
        if not known:
            return
        async with self._workspace.wordings.turn(Place.of(said), GONE, _nothing, wait=True) as turn:
            if turn is None:
                return
            await self.forget(said)
            try:
                standing = await self.earlier(said, turn)
                left = bool(standing) and await self._others_wrote(said)
            except FootnoteError as error:
                log.warning("reply.not_cleared_away", message=self._id(said), reason=str(error))
                return
            log.info("question.deleted", message=self._id(said), replies=len(standing), left=left)
            for ts in [] if left else standing:
                await self._workspace.poster.remove(channel=said.channel, ts=ts)
            turn.stream = ""

    async def _others_wrote(self, said: Heard) -> bool:
        """Whether somebody else says something behind the question, perhaps to what was replied."""
        ours = {said.user, self._workspace.me.user, SLACKBOT}
        authors = self._workspace.poster.authors(channel=said.channel, thread=said.thread, after=said.ts)
        return any([author not in ours async for author in authors])

    def _id(self, said: Heard) -> str:
        return to_message(said, self._workspace.me, {}).said_as


def _nothing() -> None:
    """There is no later wording than its absence."""


def _number(key: str) -> int:
    number = key.rpartition("/")[2]
    # A progress card stands behind the answer.
    return int(number) if number.isdecimal() else 1_000
