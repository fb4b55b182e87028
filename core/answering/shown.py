"""Text as it grows before a reader, from which things are left out without leaving traces."""

from __future__ import annotations

import re

_JOINS = re.compile(r"[\[\d,;–-][\d\],;–-]|[`~][`~]")
_CLOSING = ".,;:!?)…"


class ShownText:
    """White space waits until something follows it, so that none is shown at the ends or before a full stop."""

    def __init__(self) -> None:
        self._waiting = ""
        self._last = ""
        self._dropped = False
        self._new: list[str] = []
        self._since_statement: list[str] = []

    @property
    def at_line_start(self) -> bool:
        """Whether the next character will be the first of its line for the reader."""
        return not self._last or "\n" in self._waiting

    def add(self, text: str) -> None:
        if self._dropped:
            if text[0] in _CLOSING and "\n" not in self._waiting:
                self._waiting = ""
            if not self._waiting and _JOINS.match(self._last + text[0]):
                # What stood on both sides of something dropped must not become a marker or code together.
                self._waiting = " "
            self._dropped = False
        shown = (self._waiting if self._last else "") + text
        self._new.append(shown)
        self._since_statement.append(shown)
        self._waiting = ""
        self._last = text[-1]

    def space(self, character: str, *, only_if_none: bool = False) -> None:
        """One character of white space."""
        if self._waiting and only_if_none:
            return
        if self._dropped and character == "\n":
            self._waiting = self._waiting.rstrip(" \t")
        elif self._dropped and self._waiting:
            return
        self._waiting += character

    def drop(self) -> None:
        """Something that stood here is not shown."""
        self._dropped = True

    def take(self) -> str:
        """What was added since the last time."""
        new, self._new = "".join(self._new), []
        return new

    def statement(self) -> str:
        """What was added since the last statement was asked for; empty when it has no words."""
        text, self._since_statement = "".join(self._since_statement).strip(), []
        return text if re.search(r"\w", text) else ""
