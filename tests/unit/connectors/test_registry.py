from __future__ import annotations

from pathlib import Path

import pytest

from connectors.registry import build_hints, build_hosts, build_sources, close_sources
from core.errors import ConfigError
from core.limits import LocalLimiter
from core.settings import ConfigFile, ConfluenceConfig, DriveConfig, FolderConfig, Settings


def settings(*names: str, **values: object) -> Settings:
    folders = tuple(FolderConfig(name=name, path=Path("/nowhere")) for name in names)
    return Settings(file=ConfigFile(folders=folders), **values)


def unhurried(_credential: str, _rate: float) -> LocalLimiter:
    return LocalLimiter()


def test_every_configured_folder_is_a_source_under_its_name():
    sources = build_sources(settings("handbook", "wiki", footnote_folder=Path("/nowhere")), unhurried)
    assert list(sources) == ["folder", "handbook", "wiki"]
    assert {name: source.name for name, source in sources.items()} == {name: name for name in sources}


def test_nothing_configured_means_no_sources():
    assert build_sources(settings(), unhurried) == {}


def test_people_open_documents_at_the_hosts_of_their_source():
    folders = (
        FolderConfig(name="files", path=Path("/nowhere")),
        FolderConfig(name="web", path=Path("/nowhere"), url="https://wiki.acme.com/handbook"),
    )
    gateway = "https://api.atlassian.com/ex/confluence/c10d"
    sites = (
        ConfluenceConfig(name="cloud", url="https://acme.atlassian.net/wiki", email="bot@acme.com", api_token="t"),
        ConfluenceConfig(name="gateway", url=gateway, api_token="t"),
        ConfluenceConfig(name="inside", url="https://confluence.lan:8090", pages_url="https://docs.acme.com", api_token="t"),
    )
    drives = (DriveConfig(name="drive", credentials=Path("key.json"), drives=("0AAbcDefGhijKUk9PVA",)),)
    assert build_hosts(Settings(file=ConfigFile(folders=folders, confluence=sites, drive=drives))) == {
        "files": {""},
        "web": {"wiki.acme.com"},
        "cloud": {"acme.atlassian.net"},
        "gateway": {".atlassian.net"},
        "inside": {"docs.acme.com"},
        "drive": {"docs.google.com", "drive.google.com"},
        "uploads": ("slack.com", ".slack.com", ".slack-gov.com", "discord.com", ".discord.com"),
    }


def test_two_sources_with_one_name_are_refused():
    with pytest.raises(ConfigError, match="two sources are named 'wiki'"):
        build_sources(settings("wiki", "wiki"), unhurried)
    with pytest.raises(ConfigError, match="two sources are named 'folder'"):
        build_sources(settings("folder", footnote_folder=Path("/nowhere")), unhurried)


def test_sites_and_drives_are_sources_and_share_the_pace_of_their_credential():
    site = {"url": "https://acme.atlassian.net", "email": "bot@acme.com", "api_token": "t"}
    sites = (
        ConfluenceConfig(name="engineering", spaces=("ENG",), **site),
        ConfluenceConfig(name="people", spaces=("HR",), **site),
        ConfluenceConfig(name="server", url="https://wiki.acme.com", api_token="pat"),
    )
    drives = (
        DriveConfig(name="designs", credentials=Path("key.json"), drives=("0AAbcDefGhijKUk9PVA",)),
        DriveConfig(name="minutes", credentials=Path("key.json"), folders=("1aBcDeFgHiJkLmNoPqRsTuVwXyZ012345",)),
    )
    asked: list[str] = []

    def limiter(credential: str, _rate: float) -> LocalLimiter:
        asked.append(credential)
        return LocalLimiter()

    found = build_sources(Settings(file=ConfigFile(confluence=sites, drive=drives)), limiter)
    assert list(found) == ["engineering", "people", "server", "designs", "minutes"]
    assert len(asked) == len(set(asked)) == 3
    assert not any("pat" in credential.split(":") for credential in asked)


def test_only_notifications_of_confluence_say_what_changed():
    site = ConfluenceConfig(name="wiki", url="https://wiki.acme.com", api_token="pat")
    drive = DriveConfig(credentials=Path("key.json"), drives=("0AAbcDefGhijKUk9PVA",))
    hints = build_hints(Settings(file=ConfigFile(confluence=(site,), drive=(drive,))))
    assert list(hints) == ["wiki"]
    assert hints["wiki"](b'{"page": {"id": 7}}') == "7"
    assert build_hints(settings("handbook")) == {}


async def test_their_connections_are_closed():
    site = ConfluenceConfig(url="https://wiki.acme.com", api_token="pat")
    sources = build_sources(Settings(file=ConfigFile(confluence=(site,))), unhurried)
    await close_sources(sources.values())
    with pytest.raises(RuntimeError, match="closed"):
        await sources["confluence"].check()
