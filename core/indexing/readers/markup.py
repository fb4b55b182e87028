"""HTML and Markdown with unstructured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from core.errors import DocumentError
from core.indexing.blocks import Block, fenced
from core.indexing.readers.elements import blocks_of

_INVISIBLE = ("script", "style", "template", "noscript", "nav", "svg", "canvas", "iframe", "object", "dialog", "del")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|(?:font-size|opacity)\s*:\s*0(?![.\d]*[1-9])", re.IGNORECASE)
_LANGUAGE = re.compile(r"(?:^|\s)(?:language-|lang-|brush:\s*|highlight-source-)([\w+#.-]+)")
_FILE_NAME = re.compile(r"\.[a-z]{3,4}$", re.IGNORECASE)
_EMBEDDED = re.compile(r"""data:[\w.+/-]*(?:;[\w=.+-]*)*,[^"'<>\s]*""")
"""Pictures inside the page; one larger than 10 MB would make the whole page unreadable."""
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^(?:---|\.\.\.)[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_BLOCKS = {"details": "div", "summary": "p", "figure": "div", "figcaption": "p", "form": "div", "fieldset": "div", "legend": "p"}
_INLINE = {"label": "span", "button": "span"}
"""unstructured drops these as boilerplate, but wikis fold real content into them."""
_MAX_SPAN = 50


def read_markdown(text: str) -> list[Block]:
    """CommonMark with tables, by way of HTML. A YAML front matter is no content."""
    from markdown_it import MarkdownIt

    return read_html(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(_FRONT_MATTER.sub("", text)))


def read_html(text: str) -> list[Block]:
    """Visible text, numbered lists, whole tables, and code between fences. Raises DocumentError if nested too deeply."""
    from lxml import etree, html

    from core.indexing.readers.offline import take_offline

    take_offline()
    from unstructured.partition.html import partition_html

    text = _EMBEDDED.sub("", text)
    if not text.strip():
        return []
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        root = html.document_fromstring(text.encode(), parser=parser)
        if limits := [
            problem.message for problem in parser.error_log if "depth" in problem.message or "XML_PARSE_HUGE" in problem.message
        ]:
            raise (
                _too_deep()
                if "depth" in limits[0]
                else DocumentError("has a part of more than 10 MB: export it in smaller pages")
            )
        _prepare(root)
        return list(blocks_of(partition_html(text=etree.tostring(root, encoding="unicode", method="html"), languages=["eng"])))
    except (etree.ParserError, etree.XMLSyntaxError):
        return []
    except RecursionError as error:
        raise _too_deep() from error


def _too_deep() -> DocumentError:
    return DocumentError("is nested too deeply to be read: export it again as a simpler page")


def _prepare(root: Any) -> None:
    """Take away what readers do not see, and keep what unstructured would lose."""
    for element in [*root.iter(*_INVISIBLE), *(element for element in root.iter() if _is_hidden(element))]:
        if element.getparent() is not None:
            element.drop_tree()
    for element in list(root.iter(*_BLOCKS, *_INLINE)):
        element.tag = _BLOCKS.get(element.tag) or _INLINE[element.tag]
    for image in list(root.iter("img")):
        alt = (image.get("alt") or "").strip()
        _become_text(image, f" {alt} " if alt and not _FILE_NAME.search(alt) else "")
    for box in list(root.iter("input")):
        checkbox = box.get("type", "").lower() == "checkbox"
        _become_text(box, ("[x] " if box.get("checked") is not None else "[ ] ") if checkbox else "")
    for table in list(root.iter("table")):
        if _is_layout(table):
            _flatten(table)
    for table in list(root.iter("table")):
        _fill_spans(table)
    for code in list(root.iter("pre")):
        _fence(code)
    for ordered in list(root.iter("ol")):
        _number(ordered)


def _is_hidden(element: Any) -> bool:
    return element.get("hidden") is not None or bool(_HIDING.search(element.get("style", "")))


def _become_text(element: Any, text: str) -> None:
    for attribute in list(element.attrib):
        del element.attrib[attribute]
    element.tag, element.text = "span", text


def _is_layout(table: Any) -> bool:
    """A table without header cells that holds headings, code or other tables only arranges them on the page."""
    return next(table.iter("th"), None) is None and any(
        inner is not table for inner in table.iter("table", "pre", "h1", "h2", "h3", "h4", "h5", "h6")
    )


def _flatten(table: Any) -> None:
    for part in _own(table, "tbody", "thead", "tfoot", "tr", "td", "caption", "colgroup"):
        part.tag = "div"
    table.tag = "div"


def _own(table: Any, *tags: str) -> Iterator[Any]:
    """The parts of this table, not of the tables inside it."""
    for part in list(table.iter(*tags)):
        if next(part.iterancestors("table"), None) is table:
            yield part


def _fill_spans(table: Any) -> None:
    """Repeat cells that span rows and columns, so that each row can be read by itself under the header."""
    waiting: dict[int, tuple[int, str]] = {}
    for row in _own(table, "tr"):
        column = 0
        cells = list(row.iterchildren("td", "th"))
        for cell in cells:
            column = _fill(row, row.index(cell), column, waiting)
            across, down = _span(cell, "colspan"), _span(cell, "rowspan")
            text = cell.text_content()
            for offset in range(across):
                if down > 1:
                    waiting[column + offset] = (down - 1, text)
                if offset:
                    _insert(row, row.index(cell) + offset, text if len(cells) > 1 else "")
            column += across
        _fill(row, len(row), column, waiting)


def _fill(row: Any, at: int, column: int, waiting: dict[int, tuple[int, str]]) -> int:
    while column in waiting:
        rows, text = waiting.pop(column)
        if rows > 1:
            waiting[column] = (rows - 1, text)
        _insert(row, at, text)
        at, column = at + 1, column + 1
    return column


def _insert(row: Any, at: int, text: str) -> None:
    cell = row.makeelement("td")
    cell.text = text
    row.insert(at, cell)


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return max(1, min(int(value), _MAX_SPAN)) if value.isascii() and value.isdigit() else 1


def _fence(code: Any) -> None:
    if next(code.iterancestors("table"), None) is not None:
        return
    for line in list(code.iter("br")):
        line.tail = "\n" + (line.tail or "")
    text = code.text_content().strip("\n")
    inner = code.find("code")
    classes = " ".join(
        (code.get("class", ""), inner.get("class", "") if inner is not None else "", code.get("data-language", ""))
    )
    language = _LANGUAGE.search(classes) or re.search(r"()([\w+#.-]+)$", code.get("data-language", ""))
    tail = code.tail
    code.clear()
    code.tail = tail
    code.text = "\n" + fenced(text, language.group(language.lastindex or 1) if language else "") + "\n" if text.strip() else ""


def _number(ordered: Any) -> None:
    start = ordered.get("start", "1")
    number = int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 1
    for item in ordered.iterchildren("li"):
        holder = item
        while not (holder.text or "").strip() and len(holder) and holder[0].tag in {"p", "div", "span"}:
            holder = holder[0]
        holder.text = f"{number}. {(holder.text or '').lstrip()}"
        number += 1
