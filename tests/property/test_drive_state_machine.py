"""Random work of people on an emulated Google Drive, faults of its API, and crashes between any two steps: after a quiet
sync the index holds what the account can read, for those who can find it, and at no moment does it show a text to
somebody who never could.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from connectors.google_drive.source import DriveSource
from core.indexing.tombstones import FORGOTTEN
from core.indexing.writes import PAUSES
from core.principals import expand
from core.settings import DriveConfig
from tests.emulators.drive import Drive, DriveApi, key_file
from tests.emulators.drive_content import DOCUMENT, SHORTCUT, Text
from tests.emulators.drive_world import Item
from tests.fakes import Unhurried
from tests.memory_index import LineParser, MemoryIndex
from tests.property.test_sync_state_machine import BODIES, Syncs, _texts
from tests.virtual_time import VirtualTimeLoop

PEOPLE = ("ana@acme.com", "bob@acme.com", "cat@acme.com", "dan@other.org")
ENG = "group:eng@acme.com"
PRINCIPALS = st.sampled_from(["user:bob@acme.com", "user:cat@acme.com", "user:dan@other.org", ENG, "domain:acme.com", "anyone"])
PLACES = st.integers(0, 8)
LISTS = ("files.list", "changes.list", "permissions.list", "members.list")
FAULTS = st.tuples(
    st.sampled_from([*LISTS, "files.get", "files.export", "drives.get", "token", "*"]),
    st.sampled_from(["userRateLimitExceeded", 500, "cut", "half", "html", "incomplete", "empty_page", "expired"]),
    st.integers(1, 8),
    st.integers(0, 6),
) | st.tuples(st.sampled_from(LISTS), st.just("truncated"), st.integers(1, 8), st.integers(0, 6))
Deed = Callable[[], None]


class GoogleDrive(Syncs):
    source: DriveSource

    def __init__(self) -> None:
        super().__init__()
        self.loop.close()
        self.loop = VirtualTimeLoop()
        self.parser = LineParser()
        self.texts = 0
        self.shown: set[tuple[str, str, str]] = set()
        """Document, line and person: who could ever find which text."""

    def an_index(self) -> WatchedIndex:
        return WatchedIndex()

    def teardown(self) -> None:
        self.loop.run_until_complete(self.source.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        super().teardown()

    @initialize(told_of_all=st.booleans())
    def a_workspace(self, told_of_all: bool) -> None:
        self.drive = drive = Drive()
        self.api = DriveApi(drive)
        drive.emit_descendant_changes = told_of_all
        for email in PEOPLE:
            drive.user(email)
        drive.group(ENG.removeprefix("group:"), ["user:cat@acme.com"])
        self.mine = drive.folder("Policies")
        drive.share(self.mine, f"user:{drive.bot}", "writer")
        self.team = drive.shared_drive("Handbook", members={"user:bob@acme.com": "organizer", ENG: "reader"})
        self.elsewhere = drive.folder("Elsewhere")
        self.private = drive.folder("Private", with_bot=False)
        self.places = [
            self.mine,
            drive.folder("Travel", self.mine),
            self.team,
            drive.folder("People", self.team),
            drive.folder("Board", drive.folder("Management", self.team)),
            self.elsewhere,
            self.private,
        ]
        # Some folders stay open to the account when they are limited.
        for place in (self.places[1], self.places[3], self.places[4]):
            drive.share(place, f"user:{drive.bot}", "writer")
        config = DriveConfig(
            credentials=key_file(), folders=(self.mine.id,), drives=(self.team.id,), directory_admin="admin@acme.com"
        )
        self.roots = (self.mine.id, self.team.id)
        self.source = DriveSource(config, Unhurried(), transport=self.api, clock=drive.now)
        for number, place in enumerate(self.places):
            name, make = ("Leave", drive.doc) if number % 2 else ("leave.txt", drive.file)
            make(name, place, f"# Part 0\nfirst part of {number}")
        self.declare()
        self.index.watch = self.nothing_is_shown_to_those_who_could_never_read_it
        self.sync()

    # The oracle: the world itself.

    def files(self) -> list[Item]:
        return [item for item in self.drive.items.values() if item.is_document]

    def folders(self) -> list[Item]:
        return [place for place in self.places if isinstance(place, Item) and place.id in self.drive.items]

    def text(self, item: Item) -> str:
        return item.content.markdown if isinstance(item.content, Text) else item.content.decode()

    def finders(self, item: Item) -> set[str]:
        return {email for email in PEOPLE if self.drive.finds(email, item)}

    def is_readable(self, item: Item) -> bool:
        return item.mime_type in {DOCUMENT, "text/plain"} and bool(self.text(item).strip())

    def truth(self) -> dict[str, tuple[str, set[str]]]:
        visible = [self.drive.items[id] for id in self.drive.visible_documents(self.roots)]
        return {f"drive:{item.id}": (self.text(item), self.told_finders(item)) for item in visible if self.is_readable(item)}

    def present(self) -> set[str]:
        return set(self.truth())

    def told_finders(self, item: Item) -> set[str]:
        """Nobody, where the account may not see who may read."""
        role = self.drive.access.role(self.drive.bot, item)
        return self.finders(item) if item.drive or role in {"writer", "owner"} else set()

    def declare(self) -> None:
        for item in self.files():
            if self.is_readable(item):
                finders = self.finders(item)
                self.shown.update((f"drive:{item.id}", line, email) for line in _texts(self.text(item)) for email in finders)

    def readers(self, access) -> set[str]:
        return {email for email in PEOPLE if access.admits(expand({f"user:{email}"}, self.ledger.members))}

    # What people do. A moment passes before each of it.

    def do(self, deed: Deed) -> None:
        self.drive.pass_time(timedelta(seconds=1))
        deed()
        self.declare()

    def place(self, number: int):
        there = [place for place in self.places if place is self.team or place.id in self.drive.items]
        return there[number % len(there)]

    def fresh(self, body: str) -> str:
        """No text is written twice, so that it tells when it was written."""
        self.texts += 1
        return body.replace(" part", f" {self.texts} part")

    def one_of(self, data: st.DataObject, items: list[Item]) -> Item:
        return items[data.draw(st.integers(0, len(items) - 1))]

    @rule(place=PLACES, body=BODIES, doc=st.booleans())
    def somebody_writes_a_file(self, place: int, body: str, doc: bool) -> None:
        if len(self.files()) < 12:
            make = self.drive.doc if doc else self.drive.file
            self.do(lambda: make("Leave" if doc else "leave.txt", self.place(place), self.fresh(body)))

    @rule(place=PLACES)
    def somebody_uploads_a_picture(self, place: int) -> None:
        if len(self.files()) < 12:
            self.do(lambda: self.drive.file("photo.png", self.place(place), b"\x89PNG", "image/png"))

    @precondition(lambda self: self.files())
    @rule(data=st.data(), place=PLACES)
    def somebody_makes_a_shortcut(self, data: st.DataObject, place: int) -> None:
        target = self.one_of(data, self.files() + self.folders())
        if sum(item.mime_type == SHORTCUT for item in self.drive.items.values()) < 4:
            self.do(lambda: self.drive.shortcut("see also", self.place(place), target))

    def deed(self, data: st.DataObject) -> Deed:
        """Something that is done to a file, a folder, the drive or a group."""
        drive, files, folders = self.drive, self.files(), self.folders()
        shortcuts = [item for item in drive.items.values() if item.mime_type == SHORTCUT]
        kinds = ["edit", "share", "move", "rename", "trash", "delete", "limit", "member", "touch", "rewrite"]
        kind = data.draw(st.sampled_from(kinds))
        item = self.one_of(data, files + folders + shortcuts)
        file = self.one_of(data, files) if files else None
        match kind:
            case "edit" | "touch" if file and self.is_readable(file):
                body = self.fresh(data.draw(BODIES))
                return (lambda: drive.edit(file, body)) if kind == "edit" else (lambda: drive.touch(file))
            case "rewrite" if file and self.is_readable(file):
                target, body = self.place(data.draw(PLACES)), self.fresh(data.draw(BODIES))

                def rewrite() -> None:
                    drive.move(file, target)
                    drive.edit(file, body)

                return rewrite
            case "share":
                principal = data.draw(PRINCIPALS)
                findable = not principal.startswith(("domain", "anyone")) or data.draw(st.booleans())
                if any(grant.principal == principal for grant in item.grants.values()):
                    return lambda: drive.unshare(item, principal)
                return lambda: drive.share(item, principal, discoverable=findable)
            case "move" if item not in {self.mine, self.elsewhere, self.private}:
                target = self.place(data.draw(PLACES))
                root = target if isinstance(target, Item) else target.root
                if root is not item and item not in root.ancestors():
                    return lambda: drive.move(item, target)
            case "rename":
                name = data.draw(st.sampled_from(["One", "Two", "\u202eevil\u0000 name"]))
                return lambda: drive.rename(item, name)
            case "trash" if item is not self.mine:
                return (lambda: drive.restore(item)) if item.trashed_at else (lambda: drive.trash(item))
            case "delete" if item not in {self.mine, self.elsewhere, self.private}:
                return lambda: drive.delete(item)
            case "limit":
                folder = self.one_of(data, folders)
                if folder is not self.mine:
                    return lambda: drive.limit_access(folder, not folder.limited)
            case "member":
                principal = data.draw(PRINCIPALS.filter(lambda name: not name.startswith(("domain", "anyone"))))
                if any(grant.principal == principal for grant in self.team.root.grants.values()):
                    return lambda: drive.remove_member(self.team, principal)
                role = data.draw(st.sampled_from(["reader", "organizer"]))
                return lambda: drive.add_member(self.team, principal, role)
        return lambda: None

    @rule(data=st.data(), number=st.integers(1, 3))
    def people_work(self, data: st.DataObject, number: int) -> None:
        for _ in range(number):
            self.do(self.deed(data))

    @rule(data=st.data(), number=st.integers(1, 2))
    def people_work_and_rest(self, data: st.DataObject, number: int) -> None:
        self.people_work(data, number)
        self.is_in_step()

    @rule(person=st.sampled_from(PEOPLE))
    def somebody_joins_or_leaves_a_group(self, person: str) -> None:
        inside = f"user:{person}" in self.drive.groups[ENG]
        self.do(lambda: (self.drive.leave if inside else self.drive.join)(ENG, f"user:{person}"))

    @rule()
    def the_account_loses_or_gets_the_drive(self) -> None:
        bot = f"user:{self.drive.bot}"
        inside = (bot, None) in self.team.root.grants
        self.do(lambda: self.drive.remove_member(self.team, bot) if inside else self.drive.add_member(self.team, bot))

    @rule(hours=st.integers(1, 30))
    def hours_pass(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.drive.pass_time(timedelta(hours=hours))

    # What goes wrong.

    @rule(faults=st.lists(FAULTS, min_size=1, max_size=3), full=st.booleans())
    def a_sync_meets_faults(self, faults: list[tuple[str, object, int, int]], full: bool) -> None:
        for route, what, times, after in faults:
            self.api.fail(route, what, times=times, after=after)
        self.sync(full=full)
        self.api.faults.clear()

    @rule(
        data=st.data(),
        before=st.integers(0, 3),
        number=st.integers(1, 3),
        after=st.integers(0, 8),
        steps=st.none() | st.integers(0, 20),
    )
    def people_work_while_a_sync_runs(self, data: st.DataObject, before: int, number: int, after: int, steps: int | None) -> None:
        self.people_work(data, before)
        waiting = after

        def before_a_request(call: object) -> None:
            nonlocal waiting, number
            waiting -= 1
            if waiting < 0 < number:
                number -= 1
                self.do(self.deed(data))

        self.api.between = before_a_request
        self.sync(crash_after=steps)
        self.api.between = None

    @precondition(lambda self: self.files())
    @rule(data=st.data(), body=BODIES, secret=BODIES, place=PLACES)
    def somebody_writes_a_secret_while_a_file_is_read(self, data: st.DataObject, body: str, secret: str, place: int) -> None:
        file = self.one_of(data, self.files())
        if not self.is_readable(file):
            return
        self.do(lambda: self.drive.edit(file, self.fresh(body)))

        def before_a_request(call) -> None:
            if file.id in call.address and (call.route == "files.export" or "alt=media" in call.address):
                self.api.between = None
                self.do(lambda: self.drive.move(file, self.place(place)))
                self.do(lambda: self.drive.edit(file, self.fresh(secret)))

        self.api.between = before_a_request
        self.sync()
        self.api.between = None

    @rule(limit=st.sampled_from([20, 10 * 1024 * 1024]))
    def exports_are_limited(self, limit: int) -> None:
        self.api.export_limit = limit

    @rule()
    def a_quiet_sync_brings_the_index_in_step(self) -> None:
        self.is_in_step()

    def is_in_step(self) -> None:
        self.catch_up()
        truth = {id: document for id, document in self.truth().items() if id not in self.forgotten()}
        self.now += PAUSES[-1]
        given_up = any(attempts > len(PAUSES) for attempts in self.ledger.failed.values())
        report = self.sync(full=given_up, prune=True)
        assert report is not None
        held = {id: (self.index.text_of(id).split(), self.readers(self.index.access_of(id))) for id in self.index.documents}
        assert held == {
            id: ([word for line in _texts(text) for word in line.split()], finders) for id, (text, finders) in truth.items()
        }
        assert report.coverage.missing == 0
        assert report.coverage.skipped[FORGOTTEN] == len(self.present() & self.forgotten())
        self.api.calls.clear()
        again = self.sync()
        assert again is not None
        assert (again.indexed, again.removed, again.access_changed) == (0, 0, 0)

    @invariant()
    def nothing_is_shown_to_those_who_could_never_read_it(self) -> None:
        held = {email: expand({f"user:{email}"}, self.ledger.members) for email in PEOPLE}
        for point in self.index.points.values():
            for email in PEOPLE:
                if point.access and point.access.admits(held[email]):
                    assert (point.document_id, point.text, email) in self.shown, point


class WatchedIndex(MemoryIndex):
    """Looks at what it shows after each step."""

    watch: Callable[[], None] = staticmethod(lambda: None)

    def step(self) -> None:
        self.watch()
        super().step()


TestGoogleDrive = GoogleDrive.TestCase
TestGoogleDrive.settings = settings(max_examples=25, stateful_step_count=25, report_multiple_bugs=False, deadline=None)
TestGoogleDriveForLong = pytest.mark.slow(pytest.mark.long(type("TestGoogleDriveForLong", (GoogleDrive.TestCase,), {})))
TestGoogleDriveForLong.settings = settings(max_examples=500, stateful_step_count=30, report_multiple_bugs=False, deadline=None)
