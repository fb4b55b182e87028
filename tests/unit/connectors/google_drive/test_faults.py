"""What goes wrong with Drive, through the engine: the index loses nothing, shows nothing too much, and heals."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.errors import AuthError, FootnoteError, TransientError
from core.indexing.sync import Syncer
from core.models import SyncReport, SyncRequest, SyncState
from tests.memory_index import LineParser, MemoryIndex, MemoryLedger, WordEmbedder
from tests.sources import NOON


class Synced:
    """A Drive source and an index that is kept in step with it."""

    def __init__(self, acme, *, folders: int = 0) -> None:
        self.acme, self.drive, self.api = acme, acme.drive, acme.api
        self.team = self.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})
        self.policies = acme.shared_folder("Policies")
        self.source = acme.source(drives=[self.team], folders=[self.policies])
        self.index = MemoryIndex()
        self.ledger = MemoryLedger(self.index)
        self.now = NOON

    async def sync(self, **fields: bool) -> SyncReport:
        request = SyncRequest(id="r", source="drive", requested_by="cli", at=NOON, **fields)
        syncer = Syncer(self.index, LineParser(), WordEmbedder(), persist=lambda call: call(), clock=lambda: self.now)
        return await syncer.run(self.source, request, SyncState(source="drive", cursor=self.ledger.cursor), self.ledger)

    def docs(self, number: int, place=None) -> list:
        return [self.drive.doc(f"Page {n}", place or self.team, f"This is page {n}.") for n in range(number)]

    def snapshot(self):
        return dict(self.index.points), self.ledger.cursor

    @property
    def truth(self) -> set[str]:
        return {f"drive:{id}" for id in self.drive.visible_documents([self.team, self.policies])}


@pytest.fixture
def synced(acme) -> Synced:
    return Synced(acme)


LISTS = ["files.list", "changes.list", "permissions.list"]


@pytest.mark.parametrize("reason", ["userRateLimitExceeded", "rateLimitExceeded"])
async def test_over_quota_without_a_word_when_to_come_again_it_waits_and_completes(synced, reason):
    """F4"""
    synced.docs(10)
    synced.api.fail("*", reason, times=30, every=3)
    report = await synced.sync()
    assert (report.indexed, report.failures) == (10, 0)


@pytest.mark.parametrize("reason", ["domainPolicy", "insufficientFilePermissions", "forbidden", "dailyLimitExceeded"])
async def test_any_other_refusal_is_not_asked_again(synced, reason):
    """F4"""
    synced.docs(1)
    await synced.sync()
    synced.api.calls.clear()
    synced.api.fail("changes.list", reason)
    with pytest.raises(FootnoteError, match=reason):
        await synced.sync()
    assert synced.api.counts["changes.list"] == 1


@pytest.mark.parametrize("reason", ["dailyLimitExceeded", "domainPolicy"])
@pytest.mark.parametrize("route", ["files.get", "drives.get", "permissions.list"])
async def test_a_refusal_that_is_about_all_of_drive_takes_no_document_away(synced, route, reason):
    """F4 and F8. What is gone or closed to us is refused with 403, too."""
    synced.docs(3)
    synced.docs(3, synced.policies)
    await synced.sync()
    before = synced.snapshot()
    synced.api.fail(route, reason, times=1000)
    with pytest.raises(FootnoteError, match=reason):
        await synced.sync(full=True)
    assert synced.snapshot() == before


async def test_a_page_whose_content_always_fails_is_one_failure_and_heals(synced):
    """F5"""
    docs = synced.docs(10)
    synced.api.fail("files.export", 500, times=1000, about=docs[4].id)
    report = await synced.sync()
    assert (report.indexed, report.failures) == (9, 1)
    assert report.coverage.failed == 1
    assert synced.ledger.cursor is not None
    synced.api.faults.clear()
    report = await synced.sync()
    assert (report.indexed, report.failures) == (1, 0)
    assert synced.index.documents == synced.truth


async def test_when_no_content_can_be_had_the_sync_ends_instead_of_failing_each(synced):
    synced.docs(10)
    synced.api.fail("files.export", 500, times=100_000)
    with pytest.raises(TransientError):
        await synced.sync()
    assert len(synced.ledger.failed) <= 3
    synced.api.faults.clear()
    await synced.sync()
    assert synced.index.documents == synced.truth


@pytest.mark.parametrize("effect", ["cut", "half", "truncated", "html", 500, "incomplete"])
async def test_a_listing_that_breaks_off_removes_nothing_and_moves_no_cursor(synced, effect):
    """F6. Of seven pages the third one breaks off, for good."""
    for number in range(6500):
        synced.drive.file(f"{number}.png", synced.team, b"\x89PNG", "image/png")
    docs = synced.docs(30)
    await synced.sync()
    for doc in docs[:3]:
        synced.drive.trash(doc)
    synced.drive.pass_time(timedelta(days=2))
    before = synced.snapshot()
    synced.api.fail("files.list", effect, times=1000, after=2)
    with pytest.raises(FootnoteError):
        await synced.sync()
    assert synced.snapshot() == before
    synced.api.faults.clear()
    assert (await synced.sync()).removed == 3
    assert synced.index.documents == {f"drive:{doc.id}" for doc in docs[3:]}


@pytest.mark.parametrize("effect", ["cut", "half", "truncated", "html", 500])
@pytest.mark.parametrize("route", LISTS)
async def test_an_answer_that_breaks_off_now_and_then_makes_no_difference(synced, route, effect):
    synced.docs(3)
    synced.api.fail(route, effect, times=2)
    assert (await synced.sync()).indexed == 3


@pytest.mark.parametrize("route", LISTS)
async def test_an_empty_page_with_a_next_one_is_not_the_end(synced, route):
    """F7"""
    synced.docs(3)
    synced.drive.share(synced.docs(1, synced.policies)[0], "user:bob@acme.com")
    await synced.sync()
    synced.docs(2)
    synced.api.fail(route, "empty_page", times=3)
    await synced.sync(full=route == "files.list")
    assert synced.index.documents == synced.truth


async def test_when_a_drive_is_suddenly_out_of_our_sight_its_documents_wait_for_a_confirmation(synced):
    """F8"""
    synced.docs(30)
    [kept] = synced.docs(1, synced.policies)
    await synced.sync()
    synced.drive.unshare_bot(synced.team)
    before = synced.index.documents
    report = await synced.sync()
    assert report.withheld == 30
    assert synced.index.documents == before
    assert f"{synced.team.id} is not shared" in " ".join(report.failed.values())
    await synced.sync(prune=True)
    assert synced.index.documents == {f"drive:{kept.id}"}


async def test_when_most_documents_vanish_they_wait_for_a_confirmation(synced):
    """F8"""
    folder = synced.drive.folder("Everything", synced.team)
    synced.docs(36, folder)
    synced.docs(24)
    await synced.sync()
    synced.drive.trash(folder)
    assert (await synced.sync()).withheld == 36
    assert len(synced.index.documents) == 60
    synced.drive.restore(folder)
    assert (await synced.sync()).withheld == 0
    assert synced.index.documents == synced.truth


async def test_when_nothing_is_shared_any_more_an_operator_is_called_and_nothing_is_lost(synced):
    """F8"""
    synced.docs(3)
    synced.docs(3, synced.policies)
    await synced.sync()
    before = synced.snapshot()
    synced.drive.unshare_bot(synced.team)
    synced.drive.unshare_bot(synced.policies)
    with pytest.raises(AuthError, match=f"share it with that address.*{synced.drive.bot}|{synced.drive.bot}.*share it"):
        await synced.sync()
    assert synced.snapshot() == before
    synced.drive.add_member(synced.team, f"user:{synced.drive.bot}")
    synced.drive.share(synced.policies, f"user:{synced.drive.bot}", "writer")
    await synced.sync()
    assert synced.index.documents == synced.truth


async def test_readers_lose_access_before_anything_is_read(synced):
    """F9"""
    drive = synced.drive
    folder = drive.folder("Absence", synced.policies)
    drive.share(folder, "user:bob@acme.com")
    known = synced.docs(5, folder)
    await synced.sync()
    synced.docs(5)
    drive.unshare(folder, "user:bob@acme.com")
    drive.trash(known[0])
    closed = []

    def before_a_content(call):
        if call.route == "files.export" and not closed:
            closed.extend(
                id for id in synced.index.documents if not synced.index.access_of(id).admits(frozenset({"user:bob@acme.com"}))
            )

    synced.api.between = before_a_content
    await synced.sync()
    assert {f"drive:{doc.id}" for doc in known} <= set(closed)
    assert synced.index.documents == synced.truth


@pytest.mark.parametrize("expired", [1, 2])
async def test_a_page_token_that_expired_means_a_restart_of_that_listing_only(synced, expired):
    """F11"""
    for number in range(2500):
        synced.drive.file(f"{number}.png", synced.team, b"\x89PNG", "image/png")
    synced.docs(3)
    synced.docs(3, synced.policies)
    synced.api.fail("files.list", "expired", times=expired, after=1)
    assert (await synced.sync()).indexed == 6
    walks = [call for call in synced.api.calls_of("files.list") if "in+parents" in call.address]
    assert len(walks) == 1


async def test_a_feed_token_that_is_refused_means_a_listing(synced):
    """F11"""
    docs = synced.docs(3)
    await synced.sync()
    synced.acme.moment()
    synced.drive.edit(docs[0], "Another text.")
    synced.drive.trash(docs[1])
    synced.api.fail("changes.list", "expired")
    report = await synced.sync()
    assert (report.indexed, report.removed) == (1, 1)
    assert synced.index.documents == synced.truth


async def test_a_revoked_key_leaves_the_index_alone_until_it_is_replaced(synced):
    """F12"""
    docs = synced.docs(3)
    await synced.sync()
    before = synced.snapshot()
    synced.api.accounts.revoke()
    synced.acme.moment()
    synced.drive.edit(docs[0], "Another text.")
    with pytest.raises(AuthError, match="Put a new key into"):
        await synced.sync()
    assert synced.snapshot() == before
    synced.api.accounts.replace_key()
    synced.acme.write_key()
    assert (await synced.sync()).indexed == 1


async def test_a_sync_without_changes_asks_little_and_writes_nothing(synced):
    """F21"""
    synced.docs(20)
    synced.docs(20, synced.policies)
    await synced.sync()
    synced.api.calls.clear()
    embedded, points = len(synced.index.embedded), dict(synced.index.points)
    report = await synced.sync()
    assert synced.api.counts == {"changes.list": 1, "permissions.list": 1}, "one, and one for each drive"
    assert (len(synced.index.embedded), synced.index.points) == (embedded, points)
    assert (report.indexed, report.access_changed, report.coverage.missing) == (0, 0, 0)
