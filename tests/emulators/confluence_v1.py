"""Confluence's REST API v1, the part that reads, of Cloud and of Data Center:
https://developer.atlassian.com/cloud/confluence/rest/v1 and https://developer.atlassian.com/server/confluence/rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx

from tests.emulators.confluence_cql import CqlError, Indexed, parse
from tests.emulators.confluence_http import (
    Call,
    Kind,
    Ordered,
    Refused,
    Route,
    Routes,
    bytes_of,
    flag,
    integer,
    many,
    one_of,
    text,
)
from tests.emulators.confluence_v1_views import (
    CONTENT,
    Expand,
    content_of,
    expands,
    group_of,
    permissions_of,
    restriction_of,
    space_of,
    user_of,
)
from tests.emulators.confluence_world import Account, Content, Group, Space

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

common = Routes("/rest/api", "v1")
cloud = Routes("/rest/api", "v1")
data_center = Routes("/rest/api", "v1")
files = Routes("", "v1")
profiles = Routes("", "v1")
"""Of a Data Center."""

CAP, CAP_BODIES, CAP_RENDERED = 200, 100, 25
"""How many contents there are on a page at most, whatever was asked: with bodies, with rendered ones."""
RESTRICTIONS = 100
"""How many users and how many groups of a restriction are told at once."""
MEMBERS = 200

PAGED: dict[str, Kind] = {"start": integer(), "limit": integer()}
STATUS = one_of("current", "trashed", "deleted", "historical", "draft", "any")
SUMMARY, DETAILS = "read:confluence-content.summary", "read:confluence-content.all"
BROWSER = "browser"
"""No token has this scope."""
GROUPS, USERS = "read:confluence-groups", "read:confluence-user"


def all_routes(*, data_center: bool) -> list[Route]:
    if data_center:
        return [*common.all, *_data_center.all, *files.all, *profiles.all]
    return [*common.below("/wiki"), *cloud.below("/wiki"), *files.below("/wiki")]


_data_center = data_center


# Content.


@common.get(
    "/content",
    scope=SUMMARY,
    type=one_of("page", "blogpost"),
    spaceKey=text,
    title=text,
    status=many(STATUS),
    postingDay=text,
    expand=expands(CONTENT),
    orderby=text,
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
                if _is(content, statuses) and query.get("title", content.title) == content.title and api.site.sees(content)
            ],
            lambda content: (content.number,),
        )

    listing = api.listing(("contents", kind, query.get("spaceKey"), query.get("title"), tuple(statuses)), found)
    return _contents(api, call, listing.items)


@common.get("/content/{id}", scope=SUMMARY, status=many(STATUS), version=integer(1), expand=expands(CONTENT))
def one_content(api: ConfluenceApi, call: Call) -> Any:
    content = _content(api, call, call.query.get("status") or ["current"])
    return content_of(api, content, call.query.get("expand", Expand())) | {"_links": _links_of_one(api, content)}


@common.get("/content/{id}/child/page", scope=SUMMARY, expand=expands(CONTENT), **PAGED)
def child_pages(api: ConfluenceApi, call: Call) -> Any:
    below = _content(api, call).children.values()
    return _contents(api, call, [child for child in below if child.kind == "page" and api.site.sees(child)])


@common.get("/content/{id}/child/attachment", scope=SUMMARY, expand=expands(CONTENT), filename=text, mediaType=text, **PAGED)
def child_attachments(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    below = _content(api, call).attachments.values()
    return _contents(
        api,
        call,
        [
            attachment
            for attachment in below
            if attachment.status == "current"
            and query.get("filename", attachment.title) == attachment.title
            and query.get("mediaType", attachment.media_type) == attachment.media_type
        ],
    )


@common.get(
    "/content/{id}/child/comment",
    scope=SUMMARY,
    expand=expands(CONTENT),
    parentVersion=integer(),
    location=many(one_of("inline", "footer", "resolved")),
    depth=one_of("", "all"),
    **PAGED,
)
def child_comments(api: ConfluenceApi, call: Call) -> Any:
    """The first ones of the threads, or all with ``depth=all``; resolved ones only where they are asked for."""
    holder = _content(api, call)
    firsts = holder.children.values() if holder.kind == "comment" else holder.comments.values()
    found = [c for first in firsts for c in (first.subtree() if call.query.get("depth") == "all" else [first])]
    locations = call.query.get("location") or ["footer", "inline"]
    found = [c for c in found if ("resolved" if c.resolution == "resolved" else c.location) in locations]
    return _contents(api, call, found)


@common.get("/content/{id}/label", scope=SUMMARY, prefix=one_of("global", "my", "team"), **PAGED)
def labels(api: ConfluenceApi, call: Call) -> Any:
    names = list(_content(api, call).labels)
    show = [{"prefix": "global", "name": name, "id": api.site.labels[name], "label": name} for name in names]
    return _array(api, call, show, cap=200, default=200)


@common.get(
    "/content/search", scope="search:confluence", cql=text, cqlcontext=text, expand=expands(CONTENT), cursor=text, **PAGED
)
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
    links = {"base": api.base, "context": api.context, "self": f"{api.base}/rest/api/content/search"}
    if cursor is not None:
        asked = {"cql": call.query["cql"], "limit": call.query.get("limit", 25), "cursor": cursor}
        asked |= {"expand": str(expand)} if expand else {}
        links["next"] = f"/rest/api/content/search?{urlencode(asked)}"
    _ancestors_readable(api, items, expand)
    return {
        "results": [content_of(api, content, expand) for content in items],
        "start": 0,
        "limit": limit,
        "size": len(items),
        "_links": links,
    }


# Restrictions.

_RESTRICTED: dict[str, Kind] = {"expand": expands({"restrictions.user", "restrictions.group", "content"})}


@common.get("/content/{id}/restriction", scope=DETAILS, **_RESTRICTED, **PAGED)
def restriction(api: ConfluenceApi, call: Call) -> Any:
    content = _content(api, call, ["current", "archived"])
    start, limit = call.query.get("start", 0), min(call.query.get("limit", RESTRICTIONS), RESTRICTIONS)
    return {
        "results": [restriction_of(api, content, name, start, limit) for name in ("read", "update")],
        "start": start,
        "limit": limit,
        "size": 2,
        "restrictionsHash": f"{hash(tuple(map(tuple, api.site.readers(content)))) & 0xFFFFFFFF:08x}",
        "_links": _links(api, f"/rest/api/content/{content.id}/restriction"),
    }


@common.get("/content/{id}/restriction/byOperation", scope=DETAILS, **_RESTRICTED)
def restriction_by_operation(api: ConfluenceApi, call: Call) -> Any:
    content = _content(api, call, ["current", "archived"])
    shown = {name: restriction_of(api, content, name, 0, RESTRICTIONS) for name in ("read", "update")}
    return shown | {"_links": _links(api, f"/rest/api/content/{content.id}/restriction/byOperation")}


@common.get("/content/{id}/restriction/byOperation/{operation}", scope=DETAILS, **_RESTRICTED, **PAGED)
def restriction_of_operation(api: ConfluenceApi, call: Call) -> Any:
    content = _content(api, call, ["current", "archived"])
    if call.ids["operation"] not in {"read", "update"}:
        raise Refused(400, f"No operation with key : {call.ids['operation']}")
    start, limit = call.query.get("start", 0), min(call.query.get("limit", RESTRICTIONS), RESTRICTIONS)
    return restriction_of(api, content, call.ids["operation"], start, limit)


@cloud.post("/content/{id}/permission/check", scope=DETAILS)
def permission_check(api: ConfluenceApi, call: Call) -> Any:
    subject = call.body.get("subject", {}) if isinstance(call.body, dict) else {}
    if subject.get("type") not in {"user", "group"} or call.body.get("operation") not in {"read", "update", "delete"}:
        raise Refused(400, "subject and operation are required")
    content = _content(api, call)
    account = api.site.accounts.get(subject.get("identifier"))
    if subject["type"] == "user" and account is not api.site.bot and not api.site.bot.administers:
        raise Refused(403, "Only administrators may check the permissions of others")
    return {"hasPermission": account is not None and api.site.may_read(account, content), "errors": []}


# Spaces.

_SPACE = {"permissions", "description.plain", "description.view", "homepage", "metadata.labels", "icon", "history", "operations"}


@cloud.get(
    "/space",
    scope="read:confluence-space.summary",
    spaceKey=many(text),
    spaceId=many(integer()),
    type=one_of("global", "personal"),
    status=one_of("current", "archived"),
    expand=expands(_SPACE),
    **PAGED,
)
@data_center.get(
    "/space",
    scope="read:space",
    spaceKey=many(text),
    spaceId=many(integer()),
    type=one_of("global", "personal"),
    status=one_of("current", "archived"),
    expand=expands(_SPACE - {"permissions"}),
    **PAGED,
)
def spaces(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    found = [
        space
        for space in api.site.spaces.values()
        if api.site.sees_space(space)
        and ("spaceKey" not in query or space.key in query["spaceKey"])
        and ("spaceId" not in query or int(space.id) in query["spaceId"])
        and query.get("type", space.type) == space.type
        and query.get("status", space.status) == space.status
    ]
    expand = query.get("expand", Expand())
    return _array(api, call, found, lambda space: space_of(api, space, expand), cap=200)


@cloud.get("/space/{key}", scope="read:confluence-space.summary", expand=expands(_SPACE))
@data_center.get("/space/{key}", scope="read:space", expand=expands(_SPACE - {"permissions"}))
def one_space(api: ConfluenceApi, call: Call) -> Any:
    return space_of(api, _space(api, call), call.query.get("expand", Expand()))


@data_center.get("/space/{key}/permissions", scope="admin")
def space_permissions(api: ConfluenceApi, call: Call) -> Any:
    """All at once, without paging. Only since 9.1."""
    if not api.knows_space_permissions:
        raise Refused(404, "null for uri")
    return permissions_of(_space(api, call))


@data_center.get("/space/{key}/permissions/anonymous", scope="admin")
def anonymous_permissions(api: ConfluenceApi, call: Call) -> Any:
    if not api.knows_space_permissions:
        raise Refused(404, "null for uri")
    return [item for item in permissions_of(_space(api, call)) if item["subject"]["type"] == "anonymous"]


# Groups and people.


@common.get("/group", scope=GROUPS, accessType=one_of("user", "admin", "site-admin"), **PAGED)
def groups(api: ConfluenceApi, call: Call) -> Any:
    found = list(api.site.groups.values())
    return _array(api, call, found, lambda group: group_of(api, group), cap=MEMBERS, default=MEMBERS)


@cloud.get("/group/by-id", scope=GROUPS, id=text)
def group_by_id(api: ConfluenceApi, call: Call) -> Any:
    return group_of(api, _group(api, call.query.get("id", "")))


@data_center.get("/group/{name}", scope=GROUPS, expand=text)
def group_by_name(api: ConfluenceApi, call: Call) -> Any:
    return group_of(api, _group(api, call.ids["name"]))


@cloud.get("/group/{id}/membersByGroupId", scope=GROUPS, shouldReturnTotalSize=flag, **PAGED)
@data_center.get("/group/{id}/member", scope=GROUPS, expand=expands({"status"}), **PAGED)
def members(api: ConfluenceApi, call: Call) -> Any:
    """By offset, two hundred at most. Deactivated people are still members."""
    found = list(_group(api, call.ids["id"]).members.values())
    expand = call.query.get("expand", Expand())
    return _array(api, call, found, lambda account: user_of(api, account, expand), cap=MEMBERS, default=MEMBERS)


@common.get("/user/current", scope=USERS, expand=expands({"operations", "personalSpace", "isExternalCollaborator", "status"}))
def current_user(api: ConfluenceApi, call: Call) -> Any:
    zone = {} if api.data_center else {"timeZone": api.site.bot.time_zone}
    return user_of(api, api.site.bot, call.query.get("expand", Expand())) | zone


@cloud.get("/user", scope=USERS, accountId=text, expand=expands({"operations", "personalSpace", "isExternalCollaborator"}))
@data_center.get("/user", scope=USERS, key=text, username=text, expand=expands({"status"}))
def user(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    wanted = [
        account
        for account in api.site.accounts.values()
        if account.id in {query.get("accountId"), query.get("key")} or account.username == query.get("username", "-")
    ]
    if not wanted:
        raise Refused(404, "No user found")
    return user_of(api, wanted[0], query.get("expand", Expand()))


@cloud.get(
    "/user/bulk", scope=USERS, accountId=many(text), expand=expands({"operations", "personalSpace"}), limit=integer(1, 200)
)
def users_bulk(api: ConfluenceApi, call: Call) -> Any:
    ids = call.query.get("accountId")
    if not ids:
        raise Refused(400, "accountId is required")
    found = [api.site.accounts[id] for id in dict.fromkeys(ids) if id in api.site.accounts][: call.query.get("limit", 200)]
    return {
        "results": [user_of(api, account, Expand()) for account in found],
        "start": 0,
        "limit": call.query.get("limit", 200),
        "size": len(found),
        "_links": _links(api, "/rest/api/user/bulk"),
    }


@cloud.get("/search/user", scope="search:confluence", cql=text, expand=text, **PAGED)
def search_users(api: ConfluenceApi, call: Call) -> Any:
    """By offset. ``type=user`` finds all; a name with ``user.fullname~"Ana"``."""
    cql = call.query.get("cql", "").replace(" ", "")
    field, _, name = cql.partition("~")
    if cql not in {"type=user", 'type="user"'} and field != "user.fullname":
        raise Refused(400, f"Could not parse cql : {call.query.get('cql', '')}")
    wanted = name.strip("\"'*").lower()
    found = [
        account for account in api.site.accounts.values() if wanted in account.name.replace(" ", "").lower() and account.active
    ]

    def show(account: Account) -> dict[str, Any]:
        return {
            "user": user_of(api, account, Expand()),
            "title": account.name,
            "excerpt": "",
            "url": f"/people/{account.id}",
            "breadcrumbs": [],
            "entityType": "user",
            "iconCssClass": "",
            "lastModified": "2026-01-01T00:00:00.000Z",
            "score": 0.0,
        }

    extra = {"totalSize": len(found), "cqlQuery": call.query["cql"], "searchDuration": 1}
    return _array(api, call, found, show, cap=200) | extra


@profiles.get("/rest/mobile/latest/profile/{username}", scope=USERS)
def profile(api: ConfluenceApi, call: Call) -> Any:
    """Where a Data Center tells an address, if it may be seen."""
    account = next((a for a in api.site.accounts.values() if a.username == call.ids["username"]), None)
    if account is None:
        raise Refused(404, "No user found")
    email = {"email": account.email} if account.shows_email else {}
    return {"userName": account.username, "fullName": account.name, "anonymous": False, **email}


# Files.


@cloud.get(
    "/content/{id}/child/attachment/{attachment}/download", scope="readonly:content.attachment:confluence", version=integer(1)
)
def download(api: ConfluenceApi, call: Call) -> Any:
    attachment = _content(api, call).attachments.get(call.ids["attachment"])
    if attachment is None or attachment.status == "trashed":
        raise Refused(404, f"No attachment found with id: {call.ids['attachment']}")
    return httpx.Response(302, headers={"Location": api.media(attachment)})


@files.get(
    "/download/attachments/{id}/{name}",
    scope=BROWSER,
    version=integer(1),
    modificationDate=integer(),
    cacheVersion=integer(),
    api=one_of("v2"),
)
def download_by_name(api: ConfluenceApi, call: Call) -> Any:
    """The address of people's browsers. No scope is enough for it."""
    attachments = _content(api, call).attachments.values()
    attachment = next((item for item in attachments if item.title == call.ids["name"] and item.status == "current"), None)
    if attachment is None:
        raise Refused(404, "No attachment found")
    return bytes_of(attachment) if api.data_center else httpx.Response(302, headers={"Location": api.media(attachment)})


# How it is found, and told.


def _is(content: Content, statuses: Sequence[str]) -> bool:
    return "any" in statuses or content.status in statuses


def _content(api: ConfluenceApi, call: Call, statuses: Sequence[str] = ("current", "archived")) -> Content:
    id = call.ids["id"]
    content = api.site.contents.get(id)
    if content is None or not _is(content, statuses) or not api.site.sees(content):
        raise Refused(404, f"No content found with id: ContentId{{id={id}}}")
    return content


def _space(api: ConfluenceApi, call: Call) -> Space:
    space = api.site.space_of(call.ids["key"])
    if space is None or not api.site.sees_space(space):
        raise Refused(404, f"No space with key : {call.ids['key']}")
    return space


def _group(api: ConfluenceApi, id: str) -> Group:
    if id not in api.site.groups:
        raise Refused(404, f"No group found with id: {id}")
    return api.site.groups[id]


def _index(api: ConfluenceApi, known: Any) -> list[Indexed]:
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
    return min(call.query.get("limit", 25), cap)


def _contents(api: ConfluenceApi, call: Call, items: Sequence[Content]) -> Any:
    expand, cap = call.query.get("expand", Expand()), _limit(call)
    start = call.query.get("start", 0)
    _ancestors_readable(api, items[start : start + cap], expand)
    return _array(api, call, items, lambda content: content_of(api, content, expand), cap=cap)


def _array(
    api: ConfluenceApi, call: Call, items: Sequence[Any], show: Any = lambda item: item, *, cap: int, default: int = 25
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
    links = _links(api, path)
    if not call.empty and start + limit < len(items):
        query = {name: str(value) if isinstance(value, Expand) else value for name, value in call.query.items()}
        query = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in query.items()}
        step = asked if api.data_center else limit
        links["next"] = f"{path}?{urlencode(query | {'limit': asked, 'start': start + step})}"
    return {"results": [show(item) for item in page], "start": start, "limit": limit, "size": len(page), "_links": links}


def _ancestors_readable(api: ConfluenceApi, items: Sequence[Content], expand: Expand) -> None:
    """Their restrictions cannot be expanded for any, if one of them is a draft, in the trash or out of sight."""
    if "ancestors.restrictions" not in expand:
        return
    for content in items:
        for above in content.ancestors:
            if above.status != "current" or not api.site.sees(above):
                raise Refused(404, f"No content found with id: ContentId{{id={above.id}}}")


def _links(api: ConfluenceApi, path: str) -> dict[str, str]:
    return {"base": api.base, "context": api.context, "self": api.base + path}


def _links_of_one(api: ConfluenceApi, content: Content) -> dict[str, str]:
    own: dict[str, str] = content_of(api, content, Expand())["_links"]
    return own | {"base": api.base, "context": api.context}
