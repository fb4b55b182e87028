"""Confluence Cloud's REST API v2, the part that reads: https://developer.atlassian.com/cloud/confluence/rest/v2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

from tests.emulators.confluence_http import SORTS, Call, Kind, Ordered, Refused, Routes, flag, integer, many, one_of, text
from tests.emulators.confluence_world import AccessClass, Account, Content, Group, Space, Version

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

routes = Routes("/wiki/api/v2", "v2")

LIMIT = integer(1, 250)
ID = integer(1)
PAGED: dict[str, Kind] = {"cursor": text, "limit": LIMIT}
BODY = one_of("storage", "atlas_doc_format")
BODY_OF_ONE = one_of("storage", "atlas_doc_format", "view", "export_view", "anonymous_export_view", "styled_view", "editor")
STATUSES = ("current", "archived", "deleted", "trashed")


def _sorts(*names: str) -> Kind:
    return one_of(*names, *(f"-{name}" for name in names))


PAGE_SORT = _sorts("id", "created-date", "modified-date", "title")
BLOG_SORT = _sorts("id", "created-date", "modified-date")
DATE_SORT = _sorts("created-date", "modified-date")
PAGE_STATUS = many(one_of(*STATUSES))
BLOG_STATUS = many(one_of("current", "deleted", "trashed"))
ATTACHMENT_STATUS = many(one_of("current", "archived", "trashed"))
COMMENT_STATUS = many(one_of("current", "archived", "trashed", "deleted", "historical", "draft"))
INCLUDES: dict[str, Kind] = {
    f"include_{what}": flag for what in ("labels", "properties", "operations", "likes", "versions", "version", "webresources")
} | {"include_favorited_by_current_user_status": flag, "get_draft": flag, "version": integer(1)}


# Spaces.


@routes.get(
    "/spaces",
    scope="read:space:confluence",
    ids=many(ID, 250),
    keys=many(text, 250),
    type=one_of("global", "collaboration", "knowledge_base", "personal"),
    status=one_of("current", "archived"),
    labels=many(text),
    favorited_by=text,
    not_favorited_by=text,
    sort=_sorts("id", "key", "name"),
    description_format=one_of("plain", "view"),
    include_icon=flag,
    **PAGED,
)
def spaces(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    found = [
        space
        for space in api.site.spaces.values()
        if api.site.sees_space(space)
        and ("ids" not in query or int(space.id) in query["ids"])
        and ("keys" not in query or space.key in query["keys"])
        and query.get("type", space.type) == space.type
        and query.get("status", space.status) == space.status
        and not query.get("labels")
    ]
    keys: dict[str, Callable[[Space], Any]] = {
        "id": lambda space: (int(space.id),),
        "key": lambda space: (space.key, int(space.id)),
        "name": lambda space: (space.name, int(space.id)),
    }
    return _listed(api, call, lambda: found, lambda space: space_of(space), keys=keys)


@routes.get(
    "/spaces/{id}",
    scope="read:space:confluence",
    description_format=one_of("plain", "view"),
    **{f"include_{what}": flag for what in ("icon", "operations", "properties", "permissions", "role_assignments", "labels")},
)
def one_space(api: ConfluenceApi, call: Call) -> Any:
    fields = space_of(_space(api, call))
    return fields | {"_links": fields["_links"] | {"base": api.base}}


@routes.get("/spaces/{id}/permissions", scope="read:space:confluence", **PAGED)
def permissions(api: ConfluenceApi, call: Call) -> Any:
    """Anonymous access is told by v1 alone, unless a role brought it."""
    space = _space(api, call)
    found = [grant for grant in space.grants if grant.role or grant.subject is not AccessClass.ANONYMOUS]
    return _listed(
        api,
        call,
        lambda: found,
        lambda grant: {
            "id": str(grant.id),
            "principal": {"type": _principal(grant.subject)[0], "id": _principal(grant.subject)[1]},
            "operation": {"key": grant.operation, "targetType": grant.target},
        },
        keys={"id": lambda grant: (grant.id,)},
    )


@routes.get(
    "/spaces/{id}/role-assignments",
    scope="read:space.permission:confluence",
    role_id=text,
    role_type=one_of("SYSTEM", "CUSTOM"),
    principal_id=text,
    principal_type=one_of("USER", "GROUP", "ACCESS_CLASS"),
    **PAGED,
)
def role_assignments(api: ConfluenceApi, call: Call) -> Any:
    query = call.query
    found = {}
    for grant in _space(api, call).grants:
        if grant.role is None:
            continue
        kind, id = _principal(grant.subject)
        item = {
            "principal": {"principalType": "ACCESS_CLASS" if kind == "role" else kind.upper(), "principalId": id},
            "roleId": grant.role.id,
        }
        asked = {
            "role-id": grant.role.id,
            "role-type": "SYSTEM" if grant.role.system else "CUSTOM",
            "principal-id": id,
            "principal-type": item["principal"]["principalType"],  # type: ignore[index]
        }
        if all(query.get(name, value) == value for name, value in asked.items()):
            found.setdefault((grant.role.id, id), (grant.id, item))
    return _listed(api, call, lambda: list(found.values()), lambda pair: pair[1], keys={"id": lambda pair: (pair[0],)})


@routes.get(
    "/space-roles",
    scope="read:space.permission:confluence",
    space_id=text,
    role_type=one_of("SYSTEM", "CUSTOM"),
    principal_id=text,
    principal_type=one_of("USER", "GROUP", "ACCESS_CLASS"),
    **PAGED,
)
def space_roles(api: ConfluenceApi, call: Call) -> Any:
    kinds = {True: "SYSTEM", False: "CUSTOM"}
    found = [role for role in api.site.roles if call.query.get("role-type", kinds[role.system]) == kinds[role.system]]
    return _listed(
        api,
        call,
        lambda: found,
        lambda role: {
            "id": role.id,
            "type": kinds[role.system],
            "displayName": role.name,
            "description": f"{role.name} of a space",
            "spacePermissions": list(role.permissions),
        },
        keys={"id": lambda role: (role.id,)},
    )


# Pages, blog posts, folders.


@routes.get(
    "/pages",
    scope="read:page:confluence",
    id=many(ID, 250),
    space_id=many(ID, 100),
    sort=PAGE_SORT,
    status=PAGE_STATUS,
    title=text,
    body_format=BODY,
    **PAGED,
)
def pages(api: ConfluenceApi, call: Call) -> Any:
    return _contents(api, call, "page", api.site.spaces.values(), ("current", "archived"))


@routes.get(
    "/spaces/{id}/pages",
    scope="read:page:confluence",
    depth=one_of("all", "root"),
    sort=PAGE_SORT,
    status=PAGE_STATUS,
    title=text,
    body_format=BODY,
    **PAGED,
)
def pages_of_space(api: ConfluenceApi, call: Call) -> Any:
    return _contents(api, call, "page", [_space(api, call)], ("current", "archived"))


@routes.get(
    "/blogposts",
    scope="read:page:confluence",
    id=many(ID, 250),
    space_id=many(ID, 100),
    sort=BLOG_SORT,
    status=BLOG_STATUS,
    title=text,
    body_format=BODY,
    **PAGED,
)
def blogposts(api: ConfluenceApi, call: Call) -> Any:
    return _contents(api, call, "blogpost", api.site.spaces.values(), ("current",))


@routes.get(
    "/spaces/{id}/blogposts",
    scope="read:page:confluence",
    sort=BLOG_SORT,
    status=BLOG_STATUS,
    title=text,
    body_format=BODY,
    **PAGED,
)
def blogposts_of_space(api: ConfluenceApi, call: Call) -> Any:
    return _contents(api, call, "blogpost", [_space(api, call)], ("current",))


@routes.get(
    "/pages/{id}",
    scope="read:page:confluence",
    body_format=BODY_OF_ONE,
    status=many(one_of("current", "archived", "trashed", "deleted", "historical", "draft")),
    **INCLUDES,
)
def one_page(api: ConfluenceApi, call: Call) -> Any:
    return _one(api, call, "page", ("current", "archived"))


@routes.get(
    "/blogposts/{id}",
    scope="read:page:confluence",
    body_format=BODY_OF_ONE,
    status=many(one_of("current", "trashed", "deleted", "historical", "draft")),
    **INCLUDES,
)
def one_blogpost(api: ConfluenceApi, call: Call) -> Any:
    return _one(api, call, "blogpost", ("current",))


@routes.get("/folders/{id}", scope="read:folder:confluence")
def one_folder(api: ConfluenceApi, call: Call) -> Any:
    return _one(api, call, "folder", ("current",))


@routes.get("/pages/{id}/ancestors", scope="read:content.metadata:confluence", limit=LIMIT)
@routes.get("/folders/{id}/ancestors", scope="read:content.metadata:confluence", limit=LIMIT)
def ancestors(api: ConfluenceApi, call: Call) -> Any:
    """The nearest ones, root first; there is no cursor: ask the first of them for those above it."""
    kind = "page" if "/pages/" in call.route.template else "folder"
    nearest = _content(api, call, kind).ancestors[-call.query.get("limit", 25) :]
    return {"results": [{"id": above.id, "type": above.kind} for above in nearest], "_links": {"base": api.base}}


@routes.get("/pages/{id}/children", scope="read:page:confluence", sort=text, **PAGED)
def children(api: ConfluenceApi, call: Call) -> Any:
    page = _content(api, call, "page")
    found = [child for child in page.children.values() if child.kind == "page" and api.site.sees(child)]

    def show(child: Content) -> Any:
        return {"id": child.id, "status": child.status, "title": child.title, "spaceId": child.space.id, "childPosition": 0}

    return _listed(api, call, lambda: found, show)


@routes.get(
    "/pages/{id}/versions", "/blogposts/{id}/versions", scope="read:page:confluence", body_format=BODY, sort=text, **PAGED
)
def versions(api: ConfluenceApi, call: Call) -> Any:
    kind = "page" if "/pages/" in call.route.template else "blogpost"
    content = _content(api, call, kind)
    numbers = {"id": lambda version: (-version.number,)}
    return _listed(api, call, lambda: content.versions, version_of, keys=numbers)


@routes.get(
    "/pages/{id}/labels",
    "/blogposts/{id}/labels",
    scope="read:page:confluence",
    prefix=one_of("my", "team", "global", "system"),
    sort=text,
    **PAGED,
)
def labels(api: ConfluenceApi, call: Call) -> Any:
    content = _content(api, call, "page" if "/pages/" in call.route.template else "blogpost")
    names = content.labels if call.query.get("prefix", "global") == "global" else ()
    return _listed(
        api,
        call,
        lambda: [label_of(api, name) for name in names],
        lambda label: label,
        keys={"id": lambda label: (int(label["id"]),)},
    )


@routes.get("/labels/{id}/pages", scope="read:page:confluence", space_id=many(ID, 100), body_format=BODY, sort=PAGE_SORT, **PAGED)
def pages_with_label(api: ConfluenceApi, call: Call) -> Any:
    name = next((name for name, id in api.site.labels.items() if id == call.number()), None)
    if name is None:
        raise Refused(404, "Label not found")
    return _contents(api, call, "page", api.site.spaces.values(), ("current",), lambda page: name in page.labels)


# Attachments and comments.

_ATTACHMENTS: dict[str, Kind] = {
    "sort": DATE_SORT,
    "status": ATTACHMENT_STATUS,
    "mediaType": text,
    "filename": text,
    **PAGED,
}


@routes.get("/attachments", scope="read:attachment:confluence", **_ATTACHMENTS)
def attachments(api: ConfluenceApi, call: Call) -> Any:
    holders = (content for space in api.site.spaces.values() for content in space.contents.values())
    live = (holder for holder in holders if holder.status in {"current", "archived"} and api.site.sees(holder))
    return _attachments(api, call, live)


@routes.get("/pages/{id}/attachments", "/blogposts/{id}/attachments", scope="read:attachment:confluence", **_ATTACHMENTS)
def attachments_of_page(api: ConfluenceApi, call: Call) -> Any:
    return _attachments(api, call, [_content(api, call, "page" if "/pages/" in call.route.template else "blogpost")])


@routes.get("/attachments/{id}", scope="read:attachment:confluence", **{k: v for k, v in INCLUDES.items() if k != "get_draft"})
def one_attachment(api: ConfluenceApi, call: Call) -> Any:
    id = call.ids["id"]
    attachment = api.site.contents.get(id if id.startswith("att") else f"att{id}")
    if attachment is None or not _live(api, attachment, ("current", "archived")):
        raise Refused(404, "Attachment not found")
    fields = attachment_of(attachment)
    return fields | {"_links": fields["_links"] | {"base": api.base}}


@routes.get("/footer-comments", "/inline-comments", scope="read:comment:confluence", body_format=BODY, sort=DATE_SORT, **PAGED)
def comments(api: ConfluenceApi, call: Call) -> Any:
    """All of them, replies too."""
    location = "inline" if "inline" in call.route.template else "footer"

    def found() -> list[Content]:
        holders = (content for space in api.site.spaces.values() for content in space.contents.values())
        live = (holder for holder in holders if holder.status in {"current", "archived"} and api.site.sees(holder))
        return [c for h in live for first in h.comments.values() for c in first.subtree() if c.location == location]

    return _listed(api, call, found, lambda comment: comment_of(comment, call.query.get("body-format")))


_COMMENTS: dict[str, Kind] = {"body_format": BODY, "status": COMMENT_STATUS, "sort": DATE_SORT, **PAGED}


@routes.get("/pages/{id}/footer-comments", "/blogposts/{id}/footer-comments", scope="read:comment:confluence", **_COMMENTS)
@routes.get(
    "/pages/{id}/inline-comments",
    "/blogposts/{id}/inline-comments",
    scope="read:comment:confluence",
    resolution_status=many(one_of("resolved", "open", "dangling", "reopened")),
    **_COMMENTS,
)
def comments_of_page(api: ConfluenceApi, call: Call) -> Any:
    """The first ones of the threads."""
    holder = _content(api, call, "page" if "/pages/" in call.route.template else "blogpost")
    location = "inline" if "inline" in call.route.template else "footer"
    states = call.query.get("resolution-status") or ["open", "resolved", "dangling", "reopened"]
    found = [comment for comment in holder.comments.values() if comment.location == location and comment.resolution in states]
    return _listed(api, call, lambda: found, lambda comment: comment_of(comment, call.query.get("body-format")))


@routes.get(
    "/footer-comments/{id}/children",
    "/inline-comments/{id}/children",
    scope="read:comment:confluence",
    body_format=BODY,
    sort=DATE_SORT,
    **PAGED,
)
def replies(api: ConfluenceApi, call: Call) -> Any:
    comment = _comment(api, call, "id")
    return _listed(
        api, call, lambda: list(comment.children.values()), lambda reply: comment_of(reply, call.query.get("body-format"))
    )


@routes.get(
    "/footer-comments/{comment-id}",
    "/inline-comments/{comment-id}",
    scope="read:comment:confluence",
    body_format=BODY_OF_ONE,
    **{k: v for k, v in INCLUDES.items() if k not in {"get_draft", "include_labels"}},
)
def one_comment(api: ConfluenceApi, call: Call) -> Any:
    fields = comment_of(_comment(api, call, "comment-id"), call.query.get("body-format"))
    return fields | {"_links": fields["_links"] | {"base": api.base}}


# People.


@routes.post("/users-bulk", scope="read:user:confluence")
def users_bulk(api: ConfluenceApi, call: Call) -> Any:
    """Those that there are, in no promised order; an address only where it may be seen."""
    ids = call.body.get("accountIds") if isinstance(call.body, dict) else None
    if not isinstance(ids, list) or not 1 <= len(ids) <= 250 or not all(isinstance(id, str) for id in ids):
        raise Refused(400, "accountIds must name between 1 and 250 accounts")
    known = [api.site.accounts[id] for id in dict.fromkeys(ids) if id in api.site.accounts]
    return {"results": [_user(account) for account in known], "_links": {"base": api.base}}


# What is shown.


def when(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


def version_of(version: Version) -> dict[str, Any]:
    return {
        "createdAt": when(version.at),
        "message": version.message,
        "number": version.number,
        "minorEdit": False,
        "authorId": version.author.id,
    }


def space_of(space: Space) -> dict[str, Any]:
    return {
        "id": space.id,
        "key": space.key,
        "name": space.name,
        "type": space.type,
        "status": space.status,
        "authorId": space.author.id,
        "createdAt": when(space.created_at),
        "homepageId": None,
        "description": None,
        "icon": None,
        "_links": {"webui": f"/spaces/{space.key}"},
    }


def body_of(content: Content, format: str | None) -> dict[str, Any]:
    """Raises Refused for a body that cannot be rendered."""
    if format is None:
        return {}
    if content.broken:
        raise Refused(500, "Internal Server Error", code="INTERNAL_SERVER_ERROR")
    if format == "atlas_doc_format":
        return {format: {"representation": format, "value": '{"type":"doc","version":1,"content":[]}'}}
    return {format: {"representation": format, "value": content.body}}


def content_of(content: Content, format: str | None = None) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": content.id,
        "status": content.status,
        "title": content.title,
        "authorId": content.created.author.id,
        "createdAt": when(content.created.at),
        "version": version_of(content.version),
        "_links": {
            "webui": webui(content),
            "editui": f"/pages/resumedraft.action?draftId={content.id}",
            "tinyui": f"/x/{content.number:x}",
        },
    }
    if content.kind != "folder":
        fields |= {"spaceId": content.space.id, "body": body_of(content, format)}
    else:
        fields |= {"type": "folder", "_links": {"webui": webui(content)}, "ownerId": content.created.author.id}
    if content.kind != "blogpost":
        above = content.parent
        fields |= {
            "parentId": above.id if above is not None else None,
            "parentType": above.kind if above is not None else None,
            "position": 0,
        }
    if content.kind == "page":
        fields |= {"ownerId": content.created.author.id, "lastOwnerId": None}
    return fields


def webui(content: Content) -> str:
    holder = content.holder
    place = {"page": "pages", "blogpost": "blog", "folder": "folder"}[holder.kind]
    path = f"/spaces/{holder.space.key}/{place}/{holder.id}"
    return path if holder.kind == "folder" else f"{path}/{quote_plus(holder.title)}"


def attachment_of(content: Content) -> dict[str, Any]:
    holder = content.holder
    changed = int(content.version.at.timestamp() * 1000)
    download = (
        f"/download/attachments/{holder.id}/{quote(content.title, safe='')}"
        f"?version={content.version.number}&modificationDate={changed}&cacheVersion=1&api=v2"
    )
    view = (
        f"/pages/viewpageattachments.action?pageId={holder.id}&preview=%2F{holder.id}%2F{content.number}%2F{quote(content.title)}"
    )
    file = content.file
    return {
        "id": content.id,
        "status": content.status,
        "title": content.title,
        "createdAt": when(content.created.at),
        ("pageId" if holder.kind == "page" else "blogPostId"): holder.id,
        "mediaType": content.media_type,
        "mediaTypeDescription": content.media_type,
        "comment": "",
        "fileId": content.file_id,
        "fileSize": file.size if file.listed is None else file.listed,
        "webuiLink": view,
        "downloadLink": download,
        "version": version_of(content.version),
        "_links": {"webui": view, "download": download},
    }


def comment_of(content: Content, format: str | None = None) -> dict[str, Any]:
    holder, above = content.holder, content.parent
    fields: dict[str, Any] = {
        "id": content.id,
        "status": content.status,
        "title": content.title,
        "version": version_of(content.version),
        "body": body_of(content, format),
        "_links": {"webui": f"{webui(content)}?focusedCommentId={content.id}"},
    }
    if above is not None and above.kind == "comment":
        fields["parentCommentId"] = above.id
    else:
        fields["pageId" if holder.kind == "page" else "blogPostId"] = holder.id
    if content.location == "inline":
        fields["resolutionStatus"] = content.resolution
        fields["properties"] = {"inlineMarkerRef": f"marker-{content.id}", "inlineOriginalSelection": content.marked}
    return fields


def label_of(api: ConfluenceApi, name: str) -> dict[str, Any]:
    return {"id": api.site.labels[name], "name": name, "prefix": "global"}


def _user(account: Account) -> dict[str, Any]:
    return {
        "displayName": account.name,
        "timeZone": account.time_zone,
        "personalSpaceId": "",
        "isExternalCollaborator": False,
        "accountStatus": "active" if account.active else "inactive",
        "accountId": account.id,
        "email": account.email if account.shows_email else "",
        "accountType": "atlassian",
        "publicName": account.name,
        "profilePicture": {"path": "/wiki/aa-avatar", "isDefault": True},
    }


def _principal(subject: Account | Group | AccessClass) -> tuple[str, str]:
    if isinstance(subject, Account):
        return "user", subject.id
    return ("group", subject.id) if isinstance(subject, Group) else ("role", subject.value)


# How it is found.


def _space(api: ConfluenceApi, call: Call) -> Space:
    space = api.site.spaces.get(call.number())
    if space is None or not api.site.sees_space(space):
        raise Refused(404, "Space not found")
    return space


def _live(api: ConfluenceApi, content: Content, statuses: Sequence[str]) -> bool:
    """What hangs on a page is there as long as the page is."""
    holder = content.holder
    return content.status in statuses and api.site.sees(content) and (holder is content or holder.status in statuses)


def _content(api: ConfluenceApi, call: Call, kind: str, statuses: Sequence[str] = ("current", "archived")) -> Content:
    content = api.site.contents.get(call.number())
    if content is None or content.kind != kind or not _live(api, content, statuses):
        raise Refused(404, f"{kind.title()} not found")
    return content


def _comment(api: ConfluenceApi, call: Call, name: str) -> Content:
    location = "inline" if "inline" in call.route.template else "footer"
    content = api.site.contents.get(call.number(name))
    if content is None or content.location != location or not _live(api, content, ("current", "archived")):
        raise Refused(404, "Comment not found")
    return content


def _one(api: ConfluenceApi, call: Call, kind: str, statuses: Sequence[str]) -> Any:
    content = _content(api, call, kind, call.query.get("status") or statuses)
    if call.query.get("version", content.version.number) > content.version.number:
        raise Refused(404, f"{kind.title()} not found")
    fields = content_of(content, call.query.get("body-format"))
    if call.query.get("include-labels"):
        fields["labels"] = {"results": [label_of(api, name) for name in content.labels], "meta": {"hasMore": False}}
    if call.query.get("include-versions"):
        fields["versions"] = {"results": [version_of(v) for v in content.versions[::-1]], "meta": {"hasMore": False}}
    return fields | {"_links": fields["_links"] | {"base": api.base}}


def _contents(
    api: ConfluenceApi,
    call: Call,
    kind: str,
    spaces: Iterable[Space],
    statuses: Sequence[str],
    wanted: Callable[[Content], bool] = lambda content: True,
) -> Any:
    query = call.query
    asked = query.get("status") or statuses
    ids = set(query["id"]) if "id" in query else None

    def found() -> list[Content]:
        there = [s for s in spaces if int(s.id) in query.get("space-id", [int(s.id)]) and api.site.sees_space(s)]
        candidates = (content for space in there for content in space.contents.values())
        return [
            content
            for content in candidates
            if content.kind == kind
            and content.status in asked
            and (ids is None or content.number in ids)
            and query.get("title", content.title) == content.title
            and (query.get("depth") != "root" or content.parent is None)
            and wanted(content)
            and api.site.sees(content)
        ]

    return _listed(api, call, found, lambda content: content_of(content, query.get("body-format")))


def _attachments(api: ConfluenceApi, call: Call, holders: Iterable[Content]) -> Any:
    query = call.query
    statuses = query.get("status") or ("current", "archived")

    def found() -> list[Content]:
        return [
            attachment
            for holder in holders
            for attachment in holder.attachments.values()
            if attachment.status in statuses
            and query.get("mediaType", attachment.media_type) == attachment.media_type
            and query.get("filename", attachment.title) == attachment.title
        ]

    return _listed(api, call, found, attachment_of, limit=50)


def _listed(
    api: ConfluenceApi,
    call: Call,
    found: Callable[[], Sequence[Any]],
    show: Callable[[Any], Any],
    *,
    keys: dict[str, Callable[[Any], Any]] = SORTS,
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
