"""Most of a source is gone at once, as when somebody moved a space or forgot to share a folder: nothing is removed until an
operator says so, and everybody is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, Ran
from tests.emulators.confluence import ConfluenceServer
from tests.emulators.drive import DriveServer

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(300)]

STEADY, GONE = 16, 24
"""Documents: three in five are gone."""


class Company:
    """Keeps its documents in one system; ``most_vanish`` and ``all_vanish`` are done to it, ``back`` undoes the latter."""

    def __init__(self, footnote: Installation, source: str, *deeds: Callable[[], None]) -> None:
        self.source = source
        self.most_vanish, self.all_vanish, self.back = deeds
        self._footnote = footnote

    async def run(self, *args: str) -> Ran:
        return await self._footnote.run(*args)

    async def held(self) -> tuple[str, int]:
        """What its last sync came to, and how many documents the index has."""
        row = (await self.run("status", "--json")).json["sources"][0]
        return row["status"], row["documents_in_index"]

    async def found(self) -> tuple[bool, bool]:
        """Whether something of what stays is found, and of what is gone: a search shows all that there is."""
        shown = (await self.run("search", "rule 3", "--as", "user:ana@acme.com", "--limit", "100")).out
        return "Travel rule 3: first class." in shown, "Leave rule 3: thirty days." in shown


@asynccontextmanager
async def a_wiki(home: Path, *, data_center: bool) -> AsyncIterator[Company]:
    async with ConfluenceServer(data_center=data_center) as server:
        site = server.site
        site.user("Ana", email="ana@acme.com")
        eng, hr = site.space("ENG"), site.space("HR")
        for number in range(STEADY):
            site.page(eng, f"Travel {number}", f"<p>Travel rule {number}: first class.</p>")
        for number in range(GONE):
            site.page(hr, f"Leave {number}", f"<p>Leave rule {number}: thirty days.</p>")
        settings = {
            "CONFLUENCE_URL": server.url,
            "CONFLUENCE_EMAIL": server.email or "",
            "CONFLUENCE_API_TOKEN": server.token,
            "FOOTNOTE_DATA_DIR": str(home / "d"),
        }

        def hide_everything() -> None:
            server.api.fail("GET */space" if data_center else "GET */spaces", empty=True, times=float("inf"))

        yield Company(
            Installation(home, settings), "confluence", lambda: site.delete_space(hr), hide_everything, server.api.faults.clear
        )


@asynccontextmanager
async def a_drive(home: Path) -> AsyncIterator[Company]:
    async with DriveServer() as google:
        drive = google.drive
        team = drive.shared_drive("Handbook", members={"user:ana@acme.com": "reader"})
        folder = drive.folder("Leave", team)
        for number in range(STEADY):
            drive.doc(f"Travel {number}", team, f"Travel rule {number}: first class.")
        for number in range(GONE):
            drive.doc(f"Leave {number}", folder, f"Leave rule {number}: thirty days.")
        settings = {
            "GOOGLE_APPLICATION_CREDENTIALS": str(google.write_credentials(home / "key.json")),
            "GOOGLE_API_URL": google.url,
            "GOOGLE_DRIVE_DRIVES": team.id,
            "FOOTNOTE_DATA_DIR": str(home / "d"),
        }
        yield Company(
            Installation(home, settings),
            "drive",
            lambda: drive.trash(folder),
            lambda: drive.unshare_bot(team),
            lambda: drive.add_member(team, f"user:{drive.bot}"),
        )


@pytest.fixture(params=["cloud", "data center", "drive"])
async def company(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[Company]:
    opened = a_drive(data_dir) if request.param == "drive" else a_wiki(data_dir, data_center=request.param == "data center")
    async with opened as company:
        yield company


async def test_when_three_in_five_documents_are_gone_they_wait_for_a_word(company: Company) -> None:
    """F8"""
    assert (await company.run("sync")).status == 0
    company.most_vanish()
    for _ in range(2):
        ran = await company.run("sync")
        assert ran.status == 1
        assert f"{GONE} documents of {company.source} vanished at once" in ran.out
        assert f"footnote reindex {company.source} --prune" in ran.out
    dry = await company.run("reindex", company.source, "--dry-run", "--json")
    assert dry.json[0]["removed"] == len(dry.json[0]["would_remove"]) == GONE
    assert await company.held() == ("needs_confirmation", STEADY + GONE)
    assert await company.found() == (True, True)
    assert (await company.run("reindex", company.source, "--prune")).status == 0
    assert await company.held() == ("done", STEADY)
    assert await company.found() == (True, False)
    again = await company.run("sync", "--json")
    assert (again.status, again.json[0]["coverage"]["in_source"], again.json[0]["withheld"]) == (0, STEADY, 0)


async def test_when_nothing_is_left_to_see_that_is_an_error_and_nothing_is_removed(company: Company) -> None:
    """F8"""
    assert (await company.run("sync")).status == 0
    company.all_vanish()
    for command in (("sync",), ("reindex",)):
        ran = await company.run(*command)
        assert ran.status == 1
        assert "lists no documents" in ran.out or "needs attention" in ran.out
    assert (await company.held())[1] == STEADY + GONE
    company.back()
    ran = await company.run("sync", "--json")
    assert (ran.status, ran.json[0]["removed"]) == (0, 0)
    assert await company.held() == ("done", STEADY + GONE)
