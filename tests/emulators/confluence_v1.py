"""Confluence's REST API v1, the part that reads, of Cloud and of Data Center:
https://developer.atlassian.com/cloud/confluence/rest/v1 and https://developer.atlassian.com/server/confluence/rest.

Here is what its routes share; those of contents, of spaces and of people are beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tests.emulators.confluence_http import Call, Refused, integer
from tests.emulators.confluence_v1_views import Expand
from tests.emulators.confluence_world import Content

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

PAGED: dict[str, Any] = {"start": integer(), "limit": integer()}
SUMMARY = "read:confluence-content.summary read:content-details:confluence"
GROUPS = "read:confluence-groups read:group:confluence"
USERS = "read:confluence-user read:user:confluence"


def has_status(content: Content, statuses: Sequence[str]) -> bool:
    return "any" in statuses or content.status in statuses


def content_asked(api: ConfluenceApi, call: Call, statuses: Sequence[str] = ("current", "archived")) -> Content:
    id = call.ids["id"]
    content = api.site.contents.get(id)
    if (
        content is None
        or not has_status(content, statuses)
        or not has_status(content.holder, statuses)
        or not api.site.sees(content)
    ):
        raise Refused(404, f"No content found with id: ContentId{{id={id}}}")
    return content


def array(
    api: ConfluenceApi,
    call: Call,
    items: Sequence[Any],
    show: Callable[[Any], Any] = lambda item: item,
    *,
    cap: int,
    default: int = 25,
) -> dict[str, Any]:
    """By offset. More than the cap is not refused; a Data Center's next link then goes on after what was asked, and so
    leaves out what was not told.
    """
    start, asked = call.query.get("start", 0), call.query.get("limit", default)
    limit = min(asked, cap)
    page = [] if call.empty else list(items[start : start + limit])
    path = call.route.template.removeprefix("/wiki")
    for name, id in call.ids.items():
        path = path.replace(f"{{{name}}}", quote(id, safe=""))
    shown = links(api, path)
    if not call.empty and start + limit < len(items):
        query = {name: str(value) if isinstance(value, Expand) else value for name, value in call.query.items()}
        query = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in query.items()}
        step = asked if api.data_center else limit
        shown["next"] = f"{path}?{urlencode(query | {'limit': asked, 'start': start + step})}"
    return {"results": [show(item) for item in page], "start": start, "limit": limit, "size": len(page), "_links": shown}


def links(api: ConfluenceApi, path: str) -> dict[str, str]:
    return {"base": api.base, "context": api.context, "self": api.base + path}
