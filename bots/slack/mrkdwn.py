"""Markdown to mrkdwn, Slack's own markup, in sections that can be shown apart.

Slack has no escape character: only ``&``, ``<`` and ``>`` are escaped. Where plain text would be taken for markup
(``*``, ``_``, ``~``, a backtick, ``@channel``), a zero-width space keeps it plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from unicodedata import east_asian_width
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

SECTION = 3000
"""Characters in the text of a section block (Slack's limit)."""

_ZERO_WIDTH = "\u200b"
_FENCE = "```"
_SOLID = 1000
"""Longest link or inline code that is kept whole; so that every section has room for several."""
_MARKUP = 12
"""Characters that a change of style can add: three marks closed, three opened, and their boundaries."""
_MARKS = {"strong": "*", "em": "_", "s": "~"}
_CONTROLS = {code: None for code in (*range(32), 127) if chr(code) not in "\t\n\r"}
_LABEL = str.maketrans("|`", "\u2502\u02cb")
"""A bar ends the address of a link and a backtick begins code, so that lookalikes stand for them in its label."""
_CUTTABLE = re.compile(r"&(?:amp|lt|gt);|.", re.DOTALL)
_LINKABLE = re.compile(r"\[(?P<number>\d{1,4})\]|(?P<url>https?://[^\s<>|\"`]+[^\s<>|\"`.,;:!?)\]}'])")
_PINGS = re.compile(r"@(?=(?:channel|here|everyone)(?![^\W_]))", re.IGNORECASE)


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Every link is parsed as one: what may be linked is decided later, the rest shows as its text."""
        return True


# Without "reference": "[1]: https://…" in generated text would decide where the footnotes lead.
_markdown = _Markdown("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("reference")


def size(text: str) -> int:
    """Length as Slack's clients and servers may count it: UTF-16 units, never fewer than characters."""
    return len(text) + sum(character > "\uffff" for character in text)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """One line of plain text as mrkdwn: escaped, with nothing in it that formats or pings."""
    return _unformatted(_PINGS.sub(f"@{_ZERO_WIDTH}", escape(" ".join(text.split()))))


def link(url: str, label: str) -> str:
    """``<url|label>``; only the label where the URL is not http(s) or too long to keep whole."""
    label = " ".join(label.split())
    target = _target(url)
    shown = _PINGS.sub(f"@{_ZERO_WIDTH}", escape(label.translate(_LABEL)))
    whole = f"<{target}|{shown}>" if shown and _target(label) != target else f"<{target}>"
    return whole if target and size(whole) <= _SOLID else plain(label)


def sections(markdown: str, footnotes: Mapping[int, str] | None = None, limit: int = SECTION) -> list[str]:
    """The text in sections of at most ``limit`` characters; ``footnotes`` maps the number of a marker ``[1]`` to its URL.

    No link, entity or code span is cut; emphasis, quotes and code blocks are closed and opened again.
    mrkdwn knows no language of a code block: it would be shown as the first line of the code.
    """
    text = markdown.encode("utf-8", "replace").decode().translate(_CONTROLS)
    tree = SyntaxTreeNode(_markdown.parse(text))
    return list(_packed(_Converter(footnotes or {}).lines(tree.children), limit))


@dataclass(frozen=True)
class _Span:
    """Escaped mrkdwn of one style; a solid one (a link, code) is never cut."""

    text: str
    style: frozenset[str] = frozenset()
    solid: bool = False


@dataclass(frozen=True)
class _Line:
    """``first`` stands before its spans, ``rest`` before what continues in the next section."""

    spans: tuple[_Span, ...] = ()
    first: str = ""
    rest: str = ""
    code: bool = False


_BLANK = _Line()
_BREAK = _Span("\n")


class _Converter:
    def __init__(self, footnotes: Mapping[int, str]) -> None:
        self._footnotes = footnotes

    def lines(self, nodes: Sequence[SyntaxTreeNode], first: str = "", rest: str = "", *, tight: bool = False) -> Iterator[_Line]:
        """``first`` and ``rest`` carry quotes, indents and list markers down to the lines of a block."""
        for position, node in enumerate(nodes):
            if position and not tight:
                yield replace(_BLANK, first=rest.rstrip())
            yield from self._block(node, first if position == 0 else rest, rest)

    def _block(self, node: SyntaxTreeNode, first: str, rest: str) -> Iterator[_Line]:
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
            yield _Line((_Span("─" * 12),), first, rest)
        else:
            style = frozenset("*") if node.type == "heading" else frozenset[str]()
            yield from self._paragraph(node, style, first, rest)

    def _list(self, node: SyntaxTreeNode, first: str, rest: str) -> Iterator[_Line]:
        number = int(node.attrs.get("start", 1))
        for position, item in enumerate(node.children):
            marker = "• " if node.type == "bullet_list" else f"{number + position}. "
            before = first if position == 0 else rest
            if item.children:
                yield from self.lines(item.children, before + marker, f"{rest}    ", tight=True)
            else:
                yield _Line((), before + marker, rest)

    def _paragraph(self, node: SyntaxTreeNode, style: frozenset[str], first: str, rest: str) -> Iterator[_Line]:
        spans = (span for inline in node.children for child in inline.children for span in self._inline(child, style))
        lines: list[list[_Span]] = [[]]
        for span in spans:
            if span is _BREAK:
                lines.append([])
            else:
                lines[-1].append(span)
        for position, line in enumerate(lines):
            # Slack reads an escaped ">" at the start of a line as a quote, too.
            guard = (_Span(_ZERO_WIDTH),) if line and line[0].text.startswith("&gt;") else ()
            yield _Line((*guard, *line), first if position == 0 else rest, rest)

    def _inline(self, node: SyntaxTreeNode, style: frozenset[str]) -> Iterator[_Span]:
        if node.type in {"softbreak", "hardbreak"}:
            yield _BREAK
        elif node.type == "code_inline":
            yield from _inline_code(node.content, style)
        elif node.type in {"link", "image"}:
            target = str(node.attrs.get("href") or node.attrs.get("src") or "")
            label = _text(node) or (target if _target(target) else "")
            shown = link(target, label)
            yield _Span(shown, style, solid=shown.startswith("<"))
        elif node.type in _MARKS:
            for child in node.children:
                yield from self._inline(child, style | {_MARKS[node.type]})
        else:
            yield from self._plain(node.content, style)

    def _plain(self, text: str, style: frozenset[str]) -> Iterator[_Span]:
        end = 0
        for found in _LINKABLE.finditer(text):
            url = found["url"] or self._footnotes.get(int(found["number"] or 0), "")
            shown = link(url, found.group()) if _target(url) else ""
            if shown.startswith("<"):
                yield from _words(text[end : found.start()], style)
                yield _Span(shown, style, solid=True)
                end = found.end()
        yield from _words(text[end:], style)


def _words(text: str, style: frozenset[str]) -> Iterator[_Span]:
    if text:
        yield _Span(_unformatted(_PINGS.sub(f"@{_ZERO_WIDTH}", escape(text))), style)


def _unformatted(text: str) -> str:
    def guard(found: re.Match[str]) -> str:
        before, after = text[: found.start()][-1:] or " ", text[found.end() :][:1] or " "
        opens = not before.isalnum() and not after.isspace()
        closes = not before.isspace() and not after.isalnum()
        return f"{_ZERO_WIDTH if closes else ''}{found.group()}{_ZERO_WIDTH if opens else ''}"

    return re.sub(r"[*_~`]", guard, text)


def _target(url: str) -> str:
    """The URL as it stands inside ``<…>``, or nothing unless it is http(s)."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return ""
    if not usable:
        return ""
    for character, code in (("|", "%7C"), ("<", "%3C"), (">", "%3E"), ('"', "%22"), ("`", "%60")):
        url = url.replace(character, code)
    return "%20".join(url.split()).replace("&", "&amp;")


def _text(node: SyntaxTreeNode) -> str:
    """What is read of a node without its markup."""
    if node.type in {"softbreak", "hardbreak"}:
        return " "
    return "".join(_text(child) for child in node.children) if node.children else node.content


def _inline_code(text: str, style: frozenset[str]) -> Iterator[_Span]:
    shown = escape(text.replace("`", "\u02cb"))
    if not shown.strip():
        return
    for piece in _cut(shown, _SOLID):
        yield _Span(f"`{piece}`", style, solid=True)


def _code(rows: Iterable[str]) -> Iterator[_Line]:
    lines = list(rows)
    if any(line.strip() for line in lines):
        # Three backticks inside would end the block.
        yield from (_Line((_Span(escape(line.replace(_FENCE, f"``{_ZERO_WIDTH}`"))),), code=True) for line in lines)


def _table(node: SyntaxTreeNode) -> list[str]:
    rows = [[" ".join(_text(cell).split()) for cell in row.children] for part in node.children for row in part.children]
    widths = [max(map(_columns, column)) for column in zip_longest(*rows, fillvalue="")]
    lines = [
        "  ".join(cell + " " * (width - _columns(cell)) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
    return [lines[0], "  ".join("-" * max(width, 1) for width in widths), *lines[1:]]


def _columns(text: str) -> int:
    """Width in a fixed-width font."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _cut(text: str, limit: int) -> Iterator[str]:
    piece, length = "", 0
    for atom in _CUTTABLE.findall(text):
        if length + size(atom) > limit:
            yield piece
            piece, length = "", 0
        piece += atom
        length += size(atom)
    if piece:
        yield piece


def _marked(spans: Iterable[_Span], marks: str = "*_~") -> str:
    """Spans as mrkdwn. A mark works only at a word boundary, so where there is none a zero-width space makes one."""
    if not marks:
        return "".join(span.text for span in spans)
    mark, shown = marks[0], ""
    for marked, group in groupby(spans, key=lambda span: mark in span.style):
        text = _marked(group, marks[1:])
        inner = text.strip()
        if marked and inner:
            lead, trail = text[: text.index(inner)], text[text.index(inner) + len(inner) :]
            text = f"{lead}{mark}{inner}{mark}{trail}"
        # At the edge of a mark, on its outer side, no letter and no other mark may stand.
        outer = shown[-1:] if marked else text[:1]
        edge = marked or shown[-1:] == mark
        shown += (_ZERO_WIDTH if shown and edge and (outer.isalnum() or outer in _MARKS.values()) else "") + text
    return shown


def _fitted(line: _Line, room: int) -> Iterator[str]:
    """The line, in as many parts as ``room`` characters require."""
    whole = line.first + _marked(line.spans)
    if size(whole) <= room:
        yield whole if line.code else whole.rstrip()
        return
    if line.code:
        yield from _cut(whole, room)
        return
    prefix, part, used = line.first, list[_Span](), size(line.first)
    for atom in _atoms(line.spans, room - size(line.first) - _MARKUP):
        cost = size(atom.text) + (_MARKUP if not part or part[-1].style != atom.style else 0)
        if part and used + cost > room:
            yield (prefix + _marked(part)).rstrip()
            prefix, part, used = line.rest, [], size(line.rest)
            cost = size(atom.text) + _MARKUP
        part.append(atom)
        used += cost
    yield (prefix + _marked(part)).rstrip()


def _atoms(spans: Iterable[_Span], room: int) -> Iterator[_Span]:
    for span in spans:
        if span.solid:
            yield span
            continue
        for word in re.findall(r"\s+|\S+", span.text):
            for piece in _cut(word, min(_SOLID, room)):
                yield replace(span, text=piece)


def _packed(lines: Iterable[_Line], limit: int) -> Iterator[str]:
    page: list[str] = []
    used, code = 0, False
    fence = len(_FENCE) + 1

    def finished() -> str:
        return "\n".join([*page, _FENCE] if code else page).strip("\n")

    for line in lines:
        for part in _fitted(line, limit - 2 * fence):
            opening = line.code and not code
            if code and not line.code:
                page.append(_FENCE)
                used, code = used + fence, False
            if used + size(part) + 1 + (2 * fence if opening else fence if code else 0) > limit:
                if finished().strip():
                    yield finished()
                page, used = ([_FENCE], fence) if code else ([], 0)
            if opening:
                page.append(_FENCE)
                used, code = used + fence, True
            if page or part:
                page.append(part)
                used += size(part) + 1
    if finished().strip():
        yield finished()
