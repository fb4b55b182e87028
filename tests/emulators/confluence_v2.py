"""Confluence Cloud's REST API v2, the part that reads: https://developer.atlassian.com/cloud/confluence/rest/v2.

Here is what its routes share; those of spaces, contents and comments are beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tests.emulators.confluence_http import Call, Kind, Refused, integer, one_of, text
from tests.emulators.confluence_paging import SORTS, Ordered
from tests.emulators.confluence_world import Content, Space

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

ID = integer(1)
LIMIT = integer(1, 250)
PAGED: dict[str, Any] = {"cursor": text, "limit": LIMIT}
BODY = one_of("storage", "atlas_doc_format")
BODY_OF_ONE = one_of("storage", "atlas_doc_format", "view", "export_view", "anonymous_export_view", "styled_view", "editor")


def sorts(*names: str) -> Kind:
    return one_of(*names, *(f"-{name}" for name in names))


def space_asked(api: ConfluenceApi, call: Call) -> Space:
    space = api.site.spaces.get(call.number())
    if space is None or not api.site.sees_space(space):
        raise Refused(404, "Space not found")
    return space


def live(api: ConfluenceApi, content: Content, statuses: Sequence[str]) -> bool:
    """What hangs on a page is there as long as the page is."""
    holder = content.holder
    return content.status in statuses and api.site.sees(content) and (holder is content or holder.status in statuses)


def content_asked(api: ConfluenceApi, call: Call, kind: str, statuses: Sequence[str] = ("current", "archived")) -> Content:
    content = api.site.contents.get(call.number())
    if content is None or content.kind != kind or not live(api, content, statuses):
        raise Refused(404, f"{kind.title()} not found")
    return content


def location_asked(call: Call) -> str:
    return "inline" if "/inline-comments" in call.route.template else "footer"


def comment_asked(api: ConfluenceApi, call: Call, name: str) -> Content:
    location = location_asked(call)
    content = api.site.contents.get(call.number(name))
    if content is None or content.location != location or not live(api, content, ("current", "archived")):
        raise Refused(404, "Comment not found")
    return content


def listed(
    api: ConfluenceApi,
    call: Call,
    found: Callable[[], Sequence[Any]],
    show: Callable[[Any], Any],
    *,
    keys: Mapping[str, Callable[[Any], Any]] = SORTS,
    limit: int = 25,
) -> Any:
    sort = call.query.get("sort", "id")
    asked = {name: value for name, value in call.query.items() if name not in {"cursor", "limit"}}
    query = (call.route.template, tuple(call.ids.items()), repr(sorted(asked.items())))
    by = keys.get(sort.removeprefix("-"), keys.get("id", SORTS["id"]))
    listing = api.listing(query, lambda: Ordered.by(found(), by, descending=sort.startswith("-")))
    size = call.query.get("limit", limit)
    items, cursor = api.page(call, listing, query=query, limit=size)
    links = {"base": api.base}
    if cursor is not None:
        path = call.route.template
        for name, id in call.ids.items():
            path = path.replace(f"{{{name}}}", quote(id, safe=""))
        params = {name: ",".join(map(str, v)) if isinstance(v, list) else v for name, v in asked.items()}
        params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
        links["next"] = f"{path}?{urlencode({**params, 'limit': size, 'cursor': cursor})}"
    return {"results": [show(item) for item in items], "_links": links}
