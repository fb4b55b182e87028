"""A command, and where it is shown what came of it. Buttons give commands as if they were typed, so that nothing has to be
remembered for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.errors import UserError
from core.models import Answer, Attachment, Principal
from core.ports import Reply


@dataclass(frozen=True, kw_only=True)
class Command:
    """A slash command as it was typed: ``name`` without the slash, ``text`` after it."""

    name: str
    text: str
    user: str
    user_name: str
    principals: frozenset[Principal]
    """Who the person is: ``slack:U123``, ``discord:456``, ``discord:role:789``, ``user:ana@acme.com``."""
    platform: str
    channel_id: str
    conversation_id: str | None
    """None where the platform does not tell in which conversation a command is given."""
    files: tuple[Attachment, ...] = ()
    """Those of the message that it was given on, or that were given with it."""


@dataclass(frozen=True, kw_only=True)
class Button:
    label: str
    """At most 75 characters, which Slack allows."""
    command: str
    """A command without its slash, ``reindex wiki failed``: at most 90 characters, of the 100 that Discord allows.

    Whoever presses the button gives it, so their right to it is checked then.
    """
    danger: bool = False


def retry(again: str) -> list[Button]:
    """The button below an error, if there is something to try again."""
    return [Button(label="Try again", command=again)] if again else []


class CommandReply(Reply, Protocol):
    """Where it is shown what came of a command."""

    async def offer(self, text: str, buttons: Sequence[Button]) -> None:
        """As :meth:`say`, with buttons below; seen by the person alone."""
        ...

    async def publish(self, answer: Answer) -> None:
        """Show an answer to everybody in the channel or thread where the command was given."""
        ...

    async def call(self, who: str, text: str, buttons: Sequence[Button]) -> None:
        """As :meth:`publish`, a text (Markdown) that begins by mentioning a person or group so that they are notified:
        ``slack:U123``, ``discord:role:7``. Nothing else that the bot writes notifies anybody.

        Raises UserError where ``who`` is nobody on this platform, or where the bot may not write.
        """
        ...

    async def settle(self, text: str) -> None:
        """The button that gave this command is done with: below the message that it stood in is this text (Markdown) instead
        of all its buttons. Where it was typed, there is none, and the text is said.
        """
        ...


Action = Callable[[Command, CommandReply], Awaitable[None]]
"""What a command does. Raises FootnoteError, worded for the person."""


def require_admin(command: Command, admins: frozenset[Principal]) -> None:
    """Raises UserError for everybody who is not one of ``admins``."""
    if admins.isdisjoint(command.principals):
        raise UserError(
            f"`/{command.name}` is for Footnote's administrators, and {command.user} is not one. "
            "Whoever runs Footnote can add you to FOOTNOTE_ADMINS."
        )
