"""What is told from one sync to the next, and what is asked for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.models import AccessChanged, Checkpoint, Groups, Listed, Remove, Skipped, Upsert


@pytest.fixture
def handbook(acme):
    """A shared drive and a folder of somebody's."""
    team = acme.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})
    return team, acme.shared_folder("Policies")


@pytest.fixture
def source(acme, handbook):
    team, policies = handbook
    return acme.source(drives=[team], folders=[policies])


async def test_the_first_sync_tells_who_is_in_groups_then_what_there_is_then_the_documents(acme, handbook, source):
    team, policies = handbook
    leave = acme.drive.doc("Leave", acme.drive.folder("Absence", team), "Thirty days.")
    travel = acme.drive.file("travel.txt", policies, "Second class.")
    await acme.sync(source)
    assert [type(change) for change in acme.told] == [Groups, Listed, Upsert, Upsert, Checkpoint]
    assert acme.listed == {f"drive:{leave.id}", f"drive:{travel.id}"}
    assert {document.path for document in acme.documents.values()} == {("Handbook", "Absence"), ("Policies",)}
    acme.agrees(team, policies)


async def test_a_sync_without_changes_asks_for_changes_and_members_only(acme, handbook, source):
    team, policies = handbook
    other = acme.drive.shared_drive("Projects")
    source = acme.source(drives=[team, other], folders=[policies])
    for place in (team, other, policies):
        acme.drive.doc("Leave", place, "Thirty days.")
    await acme.sync(source)
    cursor = acme.cursor
    acme.api.calls.clear()
    await acme.sync(source)
    assert acme.api.counts == {"changes.list": 1, "permissions.list": 2}
    assert [type(change) for change in acme.told] == [Groups, Checkpoint]
    assert acme.cursor == cursor


@pytest.mark.parametrize("files", [1, 2500])
async def test_a_listing_asks_once_for_a_thousand_files(acme, handbook, source, files):
    team, _ = handbook
    for number in range(files):
        acme.drive.file(f"{number}.png", team, b"\x89PNG", "image/png")
    await acme.sync(source)
    assert len(acme.listed) == files
    assert len([call for call in acme.api.calls_of("files.list") if "corpora=drive" in call.address]) == -(-files // 1000)
    assert acme.bodies() == 0


async def test_folders_are_walked_a_level_with_each_request(acme, handbook, source):
    _, policies = handbook
    for number in range(30):
        acme.drive.doc("Leaf", acme.drive.folder("Twig", acme.drive.folder(f"Branch {number}", policies)), "Green.")
    await acme.sync(source)
    assert len(acme.documents) == 30
    assert len([call for call in acme.api.calls_of("files.list") if "in+parents" in call.address]) == 3


@pytest.mark.parametrize("to_all", [True, False], ids=["told of all", "told of the folder only"])
@pytest.mark.parametrize("of_team", [True, False], ids=["shared drive", "My Drive"])
async def test_whatever_people_do_is_true_after_the_next_sync(acme, handbook, source, of_team, to_all):
    team, policies = handbook
    drive = acme.drive
    drive.emit_descendant_changes = to_all
    place = team if of_team else policies
    private, elsewhere = drive.folder("Private", with_bot=False), acme.shared_folder("Elsewhere")
    folder, other = drive.folder("Absence", place), drive.folder("Other", place)
    leave = drive.doc("Leave", drive.folder("Deep", folder), "Thirty days.")
    ill = drive.file("ill.txt", folder, "Call in the morning.")
    outside = drive.doc("Elsewhere", elsewhere, "Not ours.")
    await acme.sync(source)
    for deed in (
        lambda: drive.edit(leave, "Thirty-one days."),
        lambda: drive.rename(ill, "sick.txt"),
        lambda: drive.rename(folder, "Leave and absence"),
        lambda: drive.move(folder, other),
        lambda: drive.share(folder, "user:cat@acme.com"),
        lambda: drive.share(other, "user:dan@other.org"),
        lambda: drive.limit_access(folder),
        lambda: drive.limit_access(folder, False),
        lambda: drive.unshare(folder, "user:cat@acme.com"),
        lambda: drive.trash(leave),
        lambda: drive.restore(leave),
        lambda: drive.trash(folder),
        lambda: drive.restore(folder),
        lambda: drive.move(folder, elsewhere),
        lambda: drive.move(folder, place),
        lambda: drive.move(folder, private),
        lambda: drive.move(folder, policies),
        lambda: drive.move(outside, folder),
        lambda: drive.move(folder, team),
        lambda: drive.rename(team, "The Handbook"),
        lambda: drive.add_member(team, "user:cat@acme.com"),
        lambda: drive.delete(ill),
        lambda: drive.delete(folder),
    ):
        acme.moment()
        deed()
        await acme.sync(source)
        acme.agrees(team, policies)
        for id, document in acme.documents.items():
            item = drive.items[id.removeprefix("drive:")]
            assert (document.title, document.path) == (item.name, drive.path(item))
        assert sum(isinstance(change, Upsert) for change in acme.told) <= 3
    assert acme.documents == {}


async def test_an_edit_is_told_without_a_listing(acme, handbook, source):
    team, _ = handbook
    leave = acme.drive.doc("Leave", acme.drive.folder("Absence", team), "Thirty days.")
    await acme.sync(source)
    acme.moment()
    acme.drive.edit(leave, "Thirty-one days.")
    acme.api.calls.clear()
    await acme.sync(source)
    assert acme.body(leave) == "Thirty-one days."
    assert acme.api.counts["files.list"] == 0
    assert acme.of(Listed) == []


async def test_two_edits_in_one_minute_and_one_during_the_sync_are_all_told(acme, handbook, source):
    _, policies = handbook
    leave = acme.drive.doc("Leave", policies, "Thirty days.")
    ill = acme.drive.doc("Ill", policies, "Call.")
    await acme.sync(source)
    for text in ("Thirty-one days.", "Thirty-two days."):
        acme.moment()
        acme.drive.edit(leave, text)

    def meanwhile(call):
        acme.api.between = None
        acme.moment()
        acme.drive.edit(ill, "Write.")

    acme.api.between = meanwhile
    await acme.sync(source)
    await acme.sync(source)
    assert (acme.body(leave), acme.body(ill)) == ("Thirty-two days.", "Write.")


async def test_a_touch_is_told_again_and_no_blob_is_read_for_it(acme, handbook, source):
    _, policies = handbook
    doc, blob = acme.drive.doc("Leave", policies, "Thirty days."), acme.drive.file("travel.txt", policies, "Second class.")
    await acme.sync(source)
    before = acme.documents[f"drive:{doc.id}"].content_hash
    acme.api.calls.clear()
    acme.drive.touch(doc)
    acme.drive.touch(blob)
    await acme.sync(source)
    [change] = acme.of(Upsert)
    assert (change.document.id, change.document.content_hash) == (f"drive:{doc.id}", before)
    assert acme.bodies() == 1


async def test_everything_is_listed_once_a_day(acme, handbook, source):
    _, policies = handbook
    acme.drive.doc("Leave", policies, "Thirty days.")
    await acme.sync(source)
    acme.drive.pass_time(timedelta(hours=23))
    await acme.sync(source)
    assert acme.listed is None
    acme.drive.pass_time(timedelta(hours=2))
    await acme.sync(source)
    assert len(acme.listed) == 1
    assert acme.of(Upsert) == []


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"token": "1"}', "null", '{"token": "x", "listed_at": "yesterday"}'])
async def test_a_cursor_that_is_not_understood_means_a_listing(acme, handbook, source, cursor):
    acme.cursor = cursor
    await acme.sync(source)
    assert acme.listed == frozenset()


async def test_another_folder_in_the_settings_means_a_listing(acme, handbook, source):
    team, policies = handbook
    travel = acme.shared_folder("Travel")
    rail = acme.drive.doc("Rail", travel, "First class.")
    await acme.sync(source)
    await acme.sync(acme.source(drives=[team], folders=[policies, travel]))
    assert acme.documents.keys() == {f"drive:{rail.id}"}
    await acme.sync(source)
    assert acme.documents == {}


async def test_a_folder_inside_another_configured_one_is_listed_once(acme, handbook):
    team, _ = handbook
    absence = acme.drive.folder("Absence", team)
    leave = acme.drive.doc("Leave", absence, "Thirty days.")
    await acme.sync(acme.source(drives=[team], folders=[absence]))
    assert [change.document.path for change in acme.of(Upsert)] == [("Absence",)]
    assert acme.may_read("bob@acme.com", leave)


async def test_a_folder_of_a_shared_drive_that_is_configured_alone_keeps_the_members_of_the_drive(acme, handbook):
    team, _ = handbook
    absence = acme.drive.folder("Absence", team)
    leave = acme.drive.doc("Leave", absence, "Thirty days.")
    acme.drive.doc("Other", team, "Not ours.")
    source = acme.source(folders=[absence])
    await acme.sync(source)
    acme.agrees(absence)
    acme.drive.remove_member(team, "user:bob@acme.com")
    await acme.sync(source)
    assert not acme.may_read("bob@acme.com", leave)


class TestShortcuts:
    async def test_a_shortcut_brings_its_target_once_under_its_own_id_and_readers(self, acme, handbook, source):
        team, policies = handbook
        elsewhere = acme.shared_folder("Elsewhere")
        acme.drive.share(elsewhere, "user:cat@acme.com")
        leave = acme.drive.doc("Leave", elsewhere, "Thirty days.")
        for place in (team, policies, acme.drive.folder("Links", policies)):
            acme.drive.shortcut("see also", place, leave)
        await acme.sync(source)
        [change] = acme.of(Upsert)
        assert (change.document.id, change.document.title) == (f"drive:{leave.id}", "Leave")
        assert change.document.path == ("Handbook",)
        assert acme.may_read("cat@acme.com", leave)
        assert not acme.may_read("bob@acme.com", leave)

    async def test_the_target_is_ours_as_long_as_a_shortcut_to_it_is(self, acme, handbook, source):
        _, policies = handbook
        elsewhere = acme.shared_folder("Elsewhere")
        leave = acme.drive.doc("Leave", elsewhere, "Thirty days.")
        shortcut = acme.drive.shortcut("see also", policies, leave)
        await acme.sync(source)
        assert acme.titles == {"Leave"}
        for deed, ours in (
            (lambda: acme.drive.edit(leave, "Thirty-one days."), True),
            (lambda: acme.drive.share(leave, "user:cat@acme.com"), True),
            (lambda: acme.drive.trash(leave), False),
            (lambda: acme.drive.restore(leave), True),
            (lambda: acme.drive.move(leave, policies), True),
            (lambda: acme.drive.move(leave, elsewhere), True),
            (lambda: acme.drive.trash(shortcut), False),
            (lambda: acme.drive.restore(shortcut), True),
            (lambda: acme.drive.delete(shortcut), False),
        ):
            acme.moment()
            deed()
            await acme.sync(source)
            assert (f"drive:{leave.id}" in acme.documents) is ours
            acme.agrees(policies)

    async def test_a_shortcut_to_nothing_or_to_a_folder_is_left_out_by_name(self, acme, handbook, source):
        _, policies = handbook
        private = acme.drive.folder("Private", with_bot=False)
        acme.drive.shortcut("see also", policies, acme.drive.doc("Secret", private, "Psst."))
        acme.drive.shortcut("more", policies, acme.shared_folder("Elsewhere"))
        await acme.sync(source)
        assert sorted(change.reason for change in acme.of(Skipped)) == [
            "shortcut to a file that is gone or not shared",
            "shortcut to a folder",
        ]
        await acme.sync(source)
        assert acme.of(Skipped) == []


class TestRoots:
    async def test_a_folder_that_is_not_shared_any_more_is_named_and_its_documents_go(self, acme, handbook, source):
        team, policies = handbook
        acme.drive.doc("Leave", policies, "Thirty days.")
        acme.drive.doc("Rail", team, "First class.")
        await acme.sync(source)
        acme.drive.unshare_bot(policies)
        await acme.sync(source)
        assert acme.titles == {"Rail"}
        assert f"{policies.id} is not shared with {acme.drive.bot}" in acme.left_out[f"drive:{policies.id}"].error
        acme.drive.share(policies, f"user:{acme.drive.bot}", "writer")
        await acme.sync(source)
        assert acme.titles == {"Leave", "Rail"}
        assert acme.left_out == {}

    async def test_a_drive_that_we_are_no_member_of_any_more_is_named_and_its_documents_go(self, acme, handbook, source):
        team, policies = handbook
        acme.drive.doc("Leave", policies, "Thirty days.")
        acme.drive.doc("Rail", team, "First class.")
        await acme.sync(source)
        acme.drive.unshare_bot(team)
        await acme.sync(source)
        assert acme.titles == {"Leave"}
        assert acme.left_out.keys() == {f"drive:{team.id}"}
        acme.drive.add_member(team, f"user:{acme.drive.bot}")
        await acme.sync(source)
        assert acme.titles == {"Leave", "Rail"}


async def test_what_was_removed_and_never_known_to_us_makes_no_difference(acme, handbook, source):
    _, policies = handbook
    acme.drive.doc("Leave", policies, "Thirty days.")
    await acme.sync(source)
    acme.drive.delete(acme.drive.doc("Draft", policies, "Nothing."))
    await acme.sync(source)
    assert acme.titles == {"Leave"}
    assert acme.of(Remove) == acme.of(Upsert) == acme.of(AccessChanged) == []
