"""The methods of the emulated APIs: where they are, what they take, and who may call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.emulators.drive_auth import DIRECTORY, METADATA, READ
from tests.emulators.drive_errors import Refused, invalid

Value = str | int | bool


@dataclass(frozen=True)
class Route:
    name: str
    """As in Google's discovery document: ``files.list``."""
    path: str
    parameters: Mapping[str, type]
    schema: str = ""
    """Of the answer; without one it is no JSON."""
    scopes: frozenset[str] = METADATA
    method: str = "GET"

    def match(self, path: str) -> dict[str, str] | None:
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        return found.groupdict() if found else None


_EVERYWHERE: dict[str, type] = {"fields": str, "alt": str, "key": str, "prettyPrint": bool, "quotaUser": str}
_FILE: dict[str, type] = {"supportsAllDrives": bool, "includePermissionsForView": str}
_PAGE: dict[str, type] = {"pageSize": int, "pageToken": str}
_SCOPE: dict[str, type] = {"driveId": str, "supportsAllDrives": bool, "includeItemsFromAllDrives": bool, "spaces": str}
_CHANGES: dict[str, type] = (
    _SCOPE | _PAGE | {"includeRemoved": bool, "includeCorpusRemovals": bool, "restrictToMyDrive": bool}
) | {"includePermissionsForView": str}

ROUTES = (
    Route("about.get", "/drive/v3/about", {}, "About"),
    Route("files.list", "/drive/v3/files", _SCOPE | _PAGE | {"q": str, "corpora": str, "orderBy": str}, "FileList"),
    Route("files.get", "/drive/v3/files/{fileId}", _FILE | {"acknowledgeAbuse": bool}, "File"),
    Route("files.export", "/drive/v3/files/{fileId}/export", {"mimeType": str}, scopes=READ),
    Route("permissions.list", "/drive/v3/files/{fileId}/permissions", _FILE | _PAGE, "PermissionList"),
    Route(
        "changes.getStartPageToken",
        "/drive/v3/changes/startPageToken",
        {"driveId": str, "supportsAllDrives": bool},
        "StartPageToken",
    ),
    Route("changes.list", "/drive/v3/changes", _CHANGES, "ChangeList"),
    Route("changes.watch", "/drive/v3/changes/watch", _CHANGES, "Channel", method="POST"),
    Route("channels.stop", "/drive/v3/channels/stop", {}, method="POST"),
    Route("drives.list", "/drive/v3/drives", _PAGE, "DriveList", READ),
    Route("drives.get", "/drive/v3/drives/{driveId}", {}, "Drive", READ),
    Route(
        "members.list",
        "/admin/directory/v1/groups/{groupKey}/members",
        {"includeDerivedMembership": bool, "maxResults": int, "pageToken": str, "roles": str},
        "Members",
        DIRECTORY,
    ),
    Route("exportLinks", "/feeds/download/documents/export/Export", {"id": str, "exportFormat": str}, scopes=READ),
    Route("token", "/token", {}, method="POST"),
)


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Which method is called, and what the path says. Refuses what is none."""
    for route in ROUTES:
        if route.method == method and (named := route.match(path)) is not None:
            return route, named
    raise Refused("badRequest", f"{method} {path} is no method of the emulated APIs.")


def parameters_of(route: Route, pairs: list[tuple[str, str]]) -> dict[str, Value]:
    """The query as values. Refuses a parameter that is unknown, repeated or not of its type."""
    known = dict(route.parameters) | _EVERYWHERE
    read: dict[str, Value] = {}
    for name, text in pairs:
        if name not in known:
            raise invalid(f'Unknown name "{name}": Cannot bind query parameter. Field "{name}" could not be found.', name)
        if name in read:
            raise invalid(f"{name} is given more than once.", name)
        read[name] = _value(name, text, known[name])
    return read


def _value(name: str, text: str, kind: type) -> Value:
    if kind is bool:
        if text not in {"true", "false"}:
            raise invalid(f"Invalid boolean value: '{text}'.", name, reason="invalidParameter")
        return text == "true"
    if kind is int:
        if not text.isdecimal() or int(text) < 1:
            raise invalid(f"Invalid value '{text}'. Values must be within the range: [1, 1000]", name, reason="invalidParameter")
        return int(text)
    return text
