"""One sync over a source, with an index in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from core.errors import AuthError, DocumentError, FootnoteError, TransientError, UserError
from core.indexing.pipeline import index_documents
from core.indexing.run import may_remove_unasked
from core.indexing.sync import Syncer
from core.indexing.writes import PAUSES
from core.models import (
    FAILED,
    NOBODY,
    PUBLIC,
    Access,
    AccessChanged,
    Checkpoint,
    Coverage,
    Groups,
    Listed,
    Skipped,
    SyncReport,
    SyncRequest,
    SyncState,
    Upsert,
)
from tests.memory_index import LineParser, MemoryIndex, MemoryLedger, WordEmbedder
from tests.sources import NOON, FeedSource, MemorySource, document

TEAM = Access(gates=(frozenset({"group:team"}),))
BOARD = Access(gates=(frozenset({"group:board"}),))


class Desk:
    """A source, an index, and the ledger that a worker would keep."""

    def __init__(self, source: MemorySource | None = None) -> None:
        self.source = source or MemorySource()
        self.index = MemoryIndex()
        self.parser = LineParser()
        self.now = NOON
        self.ledger = MemoryLedger(self.index)

    async def sync(self, *, index=None, helpers=None, **fields: object) -> SyncReport:
        request = SyncRequest(**{"id": "r1", "source": self.source.name, "requested_by": "cli", "at": NOON} | fields)
        syncer = Syncer(
            index or self.index,
            self.parser,
            WordEmbedder(),
            helpers=helpers,
            persist=lambda call: call(),
            clock=lambda: self.now,
        )
        state = SyncState(source=self.source.name, cursor=self.ledger.cursor)
        return await syncer.run(self.source, request, state, self.ledger)


@pytest.fixture(params=[MemorySource, FeedSource])
def desk(request) -> Desk:
    return Desk(request.param())


async def test_documents_of_the_source_become_chunks_of_the_index(desk: Desk):
    desk.source.put(document("pages:leave", "# Leave\nThirty days."))
    report = await desk.sync()
    assert (report.seen, report.indexed, report.chunks) == (1, 1, 1)
    assert desk.index.text_of("pages:leave") == "Thirty days."


async def test_a_sync_without_changes_embeds_and_writes_nothing(desk: Desk):
    for number in range(5):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    writes = desk.index.writes
    report = await desk.sync()
    assert (report.indexed, report.removed, desk.index.writes) == (0, 0, writes)
    report = await desk.sync(full=True)
    assert (report.seen, report.unchanged, desk.index.writes) == (5, 5, writes)
    assert desk.parser.parsed == [f"pages:{number}" for number in range(5)]


async def test_only_the_changed_document_is_embedded_again(desk: Desk):
    desk.source.put(document("pages:a"))
    desk.source.put(document("pages:b"))
    await desk.sync()
    desk.source.put(document("pages:b", "new text"))
    desk.index.embedded.clear()
    report = await desk.sync()
    assert desk.index.embedded == ["pages:b"]
    assert (report.indexed, desk.index.text_of("pages:b")) == (1, "new text")


async def test_a_lost_cursor_costs_no_embedding(desk: Desk):
    desk.source.put(document("pages:a"))
    await desk.sync()
    desk.ledger = MemoryLedger(desk.index)
    report = await desk.sync()
    assert (report.unchanged, len(desk.index.embedded)) == (1, 1)


async def test_an_emptied_index_is_filled_again_whatever_the_cursor_says(desk: Desk):
    desk.source.put(document("pages:a"))
    await desk.sync()
    desk.index.points.clear()
    assert (await desk.sync()).indexed == 1


async def test_a_document_that_the_index_lost_is_fetched_although_it_did_not_change():
    desk = Desk()
    for number in range(3):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    await desk.index.remove(["pages:1"])
    report = await desk.sync()
    assert (report.indexed, report.unchanged, desk.index.documents) == (1, 2, {"pages:0", "pages:1", "pages:2"})


async def test_a_changed_access_is_written_without_embedding(desk: Desk):
    desk.source.put(document("pages:a", "# One\nx\n# Two\ny"))
    await desk.sync()
    desk.source.set_access("pages:a", TEAM)
    report = await desk.sync()
    assert (report.access_changed, report.indexed) == (1, 0)
    assert desk.index.access_of("pages:a") == TEAM
    assert desk.index.embedded == ["pages:a"]


async def test_a_document_whose_content_and_access_changed_is_hidden_until_its_new_content_is_there():
    desk = Desk()
    desk.source.put(document("pages:plan", "we sell the company", access=BOARD))
    await desk.sync()
    desk.source.put(document("pages:plan", "we had a nice summer", access=PUBLIC))
    desk.parser.broken.add("pages:plan")
    report = await desk.sync()
    assert report.failed == {"pages:plan": "damaged"}
    assert desk.index.access_of("pages:plan") == NOBODY
    desk.parser.broken.clear()
    await desk.sync()
    assert (desk.index.access_of("pages:plan"), desk.index.text_of("pages:plan")) == (PUBLIC, "we had a nice summer")


async def test_who_lost_the_right_to_read_is_shut_out_before_anything_is_embedded():
    desk = Desk()
    desk.source.put(document("pages:old"))
    desk.source.put(document("pages:gone"))
    await desk.sync()
    desk.source.set_access("pages:old", BOARD)
    desk.source.remove("pages:gone")
    for number in range(200):
        desk.source.put(document(f"pages:new{number}"))
    seen: list[tuple[set[str], Access | None]] = []
    upsert = desk.index.upsert

    class Watched(MemoryIndex):
        async def upsert(self, pairs, *guard):
            seen.append((set(self.documents), self.access_of("pages:old")))
            return await upsert(pairs, *guard)

    watched = Watched()
    watched.__dict__ = desk.index.__dict__
    await desk.sync(index=watched)
    documents, access = seen[0]
    assert "pages:gone" not in documents
    assert access == BOARD


async def test_removed_documents_leave_the_index(desk: Desk):
    for number in range(3):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    desk.source.remove("pages:1")
    assert (await desk.sync()).removed == 1
    assert desk.index.documents == {"pages:0", "pages:2"}


@pytest.mark.parametrize(("documents", "allowed"), [(0, 20), (10, 20), (200, 20), (201, 20), (1000, 100)])
def test_a_tenth_of_a_source_but_at_least_twenty_documents_are_removed_unasked(documents: int, allowed: int):
    assert may_remove_unasked(documents) == allowed


async def test_when_many_documents_vanish_at_once_all_are_kept_until_that_is_confirmed(desk: Desk):
    for number in range(60):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    for number in range(21):
        desk.source.remove(f"pages:{number}")
    desk.source.put(document("pages:new"))
    for _ in range(2):
        report = await desk.sync()
        assert (report.withheld, report.removed) == (21, 0)
        assert len(desk.index.documents) == 61
    report = await desk.sync(force=True)
    assert (report.withheld, report.removed, len(desk.index.documents)) == (0, 21, 40)


async def test_what_a_source_reports_as_removed_is_hidden_at_once_even_while_its_removal_is_unconfirmed():
    desk = Desk(FeedSource())
    for number in range(60):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    for number in range(30):
        desk.source.remove(f"pages:{number}")
    await desk.sync()
    assert {desk.index.access_of(f"pages:{number}") for number in range(30)} == {NOBODY}
    desk.source.put(document("pages:7"))
    report = await desk.sync()
    assert (desk.index.access_of("pages:7"), report.withheld, report.indexed) == (PUBLIC, 29, 0)


async def test_twenty_documents_may_vanish_unasked(desk: Desk):
    for number in range(60):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    for number in range(20):
        desk.source.remove(f"pages:{number}")
    report = await desk.sync()
    assert (report.withheld, report.removed) == (0, 20)


async def test_a_source_that_suddenly_lists_nothing_is_an_error_and_loses_nothing():
    desk = Desk()
    desk.source.put(document("pages:a"))
    await desk.sync()
    desk.source.remove("pages:a")
    with pytest.raises(FootnoteError, match="pages lists no documents, but the index holds 1"):
        await desk.sync()
    assert desk.index.documents == {"pages:a"}
    assert (await desk.sync(force=True)).removed == 1


async def test_an_incomplete_listing_removes_nothing_and_the_rest_goes_on():
    desk = Desk()
    desk.source.put(document("pages:a"))
    desk.source.put(document("pages:b"))
    await desk.sync()
    desk.source.remove("pages:a")
    desk.source.put(document("pages:c"))
    desk.source.incomplete = True
    report = await desk.sync()
    assert (report.removed, report.indexed) == (0, 1)
    assert desk.index.documents == {"pages:a", "pages:b", "pages:c"}


async def test_a_document_that_fails_is_a_row_of_the_report_and_the_others_are_indexed(desk: Desk):
    for number in range(5):
        desk.source.put(document(f"pages:{number}"))
    desk.parser.broken.add("pages:2")
    desk.source.unreadable.add("pages:3")
    report = await desk.sync()
    assert report.failed == {"pages:2": "damaged", "pages:3": "it cannot be read"}
    assert (report.seen, report.indexed) == (5, 3)
    assert desk.ledger.failed == {"pages:2": 1, "pages:3": 1}


async def test_a_document_that_only_the_index_refuses_does_not_take_its_batch_with_it():
    desk = Desk()
    for number in range(5):
        desk.source.put(document(f"pages:{number}"))
    desk.index.refuse = lambda page: "refused" if page.id == "pages:2" else None
    report = await desk.sync()
    assert (report.failed, report.indexed) == ({"pages:2": "refused"}, 4)


async def test_a_failed_document_is_tried_again_over_hours_and_then_left_alone(desk: Desk):
    desk.source.put(document("pages:a"))
    desk.source.put(document("pages:b"))
    desk.parser.broken = {"pages:a", "pages:b"}
    await desk.sync()
    desk.parser.broken = {"pages:b"}
    await desk.sync()
    assert desk.ledger.failed == {"pages:b": 2}
    for attempts, pause in enumerate(PAUSES[1:], 3):
        parsed = len(desk.parser.parsed)
        desk.now += pause - timedelta(seconds=1)
        await desk.sync()
        assert len(desk.parser.parsed) == parsed, "not yet"
        desk.now += timedelta(seconds=1)
        await desk.sync()
        assert desk.ledger.failed == {"pages:b": attempts}
    parsed = len(desk.parser.parsed)
    desk.now += timedelta(days=30)
    report = await desk.sync()
    assert (len(desk.parser.parsed), report.failed, report.coverage.failed) == (parsed, {}, 1)


async def test_a_document_that_was_given_up_is_tried_again_when_it_changes_or_somebody_asks(desk: Desk):
    for name in ("a", "b", "c"):
        desk.source.put(document(f"pages:{name}"))
    desk.parser.broken = {"pages:a", "pages:b", "pages:c"}
    for _ in range(len(PAUSES) + 1):
        await desk.sync()
        desk.now += timedelta(days=1)
    desk.parser.broken = {"pages:c"}
    assert (await desk.sync()).indexed == 0
    desk.source.put(document("pages:a", "mended"))
    assert (await desk.sync()).indexed == 1
    report = await desk.sync(scope=FAILED)
    assert (report.indexed, report.expected, desk.index.documents) == (1, 2, {"pages:a", "pages:b"})
    desk.parser.broken = set()
    await desk.sync(full=True)
    assert (desk.ledger.rows, len(desk.index.documents)) == ({}, 3)


async def test_an_attempt_with_another_version_counts_from_the_beginning(desk: Desk):
    desk.source.put(document("pages:a"))
    desk.parser.broken = {"pages:a"}
    await desk.sync()
    await desk.sync()
    desk.source.put(document("pages:a", "also broken"))
    await desk.sync()
    assert desk.ledger.failed == {"pages:a": 1}


async def test_a_document_that_lost_all_its_text_is_removed_and_reported(desk: Desk):
    desk.source.put(document("pages:a", "secret plans"))
    desk.source.put(document("pages:b"))
    await desk.sync()
    desk.source.put(document("pages:a", " \n"))
    report = await desk.sync()
    assert (report.failed, desk.index.documents) == ({"pages:a": "it is empty"}, {"pages:b"})


async def test_the_cursor_is_saved_only_when_everything_before_it_is_in_the_index():
    desk = Desk(FeedSource())
    desk.source.put(document("pages:first"))
    await desk.sync()
    for number in range(7):
        desk.source.put(document(f"pages:{number}"))
    begun = int(desk.ledger.cursor or 0)
    states: list[tuple[int, int]] = []

    class Checked(MemoryLedger):
        async def keep(self, cursor, rows):
            await super().keep(cursor, rows)
            told = {id for _, id in desk.source.events[: int(self.cursor or 0)]}
            assert told <= desk.index.documents
            states.append((int(self.cursor or 0), len(desk.index.documents)))

    checked = Checked(desk.index)
    checked.__dict__ = desk.ledger.__dict__
    desk.ledger = checked
    await desk.sync()
    assert [cursor for cursor, _ in states] == sorted(cursor for cursor, _ in states)
    assert len({cursor for cursor, _ in states}) > 2
    assert states[-1] == (begun + 7, 8)


async def test_the_cursor_stays_when_the_index_fails_and_what_was_written_is_in_doubt(desk: Desk):
    desk.source.put(document("pages:a"))

    class Down(MemoryIndex):
        async def upsert(self, pairs, *guard):
            raise TransientError("Qdrant does not answer")

    with pytest.raises(TransientError, match="Qdrant does not answer"):
        await desk.sync(index=Down())
    assert (desk.ledger.cursor, desk.ledger.in_doubt) == (None, {"pages:a"})
    await desk.sync()
    assert (desk.index.documents, desk.ledger.in_doubt) == ({"pages:a"}, set())


@pytest.mark.parametrize("error", [AuthError("token expired"), TransientError("gateway timeout")])
async def test_errors_of_the_source_reach_the_worker_as_they_are(desk: Desk, error: FootnoteError):
    desk.source.put(document("pages:a"))
    await desk.sync()
    desk.source.error = error
    with pytest.raises(type(error), match=str(error)):
        await desk.sync()
    assert desk.index.documents == {"pages:a"}


async def test_a_dry_run_lists_what_would_change_and_writes_nothing(desk: Desk):
    for name in ("same", "edited", "gone", "closed"):
        desk.source.put(document(f"pages:{name}"))
    await desk.sync()
    desk.source.put(document("pages:edited", "other text"))
    desk.source.put(document("pages:new"))
    desk.source.remove("pages:gone")
    desk.source.set_access("pages:closed", BOARD)
    before, writes = dict(desk.index.points), desk.index.writes
    report = await desk.sync(dry_run=True)
    assert (report.would_index, report.would_remove) == (("pages:edited", "pages:new"), ("pages:gone",))
    assert (report.access_changed, report.dry_run) == (1, True)
    assert (report.indexed, report.removed) == (2, 1)
    assert (desk.index.points, desk.index.writes) == (before, writes)


async def test_a_forced_sync_embeds_unchanged_documents_again(desk: Desk):
    desk.source.put(document("pages:a"))
    await desk.sync()
    assert (await desk.sync(force=True)).indexed == 1
    assert desk.index.embedded == ["pages:a", "pages:a"]


async def test_no_write_happens_once_the_guard_refuses(desk: Desk):
    desk.source.put(document("pages:a"))
    desk.source.put(document("pages:b"))
    await desk.sync()
    desk.source.put(document("pages:a", "new"))
    desk.source.set_access("pages:b", TEAM)
    before = dict(desk.index.points)

    def lost() -> None:
        raise FootnoteError("another worker has it")

    desk.ledger.guard = lost
    with pytest.raises(FootnoteError, match="another worker has it"):
        await desk.sync()
    assert desk.index.points == before


async def test_parsing_of_the_next_documents_overlaps_the_embedding_of_the_current_ones():
    desk = Desk()
    for number in range(20):
        desk.source.put(document(f"pages:{number}"))
    overlapped: list[int] = []

    class Slow(MemoryIndex):
        async def upsert(self, pairs, *guard):
            parsed = len(desk.parser.parsed)
            await asyncio.sleep(0.02)
            overlapped.append(len(desk.parser.parsed) - parsed)
            return await super().upsert(pairs, *guard)

    await desk.sync(index=Slow())
    assert max(overlapped) >= 5


async def test_two_calls_to_the_index_overlap_and_a_checkpoint_waits_for_both():
    desk = Desk(FeedSource())
    for number in range(30):
        desk.source.put(document(f"pages:{number}"))
    under_way: list[int] = []

    class Uneven(MemoryIndex):
        calls = running = 0

        async def upsert(self, pairs, *guard):
            # Every other one takes long, so that the one that began after it ends before it.
            self.calls += 1
            self.running += 1
            await asyncio.sleep(0.02 if self.calls % 2 else 0.002)
            under_way.append(self.running)
            self.running -= 1
            return await super().upsert(pairs, *guard)

    index = Uneven()

    class Checked(MemoryLedger):
        async def keep(self, cursor, rows):
            await super().keep(cursor, rows)
            assert {id for _, id in desk.source.events[: int(self.cursor or 0)]} <= index.documents

    desk.ledger = Checked(index)
    await desk.sync(index=index)
    assert max(under_way) == 2
    assert len(index.documents) == 30


async def test_bodies_in_flight_are_bounded():
    desk = Desk()
    big = "word " * 2_000_000
    for number in range(12):
        desk.source.put(document(f"pages:{number}", big + str(number)))
    waiting: list[int] = []

    class Cheap(LineParser):
        async def parse(self, page):
            self.parsed.append(page.id)
            return (await super().parse(replace(page, body="short"))) if page.id else []

    class Stuck(MemoryIndex):
        async def upsert(self, pairs, *guard):
            await asyncio.sleep(0.05)
            waiting.append(len(set(desk.parser.parsed)) - len(self.documents))
            return await super().upsert(pairs, *guard)

    desk.parser = Cheap()
    await desk.sync(index=Stuck())
    assert max(waiting) <= 6, "10 MB each, 64 MB in flight"


async def test_progress_is_told_at_most_twice_a_second():
    desk = Desk()
    for number in range(40):
        desk.source.put(document(f"pages:{number}"))

    class Slow(MemoryIndex):
        async def upsert(self, pairs, *guard):
            await asyncio.sleep(0.06 * len(pairs))
            return await super().upsert(pairs, *guard)

    desk.source.between = lambda: None
    report = await desk.sync(index=Slow())
    assert 1 <= len(desk.ledger.reports) <= report.seconds / 0.5
    assert desk.ledger.reports[-1].seen < report.seen or len(desk.ledger.reports) == 1


async def test_the_same_document_told_twice_ends_as_it_was_told_last():
    class Stutter(MemorySource):
        async def changes(self, cursor, known):
            yield Upsert(document=document("pages:a", "first"))
            yield Upsert(document=document("pages:a", "second"))
            yield AccessChanged(document_id="pages:a", access=BOARD)
            yield Checkpoint(cursor="1")

    desk = Desk(Stutter())
    desk.source.put(document("pages:a", "second", access=BOARD))
    await desk.sync()
    assert (desk.index.text_of("pages:a"), desk.index.access_of("pages:a")) == ("second", BOARD)


async def test_a_document_that_is_changed_and_changed_back_while_it_is_told_ends_as_it_was():
    class Wavering(MemorySource):
        async def changes(self, cursor, known):
            yield Upsert(document=document("pages:a", "second"))
            yield Upsert(document=document("pages:a", "first"))
            yield Checkpoint(cursor="1")

    desk = Desk(Wavering())
    desk.source.put(document("pages:a", "first"))
    await Desk.sync(desk)
    desk.index.embedded.clear()
    await desk.sync()
    assert desk.index.text_of("pages:a") == "first"


async def test_what_a_listing_passed_over_is_kept_because_the_source_still_has_it():
    class Moving(MemorySource):
        """A page changes its place while it is listed."""

        async def changes(self, cursor, known):
            async for change in super().changes(cursor, known):
                moving = frozenset({"pages:b"})
                yield Listed(document_ids=change.document_ids - moving) if isinstance(change, Listed) and known else change

    desk = Desk(Moving())
    for name in ("a", "b", "c"):
        desk.source.put(document(f"pages:{name}"))
    await desk.sync()
    desk.source.remove("pages:c")
    report = await desk.sync()
    assert (report.removed, desk.index.documents) == (1, {"pages:a", "pages:b"})
    assert (report.coverage.in_source, report.coverage.in_index) == (2, 2)


async def test_what_is_missing_and_cannot_be_asked_for_is_hidden_and_kept():
    class Moody(MemorySource):
        async def fetch(self, document_id):
            raise DocumentError("it cannot be read")

    desk = Desk(Moody())
    desk.source.put(document("pages:a"))
    desk.source.put(document("pages:b"))
    await desk.sync()
    desk.source.remove("pages:a")
    report = await desk.sync()
    assert (report.removed, desk.index.access_of("pages:a")) == (0, NOBODY)


async def test_a_confirmed_removal_embeds_nothing_again(desk: Desk):
    for number in range(60):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    for number in range(40):
        desk.source.remove(f"pages:{number}")
    assert (await desk.sync()).withheld == 40
    desk.index.embedded.clear()
    report = await desk.sync(prune=True)
    assert (report.removed, len(desk.index.documents), desk.index.embedded) == (40, 20, [])


async def test_a_scope_touches_only_what_it_means(desk: Desk):
    for name in ("eng-1", "eng-2", "hr-1"):
        desk.source.put(document(f"pages:{name}"))
    await desk.sync()
    cursor = desk.ledger.cursor
    for name in ("eng-1", "hr-1"):
        desk.source.put(document(f"pages:{name}", "new text"))
    report = await desk.sync(scope="pages:eng")
    assert (report.indexed, report.unchanged, report.expected, report.coverage) == (1, 1, 2, None)
    assert (desk.index.text_of("pages:hr-1"), desk.ledger.cursor) == ("text", cursor)
    with pytest.raises(UserError, match="there is no pages:ops"):
        await desk.sync(scope="pages:ops")
    assert (await desk.sync()).indexed == 1


async def test_a_push_about_what_is_out_of_sight_now_looks_at_everything(desk: Desk):
    desk.source.put(document("pages:a"))
    desk.source.put(document("pages:b"))
    await desk.sync()
    desk.source.remove("pages:a")
    report = await desk.sync(scope="pages:a", requested_by="push")
    assert (report.removed, desk.index.documents, report.coverage.in_source) == (1, {"pages:b"}, 1)


async def test_a_source_whose_listing_lacked_too_much_is_listed_again_until_that_is_confirmed():
    class Forgetful(FeedSource):
        """Loses pages without an event."""

        def remove(self, id):
            del self.pages[id]

    desk = Desk(Forgetful())
    for number in range(60):
        desk.source.put(document(f"pages:{number}"))
    await desk.sync()
    for number in range(40):
        desk.source.remove(f"pages:{number}")
    desk.ledger.cursor = None
    for _ in range(2):
        assert ((await desk.sync()).withheld, desk.ledger.cursor) == (40, None)
    assert (await desk.sync(prune=True)).removed == 40


async def test_every_document_is_accounted_for_at_the_end(desk: Desk):
    for number in range(5):
        desk.source.put(document(f"pages:{number}"))
    desk.parser.broken = {"pages:2"}
    report = await desk.sync()
    assert report.coverage == Coverage(in_source=5, in_index=4, skipped={}, failed=1, missing=0, listed_at=NOON)
    desk.source.put(document("pages:3", "new text"))
    desk.parser.broken = {"pages:2", "pages:3"}
    report = await desk.sync()
    assert (report.coverage.in_index, report.coverage.failed) == (3, 2), "an older version does not count"


async def test_what_is_skipped_is_counted_by_reason_and_taken_out_of_the_index():
    class Choosy(MemorySource):
        too_large: ClassVar[set[str]] = {"pages:a"}

        def _told(self, document_id, known):
            if document_id in self.too_large:
                return Skipped(document_id=document_id, reason="too large", version="large")
            return super()._told(document_id, known)

    desk = Desk(Choosy())
    desk.source.put(document("pages:a"))
    desk.source.put(document("pages:b"))
    report = await desk.sync()
    assert (report.skipped, report.coverage.skipped, report.coverage.missing) == ({"too large": 1}, {"too large": 1}, 0)
    Choosy.too_large = {"pages:a", "pages:b"}
    report = await desk.sync()
    assert (report.coverage.skipped, desk.index.documents) == ({"too large": 2}, set())
    Choosy.too_large = set()
    report = await desk.sync()
    assert (report.coverage.in_index, desk.ledger.rows, desk.index.documents) == (2, {}, {"pages:a", "pages:b"})


async def test_a_document_of_which_only_the_version_moved_is_not_embedded_again(desk: Desk):
    desk.source.put(document("pages:a"))
    await desk.sync()
    desk.source.put(document("pages:a"))
    report = await desk.sync()
    assert (report.unchanged, desk.index.embedded) == (1, ["pages:a"])
    writes = desk.index.writes
    await desk.sync()
    assert desk.index.writes == writes, "its new version is known"


async def test_other_bytes_with_the_same_text_are_not_embedded_again(desk: Desk):
    desk.source.put(document("pages:a", "# One\nx\n# Two\ny"))
    await desk.sync()
    desk.source.put(document("pages:a", "# One\n\nx\n\n# Two\n\ny\n", access=TEAM))
    report = await desk.sync()
    assert (report.unchanged, report.access_changed, desk.index.embedded) == (1, 1, ["pages:a"])
    assert desk.index.access_of("pages:a") == TEAM
    writes = desk.index.writes
    await desk.sync(full=True)
    assert desk.index.writes == writes, "its new bytes are known"
    assert (await desk.sync(force=True)).indexed == 1


async def test_a_document_that_was_moved_or_touched_is_found_at_its_new_place_without_embedding(desk: Desk):
    desk.source.put(document("pages:a", "# One\nx\n# Two\ny"))
    await desk.sync()
    later = NOON + timedelta(days=1)
    desk.source.put(document("pages:a", "# One\nx\n# Two\ny", url="https://pages.example/new", updated_at=later, path=("HR",)))
    await desk.sync()
    assert {(point.url, point.updated_at) for point in desk.index.points.values()} == {("https://pages.example/new", later)}
    assert desk.index.embedded == ["pages:a"]


class WithGroups(MemorySource):
    """Tells of the groups that its documents name."""

    def __init__(self) -> None:
        super().__init__()
        self.people = {"group:pages:hr": frozenset({"user:ana@acme.com"}), "group:pages:eng": frozenset({"user:bob@acme.com"})}

    async def changes(self, cursor, known):
        named = {name for page, _ in self.pages.values() for gate in page.access.gates for name in gate}
        yield Groups(members={name: members for name, members in self.people.items() if name in named})
        async for change in super().changes(cursor, known):
            yield change


async def test_groups_are_kept_as_the_source_tells_them():
    desk = Desk(WithGroups())
    desk.source.put(document("pages:a", access=for_group("group:pages:hr")))
    await desk.sync(dry_run=True)
    assert desk.ledger.members == {}
    await desk.sync()
    assert desk.ledger.members == {"group:pages:hr": frozenset({"user:ana@acme.com"})}


async def test_who_leaves_a_group_is_out_at_once_and_who_comes_in_waits_until_nothing_old_is_left():
    desk = Desk(WithGroups())
    staff = for_group("group:pages:hr")
    desk.source.put(document("pages:a", "we sell the company", access=staff))
    desk.source.put(document("pages:b", "as ever", access=staff))
    await desk.sync()
    desk.source.put(document("pages:a", "we had a nice summer", access=staff))
    desk.source.set_access("pages:b", BOARD)
    desk.source.people["group:pages:hr"] = frozenset({"user:cat@acme.com"})
    seen: list[tuple[frozenset[str], str, Access | None]] = []

    class Watched(MemoryLedger):
        async def groups(self, members):
            await super().groups(members)
            seen.append((members["group:pages:hr"], desk.index.text_of("pages:a"), desk.index.access_of("pages:b")))

    watched = Watched(desk.index)
    watched.__dict__ = desk.ledger.__dict__
    desk.ledger = watched
    await desk.sync()
    assert seen == [
        (frozenset(), "we sell the company", staff),
        (frozenset({"user:cat@acme.com"}), "we had a nice summer", BOARD),
    ]


async def test_a_newcomer_is_not_shown_an_old_text_that_could_not_be_brought_up_to_date():
    desk = Desk(WithGroups())
    staff = for_group("group:pages:hr")
    desk.source.put(document("pages:a", "we sell the company", access=staff))
    await desk.sync()
    desk.source.put(document("pages:a", "we had a nice summer", access=staff))
    desk.source.unreadable = {"pages:a"}
    await desk.sync()
    assert desk.index.access_of("pages:a") == staff
    desk.source.people["group:pages:hr"] |= {"user:cat@acme.com"}
    await desk.sync()
    assert desk.index.access_of("pages:a") == NOBODY
    desk.source.unreadable = set()
    desk.now += PAUSES[-1]
    await desk.sync()
    assert (desk.index.text_of("pages:a"), desk.index.access_of("pages:a")) == ("we had a nice summer", staff)


class Colleague:
    """Another worker with the same index. It takes so many batches."""

    def __init__(self, desk: Desk, batches: int) -> None:
        self.desk = desk
        self.batches = batches
        self.taken: list[int] = []

    def room(self) -> int:
        return 32 if self.batches else 0

    async def index(self, documents):
        if not self.batches:
            return None
        self.batches -= 1
        self.taken.append(len(documents))

        async def guard() -> None:
            pass

        return await index_documents(self.desk.index, self.desk.parser, WordEmbedder().count, documents, guard)


@pytest.mark.parametrize("batches", [0, 1, 100])
async def test_documents_are_shared_with_workers_that_have_time(batches: int):
    desk = Desk()
    for number in range(200):
        desk.source.put(document(f"pages:{number}", f"page {number}"))
    desk.parser.broken = {"pages:7", "pages:150"}

    class Slow(MemoryIndex):
        async def upsert(self, pairs, *guard):
            await asyncio.sleep(0.01)
            return await super().upsert(pairs, *guard)

    slow = Slow()
    slow.__dict__ = desk.index.__dict__
    desk.index = slow
    colleague = Colleague(desk, batches)
    report = await desk.sync(helpers=colleague)
    assert (report.indexed, report.failures, report.coverage.missing) == (198, 2, 0)
    assert desk.ledger.in_doubt <= desk.parser.broken
    assert bool(colleague.taken) == bool(batches)
    if batches > 1:
        assert sum(colleague.taken) > 30


async def test_a_checkpoint_waits_for_what_others_have_taken():
    desk = Desk(FeedSource())
    desk.source.page_size = 40
    await desk.sync()
    for number in range(120):
        desk.source.put(document(f"pages:{number}", f"page {number}"))
    saved: list[tuple[int, int]] = []

    class Checked(MemoryLedger):
        async def keep(self, cursor, rows):
            await super().keep(cursor, rows)
            if cursor:
                told = {id for _, id in desk.source.events[: int(cursor)]}
                saved.append((len(told), len(told & desk.index.documents)))

    desk.ledger = Checked(desk.index)
    desk.ledger.cursor = "0"
    desk.source.put(document("pages:last"))
    await desk.sync(helpers=Colleague(desk, 100))
    assert saved
    assert all(told == indexed for told, indexed in saved)


def for_group(name: str) -> Access:
    return Access(gates=(frozenset({name}),))


async def test_a_source_that_suddenly_lists_nothing_keeps_its_groups_too():
    desk = Desk(WithGroups())
    desk.source.put(document("pages:a", access=for_group("group:pages:hr")))
    await desk.sync()
    desk.source.remove("pages:a")
    with pytest.raises(FootnoteError):
        await desk.sync()
    assert desk.ledger.members["group:pages:hr"] == {"user:ana@acme.com"}, "or nobody could read what is still in the index"


async def test_documents_that_wait_for_a_confirmation_keep_their_groups():
    desk = Desk(WithGroups())
    for number in range(60):
        desk.source.put(document(f"pages:{number}", access=for_group("group:pages:hr" if number < 40 else "group:pages:eng")))
    await desk.sync()
    for number in range(40):
        desk.source.remove(f"pages:{number}")
    desk.source.people["group:pages:eng"] = frozenset({"user:cat@acme.com"})
    assert (await desk.sync()).withheld == 40
    assert desk.ledger.members["group:pages:hr"] == {"user:ana@acme.com"}
    assert desk.ledger.members["group:pages:eng"] == {"user:cat@acme.com"}, "what is told holds"
    await desk.sync(prune=True)
    assert "group:pages:hr" not in desk.ledger.members
