"""Random edits, deletes, renames, changes of access, failures and crashes between any two steps: after a quiet sync the
index holds what the source holds, except what an administrator had forgotten, and at no moment does it show content to those
who could never read it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from qdrant_client import AsyncQdrantClient

from connectors.folder.source import FolderSource
from connectors.folder.tree import SETTLED_SECONDS
from core.errors import FootnoteError
from core.indexing.index import Guard, Index, Opened, Record
from core.indexing.sync import Syncer
from core.indexing.tombstones import FORGOTTEN, Tombstone
from core.indexing.writes import PAUSES
from core.models import NOBODY, PUBLIC, PUSH, Access, Chunk, Document, SyncReport, SyncRequest, SyncState
from tests.memory_index import Crash, LineParser, MemoryIndex, MemoryLedger, Point, WordEmbedder
from tests.sources import NOON, FeedSource, MemorySource, document

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

NAMES = st.sampled_from([f"pages:{letter}" for letter in "abc"])
TEAM = Access(gates=(frozenset({"group:team"}),))
BOTH = Access(gates=(frozenset({"group:team"}), frozenset({"group:board"})))
ACCESSES = st.sampled_from([PUBLIC, TEAM, BOTH])


def body_of(token: str, sections: int) -> str:
    """A text of so many chunks that says in each of them which one it is."""
    return "\n".join(f"# Part {number}\n{token} part {number}" for number in range(sections))


BODIES = st.builds(body_of, st.sampled_from(["first", "second", "third"]), st.integers(1, 3))


class Failing(LineParser):
    async def parse(self, page):
        if "broken" in page.body:
            self.broken.add(page.id)
        else:
            self.broken.discard(page.id)
        return await super().parse(page)


class Syncs(RuleBasedStateMachine):
    """The part that does not know what the source is."""

    source: MemorySource | FolderSource

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.index = self.an_index()
        self.ledger = MemoryLedger(self.index)
        self.parser = Failing()
        self.now = NOON
        self.declared: dict[str, set[tuple[str, Access]]] = {}
        self.gone: set[str] = set()
        """Documents of which an administrator was told that they are forgotten."""
        self.unanswered: dict[str, bool] = {}
        """Documents whose administrator was told nothing, because something died, and whether to forget them."""
        self.requests: list[str] = []
        """Documents that were forgotten or readmitted, for a sync that nobody has run yet."""

    def an_index(self) -> MemoryIndex:
        return MemoryIndex()

    def teardown(self) -> None:
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def expected(self) -> dict[str, tuple[str, Access]]:
        """Body and access of every document that can be indexed now."""
        raise NotImplementedError

    def allowed(self) -> dict[str, tuple[str, Access]]:
        """Body and access of every document of which both are known."""
        return self.expected()

    def readable_by(self, document_id: str) -> Access | None:
        """Who may read a failing document now, or None if that cannot be told, or the source cannot."""
        return None

    def failing(self) -> set[str]:
        """Documents that cannot be indexed now."""
        return set()

    def present(self) -> set[str]:
        """All documents of the source."""
        return self.expected().keys() | self.failing()

    def forgotten(self) -> set[str]:
        return set(self.loop.run_until_complete(self.index.forgotten(self.source.name)))

    def order(self, document_id: str, forget: bool, crash_after: int | None = None) -> None:
        """What an administrator says about a document."""
        self.gone.discard(document_id)
        self.unanswered[document_id] = forget
        self.index.restart(crash_after)
        try:
            self.loop.run_until_complete(self.obey(document_id, forget))
        except Crash:
            pass
        else:
            self.answer(document_id)
        self.index.restart()

    async def obey(self, document_id: str, forget: bool) -> None:
        if forget:
            await self.index.forget([document_id], self.source.name, by="slack:U1", at=self.now)
        else:
            await self.index.readmit([document_id])

    def answer(self, document_id: str) -> None:
        if self.unanswered.pop(document_id):
            self.gone.add(document_id)
        self.requests.append(document_id)

    @precondition(lambda self: self.present() | self.index.documents)
    @rule(data=st.data(), steps=st.none() | st.integers(0, 3))
    def an_administrator_forgets_a_page(self, data: st.DataObject, steps: int | None) -> None:
        self.order(data.draw(st.sampled_from(sorted(self.present() | self.index.documents))), True, steps)

    @precondition(lambda self: self.forgotten())
    @rule(data=st.data(), steps=st.none() | st.integers(0, 1))
    def an_administrator_readmits_a_page(self, data: st.DataObject, steps: int | None) -> None:
        self.order(data.draw(st.sampled_from(sorted(self.forgotten()))), False, steps)

    @rule(steps=st.none() | st.integers(0, 6))
    def what_was_requested_is_synced(self, steps: int | None) -> None:
        if self.requests and self.sync(steps, scope=self.requests[0], requested_by=PUSH):
            del self.requests[0]

    def catch_up(self) -> None:
        """Whoever was told nothing says it again, and all that was requested is synced."""
        for document_id, forget in list(self.unanswered.items()):
            self.order(document_id, forget)
        for document_id in self.requests:
            self.sync(scope=document_id, requested_by=PUSH)
        self.requests.clear()

    @invariant()
    def what_is_forgotten_is_not_in_the_index(self) -> None:
        assert not self.gone & self.index.documents

    def sync(self, crash_after: int | None = None, **fields: object) -> SyncReport | None:
        """One sync; None when it ended early."""
        self.index.restart(crash_after)
        request = SyncRequest(**{"id": "r", "source": self.source.name, "requested_by": "cli", "at": NOON} | fields)
        syncer = Syncer(self.index, self.parser, WordEmbedder(), persist=lambda call: call(), clock=lambda: self.now)
        state = SyncState(source=self.source.name, cursor=self.ledger.cursor)
        try:
            return self.loop.run_until_complete(syncer.run(self.source, request, state, self.ledger))
        except (Crash, BaseExceptionGroup, FootnoteError):
            return None
        finally:
            self.index.restart()

    def declare(self) -> None:
        for document_id, pair in self.allowed().items():
            self.declared.setdefault(document_id, set()).add(pair)

    @rule(steps=st.integers(0, 12), full=st.booleans())
    def a_sync_that_dies(self, steps: int, full: bool) -> None:
        self.sync(crash_after=steps, full=full)

    @rule()
    def a_sync(self) -> None:
        self.sync()

    @rule()
    def a_dry_run_changes_nothing(self) -> None:
        before, rows, cursor = dict(self.index.points), dict(self.ledger.rows), self.ledger.cursor
        self.sync(dry_run=True)
        assert (self.index.points, self.ledger.rows, self.ledger.cursor) == (before, rows, cursor)

    # Not in the moment in which a worker died: what it was writing is known to nobody then.
    @precondition(lambda self: not self.ledger.in_doubt)
    @rule()
    def the_ledger_is_lost(self) -> None:
        self.ledger = MemoryLedger(self.index)
        self.requests.clear()

    @rule(hours=st.integers(1, 5))
    def hours_pass(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def a_quiet_sync_brings_the_index_in_step(self) -> None:
        self.catch_up()
        forgotten = self.forgotten()
        expected = {document_id: pair for document_id, pair in self.expected().items() if document_id not in forgotten}
        failing = self.failing() - forgotten
        left_out = len(self.present()) - len(expected) - len(failing)
        self.now += PAUSES[-1]
        given_up = any(attempts > len(PAUSES) for attempts in self.ledger.failed.values())
        report = self.sync(full=given_up, force=not expected and not failing)
        assert report is not None
        assert self.index.documents - failing == expected.keys()
        for document_id, (body, access) in expected.items():
            assert self.index.text_of(document_id).split() == [word for line in _texts(body) for word in line.split()]
            assert self.index.access_of(document_id) == access
        for document_id in failing & self.index.documents:
            if (now := self.readable_by(document_id)) is not None:
                assert self.index.access_of(document_id) in {now, NOBODY}, "an older version is not shown to more people"
        assert self.ledger.failed.keys() <= failing
        coverage = report.coverage
        assert coverage is not None
        # What cannot be read now and did not change is as good as ever.
        assert (coverage.in_index + coverage.failed + left_out, coverage.missing) == (coverage.in_source, 0)
        assert (coverage.in_source, coverage.failed <= len(failing)) == (len(expected) + len(failing) + left_out, True)
        assert coverage.skipped == ({FORGOTTEN: left_out} if left_out else {})
        if not given_up:
            writes = self.index.writes
            again = self.sync()
            assert again is None or again.failed or (again.indexed, again.removed) == (0, 0)
            assert failing or not expected or self.index.writes <= writes + 1, "only the state is written"

    @invariant()
    def nothing_is_shown_to_those_who_could_never_read_it(self) -> None:
        for point in self.index.points.values():
            if point.access in {None, NOBODY}:
                continue
            declared = self.declared.get(point.document_id, set())
            assert any(point.text in _texts(body) and point.access == access for body, access in declared), point


def _texts(body: str) -> list[str]:
    return [line for line in body.splitlines() if line and not line.startswith("# ")]


class InMemory(Syncs):
    source: MemorySource

    @initialize(feed=st.booleans())
    def a_source(self, feed: bool) -> None:
        self.source = FeedSource() if feed else MemorySource()

    def expected(self) -> dict[str, tuple[str, Access]]:
        bad = self.failing()
        return {id: (page.body, page.access) for id, (page, _) in self.source.pages.items() if id not in bad}

    def allowed(self) -> dict[str, tuple[str, Access]]:
        return {id: (page.body, page.access) for id, (page, _) in self.source.pages.items()}

    def readable_by(self, document_id: str) -> Access | None:
        return None if document_id in self.source.unreadable else self.source.pages[document_id][0].access

    def failing(self) -> set[str]:
        return (self.source.unreadable & self.source.pages.keys()) | {
            id for id, (page, _) in self.source.pages.items() if "broken" in page.body
        }

    @rule(id=NAMES, body=BODIES, access=ACCESSES)
    def somebody_writes_a_page(self, id: str, body: str, access: Access) -> None:
        self.source.put(document(id, body, access=access))
        self.declare()

    @precondition(lambda self: self.source.pages)
    @rule(data=st.data(), access=ACCESSES)
    def somebody_changes_who_may_read(self, data: st.DataObject, access: Access) -> None:
        self.source.set_access(data.draw(st.sampled_from(sorted(self.source.pages))), access)
        self.declare()

    @precondition(lambda self: self.source.pages)
    @rule(data=st.data())
    def somebody_deletes_a_page(self, data: st.DataObject) -> None:
        self.source.remove(data.draw(st.sampled_from(sorted(self.source.pages))))

    @precondition(lambda self: self.source.pages)
    @rule(data=st.data(), new=NAMES)
    def somebody_renames_a_page(self, data: st.DataObject, new: str) -> None:
        old = data.draw(st.sampled_from(sorted(self.source.pages)))
        page, _ = self.source.pages[old]
        self.source.remove(old)
        self.source.put(replace(page, id=new))
        self.declare()

    @rule(id=NAMES)
    def somebody_damages_a_page(self, id: str) -> None:
        self.source.put(document(id, "broken"))

    @precondition(lambda self: self.source.pages)
    @rule(data=st.data())
    def a_page_cannot_be_read(self, data: st.DataObject) -> None:
        self.source.unreadable.add(data.draw(st.sampled_from(sorted(self.source.pages))))

    @precondition(lambda self: self.source.unreadable)
    @rule()
    def all_pages_can_be_read_again(self) -> None:
        self.source.unreadable.clear()

    @rule(
        edits=st.lists(st.tuples(NAMES, BODIES, ACCESSES, st.booleans()), min_size=1, max_size=4),
        steps=st.none() | st.integers(0, 20),
    )
    def people_edit_while_a_sync_runs(self, edits: list[tuple[str, str, Access, bool]], steps: int | None) -> None:
        pending = list(edits)

        def one_edit() -> None:
            if pending:
                id, body, access, deleted = pending.pop()
                if deleted and id in self.source.pages:
                    self.source.remove(id)
                else:
                    self.source.put(document(id, body, access=access))
                self.declare()

        self.source.between = one_edit
        self.sync(crash_after=steps)
        self.source.between = lambda: None

    @precondition(lambda self: self.source.pages)
    @rule(data=st.data(), forget=st.booleans(), steps=st.none() | st.integers(0, 20))
    def an_administrator_says_it_while_a_sync_runs(self, data: st.DataObject, forget: bool, steps: int | None) -> None:
        document_id = data.draw(st.sampled_from(sorted(self.source.pages)))
        self.gone.discard(document_id)
        obeying: list[asyncio.Task[None]] = []

        def once() -> None:
            if not obeying:
                obeying.append(asyncio.get_running_loop().create_task(self.obey(document_id, forget)))

        self.source.between = once
        report = self.sync(crash_after=steps)
        self.source.between = lambda: None
        self.unanswered[document_id] = forget
        if obeying:
            self.loop.run_until_complete(asyncio.wait(obeying))
            if obeying[0].exception() is None and report:
                self.answer(document_id)


class RealIndex(MemoryIndex):
    """Footnote's own index over Qdrant's reference engine. It crashes between two calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.crash_after, self.crashed, self.writes = None, False, 0
        self._loop = loop
        self._client = AsyncQdrantClient(":memory:")
        self.embed_with(WordEmbedder())

    def embed_with(self, embedder: WordEmbedder) -> None:
        self._index = Index(self._client, embedder)
        self._loop.run_until_complete(self._index.open())

    def switch(self, index_id: str) -> None:
        self._loop.run_until_complete(self._index.switch(index_id))

    async def open(self) -> Opened:
        return await self._index.open()

    async def tidy(self) -> None:
        await self._index.tidy()

    @property
    def points(self) -> dict[tuple[str, int], Point]:
        return self._loop.run_until_complete(self._points())

    async def _points(self) -> dict[tuple[str, int], Point]:
        found, _ = await self._client.scroll("footnote", limit=1000)
        payloads = [point.payload for point in found]
        accesses = {access.class_id: access for access in (PUBLIC, TEAM, BOTH, NOBODY)}
        return {
            (payload["document_id"], payload["position"]): Point(
                document_id=payload["document_id"],
                position=payload["position"],
                source=payload["source"],
                text=payload["text"],
                access=accesses[payload["access"]],
                content_hash=payload["content_hash"],
                title=payload["title"],
                chunks=payload.get("chunks", 0),
                version=payload.get("version", ""),
            )
            for payload in payloads
        }

    async def upsert(self, pairs: Sequence[tuple[Document, Sequence[Chunk]]], *guard: Guard) -> int:
        self.step()
        return await self._index.upsert(pairs, *guard)

    async def forget(self, document_ids: Collection[str], source: str, *, by: str, at: datetime) -> set[str]:
        self.step()
        return await self._index.forget(document_ids, source, by=by, at=at)

    async def readmit(self, document_ids: Collection[str]) -> set[str]:
        self.step()
        return await self._index.readmit(document_ids)

    async def forgotten(self, source: str) -> dict[str, Tombstone]:
        return await self._index.forgotten(source)

    async def remove(self, document_ids: Sequence[str]) -> None:
        self.step()
        await self._index.remove(document_ids)

    async def set_access(self, document_id: str, access: Access, content_hash: str) -> None:
        self.step()
        await self._index.set_access(document_id, access, content_hash)

    async def relabel(self, document: Document) -> None:
        self.step()
        await self._index.relabel(document)

    async def counts(self) -> dict[str, int]:
        return await self._index.counts()

    async def records(self, source: str) -> AsyncIterator[Record]:
        async for record in self._index.records(source):
            yield record


class OnTheRealIndex(InMemory):
    def an_index(self) -> MemoryIndex:
        return RealIndex(self.loop)


class OtherWords(WordEmbedder):
    name, dimension = "other words", 16


class WithChangesOfTheModel(OnTheRealIndex):
    """The points are those that questions are answered from: of the former model, as long as another source is late."""

    index: RealIndex

    def __init__(self) -> None:
        super().__init__()
        self.late = False

    @rule(embedder=st.sampled_from([WordEmbedder(), OtherWords()]))
    def the_model_is_changed(self, embedder: WordEmbedder) -> None:
        self.index.embed_with(embedder)
        self.late = True

    @rule()
    def a_quiet_sync_brings_the_index_in_step(self) -> None:
        self.late = False
        super().a_quiet_sync_brings_the_index_in_step()

    @rule()
    def a_sync(self) -> None:
        report = self.sync()
        if report is not None and not report.withheld:
            self.check_losses()

    def check_losses(self) -> None:
        """Whoever lost access has lost it, whichever model answers. What could not be read is another matter."""
        for point in self.index.points.values():
            if point.document_id in self.ledger.rows:
                continue
            page, _ = self.source.pages.get(point.document_id, (None, 0))
            assert page is not None or self.source.incomplete, f"{point} is gone"
            assert page is None or point.access in {page.access, NOBODY}, point

    def sync(self, crash_after: int | None = None, **fields: object) -> SyncReport | None:
        report = super().sync(crash_after, **fields)
        whole = report is not None and not report.withheld and not report.dry_run and report.coverage is not None
        if report and whole and report.rebuilt and not self.late:
            self.index.switch(report.rebuilt)
        return report


class InAFolder(Syncs):
    """The folder source itself, on a disk: files, front matter and access files."""

    source: FolderSource
    FOLDERS = ("", "sub/", "sub/deep/")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="fn-"))
        self.files: dict[str, tuple[str, str | None]] = {}
        self.rules: dict[str, str] = {}
        # Files settle after 40 ms instead of a minute; the file system's clock ticks every 4 to 10.
        self.source = FolderSource("pages", self.root, clock=lambda: time.time() + SETTLED_SECONDS - 0.04)

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.root, ignore_errors=True)

    def expected(self) -> dict[str, tuple[str, Access]]:
        bad = self.failing()
        return {
            f"pages:{path}": (body, self._access(path, own))
            for path, (body, own) in self.files.items()
            if f"pages:{path}" not in bad
        }

    def readable_by(self, document_id: str) -> Access | None:
        path = document_id.removeprefix("pages:")
        own = self.files[path][1]
        return NOBODY if "nonsense" in [*self._rules_above(path), own] else self._access(path, own)

    def failing(self) -> set[str]:
        return {
            f"pages:{path}"
            for path, (body, own) in self.files.items()
            if "broken" in body or own == "nonsense" or "nonsense" in self._rules_above(path)
        }

    def _rules_above(self, path: str) -> list[str]:
        return [rule for folder, rule in self.rules.items() if path.startswith(folder)]

    def _access(self, path: str, own: str | None) -> Access:
        gates = {frozenset({gate}) for gate in [*self._rules_above(path), *([own] if own else [])]}
        return Access(gates=tuple(sorted(gates, key=sorted))) if gates else PUBLIC

    PATHS = st.builds(
        lambda folder, name: f"{folder}{name}.md", st.sampled_from(FOLDERS), st.sampled_from(["a", "b \u00fc#?", "c"])
    )
    OWN = st.sampled_from([None, "group:team", "group:board", "nonsense"])

    def _write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # In place and by replacing, as editors do the one or the other.
        if len(text) % 2:
            file.write_text(text)
        else:
            (file.parent / ".new").write_text(text)
            os.replace(file.parent / ".new", file)

    @rule(path=PATHS, body=st.one_of(BODIES, st.just("broken")), own=OWN)
    def somebody_writes_a_file(self, path: str, body: str, own: str | None) -> None:
        self.files[path] = body, own
        self._write(path, f"---\naccess: {own}\n---\n{body}" if own else body)
        self.declare()

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def somebody_deletes_a_file(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.files)))
        del self.files[path]
        (self.root / path).unlink()

    @precondition(lambda self: self.files)
    @rule(data=st.data(), new=PATHS)
    def somebody_moves_a_file(self, data: st.DataObject, new: str) -> None:
        old = data.draw(st.sampled_from(sorted(self.files)))
        self.files[new] = self.files.pop(old)
        (self.root / new).parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.root / old, self.root / new)
        self.declare()

    @rule(folder=st.sampled_from(FOLDERS), reader=st.sampled_from(["group:team", "group:staff", "nonsense"]))
    def somebody_restricts_a_folder(self, folder: str, reader: str) -> None:
        self.rules[folder] = reader
        self._write(f"{folder}.access.toml", f'read = ["{reader}"]')
        self.declare()

    @precondition(lambda self: self.rules)
    @rule(data=st.data())
    def somebody_opens_a_folder(self, data: st.DataObject) -> None:
        folder = data.draw(st.sampled_from(sorted(self.rules)))
        del self.rules[folder]
        (self.root / folder / ".access.toml").unlink()
        self.declare()

    @rule()
    def time_passes(self) -> None:
        time.sleep(0.05)


class ManyHistories(InMemory):
    """The same again, for longer."""


TestSyncsOfPages = InMemory.TestCase
TestSyncsOfPages.settings = settings(max_examples=100, stateful_step_count=40, report_multiple_bugs=False)
TestManySyncsOfPages = pytest.mark.slow(ManyHistories.TestCase)
TestManySyncsOfPages.settings = settings(max_examples=800, stateful_step_count=40, report_multiple_bugs=False)
TestSyncsOnTheRealIndex = OnTheRealIndex.TestCase
TestSyncsOnTheRealIndex.settings = settings(max_examples=10, stateful_step_count=20, report_multiple_bugs=False)
TestSyncsWithChangesOfTheModel = pytest.mark.timeout(600)(pytest.mark.slow(WithChangesOfTheModel.TestCase))
TestSyncsWithChangesOfTheModel.settings = settings(max_examples=300, stateful_step_count=30, report_multiple_bugs=False)
TestSyncsOfAFolder = InAFolder.TestCase
TestSyncsOfAFolder.settings = settings(max_examples=40, stateful_step_count=40)
