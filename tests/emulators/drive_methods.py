"""The other methods: one file, its content, its permissions, shared drives, groups, channels."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.emulators.drive_content import APPS, EXPORTS, FOLDER, SHORTCUT, Zeros, export, size_of
from tests.emulators.drive_errors import Refused, invalid, not_found
from tests.emulators.drive_question import Question

_DAY = 86_400
_CHANNEL_SECONDS = 3600
_LONGEST_CHANNEL = 7 * _DAY


@dataclass(frozen=True)
class Media:
    """Bytes that are answered in place of JSON: from ``start`` up to ``stop``."""

    content: bytes | Zeros
    type: str
    start: int = 0
    stop: int | None = None

    @property
    def size(self) -> int:
        return size_of(self.content)


@dataclass(frozen=True)
class Channel:
    """Where changes are announced to, until ``expires`` (seconds since 1970)."""

    id: str
    address: str
    token: str | None
    resource_id: str
    resource_uri: str
    expires: float

    def shown(self) -> dict[str, Any]:
        token = {"token": self.token} if self.token else {}
        named = {"kind": "api#channel", "id": self.id, "resourceId": self.resource_id, "resourceUri": self.resource_uri}
        return named | token | {"expiration": str(int(self.expires * 1000))}


def about(asked: Question) -> dict[str, Any]:
    asked.required("fields")
    formats = {mime: list(targets) for mime, targets in EXPORTS.items()}
    return {"kind": "drive#about", "user": asked.resources.user(asked.email), "exportFormats": formats, "canCreateDrives": False}


def get_file(asked: Question) -> dict[str, Any] | Media:
    item = asked.item(asked.named["fileId"])
    if asked.text("alt") != "media":
        return asked.resources.file(item, asked.mask)
    if not isinstance(item.content, bytes | Zeros):
        raise Refused(
            "fileNotDownloadable",
            "Only files with binary content can be downloaded. Use Export with Docs Editors files.",
            location=("alt", "parameter"),
        )
    if item.abusive and not asked.flag("acknowledgeAbuse"):
        raise Refused("cannotDownloadAbusiveFile", "This file has been identified as malware or spam and cannot be downloaded.")
    if not asked.resources.may_download(item):
        raise Refused("cannotDownloadFile", "This file cannot be downloaded by the user.")
    return _part(Media(item.content, item.mime_type), asked.headers.get("range"))


def _part(media: Media, wanted: str | None) -> Media:
    if wanted is None:
        return media
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    if found is None:
        return media
    start, stop = int(found[1]), min(int(found[2] or media.size) + 1, media.size)
    if start >= stop:
        raise Refused("requestedRangeNotSatisfiable", "Request range not satisfiable", status=416, location=("Range", "header"))
    return Media(media.content, media.type, start, stop)


def export_file(asked: Question, limit: int) -> Media:
    """Another format of what an editor made, of at most ``limit`` bytes."""
    media = _exported(asked, asked.named["fileId"], asked.required("mimeType"))
    if media.size > limit:
        raise Refused("exportSizeLimitExceeded", "This file is too large to be exported.")
    return media


def follow_export_link(asked: Question) -> Media:
    """The same, however large, where ``exportLinks`` leads."""
    return _exported(asked, asked.required("id"), asked.required("exportFormat"))


def _exported(asked: Question, id: str, target: str) -> Media:
    item = asked.item(id)
    if not item.mime_type.startswith(APPS) or item.mime_type in {SHORTCUT, FOLDER}:
        raise Refused("fileNotExportable", "Export only supports Docs Editors files.", location=("fileId", "parameter"))
    if not asked.resources.may_download(item):
        raise Refused("cannotExportFile", "This file cannot be exported by the user.", status=403)
    content = export(item.mime_type, item.content, target)
    if content is None:
        raise Refused("badRequest", "The requested conversion is not supported.", location=("convertTo", "parameter"))
    return Media(content, target)


def permissions(asked: Question) -> dict[str, Any]:
    item = asked.item(asked.named["fileId"])
    if not asked.resources.may_list_permissions(item):
        text = f"The user does not have sufficient permissions for file {item.id}."
        raise Refused("insufficientFilePermissions", text)
    shown = asked.resources.permissions(item, published=asked.text("includePermissionsForView") == "published")
    return {"kind": "drive#permissionList"} | asked.page("permissions", shown, 100, 100)


def drives(asked: Question) -> dict[str, Any]:
    world = asked.world
    shown = [
        asked.resources.drive(drive) for drive in world.drives.values() if world.access.role(asked.email, drive.root) is not None
    ]
    return {"kind": "drive#driveList"} | asked.page("drives", shown, 10, 100)


def drive(asked: Question) -> dict[str, Any]:
    found = asked.world.drives.get(asked.named["driveId"])
    if found is None or asked.world.access.role(asked.email, found.root) is None:
        raise not_found("Shared drive", asked.named["driveId"])
    return asked.resources.drive(found)


def members(asked: Question) -> dict[str, Any]:
    """Of a group of the domain, told to an administrator; an empty group has no ``members`` at all."""
    world, group = asked.world, f"group:{asked.named['groupKey'].lower()}"
    if asked.email not in world.admins:
        raise Refused("forbidden", "Not Authorized to access this resource/API")
    if group not in world.groups:
        raise Refused("notFound", "Resource Not Found: groupKey")
    if not group.endswith(f"@{world.domain}"):
        raise Refused("forbidden", "Not Authorized to access this resource/API")
    found = set(world.groups[group])
    if asked.flag("includeDerivedMembership"):
        reached = {group}
        while nested := {member for member in found if member in world.groups} - reached:
            reached |= nested
            found |= set().union(*(world.groups[inner] for inner in nested))
    shown = [_member(asked, member) for member in sorted(found)]
    body = {"kind": "admin#directory#members", "etag": f'"{world.revision}"'} | asked.page(
        "members", shown, 200, 200, size="maxResults"
    )
    if not body["members"]:
        del body["members"]
    return body


def _member(asked: Question, principal: str) -> dict[str, Any]:
    world = asked.world
    kind, _, address = principal.partition(":")
    shown: dict[str, Any] = {"kind": "admin#directory#member", "etag": '"1"', "id": f"{kind}-{address}", "role": "MEMBER"}
    if kind == "domain":
        # All people of the customer: it has no address.
        return shown | {"type": "CUSTOMER", "status": "ACTIVE"}
    shown |= {"email": world.users.get(address, address), "type": kind.upper()}
    inactive = principal in world.suspended | world.deleted_accounts
    return shown | {"status": "SUSPENDED" if inactive else "ACTIVE"}


def watch(asked: Question, channels: dict[str, Channel]) -> dict[str, Any]:
    body = asked.body if isinstance(asked.body, dict) else {}
    asked.required("pageToken")
    if unknown := set(body) - {"id", "type", "address", "token", "expiration", "params", "payload"}:
        raise invalid(f'Invalid JSON payload received. Unknown name "{min(unknown)}"', min(unknown))
    id, address = str(body.get("id", "")), urlsplit(str(body.get("address", "")))
    if not re.fullmatch(r"[A-Za-z0-9\-_+/=]{1,64}", id) or body.get("type") not in {"web_hook", "webhook"}:
        raise Refused("channelIdInvalid", "The channel needs an id and the type web_hook.", status=400)
    if id in channels:
        raise Refused("channelIdNotUnique", f"Channel id {id} not unique", status=400)
    if address.scheme != "https" and address.hostname not in {"127.0.0.1", "localhost"}:
        raise Refused("push.webhookUrlNotHttps", f"WebHook callback must be HTTPS: {address.geturl()}", status=400)
    now = time.time()
    wanted = int(body["expiration"]) / 1000 if "expiration" in body else now + _CHANNEL_SECONDS
    token = str(body["token"]) if body.get("token") else None
    uri = "https://www.googleapis.com/drive/v3/changes?alt=json"
    channel = Channel(id, address.geturl(), token, secrets.token_urlsafe(16), uri, min(wanted, now + _LONGEST_CHANNEL))
    channels[id] = channel
    return channel.shown()


def stop(asked: Question, channels: dict[str, Channel]) -> None:
    body = asked.body if isinstance(asked.body, dict) else {}
    channel = channels.get(str(body.get("id")))
    if channel is None or body.get("resourceId") != channel.resource_id:
        raise Refused("notFound", f"Channel '{body.get('id')}' not found for project")
    del channels[channel.id]
