"""Markdown as a flat list of blocks of styled spans.

Models and documents write CommonMark with tables, Discord understands a dialect of its own: text is read into these
values and written anew, never patched with regular expressions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029]")


@dataclass(frozen=True, kw_only=True)
class Span:
    """A run of text in one style. ``text`` is literal: nothing in it is Markdown any more."""

    text: str
    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    url: str = ""
    """Where it links to, as written: any scheme, perhaps relative."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph, heading, code block, table or rule. Lists and quotes are not blocks but the place of one."""

    kind: Literal["paragraph", "heading", "code", "table", "rule"]
    spans: tuple[Span, ...] = ()
    level: int = 0
    """Of a heading, 1 to 6."""
    quoted: bool = False
    indent: int = 0
    """How many lists it stands in."""
    marker: str = ""
    """``-`` or ``3.`` on the first block of a list item."""
    code: str = ""
    language: str = ""
    rows: tuple[tuple[tuple[Span, ...], ...], ...] = ()
    """Of a table: the header first, each row as long as the header."""


def parse(markdown: str) -> list[Block]:
    """Read CommonMark with tables and strikethrough. HTML is text, an image is its description."""
    # Half a surrogate pair, as a careless parser leaves it, could not be sent as JSON.
    text = _CONTROL.sub("", markdown.encode("utf-8", "replace").decode())
    return list(_Reader().read(_parser().parse(text)))


def plain(spans: Sequence[Span]) -> str:
    return "".join(span.text for span in spans)


class _Markdown(MarkdownIt):
    def normalizeLink(self, url: str) -> str:
        """As it was written, so that it can be compared."""
        return url


@cache
def _parser() -> MarkdownIt:
    return _Markdown("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("reference")


class _Reader:
    """Walks markdown-it's tokens and keeps the place: the lists and quotes that are open."""

    def __init__(self) -> None:
        self._lists: list[int | None] = []
        self._quotes = 0
        self._marker = ""
        self._heading = 0
        self._row: list[tuple[Span, ...]] | None = None
        self._rows: list[tuple[tuple[Span, ...], ...]] = []

    def read(self, tokens: Sequence[Token]) -> Iterator[Block]:
        for token in tokens:
            match token.type:
                case "blockquote_open":
                    self._quotes += 1
                case "blockquote_close":
                    self._quotes -= 1
                case "bullet_list_open":
                    self._lists.append(None)
                case "ordered_list_open":
                    self._lists.append(int(token.attrs.get("start", 1)))
                case "bullet_list_close" | "ordered_list_close":
                    self._lists.pop()
                case "list_item_open":
                    self._open_item()
                case "list_item_close":
                    self._marker = ""
                case "heading_open":
                    self._heading = int(token.tag[1:])
                case "heading_close":
                    self._heading = 0
                case "table_open":
                    self._rows = []
                case "tr_open":
                    self._row = []
                case "tr_close":
                    self._rows.append(tuple(self._row or ()))
                    self._row = None
                case "table_close":
                    yield self._place(Block(kind="table", rows=tuple(self._rows)))
                case "fence" | "code_block":
                    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
                    yield self._place(Block(kind="code", code=token.content.rstrip("\n"), language=language))
                case "hr":
                    yield self._place(Block(kind="rule"))
                case "inline":
                    spans = tuple(_merged(_spans(token.children or [])))
                    if self._row is not None:
                        self._row.append(spans)
                    elif plain(spans).strip():
                        kind: Literal["heading", "paragraph"] = "heading" if self._heading else "paragraph"
                        yield self._place(Block(kind=kind, spans=spans, level=self._heading))

    def _open_item(self) -> None:
        number = self._lists[-1]
        self._marker = "-" if number is None else f"{number}."
        if number is not None:
            self._lists[-1] = number + 1

    def _place(self, block: Block) -> Block:
        marker, self._marker = self._marker, ""
        return replace(block, quoted=self._quotes > 0, indent=len(self._lists), marker=marker)


def _spans(tokens: Sequence[Token]) -> Iterator[Span]:
    depth = Counter[str]()
    url = ""

    def span(text: str, *, code: bool = False) -> Span:
        return Span(text=text, bold=depth["strong"] > 0, italic=depth["em"] > 0, strike=depth["s"] > 0, code=code, url=url)

    for token in tokens:
        match token.type:
            case "text":
                yield span(token.content)
            case "code_inline":
                yield span(token.content, code=True)
            case "softbreak" | "hardbreak":
                # Chat is written line by line: a line break is meant where Markdown would join the lines.
                yield span("\n")
            case "image":
                yield span("".join(child.content for child in token.children or []))
            case "link_open" | "link_close":
                url = str(token.attrs.get("href", ""))
            case _:
                depth[token.tag] += token.nesting


def _merged(spans: Iterator[Span]) -> Iterator[Span]:
    """Neighbours of one style as one span, so that no pattern hides in the seam between two."""
    last: Span | None = None
    for span in spans:
        if not span.text:
            continue
        if last is not None and replace(last, text="") == replace(span, text="") and not span.code:
            last = replace(last, text=last.text + span.text)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
