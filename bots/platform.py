"""What the composition root asks of a platform: the same of Slack and of Discord."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from bots.pending import LeftBehind
from core.models import Principal

Groups = Callable[[], Awaitable[Mapping[Principal, Iterable[Principal]]]]
"""Who is in which group at this moment: those of the settings, and those that the sources told."""


class Platform(Protocol):
    name: str

    @property
    def connected(self) -> bool:
        """True while events arrive; the truth at this moment, for the readiness probe."""
        ...

    async def start(self) -> None:
        """Connect and return once connected. Raises ConfigError within 10 s when a token is refused."""
        ...

    async def stop(self, drain: float = 25.0) -> None:
        """Take no new events, let running answers finish for ``drain`` seconds, then close."""
        ...

    async def resume(self, left: LeftBehind) -> None:
        """Begin to answer a question that another process left behind, or that failed and is tried again, where it was asked. It
        returns at once.
        """
        ...

    async def check(self) -> str:
        """One line that says what was reached. Raises ConfigError or TransientError."""
        ...
