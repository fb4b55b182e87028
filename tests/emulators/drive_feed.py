"""The feed of changes of an emulated Drive that the bot sees: of each item only the latest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

Place = str | None
"""Where an item is: the id of its shared drive, or None in someone's My Drive."""


@dataclass(frozen=True)
class Entry:
    sequence: int
    kind: str
    """``file`` or ``drive``."""
    id: str
    at: datetime
    places: dict[Place, int]
    """Where it was and is, and until which change: a shared drive has a feed of its own."""


class Feed:
    def __init__(self) -> None:
        self.head = 0
        self._latest: dict[tuple[str, str], Entry] = {}

    def add(self, kind: str, id: str, at: datetime, places: Iterable[Place]) -> None:
        """Something happened to an item that the bot saw before, or sees now."""
        self.head += 1
        earlier = self._latest.pop((kind, id), None)
        where = (earlier.places if earlier else {}) | dict.fromkeys(places, self.head)
        self._latest[kind, id] = Entry(self.head, kind, id, at, where)

    def since(self, sequence: int) -> list[Entry]:
        """The latest change of each item that changed after this one, oldest first."""
        return list(takewhile(lambda entry: entry.sequence > sequence, reversed(self._latest.values())))[::-1]
