"""The lines of an evaluation set as people write them, and what is told of one that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from core.errors import UserError


def rows(file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a file of JSON lines, each with where it stands. Empty lines are skipped."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                at = f"{file}, line {number}"
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise UserError(f"{at}: this is not JSON ({error}): write one object a line.") from error
                if not isinstance(row, dict):
                    raise UserError(f"{at}: this is not a JSON object: write one a line.")
                yield row, at
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error


def text(row: Mapping[str, Any], *keys: str, at: str) -> str:
    """The first of these that the row has, as text. Raises UserError when it has none."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    raise UserError(f"{at}: {' or '.join(f'`{key}`' for key in keys)} is missing.")


def texts(value: Any, key: str, at: str) -> tuple[str, ...]:
    """One text or a list of them."""
    items = [value] if isinstance(value, str) else value or []
    if not isinstance(items, list) or not all(isinstance(item, str | int | float) for item in items):
        raise UserError(f"{at}: `{key}` must be a list of texts.")
    return tuple(str(item).strip() for item in items if str(item).strip())


def facts(value: Any, at: str) -> tuple[tuple[str, ...], ...]:
    """A list of facts, each one text or a list of its wordings."""
    if not isinstance(value, list | None):
        raise UserError(f"{at}: the facts must be a list, each of them a text or a list of wordings.")
    return tuple(wordings for item in value or () if (wordings := texts(item, "facts", at)))
