"""Google's partial responses: which fields there are, which are asked for, and which come without being asked for."""

from __future__ import annotations

import re
from typing import Any

from tests.emulators.drive_errors import invalid


def _leaves(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split())


_USER = _leaves("kind displayName emailAddress me permissionId")
_PERMISSION = _leaves(
    "kind id type role emailAddress domain displayName allowFileDiscovery expirationTime deleted pendingOwner view"
) | {"permissionDetails": _leaves("permissionType role inherited inheritedFrom")}
FILE = _leaves(
    "kind id name mimeType parents driveId teamDriveId size md5Checksum sha1Checksum sha256Checksum headRevisionId version"
    " createdTime modifiedTime trashed explicitlyTrashed trashedTime shared ownedByMe sharedWithMeTime permissionIds"
    " hasAugmentedPermissions inheritedPermissionsDisabled resourceKey exportLinks webViewLink fileExtension originalFilename"
    " copyRequiresWriterPermission spaces"
) | {
    "owners": _USER,
    "lastModifyingUser": _USER,
    "permissions": _PERMISSION,
    "shortcutDetails": _leaves("targetId targetMimeType targetResourceKey"),
    "capabilities": _leaves("canCopy canDownload canEdit canListChildren canReadDrive canShare"),
}
_DRIVE = _leaves("kind id name createdTime hidden") | {
    "capabilities": _leaves("canDownload canListChildren canManageMembers"),
}
_CHANGE = _leaves("kind type changeType time removed fileId driveId teamDriveId") | {
    "file": FILE,
    "drive": _DRIVE,
}
_MEMBER = _leaves("kind etag id email role type status")

SCHEMAS: dict[str, dict[str, Any]] = {
    "About": _leaves("kind exportFormats canCreateDrives") | {"user": _USER},
    "File": FILE,
    "FileList": {"kind": None, "nextPageToken": None, "incompleteSearch": None, "files": FILE},
    "StartPageToken": {"kind": None, "startPageToken": None},
    "ChangeList": {"kind": None, "nextPageToken": None, "newStartPageToken": None, "changes": _CHANGE},
    "Drive": _DRIVE,
    "DriveList": {"kind": None, "nextPageToken": None, "drives": _DRIVE},
    "Permission": _PERMISSION,
    "PermissionList": {"kind": None, "nextPageToken": None, "permissions": _PERMISSION},
    "Channel": _leaves("kind id resourceId resourceUri token expiration"),
    "Members": {"kind": None, "etag": None, "nextPageToken": None, "members": _MEMBER},
}
"""The fields that the emulator fills in, by the name of their schema. Google has more; those are refused here."""

DEFAULTS = {
    "File": "kind,id,name,mimeType",
    "FileList": "kind,nextPageToken,incompleteSearch,files(kind,id,name,mimeType)",
    "ChangeList": "kind,nextPageToken,newStartPageToken,"
    "changes(kind,type,changeType,time,removed,fileId,driveId,teamDriveId,file(kind,id,name,mimeType),drive(kind,id,name))",
    "Drive": "kind,id,name",
    "DriveList": "kind,nextPageToken,drives(kind,id,name)",
    "PermissionList": "kind,nextPageToken,permissions(kind,id,type,role)",
}
"""What comes when no fields are named."""

_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9]*|[*,/()]")


class Mask:
    """Which fields are wanted. Without any names: all."""

    def __init__(self, fields: dict[str, Mask] | None = None) -> None:
        self.fields = fields or {}

    def wants(self, name: str) -> bool:
        return not self.fields or name in self.fields or "*" in self.fields

    def under(self, name: str) -> Mask:
        """The mask of what is in a field that is wanted."""
        return self.fields.get(name) or self.fields.get("*") or Mask()

    def apply(self, value: Any) -> Any:
        if not self.fields:
            return value
        if isinstance(value, list):
            return [self.apply(item) for item in value]
        if isinstance(value, dict):
            return {name: self.under(name).apply(item) for name, item in value.items() if self.wants(name)}
        return value

    def merge(self, other: Mask) -> Mask:
        if not self.fields or not other.fields:
            return Mask()
        both = dict(self.fields)
        for name, mask in other.fields.items():
            both[name] = both[name].merge(mask) if name in both else mask
        return Mask(both)


def mask_of(text: str | None, schema: str) -> Mask:
    """As ``fields`` asks, or the default of the schema. Refuses what is no selection, or names a field that there is not."""
    if text is None:
        text = DEFAULTS.get(schema, "*")
    return _Selection(text).parse(SCHEMAS[schema])


class _Selection:
    """``a,b(c,d/e),f/g,*``, read against the fields that there are."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        if "".join(self._tokens) != "".join(text.split()):
            raise self._wrong(text)
        self._at = 0

    def parse(self, known: dict[str, Any]) -> Mask:
        mask = self._list(known)
        if self._at < len(self._tokens):
            raise self._wrong(self._text)
        return mask

    def _list(self, known: dict[str, Any]) -> Mask:
        fields: dict[str, Mask] = {}
        while True:
            name, mask = self._item(known)
            fields[name] = fields[name].merge(mask) if name in fields else mask
            if self._peek() != ",":
                return Mask(fields)
            self._at += 1

    def _item(self, known: dict[str, Any]) -> tuple[str, Mask]:
        name = self._peek()
        self._at += 1
        if name == "*":
            # What is below a star must exist somewhere beside it.
            below: dict[str, Any] = {}
            for schema in known.values():
                below |= schema or {}
        elif name in known:
            below = known[name] or {}
        else:
            raise self._wrong(name or self._text)
        if self._peek() == "/":
            self._at += 1
            inner, mask = self._item(below)
            return name, Mask({inner: mask})
        if self._peek() == "(":
            self._at += 1
            mask = self._list(below)
            if self._peek() != ")":
                raise self._wrong(self._text)
            self._at += 1
            return name, mask
        return name, Mask()

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _wrong(self, name: str) -> Exception:
        return invalid(f"Invalid field selection {name}", "fields", reason="invalidParameter")
