"""The requests of Drive v3 that we make, and what their answers mean.

Every list names its fields (the default ones lack what matters), asks for shared drives (else their files are "not
found"), and is read to its last page: a page may be empty and still have a next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx

from connectors.google_drive.access import Grant, grants
from connectors.google_drive.credential import DRIVE_SCOPE, ServiceAccount
from connectors.google_drive.file import FIELDS, PERMISSION_FIELDS, SHORTCUT, DriveFile, parse_file
from connectors.http import Http, Rejected, is_loopback
from core.errors import AuthError, FootnoteError, TransientError
from core.ports import Limiter
from core.settings import DriveConfig

PAGE = 1000
PERMISSIONS_PAGE = 100
"""The most that Google gives at once, of permissions."""
FAILURES = 3
"""So many 5xx on one content are about that content."""
RESTARTS = 3
"""Times that a listing is begun anew because its page token was refused."""
SAME_PAGE = 10
"""Times that a list may lead to one page again: an empty page may stand for one that is not ready."""
ASKED_AT_ONCE = 40
"""Ids in one query: 50 characters each, and an address has a few thousand."""

_ALL_DRIVES = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
_QUOTA = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded", "quotaExceeded", "backendError"})
_SETUP = frozenset({"insufficientPermissions", "accessNotConfigured", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "SERVICE_DISABLED"})


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
        self._limiter = limiter
        self._transport = transport
        self._clock = clock
        self._http = Http(
            "Google Drive",
            config.api_url,
            self.account,
            limiter,
            is_transient=is_transient,
            transport=transport,
            in_flight=IN_FLIGHT,
        )
        self._keys: dict[str, str] = {}

    async def close(self) -> None:
        await self._http.close()
        await self.account.close()

    def use_key(self, id: str, key: str | None) -> None:
        """Send an item's resource key with what is asked about it."""
        if key:
            self._keys[id] = key

    # Changes.

    async def start_token(self) -> str:
        """From where on changes will be told."""
        try:
            answer = await self._get("/changes/startPageToken", {"supportsAllDrives": "true"}, kind="drive#startPageToken")
        except Rejected as error:
            raise _refused(error, "the changes") from error
        return str(answer["startPageToken"])

    async def changes(self, token: str) -> tuple[News, str]:
        """All changes since ``token``, and the token of now. Raises TokenRefused when it is of no use any more."""
        fields = f"kind,nextPageToken,newStartPageToken,changes(changeType,fileId,removed,file({FIELDS}))"
        params = {"pageSize": PAGE, "spaces": "drive", "includeRemoved": "true", "fields": fields, **_ALL_DRIVES}
        files: dict[str, DriveFile | None] = {}
        drives = False
        try:
            async for page in self._pages("/changes", params, "drive#changeList", token):
                for change in page.get("changes") or ():
                    if change.get("changeType") == "drive":
                        drives = True
                    else:
                        gone = change.get("removed") or not change.get("file")
                        files[change["fileId"]] = None if gone else self._file(change["file"])
                token = page.get("newStartPageToken", "")
        except Rejected as error:
            raise TokenRefused if error.status in {400, 404, 410} else _refused(error, "the changes") from error
        if not token:
            raise FootnoteError("Google Drive told changes without saying from where to read on; the next sync asks again")
        return News(files=files, drives=drives), token

    # Items.

    async def file(self, id: str) -> DriveFile | None:
        """None when it is gone, or we may not see it."""
        answer = await self._or_none(f"/files/{_part(id)}", {"supportsAllDrives": "true", "fields": FIELDS}, id)
        return self._file(answer) if answer else None

    async def drive_name(self, id: str) -> str | None:
        """None when it is gone, or we are no member."""
        answer = await self._or_none(f"/drives/{_part(id)}", {"fields": "name"}, id)
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
        found: list[Mapping[str, Any]] = []
        try:
            async for page in self._pages(f"/files/{_part(id)}/permissions", params, "drive#permissionList", about=[id]):
                found += page.get("permissions") or ()
        except Rejected as error:
            if error.status in {403, 404}:
                return None
            raise _refused(error, "permissions") from error
        return grants(found, self._config.name, self._clock())

    # Contents.

    async def download(self, id: str, *, limit: int) -> bytes:
        params = {"alt": "media", "supportsAllDrives": "true"}
        return await self._content(f"/files/{_part(id)}", params, id, limit, may_be_html=True)

    async def export(self, id: str, media_type: str, *, limit: int) -> bytes:
        """``media_type`` is not HTML: what is so is a login page."""
        return await self._content(f"/files/{_part(id)}/export", {"mimeType": media_type}, id, limit, may_be_html=False)

    async def export_link(self, id: str, media_type: str) -> str | None:
        """Where a large export is found: an address that may be given our access token, or None."""
        answer = await self._or_none(f"/files/{_part(id)}", {"supportsAllDrives": "true", "fields": "exportLinks"}, id)
        link = str(((answer or {}).get("exportLinks") or {}).get(media_type) or "")
        host = urlsplit(link).hostname or ""
        googles = link.startswith("https://") and (host == "docs.google.com" or host.endswith(".googleusercontent.com"))
        return link if googles or (is_loopback(link) and is_loopback(self._config.api_url)) else None

    async def follow(self, link: str, id: str, *, limit: int) -> bytes:
        """What is at an :meth:`export_link` of a file."""
        http = Http("Google Drive", link, self.account, self._limiter, is_transient=is_transient, transport=self._transport)
        try:
            return await http.content(link, limit=limit, headers=self._headers([id]), failures=FAILURES, may_be_html=False)
        finally:
            await http.close()

    # Asking.

    async def _list(self, query: str, *, about: Sequence[str] = (), **params: str) -> list[DriveFile]:
        params |= {"q": query, "pageSize": str(PAGE), "spaces": "drive", **_ALL_DRIVES}
        params["fields"] = f"kind,nextPageToken,incompleteSearch,files({FIELDS})"
        for _ in range(RESTARTS):
            found: dict[str, DriveFile] = {}
            turned = False
            try:
                async for page in self._pages("/files", params, "drive#fileList", about=about):
                    turned = True
                    if page.get("incompleteSearch"):
                        raise IncompleteListing
                    found |= {file.id: file for file in map(self._file, page.get("files") or ())}
            except Rejected as error:
                # A page token lives for hours only. Whatever was read with it may be old by now.
                if not turned or error.status != 400:
                    raise _refused(error, "a listing") from error
            else:
                return list(found.values())
        raise IncompleteListing(
            f"Google Drive refused the next page of a listing {RESTARTS} times; nothing was removed, the next sync lists again"
        )

    async def _pages(
        self, path: str, params: Mapping[str, Any], kind: str, token: str | None = None, *, about: Sequence[str] = ()
    ) -> AsyncIterator[Any]:
        seen: Counter[str] = Counter()
        while True:
            page = await self._get(path, {**params, "pageToken": token} if token else params, kind=kind, about=about)
            yield page
            token = page.get("nextPageToken")
            if not token:
                return
            seen[token] += 1
            if seen[token] > SAME_PAGE:
                raise FootnoteError(f"Google Drive lists {path} in circles; nothing was removed, the next sync lists again")

    async def _get(self, path: str, params: Mapping[str, Any], *, kind: str | None = None, about: Sequence[str] = ()) -> Any:
        try:
            answer = await self._http.json(f"/drive/v3{path}", params, headers=self._headers(about))
        except Rejected as error:
            await self._explain(error)
        # What is not of this kind, an empty object for one, is no proof that there is nothing.
        if not isinstance(answer, dict) or (kind and answer.get("kind") != kind):
            raise TransientError(f"Google Drive answered {path} with something else; check its address in the settings")
        return answer

    async def _or_none(self, path: str, params: Mapping[str, Any], id: str) -> Any:
        try:
            return await self._get(path, params, about=[id])
        except Rejected as error:
            if error.status in {403, 404}:
                return None
            raise _refused(error, "an item") from error

    async def _content(self, path: str, params: Mapping[str, Any], id: str, limit: int, *, may_be_html: bool) -> bytes:
        path, headers = f"/drive/v3{path}", self._headers([id])
        try:
            return await self._http.content(
                path, params, limit=limit, headers=headers, failures=FAILURES, may_be_html=may_be_html
            )
        except Rejected as error:
            await self._explain(error)

    async def _explain(self, error: Rejected) -> NoReturn:
        if reason_of(error.body) in _SETUP:
            raise AuthError(
                f"Google does not let {await self.account.email()} use Drive: enable the Google Drive API in its Cloud project "
                f"({reason_of(error.body)})"
            ) from error
        raise error

    def _headers(self, about: Sequence[str]) -> Mapping[str, str]:
        keys = ",".join(f"{id}/{self._keys[id]}" for id in about if id in self._keys)
        return {"X-Goog-Drive-Resource-Keys": keys} if keys else {}

    def _file(self, data: Mapping[str, Any]) -> DriveFile:
        try:
            file = parse_file(data, self._config.name, self._clock())
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FootnoteError("Google Drive told of a file in a form that is not known; nothing was removed") from error
        self.use_key(file.id, file.resource_key)
        if file.target:
            self.use_key(file.target, file.target_key)
        return file


def reason_of(body: Any) -> str:
    """Google's word for what went wrong; empty when it gave none."""
    try:
        error = body["error"]
        return str((error.get("errors") or error["details"])[0]["reason"])
    except (KeyError, TypeError, IndexError, AttributeError):
        return ""


def is_transient(status: int, body: Any) -> bool:
    """Over quota is said with 403, as is everything that no repetition mends."""
    return status == 403 and reason_of(body) in _QUOTA


def _refused(error: Rejected, what: str) -> FootnoteError:
    return FootnoteError(
        f"Google Drive refused us {what} (status {error.status}, {reason_of(error.body) or 'no reason given'}); "
        "nothing was removed, the next sync asks again"
    )


def _part(id: str) -> str:
    return quote(id, safe="")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _some(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + ASKED_AT_ONCE] for start in range(0, len(ids), ASKED_AT_ONCE)]
