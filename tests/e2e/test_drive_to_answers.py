"""Google Drive, a shared drive and a shared folder, kept true by `footnote serve`: what people do there is what Ana is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.team import PUSH_SECRET, Team, a_team
from tests.emulators.drive import DriveServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

INTERVAL = 2.0
BY_POLLING = INTERVAL + 10
BY_PUSH = 5.0
HOW_MANY = "How many days of paid leave does everybody have?"
OLGA = "olga@acme.com"
KITE_DAY = "# Kite day\n\nOn kite day everybody receives a purple zeppelin.\n"
KITES = "What does everybody receive on kite day?"
CHANGED = {"X-Goog-Channel-Token": PUSH_SECRET, "X-Goog-Resource-State": "change"}
OPENED = {"X-Goog-Channel-Token": PUSH_SECRET, "X-Goog-Resource-State": "sync"}


class Office:
    """The company's Drive: a shared drive that Ana is a member of, and a folder of Olga's that is shared with the bot."""

    def __init__(self, google: DriveServer, home: Path) -> None:
        self.google = google
        self.drive = google.drive
        self.key = google.write_credentials(home / "key.json")
        self.staff = self.drive.group("staff@acme.com", ["user:ana@acme.com", "user:ben@acme.com"])
        self.handbook = self.drive.shared_drive(
            "Handbook", members={"user:ana@acme.com": "reader", "user:ben@acme.com": "reader"}
        )
        self.policies = self.drive.folder("Policies", self.handbook.root)
        self.leave = self.drive.doc("Leave", self.policies, "# Leave\n\nEverybody has thirty days of paid leave a year.\n")
        self.drive.doc("Parking", self.handbook.root, "# Parking\n\nBicycles are parked behind the house.\n")
        self.parties = self.drive.folder("Parties", owner=OLGA)
        self.drive.share(self.parties, f"user:{self.drive.bot}", "writer")
        self.drive.share(self.parties, "user:ana@acme.com")

    @property
    def settings(self) -> dict[str, str]:
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.key),
            "GOOGLE_DRIVE_DRIVES": self.handbook.id,
            "GOOGLE_DRIVE_FOLDERS": self.parties.id,
            "GOOGLE_DIRECTORY_ADMIN": f"admin@{self.drive.domain}",
            "GOOGLE_API_URL": self.google.url,
            "FOOTNOTE_FOLDER": "",
            "FOOTNOTE_SYNC_INTERVAL": f"{INTERVAL:.0f}s",
        }


@asynccontextmanager
async def a_team_with_an_office(home: Path) -> AsyncIterator[tuple[Team, Office]]:
    async with a_team(home) as team, DriveServer() as google:
        yield team, Office(google, home)


async def test_edits_shares_moves_and_deletions_are_seen_within_an_interval(data_dir: Path) -> None:
    async with a_team_with_an_office(data_dir) as (team, office), team.serving(**office.settings):
        drive = office.drive
        await team.until_told(HOW_MANY, lambda told: "thirty" in told, within=60)
        drive.edit(office.leave, "# Leave\n\nEverybody has forty days of paid leave a year.\n")
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_POLLING)
        drive.limit_access(office.policies)
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_POLLING)
        drive.limit_access(office.policies, limited=False)
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_POLLING)
        drive.remove_member(office.handbook, "user:ana@acme.com")
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_POLLING)
        drive.add_member(office.handbook, office.staff)
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_POLLING)
        drive.leave(office.staff, "user:ana@acme.com")
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_POLLING)
        drive.join(office.staff, "user:ana@acme.com")
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_POLLING)
        drive.trash(office.policies)
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_POLLING)


async def test_a_push_is_seen_within_five_seconds(data_dir: Path) -> None:
    seldom = {"FOOTNOTE_SYNC_INTERVAL": "1h"}
    async with a_team_with_an_office(data_dir) as (team, office), team.serving(**office.settings | seldom):
        await team.until_told(HOW_MANY, lambda told: "thirty" in told, within=60)
        assert await team.push("drive", headers=OPENED) == 202
        kites = office.drive.doc("Kite day", office.parties, KITE_DAY, owner=OLGA)
        assert await team.push("drive", headers=CHANGED) == 202
        await team.until_told(KITES, lambda told: "zeppelin" in told, within=BY_PUSH)
        office.drive.edit(office.leave, "# Leave\n\nEverybody has forty days of paid leave a year.\n")
        assert await team.push("drive", headers=CHANGED) == 202
        await team.until_told(HOW_MANY, lambda told: "forty" in told, within=BY_PUSH)
        office.drive.unshare(office.parties, "user:ana@acme.com")
        assert await team.push("drive", headers=CHANGED) == 202
        await team.until_told(KITES, lambda told: "zeppelin" not in told, within=BY_PUSH)
        office.drive.share(office.parties, "user:ana@acme.com")
        office.drive.trash(kites)
        office.drive.trash(office.leave)
        assert await team.push("drive", headers=CHANGED) == 202
        await team.until_told(HOW_MANY, lambda told: "forty" not in told, within=BY_PUSH)
        assert "zeppelin" not in await team.asked(KITES)


async def test_a_deleted_key_needs_attention_while_answers_go_on_and_a_new_one_heals_it_without_a_restart(data_dir: Path) -> None:
    async with a_team_with_an_office(data_dir) as (team, office), team.serving(**office.settings):
        assert "was last read" not in await team.until_told(HOW_MANY, lambda told: "thirty" in told, within=60)
        office.google.api.accounts.revoke()
        answer = await team.until_told(HOW_MANY, lambda told: "Drive was last read" in told, within=30)
        assert "thirty" in answer
        # While it tries again, it is told to be running.
        await team.until_said("status", "needs attention", within=30)
        office.drive.edit(office.leave, "# Leave\n\nEverybody has forty days of paid leave a year.\n")
        office.google.api.accounts.replace_key()
        office.google.write_credentials(office.key)
        await team.until_told(HOW_MANY, lambda told: "forty" in told and "was last read" not in told, within=BY_POLLING)
