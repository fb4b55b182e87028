"""Buttons below a notice. Each gives a command as if it were typed, so that nothing has to be remembered for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.ports import Reply


@dataclass(frozen=True, kw_only=True)
class Button:
    label: str
    """At most 75 characters, which Slack allows."""
    command: str
    """A command without its slash, ``reindex wiki failed``: at most 90 characters, of the 100 that Discord allows.

    Whoever presses the button gives it, so their right to it is checked then.
    """
    danger: bool = False


class CommandReply(Reply, Protocol):
    """Where it is shown what came of a command."""

    async def offer(self, text: str, buttons: Sequence[Button]) -> None:
        """As :meth:`say`, with buttons below; seen by the person alone."""
        ...
