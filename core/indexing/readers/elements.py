"""The elements of unstructured as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from core.indexing.blocks import Block
from core.indexing.readers.tables import markdown_table

_NUMBERED = re.compile(r"(?:\d{1,3}|[a-z])[.)]\s", re.IGNORECASE)
_MAX_INDENT = 6
_MIDNIGHT = " 00:00:00"
"""What a date in a workbook drags along."""
_LEFT_OUT = frozenset({"PageBreak", "Header", "Footer", "PageNumber"})
"""Running headers and footers repeat on every page and answer nothing."""


def blocks_of(elements: Iterable[Any]) -> Iterator[Block]:
    """Blocks in the order of the elements; neighbouring list items become one list, sheets of a workbook get a heading."""
    items: list[str] = []
    sheet = None
    for element in elements:
        kind, text, metadata = element.category, element.text or "", element.metadata
        if kind == "ListItem" and text.strip():
            items.append(_item(text.strip(), metadata.category_depth or 0))
            continue
        if items:
            yield Block("list", "\n".join(items))
            items = []
        if kind in _LEFT_OUT or not text.strip():
            continue
        if metadata.page_name and metadata.page_name != sheet:
            sheet = metadata.page_name
            yield Block("heading", sheet, 1)
        if kind == "Title" and metadata.category_depth is not None:
            yield Block("heading", text.strip(), metadata.category_depth + 1)
        elif kind == "Table":
            yield from _table(text, metadata.text_as_html)
        elif kind == "CodeSnippet":
            yield Block("code", text.strip("\n"))
        else:
            yield Block("text", text.strip())
    if items:
        yield Block("list", "\n".join(items))


def _item(text: str, depth: int) -> str:
    mark = "" if _NUMBERED.match(text) else "- "
    return "  " * min(max(0, depth - 1), _MAX_INDENT) + mark + " ".join(text.split())


def _table(text: str, html: str | None) -> Iterator[Block]:
    from lxml import html as markup

    root = markup.fromstring(html) if html else None
    rows = root.iter("tr") if root is not None else ()
    table = markdown_table([cell.text_content().removesuffix(_MIDNIGHT) for cell in row.iterchildren("td", "th")] for row in rows)
    if root is None or not table:
        yield Block("text", text.strip())
        return
    caption = root.findtext("caption")
    if caption:
        yield Block("text", caption)
    yield Block("table", table)
