"""Tables of the storage format, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

MAX_SPAN = 50
MAX_REPEATED = 200
"""Characters of a cell that are repeated in every row and column that it spans."""
MAX_COLUMNS = 100
"""What stands further right is added to the last one."""

_ARRANGING = ("table", "pre", "h1", "h2", "h3", "h4", "h5", "h6")


def is_layout(table: Any) -> bool:
    """A table without header cells that holds headings, code or other tables only arranges them on the page."""
    return next(table.iter("th"), None) is None and (
        any(inner is not table for inner in table.iter(*_ARRANGING))
        or any(macro.get("ac:name") in {"code", "noformat"} for macro in table.iter("ac:structured-macro"))
    )


def cells(table: Any) -> Iterator[Any]:
    for row in _rows(table):
        yield from row


def to_markdown(table: Any, text_of: Callable[[Any], str]) -> str:
    """A Markdown table; a cell that spans rows or columns stands in each of them. Empty when no cell has text.

    ``text_of`` gives a cell's content in one line.
    """
    rows = [_narrowed(row) for row in _filled(table, text_of)]
    if not any(any(row) for row in rows):
        return ""
    width = max(map(len, rows))
    head = rows.pop(0) if any(cell.tag == "th" for cell in next(_rows(table))) else []
    lines = [_line(head + [""] * (width - len(head))), "|" + " --- |" * width, *map(_line, rows)]
    return "\n".join(lines)


def _narrowed(row: list[str]) -> list[str]:
    return row if len(row) <= MAX_COLUMNS else [*row[: MAX_COLUMNS - 1], " ".join(filter(None, row[MAX_COLUMNS - 1 :]))]


def _line(row: list[str]) -> str:
    return "| " + " | ".join(row) + " |"


def _rows(table: Any) -> Iterator[list[Any]]:
    """The cells of this table's rows, not of the tables inside it."""
    for row in table.iter("tr"):
        if next(row.iterancestors("table"), None) is table:
            yield [cell for cell in row if cell.tag in {"td", "th"}]


def _filled(table: Any, text_of: Callable[[Any], str]) -> Iterator[list[str]]:
    waiting: dict[int, tuple[int, str]] = {}
    for row in _rows(table):
        filled: list[str] = []
        for cell in row:
            _fill(filled, waiting)
            text = text_of(cell)
            across, down = _span(cell, "colspan"), _span(cell, "rowspan")
            again = text if len(text) <= MAX_REPEATED else ""
            for offset in range(across):
                if down > 1:
                    waiting[len(filled)] = (down - 1, again)
                filled.append(again if offset else text)
        _fill(filled, waiting)
        yield filled


def _fill(filled: list[str], waiting: dict[int, tuple[int, str]]) -> None:
    while len(filled) in waiting:
        rows, text = waiting.pop(len(filled))
        if rows > 1:
            waiting[len(filled)] = (rows - 1, text)
        filled.append(text)


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return max(1, min(int(value), MAX_SPAN)) if value.isascii() and value.isdigit() and len(value) < 9 else 1
