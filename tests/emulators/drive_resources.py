"""How the API shows files, permissions, drives and changes to the account that asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from tests.emulators.drive_access import ROLES, Source
from tests.emulators.drive_content import (
    DOCUMENT,
    EXPORTS,
    FOLDER,
    FORM,
    PRESENTATION,
    SPREADSHEET,
    Zeros,
    digest,
    size_of,
)
from tests.emulators.drive_feed import Entry
from tests.emulators.drive_fields import FILE, Mask
from tests.emulators.drive_item import Item, SharedDrive
from tests.emulators.drive_world import Drive

_EDITORS = {DOCUMENT: "document", SPREADSHEET: "spreadsheets", PRESENTATION: "presentation", FORM: "forms"}


class Resources:
    """The world as ``email`` is told of it. ``export_url`` is where export links lead."""

    def __init__(self, world: Drive, email: str, export_url: str) -> None:
        self.world = world
        self.email = email
        self._export_url = export_url

    def file(self, item: Item, mask: Mask) -> dict[str, Any]:
        """Only what the mask wants is made; what Google leaves out is left out."""
        wanted = FILE if not mask.fields or "*" in mask.fields else mask.fields
        shown = ((name, _FILE[name](self, item)) for name in wanted)
        return {name: mask.under(name).apply(value) for name, value in shown if value is not None}

    def drive(self, drive: SharedDrive) -> dict[str, Any]:
        role = self._role(drive.root)
        may = {"canDownload": True, "canListChildren": True, "canManageMembers": role == "organizer"}
        named = {"kind": "drive#drive", "id": drive.id, "name": drive.name}
        return named | {"createdTime": _time(drive.created), "hidden": False, "capabilities": may}

    def user(self, email: str) -> dict[str, Any]:
        shown = self.world.users[email]
        named = {"kind": "drive#user", "displayName": _display(shown), "emailAddress": shown}
        return named | {"me": email == self.email, "permissionId": _permission_id(f"user:{email}", True)}

    def removed(self, entry: Entry) -> dict[str, Any]:
        return self._change(entry) | {"removed": True}

    def changed(self, entry: Entry, mask: Mask) -> dict[str, Any]:
        if entry.kind == "drive":
            return self._change(entry) | {"removed": False, "drive": self.drive(self.world.drives[entry.id])}
        return self._change(entry) | {"removed": False, "file": self.file(self.world.items[entry.id], mask.under("file"))}

    def _change(self, entry: Entry) -> dict[str, Any]:
        of_drive = {"type": "teamDrive", "driveId": entry.id, "teamDriveId": entry.id}
        told = of_drive if entry.kind == "drive" else {"type": "file", "fileId": entry.id}
        return {"kind": "drive#change", "changeType": entry.kind, "time": _time(entry.at)} | told

    def permissions(self, item: Item, *, published: bool = False) -> list[dict[str, Any]]:
        """All that count on the item, and, of a limited folder, those that only show that it is there."""
        granted, shown = self._granted(item, published)
        hidden = [self._permission(item, [source]) | {"role": "reader", "view": "metadata"} for source in shown]
        return [self._permission(item, sources) for sources in granted.values()] + hidden

    def _granted(self, item: Item, published: bool) -> tuple[dict[str, list[Source]], list[Source]]:
        """What gives access, by permission, and what only gives sight of a limited folder."""
        granted: dict[str, list[Source]] = {}
        for source in self.world.access.sources(item):
            if source.grant.view is None or published:
                granted.setdefault(_id_of(source) + (source.grant.view or ""), []).append(source)
        shut_out = self.world.access.shut_out(item)
        return granted, [source for source in shut_out if source.grant.view is None and _id_of(source) not in granted]

    def _permission(self, item: Item, sources: list[Source]) -> dict[str, Any]:
        grants = [source.grant for source in sources]
        valid = [grant for grant in grants if self.world.access.live(grant)]
        grant = max(valid or grants, key=lambda grant: ROLES.index(_effective(item, grant)))
        kind, _, address = grant.principal.partition(":")
        shown: dict[str, Any] = {
            "kind": "drive#permission",
            "id": _permission_id(grant.principal, grant.discoverable),
            "type": kind,
            "role": "publishedReader" if grant.view == "published" else _effective(item, grant),
            "permissionDetails": [self._detail(item, source) for source in sources],
        }
        if kind in {"user", "group"}:
            shown["deleted"] = grant.principal in self.world.deleted_accounts
            if not shown["deleted"]:
                email = self.world.users.get(address, address)
                shown |= {"emailAddress": email, "displayName": _display(email)}
        if kind == "user" and not item.drive:
            shown["pendingOwner"] = grant.pending_owner
        if kind in {"domain", "anyone"}:
            shown["allowFileDiscovery"] = grant.discoverable
        if kind == "domain":
            shown |= {"domain": address, "displayName": address}
        if grant.expires:
            shown["expirationTime"] = _time(grant.expires)
        if grant.view:
            shown["view"] = grant.view
        return shown

    def _detail(self, item: Item, source: Source) -> dict[str, Any]:
        inherited = source.origin is not item
        of_drive = source.origin.id in self.world.drives
        detail = {"permissionType": "member" if of_drive else "file", "role": _effective(item, source.grant)}
        above = {"inheritedFrom": source.origin.id} if inherited and item.drive else {}
        return detail | {"inherited": inherited} | above

    def may_list_permissions(self, item: Item) -> bool:
        needed = self.world.shared_drive_permissions_from if item.drive else self.world.my_drive_permissions_from
        role = self._role(item)
        return role is not None and ROLES.index(role) >= ROLES.index(needed)

    def may_download(self, item: Item) -> bool:
        role = self._role(item)
        return role is not None and (item.downloadable or ROLES.index(role) >= ROLES.index("writer"))

    def _role(self, item: Item) -> str | None:
        return self.world.access.role(self.email, item)

    def _at_least(self, item: Item, role: str) -> bool:
        held = self._role(item)
        return held is not None and ROLES.index(held) >= ROLES.index(role)

    # One method for each field that takes more than a line.

    def _parents(self, item: Item) -> list[str] | None:
        return [item.parent.id] if item.parent and self.world.access.sees(self.email, item.parent) else None

    def _owners(self, item: Item) -> list[dict[str, Any]] | None:
        return [self.user(item.owner)] if item.owner else None

    def _permissions(self, item: Item) -> list[dict[str, Any]] | None:
        return None if item.drive or not self._at_least(item, "writer") else self.permissions(item)

    def _permission_ids(self, item: Item) -> list[str]:
        granted, shown = self._granted(item, False)
        return [*granted, *map(_id_of, shown)]

    def _capabilities(self, item: Item) -> dict[str, bool]:
        content = item.children is None and self.may_download(item)
        of_drive = {"canReadDrive": self._role(self.world.drives[item.drive].root) is not None} if item.drive else {}
        writes = self._at_least(item, "writer")
        may = {"canCopy": content, "canDownload": content, "canEdit": writes, "canShare": writes}
        return may | {"canListChildren": item.children is not None and self._role(item) is not None} | of_drive

    def _shortcut(self, item: Item) -> dict[str, str] | None:
        target = item.target
        if target is None:
            return None
        key = {"targetResourceKey": target.resource_key} if target.resource_key else {}
        return {"targetId": target.id, "targetMimeType": target.mime_type} | key

    def _export_links(self, item: Item) -> dict[str, str] | None:
        path = f"{self._export_url}/feeds/download/documents/export/Export?id={item.id}"
        formats = EXPORTS.get(item.mime_type, {})
        return {mime: f"{path}&exportFormat={quote(mime, safe='')}" for mime in formats} or None

    def _shared_with_me(self, item: Item) -> str | None:
        held = self.world.access.principals(self.email)
        return _time(item.created) if any(grant.principal in held for grant in item.grants.values()) else None


def _effective(item: Item, grant: Any) -> str:
    """The owner of the folder around is a writer of what others put into it."""
    return "writer" if grant.role == "owner" and grant.principal != f"user:{item.owner}" else str(grant.role)


def _id_of(source: Source) -> str:
    return _permission_id(source.grant.principal, source.grant.discoverable)


@lru_cache(maxsize=1024)
def _permission_id(principal: str, discoverable: bool) -> str:
    link = "" if discoverable else "WithLink"
    if principal == "anyone":
        return f"anyone{link}"
    number = f"{int(hashlib.sha256(principal.encode()).hexdigest()[:15], 16):020d}"
    return f"{number}k{link}" if principal.startswith("domain:") else number


def _display(email: str) -> str:
    return email.partition("@")[0].title()


def _time(at: datetime) -> str:
    """RFC 3339 with milliseconds, as Google writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _link(item: Item) -> str:
    if item.mime_type == FOLDER:
        return f"https://drive.google.com/drive/folders/{item.id}"
    if editor := _EDITORS.get(item.mime_type):
        return f"https://docs.google.com/{editor}/d/{item.id}/edit?usp=drivesdk"
    return f"https://drive.google.com/file/d/{item.id}/view?usp=drivesdk"


def _blob(item: Item) -> bytes | Zeros | None:
    return item.content if isinstance(item.content, bytes | Zeros) else None


def _of_blob(make: Callable[[Item, bytes | Zeros], str]) -> Callable[[Resources, Item], str | None]:
    return lambda _, item: None if (blob := _blob(item)) is None else make(item, blob)


_FILE: dict[str, Callable[[Resources, Item], Any]] = {
    "kind": lambda _, item: "drive#file",
    "id": lambda _, item: item.id,
    "name": lambda _, item: item.name,
    "mimeType": lambda _, item: item.mime_type,
    "parents": Resources._parents,
    "driveId": lambda _, item: item.drive,
    "teamDriveId": lambda _, item: item.drive,
    "size": _of_blob(lambda item, blob: str(size_of(blob))),
    "md5Checksum": _of_blob(lambda item, blob: digest(blob, "md5")),
    "sha1Checksum": _of_blob(lambda item, blob: digest(blob, "sha1")),
    "sha256Checksum": _of_blob(lambda item, blob: digest(blob, "sha256")),
    "headRevisionId": _of_blob(lambda item, blob: f"0B{item.id[:20]}{item.revision:04d}"),
    "originalFilename": _of_blob(lambda item, blob: item.name),
    "fileExtension": _of_blob(lambda item, blob: item.name.rpartition(".")[2] if "." in item.name else ""),
    "version": lambda _, item: str(item.version),
    "createdTime": lambda _, item: _time(item.created),
    "modifiedTime": lambda _, item: _time(item.modified),
    "trashed": lambda _, item: item.trashed,
    "explicitlyTrashed": lambda _, item: item.trashed_at is not None,
    "trashedTime": lambda _, item: _time(item.trashed_at) if item.trashed_at and item.drive else None,
    "shared": lambda _, item: None if item.drive else len(item.all_grants()) > 1 or bool(item.parent),
    "ownedByMe": lambda self, item: None if item.drive else item.owner == self.email,
    "owners": Resources._owners,
    "lastModifyingUser": lambda self, item: self.user(item.owner) if item.owner else None,
    "sharedWithMeTime": Resources._shared_with_me,
    "permissions": Resources._permissions,
    "permissionIds": Resources._permission_ids,
    "hasAugmentedPermissions": lambda self, item: bool(item.grants) and item.id not in self.world.drives if item.drive else None,
    "inheritedPermissionsDisabled": lambda _, item: item.limited if item.mime_type == FOLDER else None,
    "resourceKey": lambda _, item: item.resource_key,
    "shortcutDetails": Resources._shortcut,
    "exportLinks": Resources._export_links,
    "webViewLink": lambda _, item: _link(item),
    "copyRequiresWriterPermission": lambda _, item: not item.downloadable,
    "spaces": lambda _, item: ["drive"],
    "capabilities": Resources._capabilities,
}
