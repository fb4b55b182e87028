"""Markdown to mrkdwn, in sections that can be shown apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from unicodedata import east_asian_width

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from bots.slack.markup import ZERO_WIDTH, Line, Span, code_line, inline_code, link, literal, target_of
from bots.slack.packing import pack

SECTION = 3000
"""Characters in the text of a section block (Slack's limit)."""

_COLUMN = 40
"""A wider cell of a table does not push the others aside."""
_STYLES = {"strong": "*", "em": "_", "s": "~"}
_BREAK = Span("\n")
_CONTROLS = {code: None for code in (*range(32), 127) if chr(code) not in "\t\n\r"}
_LINKABLE = re.compile(r"\[(?P<number>\d{1,4})\]|(?P<url>(?<![\w+.%-])[\w+.%-]+://[^\s<>|\"`]+[^\s<>|\"`.,;:!?)\]}'])")


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Every link is parsed as one: what may be linked is decided later, the rest shows as its text."""
        return True

    def normalizeLink(self, url: str) -> str:
        """As it was written, so that it can be compared."""
        return url


# Without "reference": "[1]: https://…" in generated text would decide where the footnotes lead.
_markdown = _Markdown("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("reference")


def sections(markdown: str, footnotes: Mapping[int, str] | None = None, limit: int = SECTION) -> list[str]:
    """The text in sections of at most ``limit`` characters; ``footnotes`` maps the number of a marker ``[1]`` to its URL.

    Nothing but the footnotes' URLs is linked: of any other link only the text is shown, and any other URL is code.

    No link, entity or code span is cut; emphasis, quotes and code blocks are closed and opened again.
    mrkdwn knows no language of a code block: it would be shown as the first line of the code.
    """
    text = markdown.encode("utf-8", "replace").decode().translate(_CONTROLS)
    tree = SyntaxTreeNode(_markdown.parse(text))
    return list(pack(_Converter(footnotes or {}).lines(tree.children), limit))


class _Converter:
    def __init__(self, footnotes: Mapping[int, str]) -> None:
        self._footnotes = footnotes
        self._urls = frozenset(footnotes.values())

    def lines(self, nodes: Sequence[SyntaxTreeNode], first: str = "", rest: str = "", *, tight: bool = False) -> Iterator[Line]:
        """``first`` and ``rest`` carry quotes, indents and list markers down to the lines of a block."""
        for position, node in enumerate(nodes):
            if position and not tight:
                yield Line(first=rest.rstrip())
            yield from self._block(node, first if position == 0 else rest, rest)

    def _block(self, node: SyntaxTreeNode, first: str, rest: str) -> Iterator[Line]:
        if node.type in {"bullet_list", "ordered_list"}:
            yield from self._list(node, first, rest)
        elif node.type == "blockquote":
            # Slack knows one level of quotes, and only at the start of a line.
            yield from self.lines(node.children, f"> {first.removeprefix('> ')}", f"> {rest.removeprefix('> ')}")
        elif node.type in {"fence", "code_block"}:
            yield from _code(node.content.rstrip("\n").split("\n"))
        elif node.type == "table":
            yield from _code(_table(node))
        elif node.type == "hr":
            yield Line((Span("─" * 12),), first, rest)
        else:
            style = frozenset("*") if node.type == "heading" else frozenset[str]()
            yield from self._paragraph(node, style, first, rest)

    def _list(self, node: SyntaxTreeNode, first: str, rest: str) -> Iterator[Line]:
        number = int(node.attrs.get("start", 1))
        for position, item in enumerate(node.children):
            marker = "• " if node.type == "bullet_list" else f"{number + position}. "
            before = first if position == 0 else rest
            if item.children:
                yield from self.lines(item.children, before + marker, f"{rest}    ", tight=True)
            else:
                yield Line((), before + marker, rest)

    def _paragraph(self, node: SyntaxTreeNode, style: frozenset[str], first: str, rest: str) -> Iterator[Line]:
        spans = (span for inline in node.children for child in inline.children for span in self._inline(child, style))
        lines: list[list[Span]] = [[]]
        for span in spans:
            if span is _BREAK:
                lines.append([])
            else:
                lines[-1].append(span)
        for position, line in enumerate(lines):
            # Slack reads an escaped ">" at the start of a line as a quote, too.
            guard = (Span(ZERO_WIDTH),) if line and line[0].text.startswith("&gt;") else ()
            yield Line((*guard, *line), first if position == 0 else rest, rest)

    def _inline(self, node: SyntaxTreeNode, style: frozenset[str]) -> Iterator[Span]:
        if node.type in {"softbreak", "hardbreak"}:
            yield _BREAK
        elif node.type == "code_inline":
            yield from inline_code(node.content, style)
        elif node.type in {"link", "image"}:
            target = str(node.attrs.get("href", ""))
            if target in self._urls:
                shown = link(target, _text(node) or target)
                yield Span(shown, style, solid=shown.startswith("<"))
            else:
                yield from self._plain(_text(node), style)
        elif node.type in _STYLES:
            for child in node.children:
                yield from self._inline(child, style | {_STYLES[node.type]})
        else:
            yield from self._plain(node.content, style)

    def _plain(self, text: str, style: frozenset[str]) -> Iterator[Span]:
        end = 0
        for found in _LINKABLE.finditer(text):
            url = found["url"] or self._footnotes.get(int(found["number"] or 0), "")
            shown = link(url, found.group()) if url in self._urls and target_of(url) else ""
            if shown.startswith("<") or found["url"]:
                yield Span(literal(text[end : found.start()]), style)
                yield from [Span(shown, style, solid=True)] if shown.startswith("<") else inline_code(url, style)
                end = found.end()
        yield Span(literal(text[end:]), style)


def _text(node: SyntaxTreeNode) -> str:
    """What is read of a node without its markup."""
    if node.type in {"softbreak", "hardbreak"}:
        return " "
    return "".join(_text(child) for child in node.children) if node.children else node.content


def _code(rows: Iterable[str]) -> Iterator[Line]:
    lines = list(rows)
    if any(line.strip() for line in lines):
        yield from (Line((Span(code_line(line)),), code=True) for line in lines)


def _table(node: SyntaxTreeNode) -> list[str]:
    rows = [[" ".join(_text(cell).split()) for cell in row.children] for part in node.children for row in part.children]
    widths = [min(_COLUMN, max(map(_columns, column))) for column in zip_longest(*rows, fillvalue="")]
    lines = [
        "  ".join(cell + " " * (width - _columns(cell)) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
    return [lines[0], "  ".join("-" * max(width, 1) for width in widths), *lines[1:]]


def _columns(text: str) -> int:
    """Width in a fixed-width font."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
