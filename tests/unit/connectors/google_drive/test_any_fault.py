"""Whatever request fails, whenever somebody edits, and whatever our clock says: nothing is lost, and nobody sees more."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest

from connectors.google_drive.source import DriveSource
from core.errors import FootnoteError
from core.indexing.sync import Syncer
from core.limits import LocalLimiter
from core.models import SyncReport, SyncRequest, SyncState
from core.ports import Limiter
from core.principals import expand
from core.settings import DriveConfig
from tests.fakes import Unhurried
from tests.memory_index import LineParser, MemoryIndex, MemoryLedger, WordEmbedder
from tests.sources import NOON

PEOPLE = ("ana@acme.com", "bob@acme.com", "cat@acme.com", "dan@other.org")
WAIT = 2.0
GRACE = 0.1
"""Seconds in which requests that were on their way already may still come."""


class Throttling(httpx.AsyncBaseTransport):
    """Answers each third request with 429 and how long to be silent."""

    def __init__(self, api: httpx.AsyncBaseTransport) -> None:
        self._api = api
        self._now = asyncio.get_running_loop().time
        self.asked: list[float] = []
        self.refused: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(self._now())
        if len(self.asked) % 3 == 0:
            self.refused.append(self._now())
            reason = {"domain": "usageLimits", "reason": "rateLimitExceeded", "message": "Too many requests"}
            error = {"code": 429, "message": "Too many requests", "errors": [reason]}
            return httpx.Response(429, json={"error": error}, headers={"Retry-After": f"{WAIT:.0f}"})
        return await self._api.handle_async_request(request)


class Kept:
    """A shared drive and a folder, and an index that is kept in step with them."""

    def __init__(self, acme, limiter: Limiter, *, transport: httpx.AsyncBaseTransport | None = None, **fields: str) -> None:
        self.drive = acme.drive
        self.team = self.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})
        self.policies = acme.shared_folder("Policies")
        self.skew = timedelta()
        """By how much our clock is wrong."""
        config = DriveConfig(credentials=acme.key, folders=(self.policies.id,), drives=(self.team.id,), **fields)
        self.source = DriveSource(config, limiter, transport=transport or acme.api, clock=self.now)
        self.index = MemoryIndex()
        self.ledger = MemoryLedger(self.index)

    def now(self) -> datetime:
        return self.drive.now() + self.skew

    async def sync(self, **flags: bool) -> SyncReport:
        request = SyncRequest(id="r", source="drive", requested_by="schedule", at=NOON, **flags)
        syncer = Syncer(self.index, LineParser(), WordEmbedder(), clock=self.now)
        return await syncer.run(self.source, request, SyncState(source="drive", cursor=self.ledger.cursor), self.ledger)

    def readers(self) -> dict[str, set[str]]:
        """Document to the people who may read it, as far as the index knows."""
        held = {email: expand({f"user:{email}"}, self.ledger.members) for email in PEOPLE}
        accesses = {id: self.index.access_of(id) for id in self.index.documents}
        return {
            id: {email for email, principals in held.items() if access and access.admits(principals)}
            for id, access in accesses.items()
        }

    @property
    def truth(self) -> set[str]:
        return {f"drive:{id}" for id in self.drive.visible_documents([self.team, self.policies])}


async def test_each_third_request_is_throttled_and_a_sync_completes_without_a_request_in_the_silence(acme):
    """F3"""
    transport = Throttling(acme.api)
    kept = Kept(acme, LocalLimiter(clock=asyncio.get_running_loop().time), transport=transport)
    for number in range(100):
        kept.drive.doc(f"Page {number}", kept.team if number % 2 else kept.policies, "Thirty days.")
    report = await kept.sync()
    await kept.source.close()
    assert (report.indexed, report.failures) == (100, 0)
    assert kept.index.documents == kept.truth
    assert len(transport.refused) > 30
    for began in transport.refused:
        assert not [at for at in transport.asked if began + GRACE < at < began + WAIT], "somebody asked in the silence"


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=-365), timedelta(days=365)])
async def test_when_our_clock_jumps_nothing_is_missed(acme, jump):
    """F23"""
    kept = Kept(acme, Unhurried())
    documents = [kept.drive.doc(f"Page {number}", kept.team, "Thirty days.") for number in range(3)]
    for skew in (timedelta(), jump, timedelta()):
        kept.skew = skew
        acme.moment()
        documents.append(kept.drive.doc("New", kept.policies, "As of today."))
        kept.drive.edit(documents[0], f"It is {skew}.")
        kept.drive.trash(documents.pop(1))
        await kept.sync()
        assert kept.index.documents == kept.truth
        assert kept.index.text_of(f"drive:{documents[0].id}") == f"It is {skew}."
    await kept.source.close()


async def test_a_listing_that_was_made_when_our_clock_was_a_year_ahead_does_not_put_the_next_one_off(acme):
    """F23. The feed proves nothing: everything is listed once a day, whatever the clock said."""
    kept = Kept(acme, Unhurried())
    kept.drive.doc("Leave", kept.team, "Thirty days.")
    kept.skew = timedelta(days=365)
    await kept.sync()
    kept.skew = timedelta()
    kept.drive.pass_time(timedelta(days=2))
    acme.api.calls.clear()
    await kept.sync()
    await kept.source.close()
    assert acme.api.counts["files.list"] > 0


async def test_an_edit_at_any_moment_of_a_sync_is_there_after_two(acme):
    """F10"""
    kept = Kept(acme, Unhurried())
    kept.drive.doc("Steady", kept.team, "It stays.")
    for when in range(12):
        page = kept.drive.doc(f"Page {when}", kept.team if when % 2 else kept.policies, "old")
        waiting = when

        def edit(call, page=page) -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == -1:
                acme.moment()
                kept.drive.edit(page, "new")

        acme.api.between = edit
        await kept.sync()
        acme.api.between = None
        if waiting < 0:
            await kept.sync()
            assert kept.index.text_of(f"drive:{page.id}") == "new", when
    await kept.source.close()


@pytest.mark.parametrize("effect", ["cut", "half", "truncated", "html", 503])
@pytest.mark.parametrize("full", [False, True], ids=["by the feed", "by a listing"])
async def test_whichever_request_fails_for_good_nothing_is_lost_and_the_next_sync_makes_it_good(acme, effect, full):
    """F6, of each listing and of each question about access."""
    kept = Kept(acme, Unhurried(), directory_admin="admin@acme.com")
    drive = kept.drive
    group = drive.group("eng@acme.com", ["user:cat@acme.com"])
    absence = drive.folder("Absence", kept.team)
    drive.share(absence, "user:cat@acme.com")
    drive.share(kept.policies, group)
    steady = [drive.doc(f"Page {number}", place, "It stays.") for number, place in enumerate([kept.team, absence, kept.policies])]
    await kept.sync()
    for route in ("changes.list", "files.list", "files.get", "permissions.list", "drives.get", "members.list", "token"):
        held, cursor, before = kept.index.documents, kept.ledger.cursor, kept.readers()
        acme.moment()
        new = drive.doc(f"New, {route}", absence, "new")
        drive.edit(steady[0], f"It stays, {route}.")
        acme.api.accounts.revoke_tokens()
        acme.api.fail(route, effect, times=100_000)
        try:
            await kept.sync(full=full)
        except FootnoteError:
            assert kept.ledger.cursor == cursor, route
            assert kept.index.documents >= held, route
        else:
            assert kept.index.documents >= held, route
        after = kept.readers()
        assert all(after[id] <= before.get(id, after[id]) for id in after), f"{route} showed somebody more"
        acme.api.faults.clear()
        kept.skew += timedelta(hours=5)
        await kept.sync()
        assert kept.index.documents == kept.truth, route
        assert kept.index.text_of(f"drive:{new.id}") == "new"
        for id, readers in kept.readers().items():
            assert readers == {email for email in PEOPLE if drive.finds(email, drive.items[id.removeprefix("drive:")])}, route
    await kept.source.close()


@pytest.mark.parametrize("reason", ["fileNotExportable", "cannotDownloadFile", "badRequest"])
async def test_a_doc_that_cannot_be_exported_is_accounted_for_by_name_and_the_others_are_read(acme, reason):
    kept = Kept(acme, Unhurried())
    docs = [kept.drive.doc(f"Page {number}", kept.team, f"This is page {number}.") for number in range(3)]
    acme.api.fail("files.export", reason, times=100_000, about=docs[1].id)
    report = await kept.sync()
    assert kept.index.documents == {f"drive:{docs[0].id}", f"drive:{docs[2].id}"}
    assert (report.indexed, report.failures + sum(report.skipped.values())) == (2, 1)
    assert (report.coverage.in_source, report.coverage.in_index, report.coverage.missing) == (3, 2, 0)
    assert kept.ledger.rows[f"drive:{docs[1].id}"].reason
    assert kept.ledger.cursor is not None
    acme.api.faults.clear()
    acme.moment()
    kept.drive.edit(docs[1], "It can be read.")
    await kept.sync()
    await kept.source.close()
    assert kept.index.text_of(f"drive:{docs[1].id}") == "It can be read."


class Elsewhere(httpx.AsyncBaseTransport):
    """Gives tokens, and knows nothing of Drive: a wrong address, or a proxy in between."""

    def __init__(self, api: httpx.AsyncBaseTransport) -> None:
        self._api = api
        self.wrong = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.wrong and "token" not in request.url.path:
            return httpx.Response(404, html="<h1>Not Found</h1>")
        return await self._api.handle_async_request(request)


async def test_a_wrong_address_is_said_to_be_one_and_takes_nothing_away(acme):
    transport = Elsewhere(acme.api)
    kept = Kept(acme, Unhurried(), transport=transport)
    kept.drive.doc("Leave", kept.team, "Thirty days.")
    await kept.sync()
    held, cursor, before = kept.index.documents, kept.ledger.cursor, kept.readers()
    transport.wrong = True
    for attempt in (kept.source.check(), kept.sync(), kept.sync(full=True)):
        with pytest.raises(FootnoteError, match="is GOOGLE_API_URL its address"):
            await attempt
    await kept.source.close()
    assert (kept.index.documents, kept.ledger.cursor, kept.readers()) == (held, cursor, before)
