"""What Confluence Cloud's REST API v2 shows of a site."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from tests.emulators.confluence_http import Refused
from tests.emulators.confluence_world import AccessClass, Account, Content, Group, Space, Version

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi


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
    if content.kind in {"page", "blogpost"}:
        fields |= {"spaceId": content.space.id, "body": body_of(content, format)}
    else:
        fields |= {"type": content.kind, "_links": {"webui": webui(content)}, "ownerId": content.created.author.id}
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
    place = {"page": "pages", "blogpost": "blog"}.get(holder.kind, holder.kind)
    path = f"/spaces/{holder.space.key}/{place}/{holder.id}"
    return f"{path}/{quote_plus(holder.title)}" if holder.kind in {"page", "blogpost"} else path


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
    return {
        "id": content.id,
        "status": content.status,
        "title": content.title,
        "createdAt": when(content.created.at),
        ("pageId" if holder.kind == "page" else "blogPostId"): holder.id,
        "mediaType": content.file.media_type,
        "mediaTypeDescription": content.file.media_type,
        "comment": "",
        "fileId": content.file.id,
        "fileSize": content.file.listed_size,
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


def user_of(account: Account) -> dict[str, Any]:
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


def principal_of(subject: Account | Group | AccessClass) -> tuple[str, str]:
    if isinstance(subject, Account):
        return "user", subject.id
    return ("group", subject.id) if isinstance(subject, Group) else ("role", subject.value)
