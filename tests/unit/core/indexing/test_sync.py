"""One sync over a source, with an index in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from core.errors import AuthError, DocumentError, FootnoteError, TransientError
from core.indexing.sync import MAX_ATTEMPTS, Syncer, may_remove_unasked
from core.models import NOBODY, PUBLIC, Access, AccessChanged, Checkpoint, SyncReport, SyncRequest, SyncState, Upsert
from tests.memory_index import LineParser, MemoryIndex, WordEmbedder
from tests.sources import NOON, FeedSource, MemorySource, document

TEAM = Access(gates=(frozenset({"group:team"}),))
BOARD = Access(gates=(frozenset({"group:board"}),))


class Desk:
    """A source, an index, and the state that a worker would keep."""

    def __init__(self, source: MemorySource | None = None) -> None:
        self.source = source or MemorySource()
        self.index = MemoryIndex()
        self.parser = LineParser()
        self.state = SyncState(source=self.source.name)
        self.progress: list[SyncReport] = []
        self.cursors: list[str | None] = []

    async def sync(self, *, guard=lambda: None, index=None, **fields: bool) -> SyncReport:
        request = SyncRequest(id="r1", source=self.source.name, requested_by="cli", at=NOON, **fields)
        syncer = Syncer(index or self.index, self.parser, WordEmbedder())
        return await syncer.run(self.source, request, self.state, self._progress, self._save, guard)

    async def _progress(self, report: SyncReport) -> None:
        self.progress.append(report)

    async def _save(self, cursor: str | None, retry: Mapping[str, int], in_doubt: frozenset[str]) -> None:
        self.cursors.append(cursor)
        self.state = replace(self.state, cursor=cursor, retry=retry, in_doubt=in_doubt)


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
    desk.state = SyncState(source="pages")
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
        async def upsert(self, pairs):
            seen.append((set(self.documents), self.access_of("pages:old")))
            return await upsert(pairs)

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
    desk.source.listing_error = DocumentError("a folder cannot be listed")
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
    assert desk.state.retry == {"pages:2": 1, "pages:3": 1}


async def test_a_document_that_only_the_index_refuses_does_not_take_its_batch_with_it():
    desk = Desk()
    for number in range(5):
        desk.source.put(document(f"pages:{number}"))
    desk.index.refuse = lambda page: "refused" if page.id == "pages:2" else None
    report = await desk.sync()
    assert (report.failed, report.indexed) == ({"pages:2": "refused"}, 4)


async def test_a_failed_document_is_tried_again_until_it_works_or_was_tried_often_enough(desk: Desk):
    desk.source.put(document("pages:a"))
    desk.source.put(document("pages:b"))
    desk.parser.broken = {"pages:a", "pages:b"}
    await desk.sync()
    desk.parser.broken = {"pages:b"}
    for attempt in range(2, MAX_ATTEMPTS + 1):
        await desk.sync()
        assert desk.state.retry == {"pages:b": attempt}
    parsed = len(desk.parser.parsed)
    report = await desk.sync()
    assert (len(desk.parser.parsed), report.failed, desk.state.retry) == (parsed, {}, {"pages:b": MAX_ATTEMPTS})
    desk.parser.broken = set()
    await desk.sync(full=True)
    assert (desk.index.documents, desk.state.retry) == ({"pages:a", "pages:b"}, {})


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
    begun = int(desk.state.cursor or 0)
    states: list[tuple[int, int]] = []
    save = desk._save

    async def checked(cursor: str | None, retry: Mapping[str, int], in_doubt: frozenset[str]) -> None:
        told = {id for _, id in desk.source.events[: int(cursor or 0)]}
        assert told <= desk.index.documents
        states.append((int(cursor or 0), len(desk.index.documents)))
        await save(cursor, retry, in_doubt)

    desk._save = checked
    await desk.sync()
    assert [cursor for cursor, _ in states] == sorted(cursor for cursor, _ in states)
    assert len({cursor for cursor, _ in states}) > 2
    assert states[-1] == (begun + 7, 8)


async def test_the_cursor_stays_when_the_index_fails_and_what_was_written_is_in_doubt(desk: Desk):
    desk.source.put(document("pages:a"))

    class Down(MemoryIndex):
        async def upsert(self, pairs):
            raise TransientError("Qdrant does not answer")

    with pytest.raises(TransientError, match="Qdrant does not answer"):
        await desk.sync(index=Down())
    assert (desk.state.cursor, desk.state.in_doubt) == (None, {"pages:a"})
    await desk.sync()
    assert (desk.index.documents, desk.state.in_doubt) == ({"pages:a"}, frozenset())


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
    before, state = dict(desk.index.points), desk.state
    report = await desk.sync(dry_run=True)
    assert (report.would_index, report.would_remove) == (("pages:edited", "pages:new"), ("pages:gone",))
    assert (report.access_changed, report.dry_run) == (1, True)
    assert (desk.index.points, desk.state) == (before, state)


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

    with pytest.raises(FootnoteError, match="another worker has it"):
        await desk.sync(guard=lost)
    assert desk.index.points == before


async def test_parsing_of_the_next_documents_overlaps_the_embedding_of_the_current_ones():
    desk = Desk()
    for number in range(20):
        desk.source.put(document(f"pages:{number}"))
    overlapped: list[int] = []

    class Slow(MemoryIndex):
        async def upsert(self, pairs):
            parsed = len(desk.parser.parsed)
            await asyncio.sleep(0.02)
            overlapped.append(len(desk.parser.parsed) - parsed)
            return await super().upsert(pairs)

    await desk.sync(index=Slow())
    assert max(overlapped) >= 5


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
        async def upsert(self, pairs):
            await asyncio.sleep(0.05)
            waiting.append(len(set(desk.parser.parsed)) - len(self.documents))
            return await super().upsert(pairs)

    desk.parser = Cheap()
    await desk.sync(index=Stuck())
    assert max(waiting) <= 6, "10 MB each, 64 MB in flight"


async def test_progress_is_told_at_most_twice_a_second():
    desk = Desk()
    for number in range(40):
        desk.source.put(document(f"pages:{number}"))

    class Slow(MemoryIndex):
        async def upsert(self, pairs):
            await asyncio.sleep(0.06 * len(pairs))
            return await super().upsert(pairs)

    desk.source.between = lambda: None
    report = await desk.sync(index=Slow())
    assert 1 <= len(desk.progress) <= report.seconds / 0.5
    assert desk.progress[-1].seen < report.seen or len(desk.progress) == 1


async def test_the_same_document_told_twice_ends_as_it_was_told_last():
    class Stutter(MemorySource):
        async def changes(self, cursor):
            yield Upsert(document=document("pages:a", "first"))
            yield Upsert(document=document("pages:a", "second"))
            yield AccessChanged(document_id="pages:a", access=BOARD)
            yield Checkpoint(cursor=json.dumps({}))

    desk = Desk(Stutter())
    desk.source.put(document("pages:a", "second", access=BOARD))
    await desk.sync()
    assert (desk.index.text_of("pages:a"), desk.index.access_of("pages:a")) == ("second", BOARD)


async def test_a_document_that_is_changed_and_changed_back_while_it_is_told_ends_as_it_was():
    class Wavering(MemorySource):
        async def changes(self, cursor):
            yield Upsert(document=document("pages:a", "second"))
            yield Upsert(document=document("pages:a", "first"))
            yield Checkpoint(cursor="{}")

    desk = Desk(Wavering())
    desk.source.put(document("pages:a", "first"))
    await Desk.sync(desk)
    desk.index.embedded.clear()
    await desk.sync()
    assert desk.index.text_of("pages:a") == "first"
