"""Where a question was asked, and so where its reply goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from bots.pending import Spot
from bots.slack.translate import Heard


@dataclass(frozen=True, kw_only=True)
class Place:
    channel: str
    thread: str
    """The ts of the thread's first message."""
    ts: str
    """Of the question."""
    user: str
    """Who asked, and alone sees what is not for everybody in the channel."""
    private: bool
    """In a direct message."""
    team: str = ""
    """The workspace of who asked; empty where Slack did not say."""
    alone: bool = False
    """In a channel where each is answered alone: nobody else sees the reply."""

    @classmethod
    def of(cls, said: Heard, *, alone: bool = False) -> Self:
        where = {"channel": said.channel, "thread": said.thread, "ts": said.ts, "user": said.user, "team": said.team}
        return cls(**where, private=said.private, alone=alone)

    @classmethod
    def at(cls, fields: Mapping[str, str]) -> Self:
        """As a spot kept it. Raises KeyError when another version kept something else."""
        names = ("channel", "thread", "ts", "user")
        private, alone = bool(fields["private"]), bool(fields.get("alone"))
        return cls(**{name: fields[name] for name in names}, team=fields.get("team", ""), private=private, alone=alone)

    def spot(self) -> Spot:
        return Spot(**(asdict(self) | {"private": _said(self.private), "alone": _said(self.alone)}))


def _said(flag: bool) -> str:
    return "yes" if flag else ""
