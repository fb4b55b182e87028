"""Files that people drop in Discord: what a message tells of them, and their bytes."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import aiohttp
import discord

from bots.files import Fetched, shown
from core.errors import TransientError, UserError
from core.models import Attachment, Principal

_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
_SECONDS = 30.0
_PIECE = 256 * 1024


def attached(files: Iterable[discord.Attachment], channel: object, url: str) -> tuple[Attachment, ...]:
    """The files on a message or in an option of a command; ``url`` is where people find them."""
    place = place_of(channel)
    return tuple(
        Attachment(
            name=file.filename,
            size=file.size,
            address=file.url,
            url=url,
            media_type=file.content_type or "",
            place=place,
        )
        for file in files
    )


def place_of(channel: object) -> Principal:
    """What everybody holds who sees a channel. A thread is seen by all who see the channel around it, unless it is private."""
    if isinstance(channel, discord.DMChannel) or not isinstance(channel, discord.abc.Snowflake):
        return ""
    if isinstance(channel, discord.Thread) and not channel.is_private():
        return f"channel:discord:{channel.parent_id}"
    return f"channel:discord:{channel.id}"


async def fetch(file: Attachment, most: int, api_url: str) -> Fetched:
    """See :data:`bots.files.Fetch`. Their addresses are signed: no token goes along, and redirects are not followed."""
    if not _is_discords(file.address, api_url):
        raise UserError(f"{shown(file.name)} is not stored in Discord, so I cannot open it: upload the file itself.")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session,
            session.get(file.address, allow_redirects=False) as response,
        ):
            if response.status == 429 or response.status >= 500:
                raise TransientError(f"Discord did not give me {shown(file.name)} (status {response.status}).")
            if response.status != 200:
                raise UserError(f"{shown(file.name)} is not there any more.")
            return Fetched(file, await _read(response.content, most))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise TransientError(f"Discord did not give me {shown(file.name)} ({type(error).__name__}).") from error


def _is_discords(address: str, api_url: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    api = urlsplit(api_url)
    # The emulated Discord of a test gives files where it answers calls.
    return (parts.scheme == "https" and parts.netloc in _HOSTS) or (parts.scheme, parts.netloc) == (api.scheme, api.netloc)


async def _read(content: aiohttp.StreamReader, most: int) -> bytes:
    pieces = bytearray()
    async for piece in content.iter_chunked(_PIECE):
        pieces += piece
        if len(pieces) > most:
            break
    return bytes(pieces[: most + 1])
