"""What a push notification is about. It is a hint: whatever it says is looked up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_ID = 20
_OF_ITSELF = re.compile(r"(?:page|blog|attachment|comment)_(?:created|updated)")


def hinted(body: bytes) -> str | None:
    """The scope that a notification names: a Data Center's webhook says the content, others ``scope``, ``url`` or ``id``.

    None when it says something else, or nothing; and when what happened to a content may matter to what is below it, as a
    restriction, a move or the trash do.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    for name in ("scope", "url"):
        if isinstance(said := told.get(name), str) and said.strip():
            return said.strip()
    event = told.get("event", "page_updated")
    if not isinstance(event, str) or not _OF_ITSELF.fullmatch(event):
        return None
    return next((id for content in _contents(told) if (id := _id(content))), None)


def _contents(told: dict[str, Any]) -> Iterator[Any]:
    """The page that something happened to, or on."""
    for name in ("attachedTo", "page", "blog", "blogpost", "content"):
        yield told.get(name)
    comment = told.get("comment")
    yield comment.get("parent") if isinstance(comment, dict) else None
    yield told


def _id(content: Any) -> str | None:
    id = content.get("id") if isinstance(content, dict) else None
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    return id if isinstance(id, str) and id.isascii() and id.isdecimal() and len(id) <= MAX_ID else None
