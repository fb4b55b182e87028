"""The feed of changes of an emulated Drive: of each item only the latest."""

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
    lost: int
    """The latest change before which the bot saw the item: what it does not see after that is removed for it."""
    places: dict[Place, int]
    """Where it was and is, and until which change: a shared drive has a feed of its own."""


class Feed:
    def __init__(self) -> None:
        self.head = 0
        self._latest: dict[tuple[str, str], Entry] = {}

    def add(self, kind: str, id: str, at: datetime, *, seen: bool, places: Iterable[Place]) -> None:
        """Something happened to an item, which the bot saw before or not."""
        self.head += 1
        earlier = self._latest.pop((kind, id), None)
        lost = self.head if seen else earlier.lost if earlier else 0
        where = (earlier.places if earlier else {}) | dict.fromkeys(places, self.head)
        self._latest[kind, id] = Entry(self.head, kind, id, at, lost, where)

    def since(self, sequence: int) -> list[Entry]:
        """The latest change of each item that changed after this one, oldest first."""
        return list(takewhile(lambda entry: entry.sequence > sequence, reversed(self._latest.values())))[::-1]
