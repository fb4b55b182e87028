"""Markdown that says what a text says, whatever characters are in it."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"[\\`*\[\]<>&|~#]|(?<![^\W_])_|_(?![^\W_])")
_MARKER = re.compile(r"^([+=-]|\d{1,9}(?=[.)]))", re.MULTILINE)
_SPACE = re.compile(r"\s+")


def escape(text: str) -> str:
    """Text with every run of white space as one space, and nothing in it that Markdown would take for a sign."""
    return _SPECIAL.sub(r"\\\g<0>", _SPACE.sub(" ", text))


def paragraph(inline: str) -> str:
    """Escaped text as a paragraph, line by line; empty when there is none."""
    lines = (line.strip() for line in inline.split("\n"))
    return _MARKER.sub(_defuse, "\n".join(line for line in lines if line))


def one_line(inline: str) -> str:
    return _SPACE.sub(" ", inline).strip()


def code(text: str) -> str:
    """Inline code between backticks that it does not contain itself."""
    text = one_line(text)
    if not text:
        return ""
    ticks = "`"
    while ticks in text:
        ticks += "`"
    return f"{ticks} {text} {ticks}" if len(ticks) > 1 else f"`{text}`"


def indent(block: str, marker: str) -> str:
    """A block as the content of a list item or a quotation: the marker before its first line."""
    rest = "> " if marker == "> " else " " * len(marker)
    first, *others = block.split("\n")
    return "\n".join([marker + first, *((rest + line).rstrip() if line or rest == "> " else "" for line in others)])


def _defuse(found: re.Match[str]) -> str:
    # A number is no list item when its point is escaped, which cannot be done to the digits.
    return found[1] + "\\" if found[1].isdigit() else "\\" + found[1]
