"""Routes of v2 about pages, blog posts, folders and their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tests.emulators.confluence_http import Call, Edition, Refused, Routes, flag, many, one_of, text
from tests.emulators.confluence_v2 import BODY, BODY_OF_ONE, ID, LIMIT, PAGED, content_asked, listed, sorts, space_asked
from tests.emulators.confluence_v2_views import content_of, label_of, version_of
from tests.emulators.confluence_world import Content, Space

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

routes = Routes("/api/v2", edition=Edition.CLOUD)

PAGE_SORT = sorts("id", "created-date", "modified-date", "title")
BLOG_SORT = sorts("id", "created-date", "modified-date")
PAGE_STATUS = many(one_of("current", "archived", "deleted", "trashed"))
BLOG_STATUS = many(one_of("current", "deleted", "trashed"))
LABELS: dict[str, Callable[[Any], Any]] = {"id": lambda label: (int(label["id"]),), "name": lambda label: (label["name"],)}


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
    return _contents(api, call, "page", [space_asked(api, call)], ("current", "archived"))


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
    return _contents(api, call, "blogpost", [space_asked(api, call)], ("current",))


@routes.get(
    "/pages/{id}",
    scope="read:page:confluence",
    body_format=BODY_OF_ONE,
    status=many(one_of("current", "archived", "trashed", "deleted", "historical", "draft")),
    include_labels=flag,
    include_versions=flag,
)
def one_page(api: ConfluenceApi, call: Call) -> Any:
    return _one(api, call, "page", ("current", "archived"))


@routes.get(
    "/blogposts/{id}",
    scope="read:page:confluence",
    body_format=BODY_OF_ONE,
    status=many(one_of("current", "trashed", "deleted", "historical", "draft")),
    include_labels=flag,
    include_versions=flag,
)
def one_blogpost(api: ConfluenceApi, call: Call) -> Any:
    return _one(api, call, "blogpost", ("current",))


@routes.get("/folders/{id}", scope="read:folder:confluence")
@routes.get("/whiteboards/{id}", scope="read:whiteboard:confluence")
@routes.get("/databases/{id}", scope="read:database:confluence")
@routes.get("/embeds/{id}", scope="read:embed:confluence")
def one_folder(api: ConfluenceApi, call: Call) -> Any:
    return _one(api, call, _kind(call), ("current",))


@routes.get(
    *(f"/{kind}s/{{id}}/ancestors" for kind in ("page", "folder", "whiteboard", "database", "embed")),
    scope="read:content.metadata:confluence",
    limit=LIMIT,
)
def ancestors(api: ConfluenceApi, call: Call) -> Any:
    """The nearest ones, root first; there is no cursor: ask the first of them for those above it."""
    nearest = content_asked(api, call, _kind(call)).ancestors[-call.query.get("limit", 25) :]
    return {"results": [{"id": above.id, "type": above.kind} for above in nearest], "_links": {"base": api.base}}


@routes.get("/pages/{id}/children", scope="read:page:confluence", **PAGED)
def children(api: ConfluenceApi, call: Call) -> Any:
    page = content_asked(api, call, "page")
    found = [child for child in page.children.values() if child.kind == "page" and api.site.sees(child)]

    def show(child: Content) -> Any:
        return {"id": child.id, "status": child.status, "title": child.title, "spaceId": child.space.id, "childPosition": 0}

    return listed(api, call, lambda: found, show)


@routes.get(
    "/pages/{id}/versions", "/blogposts/{id}/versions", scope="read:page:confluence", sort=sorts("modified-date"), **PAGED
)
def versions(api: ConfluenceApi, call: Call) -> Any:
    """Newest first, unless it is said otherwise."""
    content = content_asked(api, call, _kind(call))
    keys = {"id": lambda version: (-version.number,), "modified-date": lambda version: (version.number,)}
    return listed(api, call, lambda: content.versions, version_of, keys=keys)


@routes.get(
    "/pages/{id}/labels",
    "/blogposts/{id}/labels",
    scope="read:page:confluence",
    prefix=one_of("my", "team", "global", "system"),
    sort=sorts("created-date", "id", "name"),
    **PAGED,
)
def labels(api: ConfluenceApi, call: Call) -> Any:
    content = content_asked(api, call, _kind(call))
    names = content.labels if call.query.get("prefix", "global") == "global" else ()
    return listed(api, call, lambda: [label_of(api, name) for name in names], lambda label: label, keys=LABELS)


@routes.get("/labels/{id}/pages", scope="read:page:confluence", space_id=many(ID, 100), body_format=BODY, sort=PAGE_SORT, **PAGED)
def pages_with_label(api: ConfluenceApi, call: Call) -> Any:
    name = next((name for name, id in api.site.labels.items() if id == call.number()), None)
    if name is None:
        raise Refused(404, "Label not found")
    return _contents(api, call, "page", api.site.spaces.values(), ("current",), lambda page: name in page.labels)


def _kind(call: Call) -> str:
    """What the first part of the route names, in the singular."""
    return call.route.template.split("/")[4].removesuffix("s")


def _one(api: ConfluenceApi, call: Call, kind: str, statuses: Sequence[str]) -> Any:
    content = content_asked(api, call, kind, call.query.get("status") or statuses)
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

    return listed(api, call, found, lambda content: content_of(content, query.get("body-format")))
