"""Files as people add them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from core.indexing.uploads import Upload, document_id, version_of
from core.models import PUBLIC, Access
from tests.fakes import NOON

CHANNEL = "channel:slack:C1GENERAL"


def upload(name: str, text: str | bytes, *, access: Access = PUBLIC, place: str = CHANNEL, **fields: Any) -> tuple[Upload, bytes]:
    """What is kept of a file that Ana added, and its bytes."""
    body = text.encode() if isinstance(text, str) else text
    url = f"https://footnote.slack.com/files/U1ANA/{name}"
    values: dict[str, Any] = {
        "id": document_id(place, name),
        "name": name,
        "title": name,
        "media_type": "text/plain",
        "size": len(body),
        "url": url,
        "access": access,
        "place": place,
        "by": "slack:U1ANA",
        "by_name": "Ana",
        "at": NOON,
        "version": version_of(name, "text/plain", url, body),
    }
    return Upload(**(values | fields)), body


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of what never waits, as all does that is kept in memory."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise AssertionError("it waited")
