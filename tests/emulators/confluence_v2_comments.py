"""Routes of v2 about attachments and comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tests.emulators.confluence_http import Call, Edition, Refused, Routes, many, one_of, text
from tests.emulators.confluence_v2 import (
    BODY,
    BODY_OF_ONE,
    PAGED,
    comment_asked,
    content_asked,
    listed,
    live,
    location_asked,
    sorts,
)
from tests.emulators.confluence_v2_views import attachment_of, comment_of
from tests.emulators.confluence_world import Content

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

routes = Routes("/api/v2", edition=Edition.CLOUD)

DATE_SORT = sorts("created-date", "modified-date")
COMMENT_STATUS = many(one_of("current", "archived", "trashed", "deleted", "historical", "draft"))
ATTACHMENT_STATUS = many(one_of("current", "archived", "trashed"))

_ATTACHMENTS: dict[str, Any] = {
    "sort": DATE_SORT,
    "status": ATTACHMENT_STATUS,
    "mediaType": text,
    "filename": text,
    **PAGED,
}


@routes.get("/attachments", scope="read:attachment:confluence", **_ATTACHMENTS)
def attachments(api: ConfluenceApi, call: Call) -> Any:
    return _attachments(api, call, _holders(api))


@routes.get("/pages/{id}/attachments", "/blogposts/{id}/attachments", scope="read:attachment:confluence", **_ATTACHMENTS)
def attachments_of_page(api: ConfluenceApi, call: Call) -> Any:
    return _attachments(api, call, [_holder(api, call)])


@routes.get("/attachments/{id}", scope="read:attachment:confluence")
def one_attachment(api: ConfluenceApi, call: Call) -> Any:
    id = call.ids["id"]
    attachment = api.site.contents.get(id if id.startswith("att") else f"att{id}")
    if attachment is None or not live(api, attachment, ("current", "archived")):
        raise Refused(404, "Attachment not found")
    fields = attachment_of(attachment)
    return fields | {"_links": fields["_links"] | {"base": api.base}}


@routes.get("/footer-comments", "/inline-comments", scope="read:comment:confluence", body_format=BODY, sort=DATE_SORT, **PAGED)
def comments(api: ConfluenceApi, call: Call) -> Any:
    """All of them, replies too."""
    location = location_asked(call)

    def found() -> list[Content]:
        firsts = (first for holder in _holders(api) for first in holder.comments.values() if first.location == location)
        return [comment for first in firsts for comment in first.subtree()]

    return listed(api, call, found, lambda comment: comment_of(comment, call.query.get("body-format")))


_COMMENTS: dict[str, Any] = {"body_format": BODY, "status": COMMENT_STATUS, "sort": DATE_SORT, **PAGED}


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
    holder, location = _holder(api, call), location_asked(call)
    states = call.query.get("resolution-status") or ["open", "resolved", "dangling", "reopened"]
    statuses = call.query.get("status") or ["current"]
    found = [
        comment
        for comment in holder.comments.values()
        if comment.location == location and comment.resolution in states and comment.status in statuses
    ]
    return listed(api, call, lambda: found, lambda comment: comment_of(comment, call.query.get("body-format")))


@routes.get(
    "/footer-comments/{id}/children",
    "/inline-comments/{id}/children",
    scope="read:comment:confluence",
    body_format=BODY,
    sort=DATE_SORT,
    **PAGED,
)
def replies(api: ConfluenceApi, call: Call) -> Any:
    comment = comment_asked(api, call, "id")
    return listed(
        api, call, lambda: list(comment.children.values()), lambda reply: comment_of(reply, call.query.get("body-format"))
    )


@routes.get(
    "/footer-comments/{comment-id}",
    "/inline-comments/{comment-id}",
    scope="read:comment:confluence",
    body_format=BODY_OF_ONE,
)
def one_comment(api: ConfluenceApi, call: Call) -> Any:
    fields = comment_of(comment_asked(api, call, "comment-id"), call.query.get("body-format"))
    return fields | {"_links": fields["_links"] | {"base": api.base}}


def _holder(api: ConfluenceApi, call: Call) -> Content:
    return content_asked(api, call, "page" if "/pages/" in call.route.template else "blogpost")


def _holders(api: ConfluenceApi) -> Iterator[Content]:
    for space in api.site.spaces.values():
        for content in space.contents.values():
            if content.status in {"current", "archived"} and api.site.sees(content):
                yield content


def _attachments(api: ConfluenceApi, call: Call, holders: Iterable[Content]) -> Any:
    query = call.query
    statuses = query.get("status") or ("current", "archived")

    def found() -> list[Content]:
        return [
            attachment
            for holder in holders
            for attachment in holder.attachments.values()
            if attachment.status in statuses
            and query.get("mediaType", attachment.file.media_type) == attachment.file.media_type
            and query.get("filename", attachment.title) == attachment.title
        ]

    return listed(api, call, found, attachment_of, limit=50)
