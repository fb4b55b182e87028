"""From what was said in a workspace to the reply in its thread: in its latest wording, and once."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

import structlog

from bots.once import Join
from bots.pending import LeftBehind, Spot
from bots.slack.edits import Edits
from bots.slack.place import Place
from bots.slack.policies import Regarded
from bots.slack.reply import EARLIER, ThreadReply
from bots.slack.translate import Changed, Heard, to_message
from bots.slack.wordings import Turn
from bots.slack.workspace import Workspace
from core.errors import FootnoteError
from core.models import Message
from core.ports import AudienceOf, Reply

log = structlog.get_logger(__name__)

_LEFT = "I have left this thread. Mention me here whenever you have a question."
_TITLE = 60
"""Characters; Slack takes 200, and shows fewer in its list of conversations."""
_LOOK_SECONDS = 10.0
"""For looking what stands of an answer already: less than the lease of its question."""


class Responds(Protocol):
    async def respond(self, message: Message, reply: Reply, audience_of: AudienceOf, *, spot: Spot, join: Join) -> None: ...

    async def tell(self, message: Message, reply: Reply, audience_of: AudienceOf, text: str) -> None: ...

    async def resume(self, left: LeftBehind, reply: Reply, audience_of: AudienceOf) -> None: ...

    async def stop(self, conversation_id: str) -> bool: ...

    def withdraw(self, said_as: str) -> None: ...

    async def forget(self, conversation_id: str, said_as: str) -> None: ...


class Answering:
    def __init__(self, workspace: Workspace, responder: Responds) -> None:
        self._workspace = workspace
        self._responder = responder
        self._edits = Edits(workspace, responder)

    async def hear(self, said: Heard, begun: asyncio.Event | None = None) -> None:
        """Reply, if it is said to us or the channel's policy wants it answered. ``begun`` is set once it cannot be lost."""
        regarded = await self._workspace.policies.regard(said)
        if regarded is not None:
            await self._answer(said, regarded, begun)

    async def heed(self, change: Changed) -> None:
        """Answer a question anew that says something else now, or clear away what was answered to one that is gone."""
        if change.gone:
            await self._edits.clear_away(change.said)
        elif (regarded := await self._edits.reworded(change)) is not None:
            await self._answer(change.said, regarded)

    async def finish(self, left: LeftBehind, place: Place) -> None:
        """What another process began, or what failed and is tried again."""
        message = left.question.message
        if self._workspace.wordings.at_work(place):
            # It is ours: this process was busy for longer than the lease.
            return
        async with left.held.renewed(), self._turn(place, message, wait=True) as turn:
            if turn is None:
                # It was said otherwise since then, or is gone.
                await left.held.resolved()
                return
            spot = Spot(**left.question.place)
            spot.held = left.held
            try:
                await self._finish(left, self._reply(place, message, spot, resumed=True))
            finally:
                turn.stream = spot.fields.get("stream") or turn.stream

    async def _answer(self, said: Heard, regarded: Regarded, begun: asyncio.Event | None = None) -> None:
        workspace = self._workspace
        names = await workspace.people.names(said.people)
        message = to_message(said, workspace.me, names, addressed=regarded.addressed, alone=regarded.alone)
        place = Place.of(said, alone=regarded.alone)
        async with self._turn(place, message, wait=bool(said.wording)) as turn:
            if turn is None:
                return
            spot = place.spot()
            spot.begun = begun or spot.begun
            if said.wording:
                # What was answered to earlier wordings is remembered no longer, and makes room where it stands.
                await self._edits.forget(said)
                await spot.note(**{EARLIER: " ".join(await self._edits.earlier(said, turn))})
            reply = self._reply(place, message, spot)
            try:
                if said.farewell and not said.private:
                    await self._leave(said, message, reply)
                else:
                    join = partial(workspace.policies.follow, said)
                    await self._responder.respond(message, reply, workspace.audience.of, spot=spot, join=join)
            finally:
                await reply.close()
                turn.stream = spot.fields.get("stream") or turn.stream

    async def _leave(self, said: Heard, message: Message, reply: ThreadReply) -> None:
        await self._workspace.policies.leave(said)
        await self._responder.stop(message.conversation_id)
        await self._responder.tell(message, reply, self._workspace.audience.of, _LEFT)

    async def _finish(self, left: LeftBehind, reply: ThreadReply) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                finished = await reply.finished()
        except (FootnoteError, TimeoutError) as error:
            # Somebody takes it over once more when its lease is over.
            log.warning("message.not_resumed", message=left.question.message.id, reason=str(error) or "no answer in time")
            return
        if finished:
            await left.held.resolved()
            return
        try:
            await self._responder.resume(left, reply, self._workspace.audience.of)
        finally:
            await reply.close()

    def _reply(self, place: Place, message: Message, spot: Spot, *, resumed: bool = False) -> ThreadReply:
        stopped = partial(self._responder.stop, message.conversation_id)
        title = _title(message.text) if place.private and place.ts == place.thread else ""
        return ThreadReply(place, message.id, self._workspace, spot, stopped, resumed=resumed, title=title)

    def _turn(self, place: Place, message: Message, *, wait: bool) -> AbstractAsyncContextManager[Turn | None]:
        wording = message.id.removeprefix(message.said_as).removeprefix(":")
        return self._workspace.wordings.turn(place, wording, partial(self._responder.withdraw, message.said_as), wait=wait)


def _title(text: str) -> str:
    """A conversation is called as it began."""
    line = " ".join(text.split())
    return line if len(line) <= _TITLE else f"{line[: _TITLE - 1]}…"
