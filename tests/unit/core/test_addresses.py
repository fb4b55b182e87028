"""Which addresses of documents people can follow."""

from __future__ import annotations

import pytest

from core.addresses import at_own_hosts, is_at
from core.models import ANYONE, Query
from tests.answering import ScriptedSearch, hit

HOSTS = ("wiki.acme.com", ".atlassian.net", "127.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "https://wiki.acme.com",
        "https://WIKI.acme.com:8443/pages/viewpage.action?pageId=7#leave",
        "https://wiki.acme.com/Größe(1)",
        "https://acme.atlassian.net/wiki/spaces/ENG/pages/7",
        "http://127.0.0.1:8090/display/ENG",
    ],
)
def test_an_address_at_a_host_of_the_source_is_kept(url: str) -> None:
    assert is_at(url, HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "wiki.acme.com",
        "//wiki.acme.com",
        "http://wiki.acme.com",
        "https://evil.example",
        "https://evil.example/wiki.acme.com",
        "https://wiki.acme.com.evil.example",
        "https://notwiki.acme.com",
        "https://atlassian.net",
        "https://wiki.acme.com@evil.example",
        "https://ana@wiki.acme.com",
        "https://evil.example\\@wiki.acme.com",
        "https:///evil.example",
        "https://evil.example#@wiki.acme.com",
        "https://wiki.аcme.com",
        "https://xn--wiki-8cd.acme.com",
        "https://wiki.acme.com/\x1b]8;;",
        "https://wiki.acme.com/<x>",
        "https://[wiki.acme.com",
        "javascript://wiki.acme.com/%0aalert(1)",
        "data:text/html,wiki.acme.com",
        "ftp://wiki.acme.com",
        "file:///etc/passwd",
    ],
)
def test_any_other_is_not(url: str) -> None:
    assert not is_at(url, HOSTS)


def test_files_are_kept_where_the_source_is_a_folder_of_this_machine() -> None:
    assert is_at("file:///srv/handbook/leave.md", [""])
    assert not is_at("file://server/leave.md", [""])
    assert not is_at("https:///leave.md", [""])


async def test_a_document_elsewhere_keeps_its_name_and_loses_its_link() -> None:
    hits = [hit("wiki:a"), hit("wiki:b", url="https://evil.example/b")]
    search = at_own_hosts(ScriptedSearch(*hits), {"wiki": ["wiki.acme.com"], "drive": ["evil.example"]})
    found = (await search(Query(text="leave"), ANYONE, 10)).hits
    assert [item.chunk.url for item in found] == ["https://wiki.acme.com/a", ""]
    assert [item.chunk.title for item in found] == ["Leave", "Leave"]
