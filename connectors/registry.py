"""The sources that the settings name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.addresses import Hosts
from core.errors import ConfigError
from core.ports import Limiter, Source
from core.settings import ConfluenceConfig, Settings

if TYPE_CHECKING:
    from core.indexing.uploads import Uploads

LimiterOf = Callable[[str, float], Limiter]
"""The pace of one credential, by a name that tells nothing of it, and the requests a second it begins with."""
_CONFLUENCE_RATE = 20.0
"""Atlassian publishes no limit for API tokens, and asks for silence when one is too fast."""
_DRIVE_RATE = 100.0
"""Google lets an account ask much more often, and each document is a request of its own."""
Hint = Callable[[bytes], str | None]
"""The scope that the body of a push notification names, if it names one."""


UPLOADS = "uploads"
"""The name of the source that is always there."""
_UPLOAD_HOSTS = ("slack.com", ".slack.com", ".slack-gov.com", "discord.com", ".discord.com")
"""Where people open what they dropped there."""


def build_sources(settings: Settings, limiter: LimiterOf, uploads: Uploads | None = None) -> dict[str, Source]:
    """All configured sources by name, and behind them the one of what people added. Raises ConfigError when two have the
    same name.
    """
    sources: dict[str, Source] = {}
    for source in _sources(settings, limiter, uploads):
        if source.name in sources:
            raise ConfigError(
                f"two sources are named {source.name!r}: give each a name of its own in footnote.toml "
                "(those of the environment are named 'folder', 'confluence' and 'drive', that of added files 'uploads')"
            )
        sources[source.name] = source
    return sources


def build_hints(settings: Settings) -> Mapping[str, Hint]:
    """By source, how to read its push notifications; of the others only the fact that one came is known."""
    if not settings.confluence:
        return {}
    from connectors.confluence.push import hinted

    return {site.name: hinted for site in settings.confluence}


def build_hosts(settings: Settings) -> Hosts:
    """By source, the hosts at which people open its documents."""
    hosts: dict[str, Collection[str]] = {
        folder.name: {urlsplit(folder.url).hostname or "" if folder.url else ""} for folder in settings.folders
    }
    if settings.confluence:
        from connectors.confluence.client import hosts_of

        hosts |= {site.name: hosts_of(site) for site in settings.confluence}
    if settings.drive:
        from connectors.google_drive.file import HOSTS

        hosts |= {drive.name: HOSTS for drive in settings.drive}
    return {**hosts, UPLOADS: _UPLOAD_HOSTS}


async def close_sources(sources: Iterable[Source]) -> None:
    """Let their connections go; a folder has none."""
    for source in sources:
        close = getattr(source, "close", None)
        if close is not None:
            await close()


def _sources(settings: Settings, limiter: LimiterOf, uploads: Uploads | None) -> Iterator[Source]:
    pace = cache(limiter)
    if settings.folders:
        from connectors.folder.source import FolderSource

        for folder in settings.folders:
            yield FolderSource(folder.name, folder.path, url=folder.url)
    if settings.confluence:
        from connectors.confluence.source import ConfluenceSource

        for site in settings.confluence:
            yield ConfluenceSource(site, pace(_account(site), _CONFLUENCE_RATE))
    if settings.drive:
        from connectors.google_drive.source import DriveSource

        for drive in settings.drive:
            yield DriveSource(drive, pace(f"drive:{drive.credentials}", _DRIVE_RATE))
    if uploads is not None:
        from connectors.uploads.source import UploadSource

        yield UploadSource(uploads)


def _account(site: ConfluenceConfig) -> str:
    """The same for all sources that ask with one credential: Confluence counts their requests together."""
    whose = site.email or site.api_token_file
    if whose is None and site.api_token is not None:
        whose = hashlib.sha256(site.api_token.get_secret_value().encode()).hexdigest()[:16]
    return f"confluence:{urlsplit(site.url).hostname}:{whose}"
