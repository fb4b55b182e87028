"""Footnote keeps up with a company that edits Confluence and Drive all the time, while both fail now and then and Footnote
itself is killed once; an administrator follows it from Slack and from Discord.

``SECONDS_OF_WORK=600 pytest tests/e2e/test_busy_company.py -m slow`` takes ten minutes of work instead of one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.busy_company import BusyCompany, Readable, readable
from tests.e2e.installation import ready
from tests.e2e.team import ADMIN, Team, a_team
from tests.emulators.confluence import ConfluenceServer
from tests.emulators.drive import DriveServer

SECONDS = float(os.environ.get("SECONDS_OF_WORK", "45"))
SOURCES = ("confluence", "drive")

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(SECONDS * 2 + 240)]


class Kept:
    """Footnote being served, started again after it was killed."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[bytes] | None = None
        self.log = b""

    async def start(self) -> None:
        self._process = await self._team.footnote.start("serve", FOOTNOTE_SYNC_INTERVAL="5s")
        await ready(self._process)
        assert self._process.stderr is not None
        self._reading = asyncio.create_task(self._process.stderr.read())

    async def end(self, *, kill: bool = False) -> None:
        if self._process is None or self._reading is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        await self._process.wait()
        self.log += await self._reading
        self._process = None


@pytest.fixture
async def company() -> AsyncIterator[BusyCompany]:
    async with ConfluenceServer() as confluence, DriveServer() as google:
        yield BusyCompany(confluence, google, seed=int(os.environ.get("SEED_OF_WORK", "7")))


async def test_the_index_stays_true_while_people_work_and_services_fail(data_dir: Path, company: BusyCompany) -> None:
    async with a_team(data_dir) as team, AsyncExitStack() as stack:
        team.footnote = replace(team.footnote, settings={**team.footnote.settings, **company.settings(data_dir)})
        served = Kept(team)
        stack.push_async_callback(served.end)
        await served.start()
        began = time.monotonic()
        following: asyncio.Task[None] | None = None
        killed = False
        while (elapsed := time.monotonic() - began) < SECONDS:
            company.work()
            if company.deeds % 10 == 0:
                company.fail()
            if company.deeds % 25 == 0:
                _shows_nobody_what_was_never_theirs(company, await readable(data_dir / "d", SOURCES))
            if not following and elapsed > SECONDS / 4:
                following = asyncio.create_task(_the_admin_follows(team))
            if not killed and elapsed > SECONDS / 2:
                killed = True
                assert following is not None
                await following
                await served.end(kill=True)
                await served.start()
            await asyncio.sleep(0.3)
        company.rest()
        await _quiet_syncs(team, since=datetime.now(UTC))
        held = await readable(data_dir / "d", SOURCES)
        assert held == company.truth(), f"after {company.deeds} deeds"
        status = {row["source"]: row for row in (await team.footnote.run("status", "--json")).json["sources"]}
        for source in SOURCES:
            coverage = status[source]["coverage"]
            documents = sum(id.startswith(f"{source}:") for id in held)
            assert (coverage["in_source"], coverage["in_index"], coverage["missing"]) == (documents, documents, 0)
        await served.end()
        assert company.google.api.flaws == []
        assert company.confluence.api.violations == []
        took = time.monotonic() - began - SECONDS
        print(f"{company.deeds} deeds in {SECONDS:.0f} s, {len(held)} documents, true {took:.1f} s after the last of them")


def _shows_nobody_what_was_never_theirs(company: BusyCompany, held: Readable) -> None:
    company.look()
    for id, (word, readers) in held.items():
        assert readers <= company.ever[word], f"{id} shows {word} to {readers - company.ever[word]}"


async def _the_admin_follows(team: Team) -> None:
    await team.slack.command(ADMIN, "C1", "/reindex", "confluence")
    given = await team.discord.slash(team.boss, "reindex", channel=team.general, source="drive")
    told = team.slack.posts
    await team.slack.until(lambda: "in the source" in "".join(post.shown for post in told("C1")), what="the report in Slack")
    await team.discord.until(lambda: "in the source" in "".join(given.texts), what="the report in Discord")


async def _quiet_syncs(team: Team, since: datetime) -> None:
    """Until each source was synced from its beginning to its end after this moment."""
    async with asyncio.timeout(120):
        while True:
            rows = (await team.footnote.run("status", "--json")).json["sources"]
            fresh = {row["source"]: row["fresh_at"] for row in rows}
            if all(fresh[source] and datetime.fromisoformat(fresh[source]) > since for source in SOURCES):
                return
            await asyncio.sleep(1)
