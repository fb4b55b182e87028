from __future__ import annotations

from pathlib import Path

import pytest

from connectors.registry import build_sources
from core.errors import ConfigError
from core.limits import LocalLimiter
from core.settings import ConfigFile, FolderConfig, Settings


def settings(*names: str, **values: object) -> Settings:
    folders = tuple(FolderConfig(name=name, path=Path("/nowhere")) for name in names)
    return Settings(file=ConfigFile(folders=folders), **values)


def unhurried(_credential: str) -> LocalLimiter:
    return LocalLimiter()


def test_every_configured_folder_is_a_source_under_its_name():
    sources = build_sources(settings("handbook", "wiki", footnote_folder=Path("/nowhere")), unhurried)
    assert list(sources) == ["folder", "handbook", "wiki"]
    assert {name: source.name for name, source in sources.items()} == {name: name for name in sources}


def test_nothing_configured_means_no_sources():
    assert build_sources(settings(), unhurried) == {}


def test_two_sources_with_one_name_are_refused():
    with pytest.raises(ConfigError, match="two sources are named 'wiki'"):
        build_sources(settings("wiki", "wiki"), unhurried)
    with pytest.raises(ConfigError, match="two sources are named 'folder'"):
        build_sources(settings("folder", footnote_folder=Path("/nowhere")), unhurried)
