"""The sources that the settings name."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import ConfigError
from core.ports import Source
from core.settings import Settings


def build_sources(settings: Settings) -> dict[str, Source]:
    """All configured sources by name. Raises ConfigError when two have the same name."""
    sources: dict[str, Source] = {}
    for source in _sources(settings):
        if source.name in sources:
            raise ConfigError(
                f"two sources are named {source.name!r}: give each a name of its own in footnote.toml "
                "(the one of FOOTNOTE_FOLDER is named 'folder')"
            )
        sources[source.name] = source
    return sources


def _sources(settings: Settings) -> Iterator[Source]:
    if settings.folders:
        from connectors.folder.source import FolderSource

        for folder in settings.folders:
            yield FolderSource(folder.name, folder.path, url=folder.url)
