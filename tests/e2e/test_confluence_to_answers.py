"""Confluence, Cloud and Data Center, kept true by `footnote serve`: what people do there is what Ana is told here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.team import ADMIN, PUSH_SECRET, Team, a_team
from tests.emulators.confluence import ConfluenceServer, Content, webhook

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

INTERVAL = 2.0
BY_POLLING = INTERVAL + 10
BY_PUSH = 5.0
LEAVE = "<p>Everybody has thirty days of paid leave a year.</p>"
MORE = "<p>Everybody has forty days of paid leave a year.</p>"
HOW_MANY = "How many days of paid leave does everybody have?"


class Wiki:
    """The company's Confluence: Ana and Ben work there; one page, and a space that is read."""

    def __init__(self, server: ConfluenceServer, token: Path) -> None:
        self.server = server
        self.site = server.site
        self.token = token
        self.ana = self.site.user("Ana Adams", email="ana@acme.com")
        self.ben = self.site.user("Ben Bell", email="ben@acme.com")
        self.space = self.site.space("ENG", "Engineering")
        self.leave = self.site.page(self.space, "Leave", LEAVE)
        # A listing without anything would not be believed.
        self.site.page(self.space, "Parking", "<p>Bicycles are parked behind the house.</p>")
        token.write_text(server.token)

    @property
    def settings(self) -> dict[str, str]:
        email = {"CONFLUENCE_EMAIL": self.server.email} if self.server.email else {}
        return email | {
            "CONFLUENCE_URL": self.server.url,
            "CONFLUENCE_API_TOKEN_FILE": str(self.token),
            "FOOTNOTE_FOLDER": "",
            "FOOTNOTE_SYNC_INTERVAL": f"{INTERVAL:.0f}s",
        }


@asynccontextmanager
async def a_team_with_a_wiki(home: Path, *, data_center: bool) -> AsyncIterator[tuple[Team, Wiki]]:
    async with a_team(home) as team, ConfluenceServer(data_center=data_center) as server:
        yield team, Wiki(server, home / "token")
        assert server.api.violations == []
        assert server.api.flaws == []


@pytest.fixture(params=[False, True], ids=["cloud", "data center"])
async def both(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[tuple[Team, Wiki]]:
    async with a_team_with_a_wiki(data_dir, data_center=request.param) as both:
        yield both


async def test_edits_restrictions_and_deletions_are_seen_within_an_interval(both: tuple[Team, Wiki]) -> None:
    team, wiki = both
    async with team.serving(**wiki.settings):
        answer = await team.until_told(HOW_MANY, lambda told: "thirty" in told, within=60)
        assert "Leave" in answer
        wiki.site.edit(wiki.leave, body=MORE)
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_POLLING)
        wiki.site.restrict(wiki.leave, users=[wiki.ben])
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_POLLING)
        wiki.site.unrestrict(wiki.leave)
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_POLLING)
        wiki.site.leave(wiki.site.everybody, wiki.ana)
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_POLLING)
        wiki.site.join(wiki.site.everybody, wiki.ana)
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_POLLING)
        wiki.site.trash(wiki.leave)
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_POLLING)


async def test_a_push_is_seen_within_five_seconds(both: tuple[Team, Wiki]) -> None:
    team, wiki = both

    async def pushed(event: str, page: Content) -> None:
        """As a webhook of a Data Center; of Cloud as an automation rule, which names the page when it was written to."""
        if wiki.site.data_center:
            body, headers = webhook(wiki.site, PUSH_SECRET, event, page)
            assert await team.push("confluence", body, headers) == 202
        else:
            named = {"id": page.id} if event in {"page_created", "page_updated"} else {}
            assert await team.push("confluence", json.dumps(named).encode()) == 202

    async with team.serving(**wiki.settings | {"FOOTNOTE_SYNC_INTERVAL": "1h"}):
        await team.until_told(HOW_MANY, lambda told: "thirty" in told, within=60)
        wiki.site.edit(wiki.leave, body=MORE)
        await pushed("page_updated", wiki.leave)
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_PUSH)
        zeppelin = wiki.site.page(wiki.space, "Kite day", "<p>On kite day everybody receives a purple zeppelin.</p>")
        await pushed("page_created", zeppelin)
        await team.until_told("What does everybody receive on kite day?", lambda told: "zeppelin" in told, within=BY_PUSH)
        wiki.site.restrict(wiki.leave, users=[wiki.ben])
        await pushed("content_permissions_updated", wiki.leave)
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_PUSH)
        wiki.site.trash(zeppelin)
        await pushed("page_trashed", zeppelin)
        await team.until_told("What does everybody receive on kite day?", lambda told: "zeppelin" not in told, within=BY_PUSH)


async def test_a_revoked_token_needs_attention_while_answers_go_on_and_a_new_one_heals_it_without_a_restart(
    both: tuple[Team, Wiki],
) -> None:
    team, wiki = both
    async with team.serving(**wiki.settings):
        assert "was last read" not in await team.until_told(HOW_MANY, lambda told: "thirty" in told, within=60)
        wiki.server.api.revoke()
        answer = await team.until_told(HOW_MANY, lambda told: "was last read" in told, within=30)
        assert "thirty" in answer
        assert "Confluence was last read" in answer
        assert "newer edits are not in this answer" in answer
        # While it tries again, it is told to be running.
        await team.until_said("status", "needs attention", "refused", within=30)
        wiki.site.edit(wiki.leave, body=MORE)
        wiki.token.write_text(wiki.server.api.renew())
        answer = await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_POLLING)
        await team.until_told(HOW_MANY, lambda told: "was last read" not in told, within=BY_POLLING)


async def test_an_admin_reads_one_page_by_its_address(data_dir: Path) -> None:
    seldom = {"FOOTNOTE_SYNC_INTERVAL": "1h"}
    async with a_team_with_a_wiki(data_dir, data_center=False) as (team, wiki), team.serving(**wiki.settings | seldom):
        await team.until_told(HOW_MANY, lambda told: "thirty" in told, within=60)
        wiki.site.edit(wiki.leave, body=MORE)
        address = f"{wiki.server.url}/wiki/spaces/ENG/pages/{wiki.leave.id}/Leave"
        await team.slack.command(ADMIN, "C1", "/reindex", address)
        await team.slack.until(lambda: "done in" in "".join(post.shown for post in team.slack.posts("C1")), what="the report")
        assert "forty" in await team.asked(HOW_MANY)
