"""Confluence's storage format as Markdown. Nothing is fetched: what is not on the page is named, not shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape as quoted

from lxml import html

from connectors.confluence import macros, tables
from connectors.confluence.macros import Names
from connectors.confluence.markdown import code, escape, indent, one_line, paragraph
from core.errors import DocumentError
from core.indexing.blocks import Block, fenced

MAX_CHARS = 10_000_000
MAX_DEPTH = 60
"""Further in, only the text is read. (A list in a list in a table in a panel in a layout is 20 deep.)"""

_CDATA = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.DOTALL)
_SELF_CLOSED = re.compile(r"""<([A-Za-z][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*/>""")
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_MENTION = re.compile(r"""\bri:(?:account-id|userkey)\s*=\s*(?:"([^"]+)"|'([^']+)')""")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|(?:font-size|opacity)\s*:\s*0(?![.\d]*[1-9])", re.IGNORECASE)

_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
_UNSEEN = (
    *("script", "style", "template", "noscript", "iframe", "object", "svg", "canvas", "head", "del", "s", "strike"),
    *("ac:placeholder", "ac:adf-attribute", "ac:task-id", "ac:task-uuid"),
)
_MACROS = ("ac:structured-macro", "ac:macro")
_BLOCKS = frozenset(
    {
        *_MACROS,
        *("h1", "h2", "h3", "h4", "h5", "h6"),
        *("p", "div", "section", "article", "header", "footer", "ul", "ol", "li", "dl", "dt", "dd", "table", "blockquote"),
        *("pre", "hr", "details", "summary", "figure", "figcaption", "address", "center"),
        *("ac:layout", "ac:layout-section", "ac:layout-cell", "ac:task-list", "ac:rich-text-body", "ac:image"),
        *("ac:adf-extension", "ac:adf-node", "ac:adf-content", "ac:adf-fallback"),
    }
)


def mentioned(storage: str) -> set[str]:
    """The keys of the users that a page names: account ids, or user keys of a Data Center."""
    return {double or single for double, single in _MENTION.findall(storage)}


def to_markdown(storage: str, names: Names) -> str:
    """The text of a page. Raises DocumentError when there is too much of it, or it is nested too deeply."""
    if len(storage) > MAX_CHARS:
        raise DocumentError(f"has {len(storage):,} characters, more than the {MAX_CHARS:,} that are read: split it")
    root = _parse(storage)
    return "" if root is None else "\n\n".join(block.text for block in _Conversion(names).blocks(root))


def _parse(storage: str) -> Any:
    """Lenient as browsers are: nothing is lost behind a tag that was not closed."""
    # HTML has neither CDATA nor closed tags without an end; the storage format is XML and has both.
    markup = _CDATA.sub(lambda found: quoted(found[1]), _NOT_TEXT.sub("", storage))
    markup = _SELF_CLOSED.sub(lambda found: found[0] if found[1] in _VOID else f"<{found[1]}{found[2]}></{found[1]}>", markup)
    if not markup.strip():
        return None
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    root = html.document_fromstring(f"<div>{markup}</div>".encode(), parser=parser)
    if any("depth" in problem.message or "HUGE" in problem.message for problem in parser.error_log):
        raise DocumentError("is nested too deeply, or in too large parts, to be read: make it a simpler page")
    for element in [*root.iter(*_UNSEEN), *(element for element in root.iter() if _HIDING.search(element.get("style", "")))]:
        if element.getparent() is not None:
            element.drop_tree()
    return root


class _Conversion:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._in_cell = False

    def blocks(self, element: Any, depth: int = 0) -> Iterator[Block]:
        if depth > MAX_DEPTH:
            yield from _text(_plain(element))
            return
        line = [escape(element.text or "")]
        for child in element:
            if self._is_block(child):
                yield from _text("".join(line))
                line = []
                yield from self._block(child, depth + 1)
            else:
                line.append(self._inline(child, depth + 1))
            line.append(escape(child.tail or ""))
        yield from _text("".join(line))

    def _is_block(self, element: Any) -> bool:
        if element.tag in _MACROS:
            return element.get("ac:name") not in macros.INLINE
        return element.tag in _BLOCKS or (element.tag not in {"a", "ac:link"} and next(element.iter(*_BLOCKS), None) is not None)

    def _block(self, element: Any, depth: int) -> Iterator[Block]:
        match element.tag:
            case "ac:structured-macro" | "ac:macro":
                yield from self._macro(element, depth)
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6" as tag:
                if text := one_line(self._inlines(element, depth)):
                    yield Block("heading", f"{'#' * int(tag[1])} {text}", int(tag[1]))
            case "ul" | "ol" | "ac:task-list":
                if lines := "\n".join(self._items(element, depth)):
                    yield Block("list", lines)
            case "table" if self._in_cell or tables.is_layout(element):
                for cell in tables.cells(element):
                    yield from self.blocks(cell, depth)
            case "table":
                if text := tables.to_markdown(element, lambda cell: self._cell(cell, depth)):
                    yield Block("table", text)
            case "blockquote":
                if text := _joined(self.blocks(element, depth)):
                    yield Block("text", indent(text, "> "))
            case "pre":
                yield from _code("".join(element.itertext()))
            case "ac:image":
                yield from _text(escape(macros.caption(element)))
            case "ac:adf-extension" if (content := next(element.iter("ac:adf-content"), None)) is not None:
                yield from self.blocks(content, depth)
            case _:
                yield from self.blocks(element, depth)

    def _macro(self, macro: Any, depth: int) -> Iterator[Block]:
        name = macro.get("ac:name", "")
        if name in macros.DROPPED or macros.parameter(macro, "hidden") == "true":
            return
        if name in macros.INCLUDES:
            if page := macros.included(macro, self._names):
                yield from _text(escape(f"See {page}"))
            return
        if name in macros.TITLED:
            yield from _text(escape(macros.parameter(macro, "title")))
        if (text := macros.verbatim(macro)) is not None:
            yield from _code(text, macros.parameter(macro, "language") if name in macros.VERBATIM else "")
        for body in macro.iterchildren("ac:rich-text-body"):
            yield from self.blocks(body, depth)

    def _items(self, parent: Any, depth: int) -> Iterator[str]:
        number = 0
        for child in parent:
            if child.tag in {"ul", "ol"} and depth <= MAX_DEPTH:
                yield from (indent(line, "  ") for line in self._items(child, depth + 1))
                continue
            content, box = child, ""
            if child.tag == "ac:task":
                done = "complete" in map(macros.text_of, child.iterchildren("ac:task-status"))
                content, box = next(child.iterchildren("ac:task-body"), None), "[x] " if done else "[ ] "
            if content is not None and (text := _joined(self.blocks(content, depth + 1))):
                number += 1
                yield indent(box + text, f"{number}. " if parent.tag == "ol" else "- ")

    def _cell(self, cell: Any, depth: int) -> str:
        """A cell's content in one line: code between backticks, items one after the other."""
        self._in_cell, before = True, self._in_cell
        try:
            return " ".join(_in_one_line(block) for block in self.blocks(cell, depth))
        finally:
            self._in_cell = before

    def _inlines(self, element: Any, depth: int) -> str:
        if depth > MAX_DEPTH:
            return _plain(element)
        pieces = [escape(element.text or "")]
        for child in element:
            pieces += self._inline(child, depth + 1), escape(child.tail or "")
        return "".join(pieces)

    def _inline(self, element: Any, depth: int) -> str:
        match element.tag:
            case "br":
                return "\n"
            case "code" | "tt" | "kbd" | "samp":
                text = code("".join(element.itertext()))
                return text.replace("|", "\\|") if self._in_cell else text
            case "a" if (target := element.get("href", "")).startswith(("http://", "https://", "mailto:")):
                text = one_line(self._inlines(element, depth))
                return f"[{text}](<{_address(target)}>)" if text else ""
            case "ac:link":
                return escape(macros.link(element, self._names))
            case "ac:structured-macro" | "ac:macro":
                return escape(macros.inline_macro(element, self._names))
            case "ac:emoticon":
                return escape(macros.emoticon(element))
            case "img":
                return escape(macros.caption(element))
            case "time":
                return escape(element.get("datetime", "")) or self._inlines(element, depth)
            case "ac:parameter":
                return ""
            case _:
                return self._inlines(element, depth)


def _text(inline: str) -> Iterator[Block]:
    if text := paragraph(inline):
        yield Block("text", text)


def _code(text: str, language: str = "") -> Iterator[Block]:
    if text := text.strip("\n").rstrip():
        yield Block("code", fenced(text, re.sub(r"[^\w+#.-]", "", language)))


def _joined(blocks: Iterable[Block]) -> str:
    """With a blank line between them, but for a list, which follows its introduction."""
    text = ""
    for block in blocks:
        text += ("\n" if text and block.kind == "list" else "\n\n" if text else "") + block.text
    return text


def _in_one_line(block: Block) -> str:
    match block.kind:
        case "code":
            return code(block.text.partition("\n")[2].rpartition("\n")[0]).replace("|", "\\|")
        case "list":
            return "; ".join(one_line(line.lstrip().removeprefix("- ")) for line in block.text.split("\n") if line.strip())
        case "heading":
            return block.text.lstrip("# ")
        case _:
            return one_line(block.text)


def _plain(element: Any) -> str:
    """Its text alone, escaped."""
    for parameter in list(element.iter("ac:parameter")):
        if parameter.getparent() is not None:
            parameter.drop_tree()
    return escape(" ".join(element.itertext()))


def _address(url: str) -> str:
    return re.sub(r"[<>|\\\s]", lambda found: f"%{ord(found[0]):02X}", url)
