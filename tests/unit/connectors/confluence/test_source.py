"""What a Confluence tells: documents, who may read them, and nothing twice."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from core.errors import AuthError, DocumentError
from core.models import NOBODY, AccessChanged, Checkpoint, Failed, Groups, Known, Listed, Skipped, Upsert
from tests.emulators.confluence import AccessClass
from tests.unit.connectors.confluence.conftest import Acme, listed, members, of

PDF = b"%PDF-1.4 ..."


class TestDocuments:
    async def test_a_page_is_told_with_all_that_is_known_of_it(self, either: Acme):
        handbook = either.site.page(either.eng, "Handbook", "<p>All of it.</p>")
        either.site.page(either.eng, "Leave", "<h2>Days</h2><p>Thirty.</p>", parent=handbook)
        leave = (await either.documents())["Leave"]
        assert (leave.body, leave.media_type) == ("## Days\n\nThirty.", "text/markdown")
        assert leave.path == ("Engineering", "Handbook")
        assert leave.updated_at == either.time
        assert leave.url.startswith(either.api.base)
        assert leave.version

    async def test_a_page_is_looked_after_by_its_owner_and_what_hangs_on_it_too(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        either.site.attach(page, "days.pdf", PDF)
        owner = f"account:confluence:{page.created.author.id}"
        assert {document.owners for document in (await either.documents()).values()} == {(owner,)}

    async def test_a_page_that_was_handed_over_has_its_new_owner_without_being_embedded(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        await either.sync()
        page.versions[0] = replace(page.created, author=either.ana)
        report = await either.sync()
        [point] = either.index.points.values()
        assert point.owners[0] == f"account:confluence:{either.ana.id}"
        assert (report.indexed, report.unchanged, len(either.index.embedded)) == (0, 1, 1)

    async def test_blog_posts_are_told_below_their_space(self, either: Acme):
        either.site.blog(either.eng, "We won", "<p>Really.</p>")
        assert (await either.documents())["We won"].path == ("Engineering",)

    async def test_folders_are_headings_above_pages(self, acme: Acme):
        folder = acme.site.folder(acme.eng, "Policies", parent=acme.site.folder(acme.eng, "All"))
        acme.site.page(acme.eng, "Leave", "<p>Thirty.</p>", parent=folder)
        assert (await acme.documents())["Leave"].path == ("Engineering", "All", "Policies")

    async def test_attachments_are_documents_below_their_page(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>See the file.</p>")
        file = either.site.attach(page, "days.pdf", PDF)
        document = (await either.documents())["days.pdf"]
        assert (document.id, document.body, document.media_type) == (f"confluence:{file.id}", PDF, "application/pdf")
        assert document.path == ("Engineering", "Leave")

    async def test_a_comment_and_its_replies_are_one_document(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        first = either.site.comment(page, "<p>Also in <b>Portugal</b>?</p>")
        either.site.reply(either.site.reply(first, "<p>Yes.</p>"), "<p>Since May.</p>")
        inline = either.site.comment(page, "<p>Or thirty-two?</p>", inline=True, marked="Thirty")
        either.site.resolve(inline)
        told = {change.document.id: change.document for change in of(Upsert, await either.told())}
        thread = told[f"confluence:comment:{first.id}"]
        assert (thread.title, thread.body) == ("Comment on Leave", "Also in Portugal?\n\nYes.\n\nSince May.")
        assert told[f"confluence:comment:{inline.id}"].body == "> Thirty\n\nOr thirty-two?"
        assert len(told) == 3

    async def test_people_are_called_by_name(self, either: Acme):
        key = "ri:userkey" if either.site.data_center else "ri:account-id"
        either.site.page(either.eng, "Owner", f'<p>Ask <ac:link><ri:user {key}="{either.ana.id}" /></ac:link>.</p>')
        assert (await either.documents())["Owner"].body == "Ask Ana."

    async def test_names_with_every_trick_are_one_line_of_text(self, either: Acme):
        either.site.page(either.eng, "\u202eLeave\u0000\n & <b>\U000e0041", "<p>Thirty.</p>")
        [title] = await either.documents()
        assert title == "Leave & <b>"

    async def test_drafts_archived_pages_and_the_trash_are_left_out(self, acme: Acme):
        for title in ("Archived", "Trashed", "Kept"):
            acme.site.page(acme.eng, title, "<p>x</p>")
        acme.site.draft(acme.eng, "Draft")
        archived, trashed, _ = (page for page in acme.site.contents.values() if page.status == "current")
        acme.site.archive(archived)
        acme.site.trash(trashed)
        acme.site.page(acme.site.space("OLD"), "Old", "<p>x</p>")
        acme.site.archive_space(acme.site.space_of("OLD"))
        assert list(await acme.documents()) == ["Kept"]

    async def test_only_the_configured_spaces_are_read(self, either: Acme):
        either.site.page(either.eng, "Ours", "<p>x</p>")
        theirs = either.site.page(either.site.space("HR"), "Theirs", "<p>x</p>")
        either.site.attach(theirs, "theirs.txt", b"x")
        either.site.comment(theirs, "<p>x</p>")
        either.source = either.connect(spaces=("ENG",))
        assert list(await either.documents()) == ["Ours"]
        assert await either.source.fetch(f"confluence:{theirs.id}") is None


class TestLeftOut:
    async def test_what_cannot_be_read_is_skipped_with_its_reason(self, either: Acme):
        page = either.site.page(either.eng, "Files", "<p>x</p>")
        either.site.attach(page, "photo.png", b"\x89PNG")
        either.site.attach(page, "film.pdf", zeros=300 * 2**20)
        either.site.page(either.eng, "Nothing", "<p> </p>")
        changes = await either.told()
        assert sorted(change.reason for change in of(Skipped, changes)) == ["empty", "too large", "unsupported type"]
        assert {change.document_id for change in of(Skipped, changes)} < listed(changes)
        assert either.api.count("GET *download*") == either.api.count("GET media") == 0

    async def test_a_file_that_is_larger_than_it_says_is_stopped(self, either: Acme):
        page = either.site.page(either.eng, "Files", "<p>x</p>")
        either.site.attach(page, "film.pdf", zeros=40 * 2**20, listed=3)
        [skipped] = of(Skipped, await either.told())
        assert skipped.reason == "too large"

    async def test_they_are_not_told_again(self, either: Acme):
        page = either.site.page(either.eng, "Files", "")
        either.site.attach(page, "photo.png", b"\x89PNG")
        known = {change.document_id: Known(version=change.version) for change in of(Skipped, await either.told())}
        assert [type(change) for change in await either.told(known)] == [Groups, Listed, Checkpoint]

    async def test_fetch_says_why(self, acme: Acme):
        file = acme.site.attach(acme.site.page(acme.eng, "Files", "<p>x</p>"), "photo.png", b"\x89PNG")
        with pytest.raises(DocumentError, match="unsupported type"):
            await acme.source.fetch(f"confluence:{file.id}")

    @pytest.mark.parametrize(
        ("name", "said", "read_as"),
        [
            ("a.md", "application/octet-stream", "text/markdown"),
            ("a.csv", "text/plain", "text/csv"),
            ("a.py", "text/x-python", "text/x-python"),
            ("a.pdf", "application/pdf; charset=binary", "application/pdf"),
            ("a.exe", "application/octet-stream", None),
            ("a.pdf", "image/png", None),
        ],
    )
    async def test_a_type_is_what_is_said_or_what_the_name_says_if_nothing_is(self, acme: Acme, name, said, read_as):
        acme.site.attach(acme.site.page(acme.eng, "Files", "<p>x</p>"), name, b"x", media_type=said)
        document = (await acme.documents()).get(name)
        assert (document and document.media_type) == read_as


class TestChanges:
    async def test_everything_is_told_in_its_order(self, either: Acme):
        either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        assert [type(change) for change in await either.told()] == [Groups, Listed, Upsert, Checkpoint]

    async def test_nothing_is_told_twice(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        either.site.attach(page, "a.txt", b"x")
        either.site.comment(page, "<p>x</p>")
        await either.sync()
        report = await either.sync()
        assert (report.indexed, report.unchanged) == (0, 3)

    @pytest.mark.parametrize("deed", ["edit", "rename", "rename above", "move", "move to space", "rename space"])
    async def test_a_change_is_told_once(self, either: Acme, deed: str):
        site = either.site
        above = site.page(either.eng, "Above", "<p>x</p>")
        page = site.page(either.eng, "Leave", "<p>Thirty.</p>", parent=above)
        other = site.page(site.space("HR"), "Other", "<p>x</p>")
        await either.sync()
        known = await either.known()
        match deed:
            case "edit":
                site.edit(page, body="<p>Forty.</p>")
            case "rename":
                site.edit(page, title="Days off")
            case "rename above":
                site.edit(above, title="Above all")
            case "move":
                site.move(page)
            case "move to space":
                site.move(page, parent=other)
            case "rename space":
                site.rename_space(either.eng, "Engineers")
        told = of(Upsert, await either.told(known))
        assert f"confluence:{page.id}" in {change.document.id for change in told}
        assert f"confluence:{other.id}" not in {change.document.id for change in told}
        await either.sync()
        again = await either.sync()
        assert (again.indexed, again.removed) == (0, 0)
        assert either.agrees()

    @pytest.mark.parametrize("deed", ["replace", "reply", "edit comment", "delete reply"])
    async def test_so_is_a_change_of_what_is_on_a_page_and_nothing_else(self, either: Acme, deed: str):
        site = either.site
        page = site.page(either.eng, "Leave", "<p>Thirty.</p>")
        file, comment = site.attach(page, "a.txt", b"old"), site.comment(page, "<p>old</p>")
        reply = site.reply(comment, "<p>so?</p>")
        await either.sync()
        match deed:
            case "replace":
                site.replace(file, b"new")
            case "reply":
                site.reply(reply, "<p>new</p>")
            case "edit comment":
                site.edit(comment, body="<p>new</p>")
            case "delete reply":
                site.delete(reply)
        report = await either.sync()
        assert report.indexed == 1
        assert either.api.count("GET *body-format*") == 0
        assert "new" in either.text_of(file) + either.index.text_of(f"confluence:comment:{comment.id}") or deed == "delete reply"

    async def test_a_full_sync_embeds_nothing_that_did_not_change(self, either: Acme):
        either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        await either.sync()
        assert (await either.sync(full=True)).indexed == 0

    async def test_restrictions_are_told_without_the_text(self, either: Acme):
        pages = [either.site.page(either.eng, f"Page {number}", "<p>x</p>") for number in range(3)]
        await either.sync()
        either.site.restrict(pages[1], users=[either.ana, either.site.bot])
        report = await either.sync()
        assert (report.access_changed, report.indexed) == (1, 0)
        assert not either.may_read(either.bob, pages[1])
        assert either.may_read(either.ana, pages[1])

    async def test_losses_of_access_come_before_what_is_opened_and_before_what_is_new(self, either: Acme):
        site = either.site
        opened, closed = site.page(either.eng, "Opened", "<p>x</p>"), site.page(either.eng, "Closed", "<p>x</p>")
        site.permit(either.eng, AccessClass.ANONYMOUS)
        site.restrict(opened, users=[either.ana, site.bot])
        await either.sync()
        known = await either.known()
        site.unrestrict(opened)
        site.restrict(closed, users=[either.ana, site.bot])
        site.page(either.eng, "New", "<p>x</p>")
        told = await either.told(known)
        assert next(change.document_id for change in of(AccessChanged, told)) == f"confluence:{closed.id}"
        assert isinstance(told[-2], Upsert)

    async def test_a_failure_hides_what_is_open_to_others_than_it_should_be(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        await either.sync()
        known = await either.known()
        either.site.restrict(page, users=[either.ana, either.site.bot])
        either.site.edit(page, body="<p>Forty, for managers.</p>")
        either.site.poison(page)
        told = await either.told(known)
        assert AccessChanged(document_id=f"confluence:{page.id}", access=NOBODY) in told
        assert [change.document_id for change in of(Failed, told)] == [f"confluence:{page.id}"]

    async def test_what_is_written_after_the_listing_has_the_access_of_its_own_time(self, either: Acme):
        """A page is closed and then gets a secret, while it is being read."""
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")

        def close_and_write(request) -> None:
            if "body" in str(request.query):
                either.api.between = None
                either.site.restrict(page, users=[either.ana, either.site.bot])
                either.site.edit(page, body="<p>secret</p>")

        either.api.between = close_and_write
        await either.sync()
        assert "secret" in either.text_of(page)
        assert not either.may_read(either.bob, page)

    async def test_a_vanished_space_is_an_error_that_names_it_and_changes_nothing(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        either.source = either.connect(spaces=("ENG",))
        await either.sync()
        either.site.forbid(either.eng, either.site.everybody)
        with pytest.raises(AuthError, match="ENG vanished"):
            await either.sync()
        assert either.text_of(page) == "Thirty."

    async def test_a_sync_without_changes_asks_for_no_body(self, acme: Acme):
        """At most spaces + documents / 250 + access calls."""
        for number in range(600):
            page = acme.site.page(acme.eng, f"Page {number}", "<p>x</p>")
            if number < 300:
                acme.site.attach(page, "a.txt", b"x")
                acme.site.comment(page, "<p>x</p>")
        await acme.sync()
        await acme.sync()
        calls = {route.removeprefix("/wiki"): count for (_, route), count in acme.api.calls.items()}
        assert not any("body-format" in request.query for request in acme.api.requests)
        listing = {route: count for route, count in calls.items() if route.startswith("/api/v2/") and "{" not in route}
        assert listing == {
            "/api/v2/spaces": 1,
            "/api/v2/pages": 3,
            "/api/v2/blogposts": 1,
            "/api/v2/attachments": 2,
            "/api/v2/footer-comments": 2,
            "/api/v2/inline-comments": 1,
            "/api/v2/users-bulk": 1,
        }
        access = {route: count for route, count in calls.items() if route not in listing}
        assert access == {
            "/api/v2/spaces/{id}/permissions": 1,
            "/rest/api/space": 1,
            "/rest/api/content/search": 3,
            "/rest/api/group/{id}/membersByGroupId": 1,
        }

    @pytest.mark.slow
    async def test_ten_thousand_pages_without_changes_take_less_than_ten_seconds(self, acme: Acme):
        for number in range(10_000):
            acme.site.page(acme.eng, f"Page {number}", "<p>x</p>")
        known = {}
        async for change in acme.source.changes(None, {}):
            if isinstance(change, Upsert):
                known[change.document.id] = Known(version=change.document.version, access_class=change.document.access.class_id)
        began, at = time.process_time(), acme.loop.time()
        changes = await acme.told(known)
        assert [type(change) for change in changes] == [Groups, Listed, Checkpoint]
        assert len(listed(changes)) == 10_000
        assert max(time.process_time() - began, acme.loop.time() - at) < 10


class TestFetch:
    async def test_it_gives_the_same_as_changes(self, either: Acme):
        site = either.site
        above = site.page(either.eng, "Above", "<p>x</p>")
        site.restrict(above, groups=[site.group("team", either.ana, site.bot)])
        page = site.page(either.eng, "Leave", "<p>Thirty.</p>", parent=above)
        site.attach(page, "a.txt", b"x")
        site.reply(site.comment(page, "<p>one</p>"), "<p>two</p>")
        site.comment(page, "<p>one</p>", inline=True, marked="Thirty")
        site.blog(either.eng, "News", "<p>x</p>")
        if not site.data_center:
            site.page(either.eng, "Below", "<p>x</p>", parent=site.folder(either.eng, "Folder", parent=above))
        told = of(Upsert, await either.told())
        assert len(told) == (6 if site.data_center else 7)
        for change in told:
            assert await either.source.fetch(change.document.id) == change.document

    @pytest.mark.parametrize("deed", ["trash", "purge", "archive", "hide", "forbid"])
    async def test_what_is_gone_is_none(self, either: Acme, deed: str):
        site = either.site
        page = site.page(either.eng, "Leave", "<p>Thirty.</p>")
        things = [page, site.attach(page, "a.txt", b"x"), site.comment(page, "<p>x</p>")]
        match deed:
            case "hide":
                site.restrict(page, users=[either.ana])
            case "forbid":
                site.forbid(either.eng, site.everybody)
            case _:
                getattr(site, deed)(page)
        for id in (page.id, things[1].id, f"comment:{things[2].id}"):
            assert await either.source.fetch(f"confluence:{id}") is None

    @pytest.mark.parametrize(
        "id", ["", "confluence:", "other:1", "confluence:../x", "confluence:comment:x", "confluence:att", "1"]
    )
    async def test_what_never_was_is_none_and_not_asked_for(self, either: Acme, id: str):
        assert await either.source.fetch(id) is None
        assert either.api.requests == []

    async def test_a_page_that_is_edited_all_the_time_is_an_error_of_this_page(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        either.api.between = lambda request: either.site.edit(page)
        with pytest.raises(DocumentError, match="again and again"):
            await either.source.fetch(f"confluence:{page.id}")


class TestGroups:
    async def test_people_and_groups_that_gates_name_are_told(self, either: Acme):
        site, prefix = either.site, "account:confluence:"
        team = site.group("a/team", either.ana)
        page = site.page(either.eng, "Leave", "<p>x</p>")
        site.restrict(page, groups=[team], users=[either.bob, site.bot])
        told = members(await either.told())
        if not site.data_center:
            # A Data Center cannot be asked for a group with a slash in its name.
            assert told[f"group:confluence:{team.id}"] == {prefix + either.ana.id}
        assert told[prefix + either.bob.id] == {"user:bob@acme.com"}

    async def test_a_hidden_address_gives_nothing(self, either: Acme):
        either.site.show_email(either.bob, False)
        either.site.page(either.eng, "Leave", "<p>x</p>")
        assert members(await either.told())[f"account:confluence:{either.bob.id}"] == frozenset()

    async def test_who_was_deactivated_is_in_no_group(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>x</p>")
        await either.sync()
        assert either.may_read(either.bob, page)
        either.site.deactivate(either.bob)
        await either.sync()
        assert not either.may_read(either.bob, page)

    async def test_more_members_than_are_told_at_once_are_all_told(self, either: Acme):
        team = either.site.group("team", *(either.site.user(f"P{number}") for number in range(450)), either.site.bot)
        either.site.restrict(either.site.page(either.eng, "Leave", "<p>x</p>"), groups=[team])
        assert len(members(await either.told())[f"group:confluence:{team.id}"]) == 451

    async def test_a_group_that_is_gone_is_of_nobody(self, either: Acme):
        team = either.site.group("team", either.ana)
        page = either.site.page(either.eng, "Leave", "<p>x</p>")
        either.site.restrict(page, groups=[team], users=[either.site.bot])
        either.site.delete_group(team)
        await either.sync()
        assert not either.may_read(either.ana, page)

    async def test_a_change_of_members_touches_no_document(self, either: Acme):
        team = either.site.group("team", either.site.bot)
        page = either.site.page(either.eng, "Leave", "<p>x</p>")
        either.site.restrict(page, groups=[team])
        await either.sync()
        either.site.join(team, either.ana)
        report = await either.sync()
        assert (report.indexed, report.access_changed) == (0, 0)
        assert either.may_read(either.ana, page)


class TestComments:
    async def test_one_thread_of_many_is_read_by_itself(self, acme: Acme):
        page = acme.site.page(acme.eng, "Leave", "<p>x</p>")
        first, *_ = [acme.site.comment(page, f"<p>comment {number}</p>") for number in range(30)]
        for number in range(5):
            acme.site.reply(first, f"<p>reply {number}</p>")
        acme.api.forget()
        document = await acme.source.fetch(f"confluence:comment:{first.id}")
        assert document is not None
        assert document.body.count("reply") == 5
        assert acme.api.count("GET */footer-comments") == 0

    async def test_many_threads_are_read_with_one_listing(self, acme: Acme):
        page = acme.site.page(acme.eng, "Leave", "<p>x</p>")
        for number in range(100):
            acme.site.comment(page, f"<p>comment {number}</p>")
        await acme.sync()
        assert (acme.api.count("GET */footer-comments"), acme.api.count("GET */footer-comments/*")) == (2, 0)
