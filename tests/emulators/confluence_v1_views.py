"""What v1 shows, as far as it was asked to expand it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from tests.emulators.confluence_http import Kind, Refused
from tests.emulators.confluence_v2_views import webui, when
from tests.emulators.confluence_world import AccessClass, Account, Content, Grant, Group, Space, Version

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

BODIES = ("storage", "view", "export_view", "styled_view", "atlas_doc_format")
CONTENT = {
    "space",
    "version",
    "ancestors",
    "container",
    "container.space",
    "history.lastUpdated",
    "metadata.labels",
    "extensions.resolution",
    "extensions.inlineProperties",
    "childTypes.all",
    *(f"body.{name}" for name in BODIES),
    *(
        f"{of}restrictions.{operation}.restrictions.{kind}"
        for of in ("", "ancestors.")
        for operation in ("read", "update")
        for kind in ("user", "group")
    ),
}
_INLINE = 100
_OLD_NAMES = {
    ("read", "space"): "VIEWSPACE",
    ("create", "page"): "EDITSPACE",
    ("create", "comment"): "COMMENT",
    ("administer", "space"): "SETSPACEPERMISSIONS",
}


class Expand(frozenset[str]):
    """The asked paths and all that lead to them."""

    def __str__(self) -> str:
        return ",".join(sorted(path for path in self if not any(other.startswith(f"{path}.") for other in self)))

    def below(self, path: str) -> Expand:
        return Expand(other.removeprefix(f"{path}.") for other in self if other.startswith(f"{path}."))


def expands(allowed: Iterable[str]) -> Kind:
    known = {".".join(path.split(".")[:end]) for path in allowed for end in range(1, path.count(".") + 2)}

    def read(value: str) -> Expand:
        asked = {path.strip() for path in value.split(",") if path.strip()}
        if unknown := asked - known:
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be expanded")
        return Expand(".".join(path.split(".")[:end]) for path in asked for end in range(1, path.count(".") + 2))

    return read


def content_of(api: ConfluenceApi, content: Content, expand: Expand) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": content.id,
        "type": content.kind,
        "status": content.status,
        "title": content.title,
        "_links": _links(api, content),
    }
    if content.kind == "attachment":
        file = content.file
        fields["metadata"] = {"mediaType": file.media_type, "comment": ""}
        fields["extensions"] = {"mediaType": file.media_type, "fileSize": file.listed_size, "comment": ""}
        if not api.data_center:
            fields["extensions"]["fileId"] = file.id
    elif content.kind == "comment":
        fields["extensions"] = {"location": content.location}
        if "extensions.resolution" in expand:
            fields["extensions"]["resolution"] = {"status": content.resolution}
        if "extensions.inlineProperties" in expand and content.location == "inline":
            fields["extensions"]["inlineProperties"] = {"originalSelection": content.marked, "markerRef": f"m-{content.id}"}
    if "space" in expand:
        fields["space"] = space_of(api, content.holder.space, Expand())
    if "version" in expand:
        fields["version"] = version_of(api, content.version)
    if "ancestors" in expand:
        fields["ancestors"] = [content_of(api, above, expand.below("ancestors")) for above in _above(content)]
    if "container" in expand:
        fields["container"] = (
            space_of(api, content.space, Expand())
            if content.parent is None or content.holder is content
            else content_of(api, content.holder, expand.below("container"))
        )
    if "history" in expand:
        fields["history"] = {
            "latest": True,
            "createdBy": user_of(api, content.created.author, Expand()),
            "createdDate": moment(api, content.created.at),
        }
        if "history.lastUpdated" in expand:
            fields["history"]["lastUpdated"] = version_of(api, content.version)
    if "metadata" in expand:
        shown = [{"prefix": "global", "name": n, "id": api.site.labels[n], "label": n} for n in content.labels]
        fields.setdefault("metadata", {})["labels"] = {"results": shown, "start": 0, "limit": 200, "size": len(shown)}
    if "body" in expand:
        fields["body"] = {name: _body(content, name) for name in BODIES if f"body.{name}" in expand}
    if "restrictions" in expand:
        fields["restrictions"] = {
            name: restriction_of(api, content, name, 0, _INLINE)
            for name in ("read", "update")
            if f"restrictions.{name}" in expand
        }
    if "childTypes" in expand:
        there = {"attachment": content.attachments, "comment": content.comments, "page": content.children}
        fields["childTypes"] = {name: {"value": bool(items), "_links": {}} for name, items in there.items()}
    folded = ("container", "metadata", "restrictions", "history", "ancestors", "body", "version", "space", "childTypes")
    fields["_expandable"] = {name: f"/rest/api/content/{content.id}?expand={name}" for name in folded if name not in fields}
    return fields


def version_of(api: ConfluenceApi, version: Version) -> dict[str, Any]:
    return {
        "by": user_of(api, version.author, Expand()),
        "when": moment(api, version.at),
        "friendlyWhen": "some time ago",
        "message": version.message,
        "number": version.number,
        "minorEdit": False,
        "_expandable": {},
    }


def moment(api: ConfluenceApi, time: datetime) -> str:
    """A Data Center writes its own zone."""
    if not api.data_center:
        return when(time)
    return time.astimezone(ZoneInfo("Europe/Berlin")).isoformat(timespec="milliseconds")


def space_of(api: ConfluenceApi, space: Space, expand: Expand) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": int(space.id),
        "key": space.key,
        "name": space.name,
        "type": space.type,
        "status": space.status,
        "_expandable": {"settings": f"/rest/api/space/{space.key}/settings", "metadata": "", "operations": ""},
        "_links": {
            "webui": f"/display/{space.key}" if api.data_center else f"/spaces/{space.key}",
            "self": f"{api.base}/rest/api/space/{space.key}",
        },
    }
    if "permissions" in expand:
        fields["permissions"] = [_permission(api, grant) for grant in space.grants]
    else:
        fields["_expandable"]["permissions"] = ""
    return fields


def permissions_of(space: Space) -> list[dict[str, Any]]:
    """As a Data Center tells them since 9.1."""

    def subject(grant: Grant) -> dict[str, str]:
        if isinstance(grant.subject, Account):
            return {"type": "user", "userKey": grant.subject.id}
        return {"type": "group", "name": grant.subject.name} if isinstance(grant.subject, Group) else {"type": "anonymous"}

    return [
        {
            "operation": {"targetType": grant.target, "operationKey": grant.operation},
            "subject": subject(grant),
            "spaceKey": space.key,
            "spaceId": int(space.id),
        }
        for grant in space.grants
        if not isinstance(grant.subject, AccessClass) or grant.subject is AccessClass.ANONYMOUS
    ]


def permission_sets_of(space: Space) -> list[dict[str, Any]]:
    """As a Data Center tells them over JSON-RPC."""
    sets: dict[str, list[dict[str, Any]]] = {}
    for grant in space.grants:
        name = _OLD_NAMES.get((grant.operation, grant.target), f"{grant.operation}{grant.target}".upper())
        user = grant.subject.username if isinstance(grant.subject, Account) else None
        group = grant.subject.name if isinstance(grant.subject, Group) else None
        if user or group or grant.subject is AccessClass.ANONYMOUS:
            sets.setdefault(name, []).append({"type": name, "userName": user, "groupName": group})
    return [{"type": name, "spacePermissions": permissions} for name, permissions in sets.items()]


def restriction_of(api: ConfluenceApi, content: Content, operation: str, start: int, limit: int) -> dict[str, Any]:
    """Both lists are paged together; without anybody in either there is no restriction."""
    restriction = content.restrictions[operation]
    path = f"/rest/api/content/{content.id}/restriction/byOperation/{operation}"

    def page(kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        there = items[start : start + limit]
        more = {"next": f"{path}?expand=restrictions.{kind}&start={start + limit}&limit={limit}"}
        links = more if start + limit < len(items) else {}
        return {"results": there, "start": start, "limit": limit, "size": len(there), "_links": links}

    return {
        "operation": operation,
        "restrictions": {
            "user": page("user", [user_of(api, account, Expand()) for account in restriction.users.values()]),
            "group": page("group", [group_of(api, group) for group in restriction.groups.values()]),
            "_expandable": {},
        },
        "_expandable": {"content": f"/rest/api/content/{content.id}"},
        "_links": {"self": api.base + path},
    }


def group_of(api: ConfluenceApi, group: Group) -> dict[str, Any]:
    if api.data_center:
        own = f"{api.base}/rest/api/group/{quote(group.name)}"
        return {"type": "group", "name": group.name, "_links": {"self": own}}
    return {
        "type": "group",
        "name": group.name,
        "id": group.id,
        "_links": {"self": f"{api.base}/rest/api/group/by-id?id={group.id}"},
    }


def user_of(api: ConfluenceApi, account: Account, expand: Expand) -> dict[str, Any]:
    picture = {"path": "/wiki/aa-avatar", "width": 48, "height": 48, "isDefault": True}
    fields: dict[str, Any] = {"type": "known", "displayName": account.name, "profilePicture": picture}
    if api.data_center:
        fields |= {"username": account.username, "userKey": account.id}
        fields["_links"] = {"self": f"{api.base}/rest/api/user?key={account.id}"}
        if "status" in expand:
            fields["status"] = "current" if account.active else "deactivated"
        fields["_expandable"] = {} if "status" in expand else {"status": ""}
        return fields
    return fields | {
        "accountId": account.id,
        "accountType": "atlassian",
        "email": account.email if account.shows_email else "",
        "publicName": account.name,
        "isExternalCollaborator": False,
        "_expandable": {"operations": "", "personalSpace": ""},
        "_links": {"self": f"{api.base}/rest/api/user?accountId={quote(account.id)}"},
    }


def _above(content: Content) -> list[Content]:
    """Pages, root first, without folders; of a reply the comments that it answers."""
    if content.kind != "comment":
        return [page for page in content.ancestors if page.kind == "page"] if content.holder is content else []
    above = content.parent
    return [*_above(above), above] if above is not None and above.kind == "comment" else []


def _permission(api: ConfluenceApi, grant: Grant) -> dict[str, Any]:
    """Cloud: anonymous access has no subject at all."""
    fields: dict[str, Any] = {
        "id": grant.id,
        "operation": {"operation": grant.operation, "targetType": grant.target},
        "anonymousAccess": grant.subject is AccessClass.ANONYMOUS,
        "unlicensedAccess": False,
    }
    if isinstance(grant.subject, Account):
        people = [user_of(api, grant.subject, Expand())]
        fields["subjects"] = {"user": {"results": people, "size": 1}, "_expandable": {"group": ""}}
    elif isinstance(grant.subject, Group):
        found = [group_of(api, grant.subject)]
        fields["subjects"] = {"group": {"results": found, "size": 1}, "_expandable": {"user": ""}}
    return fields


def _body(content: Content, name: str) -> dict[str, Any]:
    if content.broken:
        raise Refused(500, "java.lang.NullPointerException")
    return {"value": content.body, "representation": name, "_expandable": {}}


def _links(api: ConfluenceApi, content: Content) -> dict[str, str]:
    own = f"{api.base}/rest/api/content/{content.id}"
    holder = content.holder
    page = f"/pages/viewpage.action?pageId={holder.id}" if api.data_center else webui(content)
    if content.kind == "attachment":
        download = f"/download/attachments/{holder.id}/{quote(content.title, safe='')}?version={content.version.number}&api=v2"
        if not api.data_center:
            download = f"/rest/api/content/{holder.id}/child/attachment/{content.id}/download"
        return {"webui": page, "download": download, "self": own}
    if content.kind == "comment":
        page += f"{'&' if '?' in page else '?'}focusedCommentId={content.id}"
    return {"webui": page, "self": own}
