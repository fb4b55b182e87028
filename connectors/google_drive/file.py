"""A file, folder or shortcut as Drive tells of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.google_drive.access import Grant, grants
from core.indexing.cleaning import one_line
from core.models import Principal

APPS = "application/vnd.google-apps."
FOLDER = f"{APPS}folder"
SHORTCUT = f"{APPS}shortcut"

HOSTS = frozenset({"docs.google.com", "drive.google.com"})
"""Where people open files."""

PERMISSION_FIELDS = (
    "type,role,emailAddress,domain,allowFileDiscovery,deleted,expirationTime,pendingOwner,view,permissionDetails(inherited)"
)
FIELDS = (
    "id,name,mimeType,parents,driveId,trashed,size,md5Checksum,sha256Checksum,headRevisionId,version,modifiedTime,webViewLink,"
    "resourceKey,shortcutDetails(targetId,targetResourceKey),capabilities(canDownload),copyRequiresWriterPermission,"
    "owners(emailAddress),lastModifyingUser(emailAddress),"
    f"hasAugmentedPermissions,inheritedPermissionsDisabled,permissions({PERMISSION_FIELDS})"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveFile:
    id: str
    name: str
    """Cleaned, on one line."""
    mime_type: str
    parent: str | None
    """The folder that it is in; None when we may not see that."""
    drive: str | None
    """The shared drive that it is in; None in somebody's My Drive."""
    trashed: bool
    size: int | None
    """Bytes; None when it has none (folders, shortcuts) or Drive does not say."""
    content: str
    """Moves when the content does: ``sha256:…`` or ``md5:…``, or of Docs editors' files the time of the last edit."""
    counter: str
    """Of Docs editors' files: moves on any change of anything, even one that nobody sees."""
    modified_at: datetime
    url: str
    resource_key: str | None
    target: str | None
    """Of a shortcut."""
    target_key: str | None
    downloadable: bool
    augmented: bool
    """In a shared drive: there are permissions on the item itself."""
    limited: bool
    """What is granted on the folders above it does not count from here on."""
    grants: tuple[Grant, ...] | None
    """In My Drive. None: we are not told."""
    owners: tuple[Principal, ...] = ()
    """Whose it is, which in a shared drive is nobody's, and whoever changed it last."""

    @property
    def is_folder(self) -> bool:
        return self.mime_type == FOLDER

    @property
    def is_shortcut(self) -> bool:
        return self.mime_type == SHORTCUT

    def is_intact(self, body: bytes) -> bool:
        """Whether these bytes are the content of a file that is no Docs editor's, as far as Drive says."""
        algorithm, _, digest = self.content.partition(":")
        if algorithm in {"sha256", "md5"}:
            return hashlib.new(algorithm, body, usedforsecurity=False).hexdigest() == digest
        return self.size is None or len(body) == self.size

    def version(self, path: tuple[str, ...]) -> str:
        """A mark of all that is indexed. After the dot, of Docs editors' files, their counter."""
        indexed = [self.name, path, self.mime_type, self.url, self.downloadable, self.content, self.owners]
        digest = hashlib.sha256(json.dumps(indexed).encode()).hexdigest()[:24]
        return f"{digest}.{self.counter}" if self.counter else digest


def same_content(version: str, other: str) -> bool:
    """True if at most the counter differs."""
    return version.partition(".")[0] == other.partition(".")[0]


def _checksum(data: Mapping[str, Any]) -> str:
    for algorithm in ("sha256", "md5"):
        if digest := data.get(f"{algorithm}Checksum"):
            return f"{algorithm}:{digest}"
    return str(data.get("headRevisionId") or "")


def parse_file(data: Mapping[str, Any], source: str, at: datetime) -> DriveFile:
    """Raises KeyError, TypeError or ValueError when it is not what Drive says that it sends."""
    mime_type = str(data["mimeType"])
    editors = mime_type.startswith(APPS)
    modified = str(data.get("modifiedTime") or "")
    shortcut = data.get("shortcutDetails") or {}
    permissions = data.get("permissions")
    return DriveFile(
        id=str(data["id"]),
        name=one_line(str(data.get("name") or "")) or "Untitled",
        mime_type=mime_type,
        parent=next(iter(data.get("parents") or ()), None),
        drive=data.get("driveId"),
        trashed=bool(data.get("trashed")),
        size=int(data["size"]) if "size" in data else None,
        content=modified if editors else _checksum(data) or modified,
        counter=str(data.get("version") or "") if editors else "",
        modified_at=datetime.fromisoformat(modified) if modified else datetime.fromtimestamp(0, UTC),
        url=str(data.get("webViewLink") or f"https://drive.google.com/open?id={data['id']}"),
        resource_key=data.get("resourceKey"),
        target=shortcut.get("targetId"),
        target_key=shortcut.get("targetResourceKey"),
        downloadable=(data.get("capabilities") or {}).get("canDownload", True) and not data.get("copyRequiresWriterPermission"),
        augmented=bool(data.get("hasAugmentedPermissions")),
        limited=bool(data.get("inheritedPermissionsDisabled")),
        grants=None if permissions is None else grants(permissions, source, at),
        owners=_people(*(data.get("owners") or ()), data.get("lastModifyingUser") or {}),
    )


def _people(*people: Mapping[str, Any]) -> tuple[Principal, ...]:
    addresses = (str(person.get("emailAddress") or "").strip().lower() for person in people)
    return tuple(dict.fromkeys(f"user:{address}" for address in addresses if address))
