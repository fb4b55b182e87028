"""CQL is parsed, and reads times as Confluence does: in the caller's zone, to the minute, from an index that is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.emulators.confluence import ConfluenceApi, Site
from tests.emulators.confluence_cql import CqlError, parse

NOON = datetime(2026, 3, 29, 12, 0, 30, tzinfo=UTC)


class World:
    def __init__(self) -> None:
        self.now = NOON
        self.site = Site(clock=lambda: self.now)
        self.api = ConfluenceApi(self.site)
        self.space, self.other = self.site.space("ENG"), self.site.space("HR")
        self.top = self.site.page(self.space, "Top")
        self.below = self.site.page(self.space, "Below it", parent=self.top)
        self.post = self.site.blog(self.other, "Post")
        self.file = self.site.attach(self.below, "a.txt", b"a")
        self.comment = self.site.comment(self.post, "Why?")
        self.site.label(self.below, "howto")

    async def search(self, cql: str) -> list[str]:
        auth = (self.api.email, self.api.token)
        async with httpx.AsyncClient(transport=self.api, base_url=self.api.url, auth=auth) as client:
            answer = await client.get("/wiki/rest/api/content/search", params={"cql": cql, "limit": 100})
        return [item["title"] for item in answer.raise_for_status().json()["results"]]


@pytest.mark.parametrize(
    ("cql", "titles"),
    [
        ("space = ENG", ["Top", "Below it", "a.txt"]),
        ("space = 'HR' and type = blogpost", ["Post"]),
        ("type in (page, blogpost) order by title", ["Below it", "Post", "Top"]),
        ("type not in (page, comment) order by created desc, title", ["Post", "a.txt"]),
        ("type != page and not type = attachment", ["Post", "Re: Post"]),
        ("ancestor = {top}", ["Below it", "a.txt"]),
        ("ancestor = {top} and type = page", ["Below it"]),
        ("id in ({top}, {below})", ["Top", "Below it"]),
        ("parent = {top} or (space = HR and type = comment)", ["Below it", "Re: Post"]),
        ("container = {below}", ["a.txt"]),
        ("label = howto", ["Below it"]),
        ('title ~ "below"', ["Below it"]),
        ('title = "Below it"', ["Below it"]),
        ("type = page and lastmodified >= now('-1h') order by lastmodified desc, title asc", ["Below it", "Top"]),
        ("type = page and lastmodified > '2026-03-29 12:00'", []),
        ("type = page and lastmodified >= '2026/03/29 12:00'", ["Top", "Below it"]),
        ("type = page and created = 2026-03-29", ["Top", "Below it"]),
        ("type = page and lastmodified < 2026-03-29", []),
        ("order by title desc", ["a.txt", "Top", "Re: Post", "Post", "Below it"]),
    ],
)
async def test_a_search_finds_what_it_says(cql: str, titles: list[str]) -> None:
    world = World()
    assert await world.search(cql.format(top=world.top.id, below=world.below.id)) == titles


@pytest.mark.parametrize(
    "cql",
    [
        "space",
        "space =",
        "space = ENG and",
        "space = ENG type = page",
        "type = poem",
        "mood = good",
        "space in ENG",
        "space > ENG",
        "(space = ENG",
        "lastmodified >= '2026-03-29 12:00:30'",
        "lastmodified >= yesterday",
        "space = ENG order by mood",
        "space = ENG order lastmodified",
        "space = 'ENG",
    ],
)
def test_what_cannot_be_parsed_is_refused(cql: str) -> None:
    with pytest.raises(CqlError, match="Could not parse cql"):
        parse(cql, zone="UTC", now=NOON)


async def test_times_are_read_in_the_zone_of_the_account() -> None:
    world = World()
    world.site.bot.time_zone = "America/New_York"
    assert await world.search("type = page and lastmodified >= '2026-03-29 08:00'") == ["Top", "Below it"]
    assert await world.search("type = page and lastmodified >= '2026-03-29 12:00'") == []


async def test_the_index_is_late_by_its_delay() -> None:
    world = World()
    world.api.index_delay = 60
    assert await world.search("type = page") == []
    world.now += timedelta(seconds=61)
    world.site.edit(world.top, title="Top again")
    assert await world.search("lastmodified >= '2026-03-29 12:01' and type = page") == []
    world.now += timedelta(seconds=61)
    assert await world.search("lastmodified >= '2026-03-29 12:01' and type = page") == ["Top again"]


async def test_the_search_knows_nothing_of_the_trash_the_archive_and_what_is_on_them() -> None:
    world = World()
    world.site.trash(world.below)
    world.site.archive_space(world.other)
    assert await world.search("type in (page, blogpost, attachment, comment)") == ["Top"]
