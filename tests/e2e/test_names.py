"""Names that play tricks, from Confluence and from Drive to what people see: nobody is pinged, no link leads elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.team import Team, a_team
from tests.emulators.confluence import AccessClass, ConfluenceServer
from tests.emulators.drive import DriveServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TRICKS = (
    "{} \u202egnp.exe\u202c @everyone @here <!channel> <!here|x> <@U1ADMIN> <@123456789012345678> <#C1> <#1> <@&1> </a:1> "
    "[free](https://evil.example/x) https://evil.example/y <https://evil.example|z> **b** `c` ~~d~~ ||e|| "
    "&lt;!channel&gt; \u200b\u2066\U000e0041\ufeff\n# h\r\n> q | \x1b]8;;https://evil.example\x07k\x1b[31m "
    "\u0430\u0441me 有給 \U0001f3d6\ufe0f e\u0301 {{x}} %s $HOME"
)
HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
"""What nobody can see, but for the space of no width by which we break what would ping or be a link."""
KITES = "What does everybody receive on kite day?"
BOATS = "What does everybody receive on boat day?"
CODE = re.compile(r"(`+).*?\1", re.DOTALL)


class Office:
    """Two public documents, one in each system, and two for Ana alone, all named by somebody who plays tricks."""

    def __init__(self, confluence: ConfluenceServer, google: DriveServer, home: Path) -> None:
        self.hosts = {"127.0.0.1", "docs.google.com", "drive.google.com"}
        site, drive = confluence.site, google.drive
        ana = site.user(TRICKS.format("Ana"), email="ANA@Acme.COM")
        team = site.group(TRICKS.format("team"), ana, site.bot)
        space = site.space("ENG", TRICKS.format("Engineering"))
        site.permit(space, AccessClass.ANONYMOUS)
        above = site.page(space, TRICKS.format("Days"), "<p>Days.</p>")
        site.page(space, TRICKS.format("Kites"), "<p>On kite day everybody receives a purple zeppelin.</p>", parent=above)
        closed = site.page(space, TRICKS.format("Reactor"), "<p>The code of the reactor is seventeen.</p>", parent=above)
        site.restrict(closed, groups=[team])
        shared = drive.folder(TRICKS.format("Days"))
        drive.share(shared, f"user:{drive.bot}", "writer")
        boats = drive.doc(TRICKS.format("Boats"), shared, "On boat day everybody receives a yellow submarine.")
        drive.share(boats, "anyone", discoverable=True)
        vault = drive.doc(TRICKS.format("Vault"), shared, "The code of the vault is eighteen.")
        drive.group("Staff@Acme.com", ["user:ANA@acme.com"])
        drive.share(vault, "group:STAFF@acme.com")
        self.settings = {
            "CONFLUENCE_URL": confluence.url,
            "CONFLUENCE_EMAIL": confluence.email or "",
            "CONFLUENCE_API_TOKEN": confluence.token,
            "GOOGLE_APPLICATION_CREDENTIALS": str(google.write_credentials(home / "key.json")),
            "GOOGLE_API_URL": google.url,
            "GOOGLE_DRIVE_FOLDERS": shared.id,
            "GOOGLE_DIRECTORY_ADMIN": f"admin@{drive.domain}",
            "FOOTNOTE_FOLDER": "",
        }

    def links_elsewhere(self, links: list[str]) -> list[str]:
        return [link for link in links if link.split("/")[2].partition(":")[0] not in self.hosts]


@pytest.fixture
async def both(data_dir: Path) -> AsyncIterator[tuple[Team, Office]]:
    async with a_team(data_dir) as team, ConfluenceServer() as confluence, DriveServer() as google:
        yield team, Office(confluence, google, data_dir)


async def test_in_slack_they_are_one_line_of_text_beside_a_link_that_leads_home(both: tuple[Team, Office]) -> None:
    team, office = both
    async with team.serving(**office.settings):
        for question, said, title in (
            (KITES, "purple zeppelin", "Kites"),
            (BOATS, "yellow submarine", "Boats"),
            ("What is the code of the reactor?", "seventeen", "Reactor"),
            ("What is the code of the vault?", "eighteen", "Vault"),
        ):
            shown = await team.until_told(question, lambda told, said=said: said in told, within=60)
            [source] = [line for line in shown.splitlines() if line.startswith("1. ")]
            assert title in source
            assert not HIDDEN.search(shown)
            marked = re.findall(r"<[^>]*>", shown)
            assert all(re.fullmatch(r"<https?://[^|>]+\|[^<>]*>", mark) for mark in marked), marked
            assert office.links_elsewhere([mark[1:].partition("|")[0] for mark in marked]) == []
            assert not re.search(r"@(everyone|here|channel)\b", shown)


async def test_in_discord_they_are_one_line_of_text_beside_a_link_that_leads_home(both: tuple[Team, Office]) -> None:
    team, office = both
    async with team.serving(**office.settings):
        await team.until_told(KITES, lambda told: "zeppelin" in told, within=60)
        await team.until_told(BOATS, lambda told: "submarine" in told, within=60)
        for question, said, title in ((KITES, "purple zeppelin", "Kites"), (BOATS, "yellow submarine", "Boats")):
            answer = await team.discord.answer_to(await team.discord.mention(team.bo, team.general, question))
            await team.discord.until(lambda: title in answer.content, what="the sources")  # noqa: B023
            shown = answer.content
            assert said in shown
            assert not HIDDEN.search(shown)
            outside = CODE.sub("", shown)
            assert not re.search(r"@everyone|@here|<@[!&]?\d+>|<#\d+>|<a?:\w+:\d+>|</", outside)
            links = re.findall(r"\]\(<?(https?://[^)>\s]+)", outside)
            assert links
            assert office.links_elsewhere(links) == []
            assert not re.search(r"(?<![(<\w/])https?://evil\.example", outside), shown
        assert team.discord.violations == []


async def test_in_the_terminal_they_are_one_line_of_text_and_ana_is_ana_in_any_case(both: tuple[Team, Office]) -> None:
    team, office = both
    assert (await team.footnote.run("sync", **office.settings)).status == 0
    for question, readers, said, title in (
        (KITES, (), "purple zeppelin", "Kites"),
        (BOATS, (), "yellow submarine", "Boats"),
        ("What is the code of the reactor?", ("--as", "user:aNa@acme.COM"), "seventeen", "Reactor"),
        ("What is the code of the vault?", ("--as", "user:aNa@acme.COM"), "eighteen", "Vault"),
    ):
        asked = await team.footnote.run("ask", question, *readers, **office.settings)
        assert asked.status == 0
        assert said in asked.out
        [source] = [line for line in asked.out.splitlines() if line.startswith("  [1]")]
        assert title in source
        assert not HIDDEN.search(asked.out)
    for command in (("status",), ("reindex", "--dry-run"), ("search", "code")):
        ran = await team.footnote.run(*command, **office.settings)
        assert not HIDDEN.search(ran.out + ran.err), command
        assert "seventeen" not in ran.out
