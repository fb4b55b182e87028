"""Files that people drop in Slack: what an event tells of them, and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.files import Fetched, media_type_of, shown
from bots.slack.client import failure
from core.errors import TransientError, UserError
from core.models import Attachment

_HOSTS = frozenset({"files.slack.com", "files.slack-gov.com"})
_LOOK_UP = "file:"
"""Before the id of a file of which an event tells no more, as in channels that are shared with others."""
_GONE = frozenset({"tombstone", "hidden_by_limit"})
_PIECE = 256 * 1024


def attached(event: Mapping[str, Any], channel: str, *, private: bool, realm: str = "") -> tuple[Attachment, ...]:
    """The files on a message. What stands in a direct message has no place that others share. With a ``realm``, as of Identity,
    the address says whose token opens it: see :func:`opened_by`.
    """
    files = event.get("files")
    found = [file for file in files if isinstance(file, Mapping)] if isinstance(files, list) else []
    place = "" if private else f"channel:slack:{realm}:{channel}" if realm else f"channel:slack:{channel}"
    files_here = (_attachment(file, place) for file in found if file.get("mode") not in _GONE)
    return tuple(replace(file, address=f"{realm} {file.address}") if realm else file for file in files_here)


def opened_by(file: Attachment) -> tuple[str, Attachment]:
    """The workspace whose token opens a file, where there are several, and the file at the address that Slack knows."""
    realm, _, address = file.address.rpartition(" ")
    return realm, replace(file, address=address)


def _attachment(file: Mapping[str, Any], place: str) -> Attachment:
    address = file.get("url_private_download") or file.get("url_private")
    size = file.get("size")
    return Attachment(
        name=str(file.get("name") or file.get("title") or ""),
        size=size if isinstance(size, int) else 0,
        address=str(address or f"{_LOOK_UP}{file.get('id')}"),
        url=str(file.get("permalink") or ""),
        media_type=str(file.get("mimetype") or ""),
        place=place,
    )


class SlackFiles:
    """Fetches files with the bot's token, which goes to Slack's own hosts and nowhere else: redirects are not followed."""

    def __init__(self, client: AsyncWebClient, session: aiohttp.ClientSession) -> None:
        self._client = client
        self._session = session
        # The emulated Slack of a test, and one behind a proxy, give files where they answer calls.
        self._own = _origin(client.base_url)

    async def fetch(self, file: Attachment, most: int) -> Fetched:
        """See :data:`bots.files.Fetch`."""
        if file.address.startswith(_LOOK_UP):
            file = await self._look_up(file)
        address = file.address
        if not self._is_ours(address):
            raise UserError(f"{shown(file.name)} is not stored in Slack, so I cannot open it: upload the file itself.")
        try:
            headers = {"Authorization": f"Bearer {self._client.token}"}
            async with self._session.get(address, headers=headers, allow_redirects=False) as response:
                self._judge(file, response)
                return Fetched(file, await _read(response.content, most))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientError(f"Slack did not give me {shown(file.name)} ({type(error).__name__}).") from error

    async def _look_up(self, file: Attachment) -> Attachment:
        try:
            told = (await self._client.files_info(file=file.address.removeprefix(_LOOK_UP)))["file"]
        except SlackApiError as error:
            if failure(error) in {"file_not_found", "file_deleted"}:
                raise UserError(f"{shown(file.name)} is not there any more.") from error
            raise UserError(_refused(file)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientError(f"Slack did not tell me where {shown(file.name)} is.") from error
        return _attachment(told, file.place)

    def _is_ours(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        slack = parts.scheme == "https" and parts.netloc in _HOSTS
        return slack or _origin(address) == self._own

    @staticmethod
    def _judge(file: Attachment, response: aiohttp.ClientResponse) -> None:
        if response.status == 404:
            raise UserError(f"{shown(file.name)} is not there any more.")
        if response.status == 429 or response.status >= 500:
            raise TransientError(f"Slack did not give me {shown(file.name)} (status {response.status}).")
        # Whoever may not have a file is sent to the page where people log in.
        to_log_in = response.content_type == "text/html" and media_type_of(file.name, file.media_type) != "text/html"
        if response.status != 200 or to_log_in:
            raise UserError(_refused(file))


def _refused(file: Attachment) -> str:
    return (
        f"Slack does not let me open {shown(file.name)}. Whoever runs Footnote must give the app the scope `files:read` and "
        "install it again."
    )


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


async def _read(content: aiohttp.StreamReader, most: int) -> bytes:
    pieces = bytearray()
    async for piece in content.iter_chunked(_PIECE):
        pieces += piece
        if len(pieces) > most:
            break
    return bytes(pieces[: most + 1])
