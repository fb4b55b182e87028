"""What people do in an emulated Drive, and who may read what after it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.models import Access
from tests.emulators.drive import Drive
from tests.emulators.drive_item import Item

ANA, BEN, CLEO, DAN = (f"{name}@acme.com" for name in ("ana", "ben", "cleo", "dan"))
BOT = "user:footnote@acme-footnote.iam.gserviceaccount.com"


@pytest.fixture
def drive() -> Drive:
    return Drive()


def finders(drive: Drive, item: Item) -> set[str]:
    (gate,) = drive.readers(item)
    return {principal.removeprefix("user:") for principal in gate - {BOT}}


class TestWhoFindsAFile:
    def test_the_owner_and_whom_a_folder_around_it_was_shared_with(self, drive: Drive) -> None:
        outer = drive.folder("Handbook")
        inner = drive.folder("Leave", outer)
        leave = drive.doc("Leave", inner, owner=BEN)
        drive.share(outer, f"user:{CLEO}")
        assert finders(drive, leave) == {ANA, BEN, CLEO}
        assert drive.finds(CLEO, leave)
        assert not drive.finds(DAN, leave)

    def test_the_members_of_a_shared_drive_and_whom_the_file_was_shared_with(self, drive: Drive) -> None:
        people = drive.shared_drive("People", members={f"user:{ANA}": "organizer", "group:hr@acme.com": "reader"})
        pay = drive.doc("Pay", people)
        drive.share(pay, "domain:acme.com")
        assert finders(drive, pay) == {ANA, "group:drive:hr@acme.com", "domain:acme.com"}

    def test_a_link_gives_nothing_and_discovery_gives_everyone(self, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        linked, public = drive.doc("Linked", folder), drive.doc("Public", folder)
        drive.share(linked, "anyone", discoverable=False)
        drive.share(linked, "domain:acme.com", discoverable=False)
        drive.share(public, "anyone")
        assert finders(drive, linked) == {ANA}
        assert finders(drive, public) == {ANA, "everyone"}

    def test_what_ran_out_or_is_pending_or_only_published_gives_nothing(self, drive: Drive) -> None:
        doc = drive.doc("Plan", drive.folder("Plans"))
        drive.share(doc, f"user:{BEN}", expires=drive.now() + timedelta(hours=1))
        drive.share(doc, f"user:{CLEO}", "writer", pending_owner=True)
        drive.share(doc, "anyone", view="published")
        assert finders(drive, doc) == {ANA, BEN}
        drive.pass_time(timedelta(hours=2))
        assert finders(drive, doc) == {ANA}
        assert not drive.finds(BEN, doc)

    def test_a_deleted_account_finds_nothing(self, drive: Drive) -> None:
        doc = drive.doc("Plan", drive.folder("Plans"))
        drive.share(doc, f"user:{BEN}")
        drive.delete_user(BEN)
        assert finders(drive, doc) == {ANA}
        assert not drive.finds(BEN, doc)

    def test_a_limited_folder_lets_in_its_own_people_and_organizers(self, drive: Drive) -> None:
        people = drive.shared_drive("People", members={f"user:{ANA}": "organizer", f"user:{BEN}": "fileOrganizer"})
        pay = drive.folder("Pay", people)
        doc = drive.doc("Salaries", drive.folder("2026", pay))
        drive.share(pay, f"user:{CLEO}")
        drive.limit_access(pay)
        assert finders(drive, doc) == {ANA, CLEO}
        assert not drive.finds(BEN, doc)
        drive.limit_access(pay, False)
        assert finders(drive, doc) == {ANA, BEN, CLEO}

    def test_groups_are_in_groups_and_in_circles(self, drive: Drive) -> None:
        all_hands = drive.group("all@acme.com", ["group:eng@acme.com"])
        drive.group("eng@acme.com", [f"user:{BEN}", all_hands])
        doc = drive.doc("Plan", drive.folder("Plans"))
        drive.share(doc, all_hands)
        assert drive.members(all_hands) == {BEN}
        assert drive.finds(BEN, doc)
        drive.leave("group:eng@acme.com", f"user:{BEN}")
        assert not drive.finds(BEN, doc)

    def test_addresses_are_the_same_in_upper_case(self, drive: Drive) -> None:
        doc = drive.doc("Plan", drive.folder("Plans"))
        drive.share(doc, "user:Ben@Acme.com")
        assert finders(drive, doc) == {ANA, BEN}

    def test_a_move_takes_along_what_was_given_on_the_file_itself(self, drive: Drive) -> None:
        here, there = drive.folder("Here"), drive.shared_drive("There", members={f"user:{CLEO}": "reader"})
        doc = drive.doc("Plan", here)
        drive.share(here, f"user:{BEN}")
        drive.share(doc, f"user:{DAN}")
        drive.move(doc, there)
        assert finders(drive, doc) == {CLEO, DAN}
        assert doc.owner is None
        assert drive.path(doc) == ("There",)


class TestWhatTheBotSees:
    def test_the_files_below_the_roots(self, drive: Drive) -> None:
        handbook, other = drive.folder("Handbook"), drive.folder("Other")
        leave = drive.doc("Leave", drive.folder("2026", handbook))
        drive.doc("Elsewhere", other)
        assert drive.visible_documents([handbook]) == {leave.id}
        assert drive.path(leave) == ("Handbook", "2026")

    def test_nothing_in_the_trash_until_it_is_restored(self, drive: Drive) -> None:
        handbook = drive.folder("Handbook")
        inner = drive.folder("2026", handbook)
        leave = drive.doc("Leave", inner)
        drive.trash(inner)
        assert drive.visible_documents([handbook]) == frozenset()
        assert leave.trashed
        drive.restore(inner)
        assert drive.visible_documents([handbook]) == {leave.id}

    def test_nothing_in_a_folder_that_is_limited_to_others(self, drive: Drive) -> None:
        people = drive.shared_drive("People")
        pay = drive.folder("Pay", people)
        inside, beside = drive.doc("Salaries", pay), drive.doc("Rules", people)
        drive.limit_access(pay)
        assert drive.visible_documents([people]) == {beside.id}
        drive.share(inside, BOT)
        assert drive.visible_documents([people]) == {beside.id, inside.id}

    def test_the_file_that_a_shortcut_leads_to(self, drive: Drive) -> None:
        handbook, private = drive.folder("Handbook"), drive.folder("Private", with_bot=False)
        shared, hidden = drive.doc("Shared", drive.folder("Elsewhere")), drive.doc("Hidden", private)
        drive.shortcut("To shared", handbook, shared)
        drive.shortcut("To hidden", handbook, hidden)
        assert drive.visible_documents([handbook]) == {shared.id}

    def test_nothing_after_it_was_unshared_or_removed(self, drive: Drive) -> None:
        handbook, people = drive.folder("Handbook"), drive.shared_drive("People")
        drive.doc("Leave", handbook)
        drive.doc("Pay", people)
        drive.unshare_bot(handbook)
        drive.unshare_bot(people)
        assert drive.visible_documents([handbook, people]) == frozenset()

    def test_what_a_group_gives_that_it_is_in(self, drive: Drive) -> None:
        folder = drive.folder("Eng", with_bot=False)
        doc = drive.doc("Runbook", folder)
        drive.share(folder, drive.group("bots@acme.com"))
        assert drive.visible_documents([folder]) == frozenset()
        drive.join("group:bots@acme.com", BOT)
        assert drive.visible_documents([folder]) == {doc.id}

    def test_a_deleted_folder_takes_everything_with_it(self, drive: Drive) -> None:
        handbook = drive.folder("Handbook")
        drive.doc("Leave", drive.folder("2026", handbook))
        drive.delete(handbook)
        assert not drive.items
        assert drive.visible_documents([handbook]) == frozenset()


class TestWhatDriveDoesNotDo:
    def test_folders_in_themselves(self, drive: Drive) -> None:
        outer = drive.folder("Outer")
        inner = drive.folder("Inner", outer)
        with pytest.raises(ValueError, match="itself"):
            drive.move(outer, inner)

    def test_shortcuts_to_shortcuts_and_limited_files(self, drive: Drive) -> None:
        folder = drive.folder("Handbook")
        shortcut = drive.shortcut("To", folder, drive.doc("Leave", folder))
        with pytest.raises(ValueError, match="shortcuts"):
            drive.shortcut("To to", folder, shortcut)
        with pytest.raises(ValueError, match="folder"):
            drive.limit_access(shortcut)

    def test_unknown_kinds_of_principals(self, drive: Drive) -> None:
        with pytest.raises(ValueError, match="principal"):
            drive.share(drive.folder("Handbook"), "ben@acme.com")


PEOPLE = (ANA, BEN, CLEO, DAN)
GROUPS = tuple(f"group:{name}@acme.com" for name in ("eng", "hr"))
PRINCIPALS = st.sampled_from((*(f"user:{email}" for email in PEOPLE), *GROUPS, "domain:acme.com", "anyone"))
ROLES = st.sampled_from(("reader", "writer", "fileOrganizer", "organizer"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("share"), st.integers(0, 9), PRINCIPALS, ROLES, st.booleans()),
        st.tuples(st.just("unshare"), st.integers(0, 9), PRINCIPALS),
        st.tuples(st.just("move"), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("limit"), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("join"), st.sampled_from(GROUPS), PRINCIPALS.filter(lambda who: who != "anyone")),
        st.tuples(st.just("member"), PRINCIPALS, ROLES),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_the_gates_admit_exactly_those_who_find_the_file(steps: list[tuple]) -> None:
    drive = Drive()
    for email in PEOPLE:
        drive.user(email)
    shared = drive.shared_drive("People")
    home = drive.folder("Home")
    folders = [drive.folder(f"F{n}", home if n % 2 else shared, owner=PEOPLE[n % 4]) for n in range(4)]
    items = [*folders, *(drive.doc(f"D{n}", folders[n % 4], owner=PEOPLE[n % 4]) for n in range(6))]
    for kind, *args in steps:
        match kind:
            case "share":
                drive.share(items[args[0]], args[1], args[2], discoverable=args[3] or args[1].startswith(("user", "group")))
            case "unshare":
                drive.unshare(items[args[0]], args[1])
            case "move" if args[1] < len(folders):
                target = folders[args[1]]
                if target is not items[args[0]] and items[args[0]] not in target.ancestors():
                    drive.move(items[args[0]], target)
            case "limit" if args[0] < len(folders):
                drive.limit_access(folders[args[0]], args[1])
            case "join":
                drive.join(args[0], args[1])
            case "member":
                drive.add_member(shared, args[0], args[1])
    for item in items:
        access = Access(gates=drive.readers(item, source="g"))
        for email in PEOPLE:
            held = {name.replace("group:", "group:g:") for name in drive.access.principals(email)} | {"everyone"}
            assert access.admits(frozenset(held)) == drive.finds(email, item), (item.name, email)
