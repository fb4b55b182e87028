"""Tables become Markdown: each row on one line, the header above it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

RULE = "|-"
"""What the line below the header begins with; as short as Markdown allows, for every mark costs a wordpiece."""


def markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table, the first non-empty row as its header.

    Empty rows, and columns without any text, are left out; short rows are filled up. ``""`` if nothing is left.
    """
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    width = max((len(row) for row in cells), default=0)
    kept = [column for column in range(width) if any(column < len(row) and row[column] for row in cells)]
    lines = ["| " + " | ".join(row[column] if column < len(row) else "" for column in kept) + " |" for row in cells]
    return "\n".join((lines[0], RULE * len(kept) + "|", *lines[1:])) if lines else ""
