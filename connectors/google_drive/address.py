"""Ids of files, folders and shared drives, as people have them: bare, or in the address that their browser shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

_ID = re.compile(r"[\w-]{15,128}", re.ASCII)
_IN_PATH = re.compile(r"/(?:d|folders|drives)/([\w-]{15,128})(?:/|$)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Address:
    id: str
    resource_key: str | None = None
    """What opens some older items beside the right to read them."""


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def parse_address(text: str) -> Address | None:
    """``1AbC…``, ``docs.google.com/document/d/1AbC…/edit``, ``drive.google.com/drive/u/0/folders/1AbC…``, ``…/open?id=1AbC…``;
    None for anything else.
    """
    text = text.strip()
    if is_id(text):
        return Address(id=text)
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        return None
    host = parts.hostname or ""
    if host != "google.com" and not host.endswith(".google.com"):
        return None
    query = parse_qs(parts.query)
    found = _IN_PATH.search(parts.path)
    id = found[1] if found else query.get("id", [""])[0]
    return Address(id=id, resource_key=query.get("resourcekey", [None])[0]) if is_id(id) else None
