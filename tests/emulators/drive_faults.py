"""What can go wrong with requests to an emulated Drive, as often as it is said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Effect(StrEnum):
    HTML = "html"
    """A login page with status 200."""
    CUT = "cut"
    """The connection breaks before the answer."""
    HALF = "half"
    """The connection breaks in the middle of the answer."""
    TRUNCATED = "truncated"
    """A whole answer, whose JSON stops in the middle."""
    SLOW = "slow"
    INCOMPLETE = "incomplete"
    """files.list: ``incompleteSearch`` is true."""
    EMPTY_PAGE = "empty_page"
    """A list: a page without items that has a next one."""
    EXPIRED = "expired"
    """The page token is refused; a request without one is not met."""


@dataclass
class Fault:
    route: str
    """A pattern of route names: ``files.list``, ``files.*``, ``*``."""
    what: Effect | int | str
    """An effect, a status, or a reason of Google's."""
    times: int = 1
    every: int = 1
    """1: each request that it is for; 3: each third one."""
    after: int = 0
    """So many requests pass before."""
    about: str = ""
    """Only requests whose address contains it: an id."""
    seconds: float = 0.0
    seen: int = 0

    def meets(self, route: str, address: str) -> bool:
        if self.times <= 0 or not fnmatchcase(route, self.route) or self.about not in address:
            return False
        if self.what is Effect.EXPIRED and "pageToken=" not in address:
            return False
        self.seen += 1
        if self.seen <= self.after or (self.seen - self.after) % self.every:
            return False
        self.times -= 1
        return True


class Faults:
    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, route: str, address: str) -> Fault | None:
        """The fault that this request meets: the first one whose turn it is."""
        return next((fault for fault in self._waiting if fault.meets(route, address)), None)
