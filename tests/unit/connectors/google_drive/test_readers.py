"""Who may read a document: as people see it in Drive."""

from __future__ import annotations

from datetime import timedelta

from core.models import NOBODY, AccessChanged, Upsert

ENG = "group:eng@acme.com"


async def test_a_file_in_my_drive_is_read_by_those_with_whom_it_or_a_folder_above_it_is_shared(acme):
    policies = acme.shared_folder("Policies")
    acme.drive.share(policies, "user:bob@acme.com")
    leave = acme.drive.doc("Leave", policies, "Thirty days.")
    acme.drive.share(leave, "user:cat@acme.com")
    await acme.sync(acme.source(folders=[policies]))
    acme.agrees(policies)
    assert acme.may_read("bob@acme.com", leave)
    assert acme.may_read("cat@acme.com", leave)


async def test_nobody_reads_a_file_whose_permissions_are_hidden_from_us(acme):
    policies = acme.drive.folder("Policies")
    leave = acme.drive.doc("Leave", policies, "Thirty days.")
    await acme.sync(acme.source(folders=[policies]))
    assert acme.documents[f"drive:{leave.id}"].access == NOBODY
    assert "may not see who may read the folder 'Policies'" in await acme.source(folders=[policies]).check()


async def test_the_members_of_a_shared_drive_read_what_is_in_it_and_leave_without_a_document_being_touched(acme):
    team = acme.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})
    leave = acme.drive.doc("Leave", acme.drive.folder("Policies", team), "Thirty days.")
    source = acme.source(drives=[team])
    await acme.sync(source)
    assert acme.may_read("bob@acme.com", leave)
    acme.drive.remove_member(team, "user:bob@acme.com")
    acme.drive.add_member(team, "user:cat@acme.com")
    await acme.sync(source)
    assert not acme.of(AccessChanged)
    assert not acme.of(Upsert)
    assert not acme.may_read("bob@acme.com", leave)
    assert acme.may_read("cat@acme.com", leave)


async def test_a_file_or_folder_in_a_shared_drive_that_is_shared_beside_is_read_by_more(acme):
    team = acme.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})
    travel = acme.drive.folder("Travel", team)
    acme.drive.share(travel, "user:cat@acme.com")
    rail = acme.drive.doc("Rail", acme.drive.folder("Europe", travel), "First class.")
    air = acme.drive.doc("Air", travel, "Never.")
    acme.drive.share(air, "user:dan@other.org")
    acme.drive.doc("Leave", team, "Thirty days.")
    await acme.sync(acme.source(drives=[team]))
    acme.agrees(team)
    assert [acme.may_read("cat@acme.com", file) for file in (rail, air)] == [True, True]
    assert [acme.may_read("dan@other.org", file) for file in (rail, air)] == [False, True]
    assert len(acme.api.calls_of("permissions.list")) == 3, "of the drive, and of what is shared beside"


async def test_a_limited_folder_shuts_out_all_but_its_own_readers_and_the_managers_of_the_drive(acme):
    team = acme.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader", "user:ana@acme.com": "organizer"})
    board = acme.drive.folder("Board", team)
    for reader in ("user:cat@acme.com", f"user:{acme.drive.bot}"):
        acme.drive.share(board, reader)
    pay = acme.drive.doc("Pay", acme.drive.folder("Salaries", board), "Secret.")
    source = acme.source(drives=[team])
    await acme.sync(source)
    assert acme.may_read("bob@acme.com", pay)
    acme.api.calls.clear()
    acme.drive.limit_access(board)
    await acme.sync(source)
    acme.agrees(team)
    assert [acme.may_read(f"{name}@acme.com", pay) for name in ("ana", "bob", "cat")] == [True, False, True]
    assert acme.bodies() == 0


async def test_a_limited_folder_that_we_may_not_open_takes_its_documents_away(acme):
    team = acme.drive.shared_drive("Handbook")
    board = acme.drive.folder("Board", team)
    acme.drive.doc("Pay", board, "Secret.")
    acme.drive.doc("Leave", team, "Thirty days.")
    source = acme.source(drives=[team])
    await acme.sync(source)
    acme.drive.limit_access(board)
    await acme.sync(source)
    assert acme.titles == {"Leave"}


async def test_who_leaves_a_drive_of_which_we_see_one_folder_only_leaves_its_files(acme):
    """Nothing is told to us of the members of a drive that we are none of."""
    other = acme.drive.shared_drive("Projects", members={"user:bob@acme.com": "reader"}, with_bot=False)
    visible = acme.drive.folder("Visible", other)
    acme.drive.share(visible, f"user:{acme.drive.bot}")
    plan = acme.drive.doc("Plan", acme.drive.folder("2027", visible), "Grow.")
    policies = acme.shared_folder("Policies")
    acme.drive.shortcut("see also", policies, plan)
    source = acme.source(folders=[policies])
    await acme.sync(source)
    assert acme.may_read("bob@acme.com", plan)
    acme.drive.remove_member(other, "user:bob@acme.com")
    acme.api.calls.clear()
    await acme.sync(source)
    assert not acme.may_read("bob@acme.com", plan)
    assert acme.api.counts == {"changes.list": 1, "permissions.list": 1}


async def test_a_file_below_a_limited_folder_that_is_closed_to_us_keeps_its_own_readers(acme):
    team = acme.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader", "user:ana@acme.com": "organizer"})
    closed = acme.drive.folder("Closed", team)
    pay = acme.drive.doc("Pay", closed, "Secret.")
    for reader in ("user:cat@acme.com", f"user:{acme.drive.bot}"):
        acme.drive.share(pay, reader)
    acme.drive.limit_access(closed)
    await acme.sync(acme.source(drives=[team]))
    assert [acme.may_read(f"{name}@acme.com", pay) for name in ("ana", "bob", "cat")] == [True, False, True]


async def test_who_came_when_a_file_had_left_is_not_shown_what_was_there_before(acme):
    team = acme.drive.shared_drive("Handbook")
    plan = acme.drive.doc("Plan", team, "Shrink.")
    acme.drive.doc("Other", team, "Hello.")
    source = acme.source(drives=[team])
    await acme.sync(source)

    def meanwhile(call):
        # Everything was listed.
        if call.route == "files.list":
            acme.api.between = later

    def later(call):
        acme.api.between = None
        acme.moment()
        acme.drive.trash(plan)
        acme.drive.add_member(team, "user:dan@other.org")

    acme.api.between = meanwhile
    await acme.sync(source, full=True)
    assert not acme.may_read("dan@other.org", plan)
    await acme.sync(source)
    assert acme.titles == {"Other"}


async def test_a_domain_and_anyone_read_only_what_they_can_find_by_searching(acme):
    policies = acme.shared_folder("Policies")
    by_link = acme.drive.doc("By link", policies, "Psst.")
    in_house = acme.drive.doc("In house", policies, "Hello, all.")
    public = acme.drive.doc("Public", policies, "Hello, world.")
    acme.drive.share(by_link, "anyone", discoverable=False)
    acme.drive.share(in_house, "domain:acme.com")
    acme.drive.share(public, "anyone")
    await acme.sync(acme.source(folders=[policies]))
    readers = ("bob@acme.com", "dan@other.org")
    assert [[acme.may_read(reader, file) for reader in readers] for file in (by_link, in_house, public)] == [
        [False, False],
        [True, False],
        [True, True],
    ]


async def test_people_in_groups_read_and_their_coming_and_going_touches_no_document(acme):
    policies = acme.shared_folder("Policies")
    acme.drive.group("eng@acme.com", ["group:backend@acme.com"])
    acme.drive.group("backend@acme.com", ["user:bob@acme.com"])
    acme.drive.share(policies, ENG)
    leave = acme.drive.doc("Leave", policies, "Thirty days.")
    source = acme.source(folders=[policies], directory_admin="admin@acme.com")
    await acme.sync(source)
    assert acme.may_read("bob@acme.com", leave)
    acme.drive.leave("group:backend@acme.com", "user:bob@acme.com")
    acme.drive.join("group:backend@acme.com", "user:cat@acme.com")
    acme.drive.join(ENG, "user:eve@acme.com")
    acme.drive.suspend("eve@acme.com")
    acme.api.calls.clear()
    await acme.sync(source)
    assert [acme.may_read(f"{name}@acme.com", leave) for name in ("bob", "cat", "eve")] == [False, True, False]
    assert acme.api.counts == {"changes.list": 1, "members.list": 1}


async def test_without_a_directory_nobody_is_known_to_be_in_a_group(acme):
    policies = acme.shared_folder("Policies")
    acme.drive.group("eng@acme.com", ["user:bob@acme.com"])
    acme.drive.share(policies, ENG)
    leave = acme.drive.doc("Leave", policies, "Thirty days.")
    await acme.sync(acme.source(folders=[policies]))
    assert not acme.may_read("bob@acme.com", leave)


async def test_a_group_of_another_organization_has_nobody_in_it(acme):
    policies = acme.shared_folder("Policies")
    acme.drive.group("all@other.org", ["user:dan@other.org"])
    acme.drive.share(policies, "group:all@other.org")
    leave = acme.drive.doc("Leave", policies, "Thirty days.")
    await acme.sync(acme.source(folders=[policies], directory_admin="admin@acme.com"))
    assert not acme.may_read("dan@other.org", leave)


async def test_everybody_in_the_organization_may_be_in_a_group(acme):
    policies = acme.shared_folder("Policies")
    acme.drive.group("all@acme.com", ["domain:acme.com"])
    acme.drive.share(policies, "group:all@acme.com")
    leave = acme.drive.doc("Leave", policies, "Thirty days.")
    await acme.sync(acme.source(folders=[policies], directory_admin="admin@acme.com"))
    assert acme.may_read("bob@acme.com", leave)
    assert not acme.may_read("dan@other.org", leave)


async def test_a_permission_ends_when_it_expires_though_nothing_tells_us(acme):
    policies = acme.shared_folder("Policies")
    leave = acme.drive.doc("Leave", policies, "Thirty days.")
    acme.drive.share(leave, "user:bob@acme.com", expires=acme.drive.now() + timedelta(hours=2))
    source = acme.source(folders=[policies])
    await acme.sync(source)
    assert acme.may_read("bob@acme.com", leave)
    acme.drive.pass_time(timedelta(hours=3))
    await acme.sync(source)
    assert not acme.may_read("bob@acme.com", leave)
    acme.drive.pass_time(timedelta(hours=3))
    acme.api.calls.clear()
    await acme.sync(source)
    assert acme.api.counts == {"changes.list": 1}


async def test_a_change_of_access_reads_no_content(acme):
    """Of a Doc it moves the version, too."""
    policies = acme.shared_folder("Policies")
    files = [acme.drive.doc("Leave", policies, "Thirty days."), acme.drive.file("travel.txt", policies, "Second class.")]
    source = acme.source(folders=[policies])
    await acme.sync(source)
    acme.api.calls.clear()
    for file in files:
        acme.drive.share(file, "user:bob@acme.com")
    await acme.sync(source)
    assert {change.document_id for change in acme.of(AccessChanged)} == {f"drive:{file.id}" for file in files}
    assert acme.bodies() == 0
    acme.agrees(policies)


async def test_what_changed_together_with_its_readers_is_hidden_until_it_is_read_again(acme):
    policies = acme.shared_folder("Policies")
    plans = acme.drive.doc("Plans", policies, "We shall merge.")
    source = acme.source(folders=[policies])
    await acme.sync(source)
    acme.moment()
    acme.drive.edit(plans, "Nothing to see.")
    acme.drive.share(plans, "anyone")
    await acme.sync(source)
    id = f"drive:{plans.id}"
    told = [change for change in acme.told if isinstance(change, AccessChanged | Upsert)]
    assert told[0] == AccessChanged(document_id=id, access=NOBODY)
    assert told[1].document.body == b"Nothing to see."


async def test_a_text_is_never_told_with_the_readers_of_another_one(acme):
    """Somebody closes a file and then writes a secret into it, between our two requests."""
    policies = acme.shared_folder("Policies")
    acme.drive.share(policies, "user:bob@acme.com")
    plans = acme.drive.doc("Plans", policies, "Nothing yet.")
    secret = acme.drive.folder("Secret", policies)
    acme.drive.limit_access(secret)
    acme.drive.share(secret, f"user:{acme.drive.bot}", "writer")

    def meanwhile(call):
        if call.route == "files.export":
            acme.api.between = None
            acme.moment()
            acme.drive.move(plans, secret)
            acme.drive.edit(plans, "We shall merge.")

    acme.api.between = meanwhile
    await acme.sync(acme.source(folders=[policies]))
    assert acme.body(plans) == "We shall merge."
    assert not acme.may_read("bob@acme.com", plans)
    assert len(acme.of(Upsert)) == 1


async def test_a_text_that_is_written_after_a_member_left_is_not_shown_to_him(acme):
    team = acme.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})
    plans = acme.drive.doc("Plans", team, "Nothing yet.")

    def meanwhile(call):
        if call.route == "files.export":
            acme.api.between = None
            acme.moment()
            acme.drive.remove_member(team, "user:bob@acme.com")
            acme.drive.edit(plans, "We shall merge.")

    acme.api.between = meanwhile
    await acme.sync(acme.source(drives=[team]))
    assert acme.body(plans) == "We shall merge."
    assert not acme.may_read("bob@acme.com", plans)
    kinds = [type(change).__name__ for change in acme.told]
    assert kinds.index("Upsert") > kinds.index("Groups", 1), "who is a member is told again before the text is"


async def test_a_folder_that_is_closed_during_a_long_sync_closes_what_is_read_later(acme):
    policies = acme.shared_folder("Policies")
    plans = acme.drive.folder("Plans", policies)
    acme.drive.share(plans, "user:bob@acme.com")
    files = [acme.drive.doc(f"Plan {number}", plans, f"This is plan {number}.") for number in range(40)]

    def meanwhile(call):
        if call.route == "files.export":
            acme.api.between = None
            acme.moment()
            acme.drive.unshare(plans, "user:bob@acme.com")
            for file in files:
                acme.drive.edit(file, f"We shall merge, says {file.name}.")

    acme.api.between = meanwhile
    await acme.sync(acme.source(folders=[policies]))
    assert len(acme.of(Upsert)) == 40
    for file in files:
        assert acme.body(file).startswith("We shall merge")
        assert not acme.may_read("bob@acme.com", file)


async def test_a_folder_that_is_limited_during_a_long_sync_is_limited_for_all_that_is_told(acme):
    team = acme.drive.shared_drive("Handbook", members={"user:bob@acme.com": "reader"})
    board = acme.drive.folder("Board", team)
    acme.drive.share(board, f"user:{acme.drive.bot}")
    files = [acme.drive.doc(f"Plan {number}", board, f"This is plan {number}.") for number in range(40)]

    def meanwhile(call):
        if call.route == "files.export":
            acme.api.between = None
            acme.moment()
            acme.drive.limit_access(board)

    acme.api.between = meanwhile
    await acme.sync(acme.source(drives=[team]))
    assert len(acme.of(Upsert)) == 40
    assert not any(acme.may_read("bob@acme.com", file) for file in files)
