"""What a parsed document is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "text", "list", "table", "code"]


@dataclass(frozen=True)
class Block:
    """A piece of a document, in reading order. Its text is Markdown where that keeps structure."""

    kind: Kind
    text: str
    """A list has one item a line, indented by depth; a table is a Markdown table; code stands between fences."""
    level: int = 0
    """Of a heading: 1 is the outermost."""


def fenced(code: str, language: str = "") -> str:
    """``code`` between fences that it does not contain itself."""
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}"
