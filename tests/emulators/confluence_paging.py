"""The order of an emulated listing, and the cursors that lead through it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.emulators.confluence_http import Refused
from tests.emulators.confluence_world import Content

SORTS: dict[str, Callable[[Content], Any]] = {
    "id": lambda content: (content.number,),
    "created-date": lambda content: (content.created.at.timestamp(), content.number),
    "modified-date": lambda content: (content.version.at.timestamp(), content.number),
    "title": lambda content: (content.title, content.number),
}


@dataclass(frozen=True)
class Ordered:
    """A listing in ascending order of its keys."""

    keys: Sequence[Any]
    items: Sequence[Any]
    descending: bool = False

    @classmethod
    def by(cls, items: Sequence[Any], key: Callable[[Any], Any], *, descending: bool = False) -> Ordered:
        keyed = sorted(((tuple(key(item)), item) for item in items), key=lambda pair: pair[0])
        return cls([key for key, _ in keyed], [item for _, item in keyed], descending)

    def after(self, key: Any, limit: int) -> tuple[list[Any], Any]:
        """The next items, and the key to go on from if there are more. What changed its place meanwhile may be missed or
        told again, as in a database.
        """
        if self.descending:
            end = len(self.keys) if key is None else bisect_left(self.keys, key)
            start = max(0, end - limit)
            return list(self.items[start:end][::-1]), self.keys[start] if start else None
        start = 0 if key is None else bisect_right(self.keys, key)
        end = min(start + limit, len(self.keys))
        return list(self.items[start:end]), self.keys[end - 1] if end < len(self.keys) else None


class Cursors:
    """Opaque, and good only for the query that they came from, until they expire."""

    def __init__(self) -> None:
        self._key = b"confluence"
        self._generation = 0

    def expire(self) -> None:
        """All that were given so far."""
        self._generation += 1

    def give(self, query: object, key: Any) -> str:
        text = json.dumps([self._digest(query), self._generation, key], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(text) + text).decode()

    def take(self, query: object, cursor: str) -> Any:
        try:
            raw = base64.urlsafe_b64decode(cursor)
            if not hmac.compare_digest(raw[:8], self._sign(raw[8:])):
                raise ValueError
            digest, generation, key = json.loads(raw[8:])
        except ValueError:
            digest, generation, key = "", -1, None
        if digest != self._digest(query) or generation != self._generation:
            raise Refused(400, f"Provided value {{{cursor}}} for 'cursor' is not the correct type. Expected type is Cursor")
        return tuple(key) if isinstance(key, list) else key

    def _sign(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")[:8]

    @staticmethod
    def _digest(query: object) -> str:
        return hashlib.sha256(repr(query).encode()).hexdigest()[:16]
