"""The requests of Drive v3 that we make, and what their answers mean.

Every list names its fields (the default ones lack what matters), asks for shared drives (else their files are "not
found"), and is read to its last page: a page may be empty and still have a next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from connectors.google_drive.access import Grant, grants
from connectors.google_drive.credential import DRIVE_SCOPE, ServiceAccount
from connectors.google_drive.file import FIELDS, PERMISSION_FIELDS, SHORTCUT, DriveFile, parse_file
from connectors.google_drive.rest import Rest, is_about_the_item, refused
from connectors.http import Rejected, is_loopback
from core.errors import FootnoteError
from core.ports import Limiter
from core.settings import DriveConfig

PAGE = 1000
PERMISSIONS_PAGE = 100
"""The most that Google gives at once, of permissions."""
RESTARTS = 3
"""Times that a listing is begun anew because its page token was refused."""
ASKED_AT_ONCE = 40
"""Ids in one query: 50 characters each, and an address has a few thousand."""

_ALL_DRIVES = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
_V3 = "/drive/v3"


@dataclass(frozen=True, kw_only=True)
class News:
    """What changed, by item, its latest state."""

    files: Mapping[str, DriveFile | None]
    """None: it is gone, or out of our sight."""
    drives: bool
    """Something about a shared drive itself: its name, its members, its existence."""


class IncompleteListing(FootnoteError):
    """Google Drive did not search everything. Nothing was removed; the next sync lists again."""


class TokenRefused(FootnoteError):
    """Google Drive does not know any more since when we asked for changes. The next sync lists everything."""


IN_FLIGHT = 8
"""Requests at once: each document is one, and takes Google a third of a second."""


class DriveClient:
    def __init__(
        self,
        config: DriveConfig,
        limiter: Limiter,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        self.account = ServiceAccount(config.credentials, DRIVE_SCOPE, transport=transport)
        self._config = config
        self._clock = clock
        self._rest = Rest(
            "Google Drive",
            config.api_url,
            self.account,
            limiter,
            setup="enable the Google Drive API in its Cloud project",
            transport=transport,
        )

    async def close(self) -> None:
        await self._rest.close()

    def use_key(self, id: str, key: str | None) -> None:
        """Send an item's resource key with what is asked about it."""
        self._rest.use_key(id, key)

    # Changes.

    async def start_token(self) -> str:
        """From where on changes will be told."""
        try:
            answer = await self._rest.get(
                f"{_V3}/changes/startPageToken", {"supportsAllDrives": "true"}, kind="drive#startPageToken"
            )
        except Rejected as error:
            raise refused(error, "the changes") from error
        return str(answer["startPageToken"])

    async def changes(self, token: str) -> tuple[News, str]:
        """All changes since ``token``, and the token of now. Raises TokenRefused when it is of no use any more."""
        fields = f"kind,nextPageToken,newStartPageToken,changes(changeType,fileId,removed,file({FIELDS}))"
        params = {"pageSize": PAGE, "spaces": "drive", "includeRemoved": "true", "fields": fields, **_ALL_DRIVES}
        files: dict[str, DriveFile | None] = {}
        drives = False
        try:
            async for page in self._rest.pages(f"{_V3}/changes", params, kind="drive#changeList", token=token):
                for change in page.get("changes") or ():
                    if change.get("changeType") == "drive":
                        drives = True
                    else:
                        gone = change.get("removed") or not change.get("file")
                        files[change["fileId"]] = None if gone else self._file(change["file"])
                token = page.get("newStartPageToken", "")
        except Rejected as error:
            raise TokenRefused if error.status in {400, 404, 410} else refused(error, "the changes") from error
        if not token:
            raise FootnoteError("Google Drive told changes without saying from where to read on; the next sync asks again")
        return News(files=files, drives=drives), token

    # Items.

    async def file(self, id: str) -> DriveFile | None:
        """None when it is gone, or we may not see it."""
        answer = await self._rest.get_or_none(f"{_V3}/files/{_part(id)}", {"supportsAllDrives": "true", "fields": FIELDS}, id)
        return self._file(answer) if answer else None

    async def drive_name(self, id: str) -> str | None:
        """None when it is gone, or we are no member."""
        answer = await self._rest.get_or_none(f"{_V3}/drives/{_part(id)}", {"fields": "name"}, id)
        return str(answer["name"]) if answer else None

    async def in_drive(self, id: str) -> list[DriveFile]:
        """Everything in a shared drive that is not in the trash."""
        return await self._list("trashed = false", corpora="drive", driveId=id)

    async def in_folders(self, ids: Sequence[str]) -> list[DriveFile]:
        """What lies directly in these folders and is not in the trash."""
        found: list[DriveFile] = []
        for some in _some(ids):
            named = " or ".join(f"'{_quoted(id)}' in parents" for id in some)
            found += await self._list(f"({named}) and trashed = false", about=some)
        return found

    async def shortcuts_to(self, ids: Sequence[str]) -> list[DriveFile]:
        found: list[DriveFile] = []
        for some in _some(ids):
            named = " or ".join(f"shortcutDetails.targetId = '{_quoted(id)}'" for id in some)
            found += await self._list(f"mimeType = '{SHORTCUT}' and trashed = false and ({named})", corpora="allDrives")
        return found

    async def grants(self, id: str) -> tuple[Grant, ...] | None:
        """The permissions of an item or shared drive. None when we may not see them, or it."""
        params = {
            "pageSize": PERMISSIONS_PAGE,
            "supportsAllDrives": "true",
            "fields": f"kind,nextPageToken,permissions({PERMISSION_FIELDS})",
        }
        path = f"{_V3}/files/{_part(id)}/permissions"
        found: list[Mapping[str, Any]] = []
        try:
            async for page in self._rest.pages(path, params, kind="drive#permissionList", about=[id]):
                found += page.get("permissions") or ()
        except Rejected as error:
            if is_about_the_item(error):
                return None
            raise refused(error, "permissions") from error
        return grants(found, self._config.name, self._clock())

    # Contents.

    async def download(self, id: str, *, limit: int) -> bytes:
        params = {"alt": "media", "supportsAllDrives": "true"}
        return await self._rest.content(f"{_V3}/files/{_part(id)}", params, id, limit=limit, may_be_html=True)

    async def export(self, id: str, media_type: str, *, limit: int) -> bytes:
        """``media_type`` is not HTML: what is so is a login page."""
        path, params = f"{_V3}/files/{_part(id)}/export", {"mimeType": media_type}
        return await self._rest.content(path, params, id, limit=limit, may_be_html=False)

    async def export_link(self, id: str, media_type: str) -> str | None:
        """Where a large export is found: an address that may be given our access token, or None."""
        answer = await self._rest.get_or_none(
            f"{_V3}/files/{_part(id)}", {"supportsAllDrives": "true", "fields": "exportLinks"}, id
        )
        link = str(((answer or {}).get("exportLinks") or {}).get(media_type) or "")
        host = urlsplit(link).hostname or ""
        googles = link.startswith("https://") and (host == "docs.google.com" or host.endswith(".googleusercontent.com"))
        return link if googles or (is_loopback(link) and is_loopback(self._config.api_url)) else None

    async def follow(self, link: str, id: str, *, limit: int) -> bytes:
        """What is at an :meth:`export_link` of a file."""
        return await self._rest.follow(link, id, limit=limit)

    # Asking.

    async def _list(self, query: str, *, about: Sequence[str] = (), **params: str) -> list[DriveFile]:
        params |= {"q": query, "pageSize": str(PAGE), "spaces": "drive", **_ALL_DRIVES}
        params["fields"] = f"kind,nextPageToken,incompleteSearch,files({FIELDS})"
        for _ in range(RESTARTS):
            found: dict[str, DriveFile] = {}
            turned = False
            try:
                async for page in self._rest.pages(f"{_V3}/files", params, kind="drive#fileList", about=about):
                    turned = True
                    if page.get("incompleteSearch"):
                        raise IncompleteListing
                    found |= {file.id: file for file in map(self._file, page.get("files") or ())}
            except Rejected as error:
                # A page token lives for hours only. Whatever was read with it may be old by now.
                if not turned or error.status != 400:
                    raise refused(error, "a listing") from error
            else:
                return list(found.values())
        raise IncompleteListing(
            f"Google Drive refused the next page of a listing {RESTARTS} times; nothing was removed, the next sync lists again"
        )

    def _file(self, data: Mapping[str, Any]) -> DriveFile:
        try:
            file = parse_file(data, self._config.name, self._clock())
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FootnoteError("Google Drive told of a file in a form that is not known; nothing was removed") from error
        self.use_key(file.id, file.resource_key)
        if file.target:
            self.use_key(file.target, file.target_key)
        return file


def _part(id: str) -> str:
    return quote(id, safe="")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _some(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + ASKED_AT_ONCE] for start in range(0, len(ids), ASKED_AT_ONCE)]
