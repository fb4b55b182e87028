"""Routes of v1 about contents, their restrictions and files, and the search."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx

from tests.emulators.confluence_cql import CqlError, Indexed, parse
from tests.emulators.confluence_http import Call, Edition, Refused, Routes, bytes_of, integer, many, one_of, text
from tests.emulators.confluence_paging import Ordered
from tests.emulators.confluence_v1 import PAGED, SUMMARY, array, content_asked, has_status, links
from tests.emulators.confluence_v1_views import CONTENT, Expand, content_of, expands, restriction_of
from tests.emulators.confluence_world import Content, File

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

routes = Routes("/rest/api")
files = Routes("/download")

CAP, CAP_BODIES, CAP_RENDERED = 200, 100, 25
"""How many contents there are on a page at most, whatever was asked: with bodies, with rendered ones."""
RESTRICTIONS = 100
"""How many users and how many groups of a restriction are told at once."""
STATUS = one_of("current", "trashed", "deleted", "historical", "draft", "any")
SEARCH = "search:confluence read:content-details:confluence"
DETAILS = "read:confluence-content.all read:content.restriction:confluence"
DOWNLOAD = "readonly:content.attachment:confluence read:attachment:confluence"
BROWSER = "browser"
"""No token has this scope."""


@routes.get(
    "/content",
    scope=SUMMARY,
    type=one_of("page", "blogpost"),
    spaceKey=text,
    title=text,
    status=many(STATUS),
    expand=expands(CONTENT),
    **PAGED,
)
def contents(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    kind, statuses = query.get("type", "page"), query.get("status") or ["current"]
    spaces = [s for s in api.site.spaces.values() if query.get("spaceKey", s.key) == s.key and api.site.sees_space(s)]
    if "spaceKey" in query and not spaces:
        raise Refused(404, f"No space with key : {query['spaceKey']}")

    def found() -> Ordered:
        candidates = (content for space in spaces for content in space.contents.values() if content.kind == kind)
        return Ordered.by(
            [
                content
                for content in candidates
                if has_status(content, statuses) and query.get("title", content.title) == content.title and api.site.sees(content)
            ],
            lambda content: (content.number,),
        )

    listing = api.listing(("contents", kind, query.get("spaceKey"), query.get("title"), tuple(statuses)), found)
    return _contents(api, call, listing.items)


@routes.get("/content/{id}", scope=SUMMARY, status=many(STATUS), expand=expands(CONTENT))
def one_content(api: ConfluenceApi, call: Call) -> Any:
    content = content_asked(api, call, call.query.get("status") or ["current"])
    return content_of(api, content, call.query.get("expand", Expand())) | {"_links": _links_of_one(api, content)}


@routes.get("/content/{id}/child/page", scope=SUMMARY, expand=expands(CONTENT), **PAGED)
def child_pages(api: ConfluenceApi, call: Call) -> Any:
    below = content_asked(api, call).children.values()
    return _contents(api, call, [child for child in below if child.kind == "page" and api.site.sees(child)])


@routes.get("/content/{id}/child/attachment", scope=SUMMARY, expand=expands(CONTENT), filename=text, mediaType=text, **PAGED)
def child_attachments(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    below = content_asked(api, call).attachments.values()
    return _contents(
        api,
        call,
        [
            attachment
            for attachment in below
            if attachment.status == "current"
            and query.get("filename", attachment.title) == attachment.title
            and query.get("mediaType", attachment.file.media_type) == attachment.file.media_type
        ],
    )


@routes.get(
    "/content/{id}/child/comment",
    scope=SUMMARY,
    expand=expands(CONTENT),
    location=many(one_of("inline", "footer", "resolved")),
    depth=one_of("", "all"),
    **PAGED,
)
def child_comments(api: ConfluenceApi, call: Call) -> Any:
    """The first ones of the threads, or all with ``depth=all``; resolved ones only where they are asked for."""
    holder = content_asked(api, call)
    firsts = holder.children.values() if holder.kind == "comment" else holder.comments.values()
    found = [c for first in firsts for c in (first.subtree() if call.query.get("depth") == "all" else [first])]
    locations = call.query.get("location") or ["footer", "inline"]
    found = [c for c in found if ("resolved" if c.resolution == "resolved" else c.location) in locations]
    return _contents(api, call, found)


@routes.get("/content/{id}/label", scope=SUMMARY, prefix=one_of("global", "my", "team"), **PAGED)
def labels(api: ConfluenceApi, call: Call) -> Any:
    names = list(content_asked(api, call).labels)
    show = [{"prefix": "global", "name": name, "id": api.site.labels[name], "label": name} for name in names]
    return array(api, call, show, cap=200, default=200)


@routes.get(
    "/content/search", edition=Edition.CLOUD, scope=SEARCH, cql=text, expand=expands(CONTENT), cursor=text, limit=integer()
)
@routes.get("/content/search", edition=Edition.DATA_CENTER, scope=SEARCH, cql=text, expand=expands(CONTENT), **PAGED)
def search(api: ConfluenceApi, call: Call) -> Any:
    """Of Cloud, with cursors, of Data Center by offset. It knows nothing of the trash, nor of archived pages and spaces."""
    now = api.site.clock()
    try:
        cql = parse(call.query["cql"], zone=api.site.bot.time_zone, now=now)
    except KeyError:
        raise Refused(400, "CQL query is required") from None
    except CqlError as error:
        raise Refused(400, str(error)) from None
    known = now - timedelta(seconds=api.index_delay)

    def found() -> Ordered:
        listed = cql.select(_index(api, known))
        return Ordered([(position,) for position in range(len(listed))], listed)

    query = ("search", call.query["cql"])
    listing = api.listing((query, now) if api.index_delay else query, found)
    if api.data_center:
        return _contents(api, call, listing.items)
    expand, limit = call.query.get("expand", Expand()), _limit(call)
    items, cursor = api.page(call, listing, query=query, limit=limit)
    shown = links(api, "/rest/api/content/search")
    if cursor is not None:
        asked = {"cql": call.query["cql"], "limit": call.query.get("limit", 25), "cursor": cursor}
        asked |= {"expand": str(expand)} if expand else {}
        shown["next"] = f"/rest/api/content/search?{urlencode(asked)}"
    _ancestors_readable(api, items, expand)
    return {
        "results": [content_of(api, content, expand) for content in items],
        "start": 0,
        "limit": limit,
        "size": len(items),
        "_links": shown,
    }


# Restrictions.

_RESTRICTED: dict[str, Any] = {"expand": expands({"restrictions.user", "restrictions.group", "content"})}


@routes.get("/content/{id}/restriction", scope=DETAILS, **_RESTRICTED, **PAGED)
def restriction(api: ConfluenceApi, call: Call) -> Any:
    content = content_asked(api, call, ["current", "archived"])
    start, limit = call.query.get("start", 0), min(call.query.get("limit", RESTRICTIONS), RESTRICTIONS)
    return {
        "results": [restriction_of(api, content, name, start, limit) for name in ("read", "update")],
        "start": start,
        "limit": limit,
        "size": 2,
        "restrictionsHash": hashlib.sha256(repr(sorted(content.restrictions["read"].principals)).encode()).hexdigest(),
        "_links": links(api, f"/rest/api/content/{content.id}/restriction"),
    }


@routes.get("/content/{id}/restriction/byOperation", scope=DETAILS, **_RESTRICTED)
def restriction_by_operation(api: ConfluenceApi, call: Call) -> Any:
    content = content_asked(api, call, ["current", "archived"])
    shown = {name: restriction_of(api, content, name, 0, RESTRICTIONS) for name in ("read", "update")}
    return shown | {"_links": links(api, f"/rest/api/content/{content.id}/restriction/byOperation")}


@routes.get("/content/{id}/restriction/byOperation/{operation}", scope=DETAILS, **_RESTRICTED, **PAGED)
def restriction_of_operation(api: ConfluenceApi, call: Call) -> Any:
    content = content_asked(api, call, ["current", "archived"])
    if call.ids["operation"] not in {"read", "update"}:
        raise Refused(400, f"No operation with key : {call.ids['operation']}")
    start, limit = call.query.get("start", 0), min(call.query.get("limit", RESTRICTIONS), RESTRICTIONS)
    return restriction_of(api, content, call.ids["operation"], start, limit)


@routes.post("/content/{id}/permission/check", edition=Edition.CLOUD, scope=DETAILS)
def permission_check(api: ConfluenceApi, call: Call) -> Any:
    subject = call.body.get("subject", {}) if isinstance(call.body, dict) else {}
    if subject.get("type") not in {"user", "group"} or call.body.get("operation") not in {"read", "update", "delete"}:
        raise Refused(400, "subject and operation are required")
    content = content_asked(api, call)
    account = api.site.accounts.get(str(subject.get("identifier")))
    if subject["type"] == "user" and account is not api.site.bot and not api.site.bot.administers:
        raise Refused(403, "Only administrators may check the permissions of others")
    return {"hasPermission": account is not None and api.site.may_read(account, content), "errors": []}


# Files.


@routes.get("/content/{id}/child/attachment/{attachment}/download", edition=Edition.CLOUD, scope=DOWNLOAD, version=integer(1))
def download(api: ConfluenceApi, call: Call) -> Any:
    attachment = content_asked(api, call).attachments.get(call.ids["attachment"])
    if attachment is None or attachment.status == "trashed":
        raise Refused(404, f"No attachment found with id: {call.ids['attachment']}")
    return httpx.Response(302, headers={"Location": api.media(attachment, _file(call, attachment))})


@files.get(
    "/attachments/{id}/{name}",
    scope=BROWSER,
    version=integer(1),
    modificationDate=integer(),
    cacheVersion=integer(),
    api=one_of("v2"),
)
def download_by_name(api: ConfluenceApi, call: Call) -> Any:
    """The address of people's browsers. No scope is enough for it."""
    attachments = content_asked(api, call).attachments.values()
    attachment = next((item for item in attachments if item.title == call.ids["name"] and item.status == "current"), None)
    if attachment is None:
        raise Refused(404, "No attachment found")
    file = _file(call, attachment)
    return bytes_of(file) if api.data_center else httpx.Response(302, headers={"Location": api.media(attachment, file)})


# How it is found, and told.


def _file(call: Call, attachment: Content) -> File:
    """Of the version that is asked for, or the newest."""
    version = call.query.get("version", attachment.version.number)
    if version > attachment.version.number:
        raise Refused(400, f"There is no version {version}")
    return attachment.file_of(version)


def _index(api: ConfluenceApi, known: datetime) -> list[Indexed]:
    """What was there at that time, of what the bot may read now."""
    found = []
    for content in api.site.contents.values():
        holder = content.holder
        live = content.status == holder.status == "current" and holder.space.status == "current"
        versions = [version for version in content.versions if version.at <= known] if live else []
        if versions and api.site.sees(content):
            found.append(Indexed(content, versions[-1].at))
    return found


def _limit(call: Call) -> int:
    expand = call.query.get("expand", Expand())
    rendered = any(f"body.{name}" in expand for name in ("view", "export_view", "styled_view"))
    cap = CAP_RENDERED if rendered else CAP_BODIES if "body" in expand else CAP
    asked: int = call.query.get("limit", 25)
    return min(asked, cap)


def _contents(api: ConfluenceApi, call: Call, items: Sequence[Content]) -> Any:
    expand, cap = call.query.get("expand", Expand()), _limit(call)
    start = call.query.get("start", 0)
    _ancestors_readable(api, items[start : start + cap], expand)
    return array(api, call, items, lambda content: content_of(api, content, expand), cap=cap)


def _ancestors_readable(api: ConfluenceApi, items: Sequence[Content], expand: Expand) -> None:
    """Their restrictions cannot be expanded for any, if one of them is a draft, in the trash or out of sight."""
    if "ancestors.restrictions" not in expand:
        return
    for content in items:
        for above in content.ancestors:
            if above.status != "current" or not api.site.sees(above):
                raise Refused(404, f"No content found with id: ContentId{{id={above.id}}}")


def _links_of_one(api: ConfluenceApi, content: Content) -> dict[str, str]:
    own: dict[str, str] = content_of(api, content, Expand())["_links"]
    return own | {"base": api.base, "context": api.context}
