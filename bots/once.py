"""A reply that is given once, whoever expects it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from core.models import Answer, Message
from core.ports import Reply

if TYPE_CHECKING:
    from bots.pending import Held


Join = Callable[[], Awaitable[None]]


class Once:
    """A reply that knows whether it was given. From then on its question is over, whatever happens to this process."""

    def __init__(self, reply: Reply, held: Held | None, *, tries: int = 0, told: str = "") -> None:
        """``tries``: so many processes began with the question, this one included; 0 when it was asked just now. ``told`` is said
        instead of an answer.
        """
        self.reply = reply
        self.tries = tries
        self.told = told
        self.given = False
        self.shown = False
        """An answer was."""
        self.withdrawn = False
        self.speaking = False
        self._held = held
        self._failed = False

    @property
    def kept(self) -> bool:
        """Whether another process finishes the question if this one does not."""
        return self._held is not None and self._held.kept

    def renewed(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._held is None else self._held.renewed()

    async def stream(self, text: str) -> None:
        with self._whole():
            await self.reply.stream(text)

    async def answer(self, answer: Answer) -> None:
        with self._whole():
            await self.reply.answer(answer)
            self.given = self.shown = True
            await self.end()

    async def say(self, text: str) -> None:
        with self._whole():
            await self.reply.say(text)
            self.given = True
            await self.end()

    async def fail(self, text: str, again: str) -> None:
        with self._whole():
            await self.reply.fail(text, again)
            self.given = self._failed = True
            await self.end()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Not cut short by a withdrawal, which takes effect afterwards."""
        self.speaking = True
        try:
            yield
        finally:
            self.speaking = False
        if self.withdrawn:
            raise asyncio.CancelledError

    async def end(self) -> None:
        """Nothing more is to be done for the question."""
        if self._held is not None:
            await (self._held.failed() if self._failed else self._held.resolved())

    async def leave(self) -> None:
        """The next process may go on with it at once."""
        if self._held is not None:
            await self._held.leave()


class _Discreet:
    """A reply to somebody who expects none: of all there is to say they see an answer only."""

    def __init__(self, reply: Reply, join: Join) -> None:
        self._reply = reply
        self._join = join

    async def working(self, before: int = 0) -> None: ...

    async def stream(self, text: str) -> None: ...

    async def answer(self, answer: Answer) -> None:
        # Before it is seen: whoever asks on at once is to be heard.
        await self._join()
        await self._reply.answer(answer)

    async def say(self, text: str) -> None: ...

    async def fail(self, text: str, again: str) -> None: ...

    async def offer_private(self, answer_id: str) -> None: ...

    async def show(self, text: str) -> None: ...


async def stays_out() -> None:
    """The conversation that a question to nobody stands in is not taken part in."""


def heard_by(message: Message, reply: Reply, join: Join = stays_out) -> Reply:
    """``join`` is called before an answer to a question that nobody was asked is shown: the conversation goes on from there."""
    return reply if message.addressed else _Discreet(reply, join)
