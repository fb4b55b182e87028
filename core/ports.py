"""Where the three stories meet. A protocol is made when a second implementation ships; a callable if it can be one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

from core.models import Access, Answer, Audience, Change, Document, Hit, Known, Message, Query, Retrieved

PER_DOCUMENT = 3
"""Chunks that a document has among hits: more of one leave no room for others."""


class Search(Protocol):
    async def __call__(self, query: Query, audience: Audience, k: int) -> Retrieved:
        """The ``k`` best chunks for the query that every reader of ``audience`` may read, of a document at most three."""
        ...


Accesses = Callable[[Collection[str]], Awaitable[Mapping[str, Access]]]
"""Who may read documents now, by id, as the index has them. A document that is gone, or half written, is missing."""

Neighbours = Callable[[Sequence[Hit], Audience], Awaitable[Sequence[Hit]]]
"""The chunks right before and right after these in their documents that every reader may read; their score is 0."""

Sources = Callable[[Audience], Awaitable[Collection[str]]]
"""The sources in which there is something that every reader may read."""

AudienceOf = Callable[[Message], Awaitable[Audience]]
"""Who will see the answer to this message. Each platform brings its own; unknown people see what everyone may read."""


@runtime_checkable
class Source(Protocol):
    """A system with documents, by name."""

    name: str

    async def check(self) -> str:
        """Probe it: one line that says what was reached. Raises ConfigError, AuthError or TransientError."""
        ...

    def changes(self, cursor: str | None, known: Mapping[str, Known]) -> AsyncGenerator[Change, None]:
        """What is different from what is ``known``, by document id. Ends with a Checkpoint.

        A source with a feed of changes reads on from ``cursor`` and tells what is gone with Remove; without a cursor, or
        without a feed, it lists everything, tells Listed, and then only documents whose version is not the known one.

        Losses come first: Groups, Listed, changes of access, known documents, new ones. Who came into a group is let in
        only when a new document is told, or nothing is left to tell. A document that cannot be read is a Failed.

        Raises AuthError, TransientError, or FootnoteError when a listing cannot be believed; never ends early without one.
        """
        ...

    async def fetch(self, document_id: str) -> Document | None:
        """One document as it is now, or None when it is gone or not ours. Raises DocumentError when it cannot be read."""
        ...

    def select(self, scope: str) -> AsyncIterator[str]:
        """The ids of the documents that a person means by ``scope``: a space, a folder, a document's address or id.

        Raises UserError, with what can be said instead, when it means nothing here.
        """
        ...


class Limiter(Protocol):
    """How fast one credential may ask, whoever uses it."""

    async def acquire(self) -> None:
        """Return when the next request may be made."""
        ...

    async def pause(self, seconds: float) -> None:
        """The service asked for silence: nobody gets past :meth:`acquire` before so many seconds are over."""
        ...


class Reply(Protocol):
    """Where an answer goes: one message's place on one platform."""

    async def working(self, before: int = 0) -> None:
        """Show at once that the question was heard; again while other questions are looked up ``before`` it."""
        ...

    async def stream(self, text: str) -> None:
        """More of the answer's text. A platform that shows whole answers only ignores it."""
        ...

    async def answer(self, answer: Answer) -> None:
        """The final answer, once. It replaces whatever was streamed."""
        ...

    async def say(self, text: str) -> None:
        """A plain notice (Markdown): a refusal, an error with its id, a greeting."""
        ...

    async def fail(self, text: str, again: str) -> None:
        """An error (Markdown), with a button that tries it again: ``again`` is its command, empty where nothing can be tried."""
        ...

    async def offer_private(self, answer_id: str) -> None:
        """After an answer that others see: show the person who asked, and nobody else, how to get one from all that they
        may read themselves. A platform that cannot show something to one person alone does nothing.
        """
        ...

    async def show(self, text: str) -> None:
        """A progress card (Markdown): the first call posts it, later ones edit it in place."""
        ...


class Embedder(Protocol):
    """Turns text into vectors of ``dimension`` floats of unit length."""

    name: str
    dimension: int

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]: ...

    async def embed_query(self, text: str) -> list[float]: ...

    def count(self, text: str) -> int:
        """Wordpieces of ``text``: what the size of a chunk is measured in."""
        ...
