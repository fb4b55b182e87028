"""What people mean when they paste an address of Confluence, or say a key or an id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus, urlsplit

from core.errors import UserError

_ID = re.compile(r"(?:att|comment:)?\d{1,20}")
_KEY = re.compile(r"~?[\w.-]{1,255}(?::[\w.-]{1,255})?", re.ASCII)
_CONTENT = re.compile(r"/spaces/(?P<key>[^/]+)/(?:pages|blog|folder)/(?:[^/]+/)*?(?P<id>\d{1,20})(?:/[^/]*)?/?")
_SPACE = re.compile(r"/spaces/(?P<key>[^/]+)(?:/(?:overview|pages|blog)?)?/?")
_FILE = re.compile(r"/download/(?:attachments|thumbnails)/(?P<id>\d{1,20})/.*")
_DISPLAY = re.compile(r"/display/(?P<key>[^/]+)(?:/(?P<title>[^/]+))?/?")
_PREVIEW = re.compile(r"/\d+/(?P<id>\d{1,20})/.*")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A content by its ``id`` (a folder of ``space`` perhaps), a page of ``space`` by its ``title``, or all of ``space``."""

    id: str = ""
    space: str = ""
    title: str = ""


def parse_scope(said: str, source: str, site: str) -> Scope:
    """``site`` is where people open it. Raises UserError when ``said`` cannot be anything there."""
    said = said.strip().removeprefix(f"{source}:")
    if _ID.fullmatch(said):
        return Scope(id=said)
    if "://" not in said and _KEY.fullmatch(said):
        return Scope(space=said)
    scope = _of_address(said, site) if "://" in said else None
    if scope is None:
        raise UserError(
            f"{said!r} is nothing in {source} ({site}): give the key of a space, or the address or id of a page, a folder or "
            "an attachment. Short addresses (/x/...) do not say what they lead to: open them and copy the long one."
        )
    return scope


def _of_address(said: str, site: str) -> Scope | None:
    try:
        address, home = urlsplit(said), urlsplit(site)
        if address.hostname is None or address.hostname != home.hostname:
            return None
    except ValueError:
        return None
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    return _of_path(address.path.removeprefix(home.path.rstrip("/")), query)


def _of_path(path: str, query: Mapping[str, str]) -> Scope | None:
    if file := _PREVIEW.fullmatch(query.get("preview", "")):
        return Scope(id=f"att{file['id']}")
    for name in ("pageId", "contentId", "homepageId"):
        if query.get(name, "").isdecimal():
            return Scope(id=query[name])
    if content := _CONTENT.fullmatch(path):
        return Scope(id=content["id"], space=unquote_plus(content["key"]))
    if file := _FILE.fullmatch(path):
        return Scope(id=file["id"])
    if page := _DISPLAY.fullmatch(path):
        return Scope(space=unquote_plus(page["key"]), title=unquote_plus(page["title"] or ""))
    if "spaceKey" in query and "title" in query:
        return Scope(space=query["spaceKey"], title=query["title"])
    if space := _SPACE.fullmatch(path):
        return Scope(space=unquote_plus(space["key"]))
    return None
