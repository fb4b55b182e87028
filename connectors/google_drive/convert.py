"""What of a Drive file is read, and in which form."""

from __future__ import annotations

import os

from connectors.google_drive.client import DriveClient
from connectors.google_drive.file import APPS, DriveFile
from connectors.google_drive.rest import reason_of
from connectors.http import Rejected
from core.errors import DocumentError, TransientError
from core.indexing.cleaning import one_line
from core.indexing.parsing import MEDIA_TYPES

MAX_BYTES = 32 * 1024 * 1024
"""Of one file: what is larger is no text that anybody reads."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
_DOCX = f"{_OFFICE}wordprocessingml.document"
EXPORTS = {
    f"{APPS}document": ("text/markdown", _DOCX),
    f"{APPS}spreadsheet": (f"{_OFFICE}spreadsheetml.sheet",),
    f"{APPS}presentation": (f"{_OFFICE}presentationml.presentation",),
}
"""Docs editors' files to the forms to ask for, best first. A sheet as CSV would be its first table only."""

_READABLE = frozenset({*MEDIA_TYPES.values(), "text/x-markdown", "application/csv"})
_VAGUE = frozenset({"text/plain", "application/octet-stream", ""})
"""What uploaders say when they do not know: the name says more."""
_CLOSED = frozenset({"cannotDownloadFile", "cannotExportFile", "fileNotDownloadable", "fileNotExportable"})
NOT_ALLOWED = "may not be downloaded"
EMPTY = "empty"
TOO_LARGE = f"larger than {MAX_BYTES // 1024**2} MB"
EXPORT_TOO_LARGE = "export larger than 10 MB"
ABUSIVE = "flagged by Google as abusive"


class LeftOut(Exception):
    """It is left out on purpose; the text is the reason."""


def skip_reason(file: DriveFile) -> str | None:
    """Why a file is left out without a look at its content, or None."""
    if file.mime_type not in EXPORTS:
        if _media_type(file) is None:
            return f"unsupported type: {one_line(file.mime_type)[:80] or 'none'}"
        if file.size is not None and file.size > MAX_BYTES:
            return TOO_LARGE
        if file.size == 0:
            return EMPTY
    return None if file.downloadable else NOT_ALLOWED


async def read(client: DriveClient, file: DriveFile) -> tuple[bytes, str]:
    """The content and its media type. Raises LeftOut, DocumentError, and as :class:`connectors.http.Http`."""
    try:
        body, media_type = await _read(client, file)
    except Rejected as error:
        if error.status >= 500:
            raise TransientError(f"Google could not give it out (status {error.status})") from error
        reason = reason_of(error.body)
        if reason == "cannotDownloadAbusiveFile":
            raise LeftOut(ABUSIVE) from error
        if reason in _CLOSED:
            raise LeftOut(NOT_ALLOWED) from error
        raise DocumentError(f"Google does not give it out ({reason or error.status})") from error
    if not body.strip():
        raise LeftOut(EMPTY)
    return body, media_type


async def _read(client: DriveClient, file: DriveFile) -> tuple[bytes, str]:
    forms = EXPORTS.get(file.mime_type)
    if forms is not None:
        return await _export(client, file, forms)
    try:
        body = await client.download(file.id, limit=MAX_BYTES)
    except DocumentError as error:
        raise LeftOut(TOO_LARGE) from error
    if not file.is_intact(body):
        raise DocumentError("what came is not what Drive says that it holds; it is tried again")
    return body, _media_type(file) or file.mime_type


async def _export(client: DriveClient, file: DriveFile, forms: tuple[str, ...]) -> tuple[bytes, str]:
    for form in forms:
        try:
            return await client.export(file.id, form, limit=MAX_BYTES), form
        except Rejected as error:
            if reason_of(error.body) == "exportSizeLimitExceeded":
                return await _large_export(client, file, forms)
            # 400: no such conversion.
            if error.status != 400 or form == forms[-1]:
                raise
        except DocumentError as error:
            raise LeftOut(TOO_LARGE) from error
    raise AssertionError("there is no form to ask for")


async def _large_export(client: DriveClient, file: DriveFile, forms: tuple[str, ...]) -> tuple[bytes, str]:
    for form in forms:
        if link := await client.export_link(file.id, form):
            try:
                return await client.follow(link, file.id, limit=MAX_BYTES), form
            except DocumentError as error:
                raise LeftOut(TOO_LARGE) from error
    raise LeftOut(EXPORT_TOO_LARGE)


def _media_type(file: DriveFile) -> str | None:
    """As the parser is told; None for what it cannot read."""
    declared = file.mime_type.partition(";")[0].strip().lower()
    if declared in _VAGUE:
        by_name = MEDIA_TYPES.get(os.path.splitext(file.name)[1].lower())
        return by_name or ("text/plain" if declared == "text/plain" else None)
    return declared if declared in _READABLE else None
