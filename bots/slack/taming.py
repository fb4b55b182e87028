"""Markdown on its way into a stream, before anybody knows where its footnotes lead: nothing in it links, loads or pings.

The final message is rendered with the footnotes' addresses and replaces it; until then every link is only its text.
"""

from __future__ import annotations

from bots.slack.markup import ZERO_WIDTH

_LONGEST_TARGET = 2048
_DROPPED = frozenset(chr(code) for code in (*range(32), 127) if chr(code) not in "\t\n")


class Tamed:
    """Feed it text in any pieces; what comes out is, joined, the same however they were cut.

    Slack's Markdown has no escape that all of its clients honour, so a zero-width space parts what would be markup:
    ``<@U1>``, ``@channel``, ``https://``, ``acme.com``, ``![``, ``]:`` and ``&lt;``. The target of ``[text](target)`` is
    left out. It is decided by what stands before a character alone, so that nothing has to wait for what comes after.
    """

    def __init__(self) -> None:
        self._before = self._last = ""
        self._target = 0
        """Characters of a link's target that were left out so far; 0 outside of one."""

    def feed(self, text: str) -> str:
        return "".join(self._next(character) for character in text if character not in _DROPPED)

    def _next(self, character: str) -> str:
        if self._target:
            return self._left_out(character)
        if self._last == "]" and character == "(":
            self._target = 1
            return ""
        parted = ZERO_WIDTH if self._is_markup(character) else ""
        self._before, self._last = self._last, character
        return parted + character

    def _left_out(self, character: str) -> str:
        if character != ")" and not character.isspace() and self._target < _LONGEST_TARGET:
            self._target += 1
            return ""
        self._target = 0
        # What follows must not join what stood before the target.
        self._before, self._last = "]", ZERO_WIDTH
        return "" if character == ")" else self._next(character)

    def _is_markup(self, character: str) -> bool:
        """Whether ``character`` would make markup of what stands before it."""
        if character.isspace():
            return False
        if self._last in {"<", "@"}:
            return True
        if self._last == "&":
            return character.isalnum() or character == "#"
        if self._last == "!":
            return character == "["
        if self._last == "]":
            return character in ":["
        if self._last in {".", ":"}:
            return self._before.isalnum() and (character.isalnum() or character == "/")
        return False
