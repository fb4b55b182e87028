"""Where the three stories meet. A protocol is made when a second implementation ships; a callable if it can be one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

from core.models import Answer, Audience, Change, Document, Hit, Message


class Search(Protocol):
    async def __call__(self, query: str, audience: Audience, k: int) -> list[Hit]:
        """The ``k`` best chunks that every reader of ``audience`` may read, best first."""
        ...


AudienceOf = Callable[[Message], Awaitable[Audience]]
"""Who will see the answer to this message. Each platform brings its own; unknown people see what everyone may read."""


@runtime_checkable
class Source(Protocol):
    """A system with documents, by name."""

    name: str
    reports_removals: bool
    """True when changes() tells of removed documents; otherwise every sync compares ids() with the index."""

    async def check(self) -> str:
        """Probe it: one line that says what was reached. Raises ConfigError, AuthError or TransientError."""
        ...

    def changes(self, cursor: str | None) -> AsyncIterator[Change]:
        """What changed since ``cursor``, everything if it is None. Ends with a Checkpoint."""
        ...

    async def fetch(self, document_id: str) -> Document | None:
        """One document as it is now, or None when it is gone. Raises DocumentError."""
        ...

    def ids(self) -> AsyncIterator[str]:
        """The ids of all documents; raises rather than end early."""
        ...


class Reply(Protocol):
    """Where an answer goes: one message's place on one platform."""

    async def working(self) -> None:
        """Show at once that the question was heard."""
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
