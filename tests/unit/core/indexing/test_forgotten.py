"""Syncs of a source of which an administrator had documents forgotten."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import TransientError
from core.indexing.pipeline import index_documents
from core.indexing.tombstones import FORGOTTEN, Tombstone
from core.models import PUSH, Coverage, SyncReport
from tests.memory_index import MemoryLedger, WordEmbedder
from tests.sources import NOON, FeedSource, MemorySource, document
from tests.unit.core.indexing.test_sync import Desk


class Fetching(MemorySource):
    """Notes of which pages the content was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def _document(self, document_id):
        self.read.append(document_id)
        return super()._document(document_id)


@pytest.fixture(params=[MemorySource, FeedSource])
async def desk(request) -> Desk:
    """Three pages, of which b is forgotten after they were indexed, as the command has it done."""
    return await a_desk(request.param())


async def a_desk(source: MemorySource) -> Desk:
    desk = Desk(source)
    for name in "abc":
        desk.source.put(document(f"pages:{name}", f"text of {name}"))
    await desk.sync()
    await desk.index.forget(["pages:b"], "pages", by="slack:U1", at=NOON)
    await desk.sync(scope="pages:b", requested_by=PUSH)
    return desk


def bury(desk: Desk, *document_ids: str) -> None:
    """As far as somebody who had documents forgotten comes in one step: nothing is removed yet."""
    for id in document_ids:
        desk.index.tombstones[id] = Tombstone(document_id=id, source="pages", version="", by="slack:U1", at=NOON)


def covered(report: SyncReport) -> Coverage:
    assert report.coverage is not None
    return report.coverage


async def test_it_is_counted_as_left_out_and_neither_as_failed_nor_as_missing(desk: Desk):
    coverage = covered(await desk.sync())
    assert (coverage.in_source, coverage.in_index, coverage.skipped) == (3, 2, {FORGOTTEN: 1})
    assert (coverage.failed, coverage.missing) == (0, 0)


@pytest.mark.parametrize("how", [{}, {"full": True}, {"full": True, "force": True}, {"scope": "pages:b"}])
async def test_no_sync_brings_it_back_whatever_changes_at_the_source(desk: Desk, how: dict[str, object]):
    desk.source.put(document("pages:b", "another text"))
    await desk.sync(**how)
    assert desk.index.documents == {"pages:a", "pages:c"}
    desk.source.remove("pages:b")
    await desk.sync(full=True)
    desk.source.put(document("pages:b", "a third one"))
    report = await desk.sync(**how)
    assert desk.index.documents == {"pages:a", "pages:c"}
    assert report.failures == 0


async def test_it_stays_away_when_ledger_and_cursor_are_lost(desk: Desk):
    desk.ledger = MemoryLedger(desk.index)
    coverage = covered(await desk.sync())
    assert desk.index.documents == {"pages:a", "pages:c"}
    assert (coverage.in_source, coverage.skipped) == (3, {FORGOTTEN: 1})


async def test_it_is_not_fetched_while_it_does_not_change():
    source = Fetching()
    desk = await a_desk(source)
    source.read.clear()
    await desk.sync()
    desk.ledger = MemoryLedger(desk.index)
    await desk.sync()
    assert "pages:b" not in source.read
    source.put(document("pages:b", "another text"))
    await desk.sync()
    await desk.sync()
    assert source.read.count("pages:b") == 1


async def test_a_quiet_sync_writes_nothing_because_of_it(desk: Desk):
    await desk.sync()
    writes = desk.index.writes
    await desk.sync()
    assert desk.index.writes == writes


async def test_the_next_sync_of_any_kind_brings_back_what_is_readmitted(desk: Desk):
    await desk.index.readmit(["pages:b"])
    await desk.sync()
    assert desk.index.text_of("pages:b") == "text of b"
    assert covered(await desk.sync()).skipped == {}


async def test_a_request_for_it_brings_it_back_at_once(desk: Desk):
    await desk.index.readmit(["pages:b"])
    report = await desk.sync(scope="pages:b", requested_by=PUSH)
    assert (report.indexed, desk.index.text_of("pages:b")) == (1, "text of b")


async def test_what_cannot_be_read_either_has_not_failed(desk: Desk):
    desk.source.put(document("pages:b", "another text"))
    desk.source.unreadable.add("pages:b")
    report = await desk.sync()
    assert (report.failures, covered(report).failed) == (0, 0)


async def test_it_needs_no_confirmation_to_go_however_many_there_are():
    desk = Desk()
    for number in range(60):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    bury(desk, *list(desk.source.pages)[:50])
    report = await desk.sync()
    assert (report.withheld, len(desk.index.documents)) == (0, 10)


async def test_what_whoever_died_left_of_it_goes_with_the_next_sync_of_any_part(desk: Desk):
    bury(desk, "pages:c")
    await desk.sync(scope="pages:a")
    assert desk.index.documents == {"pages:a"}


async def test_one_that_is_forgotten_while_it_is_on_its_way_is_left_out_and_the_others_are_written():
    desk = Desk()
    for name in "abc":
        desk.source.put(document(f"pages:{name}"))
    desk.source.between = lambda: bury(desk, "pages:b")
    report = await desk.sync()
    assert desk.index.documents == {"pages:a", "pages:c"}
    assert (report.indexed, report.failures, report.skipped) == (2, 0, {FORGOTTEN: 1})
    assert covered(report).missing == 0


async def test_one_that_is_forgotten_after_it_was_found_unchanged_is_left_out_of_the_count():
    desk = Desk()
    for name in "ab":
        desk.source.put(document(f"pages:{name}"))
    await desk.sync()
    desk.source.put(document("pages:a", "another text"))
    desk.index.refuse = lambda _: bury(desk, "pages:b")
    coverage = covered(await desk.sync())
    assert (coverage.in_index, coverage.skipped, coverage.missing) == (1, {FORGOTTEN: 1}, 0)
    assert desk.index.documents == {"pages:a"}


async def test_one_that_a_listing_lacks_is_left_out_of_the_count_though_that_sync_breaks_off_later():
    class Breaks(FeedSource):
        """After its last checkpoint."""

        breaks = False

        async def changes(self, cursor, known):
            async for change in super().changes(cursor, known):
                yield change
            if self.breaks:
                await asyncio.sleep(0.05)
                raise TransientError("it is away")

    source = Breaks()
    desk = await a_desk(source)
    source.remove("pages:b")
    source.breaks = True
    with pytest.raises(TransientError):
        await desk.sync(full=True)
    source.breaks = False
    coverage = covered(await desk.sync())
    assert (coverage.in_source, coverage.in_index, coverage.skipped) == (2, 2, {})


async def test_a_helper_does_not_write_it_and_says_why(desk: Desk):
    async def guard() -> None:
        """The batch is still wanted."""

    pages = [document(f"pages:{name}") for name in "abc"]
    outcomes = await index_documents(desk.index, desk.parser, WordEmbedder().count, pages, guard)
    assert [outcome.error for outcome in outcomes] == [None, FORGOTTEN, None]
    assert desk.index.documents == {"pages:a", "pages:c"}
