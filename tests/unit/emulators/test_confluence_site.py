"""The emulated site follows Confluence's rules of who may read what, and of what makes a new version."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulators.confluence import AccessClass, Content, Site


class TestReaders:
    def test_a_page_is_open_to_those_whom_its_space_is_open_to(self) -> None:
        site = Site()
        page = site.page(site.space("ENG"), "Page")
        assert site.readers(page) == [{site.everybody.principal}]
        assert site.may_read(site.author, page)
        assert not site.may_read(None, page)

    def test_every_restricted_ancestor_is_a_gate_of_its_own(self) -> None:
        site = Site()
        ana, ben = site.user("Ana"), site.user("Ben")
        crew = site.group("crew", ana, ben)
        top = site.page(site.space("ENG"), "Top")
        below = site.page(top.space, "Below", parent=site.folder(top.space, "Folder", parent=top))
        site.restrict(top, groups=[crew])
        site.restrict(below, users=[ana])
        assert site.readers(below) == [{site.everybody.principal}, {crew.principal}, {ana.principal}]
        assert site.may_read(ana, below)
        assert not site.may_read(ben, below)
        site.leave(crew, ana)
        assert not site.may_read(ana, below)

    def test_a_restriction_of_edits_keeps_nobody_from_reading(self) -> None:
        site = Site()
        page = site.page(site.space("ENG"), "Page")
        site.restrict(page, users=[site.author], operation="update")
        assert len(site.readers(page)) == 1
        assert site.sees(page)

    def test_only_a_permission_to_read_the_space_lets_people_in(self) -> None:
        site = Site()
        space = site.space("ENG", permit=[])
        page = site.page(space, "Page")
        site.permit(space, site.everybody, operation="create", target="page")
        assert site.readers(page) == [frozenset()]
        assert not site.sees_space(space)

    def test_a_role_and_the_public_let_people_in(self) -> None:
        site = Site()
        space = site.space("ENG", permit=[])
        page = site.page(space, "Page")
        site.permit(space, AccessClass.LICENSED, role=site.roles[0])
        assert site.may_read(site.author, page)
        assert not site.may_read(None, page)
        site.permit(space, AccessClass.ANONYMOUS)
        assert site.may_read(None, page)
        site.forbid(space, AccessClass.ANONYMOUS, AccessClass.LICENSED)
        assert not site.sees(page)

    def test_a_deactivated_account_and_a_deleted_group_read_nothing(self) -> None:
        site = Site()
        ana = site.user("Ana")
        crew = site.group("crew", ana)
        page = site.page(site.space("ENG"), "Page")
        site.restrict(page, groups=[crew])
        assert site.may_read(ana, page)
        site.deactivate(ana)
        assert not site.may_read(ana, page)
        site.reactivate(ana)
        site.delete_group(crew)
        assert not site.may_read(ana, page)
        assert site.readers(page)[1] == {crew.principal}

    def test_files_and_comments_are_read_with_their_page(self) -> None:
        site = Site()
        page = site.page(site.space("ENG"), "Page")
        file, comment = site.attach(page, "a.txt", b"a"), site.comment(page, "Why?")
        reply = site.reply(comment, "So.")
        assert set(site.visible_documents()) == {page.id, file.id, comment.id}
        site.restrict(page, users=[site.author])
        assert site.visible_documents() == {}
        assert site.readers(reply) == site.readers(file) == site.readers(page)

    def test_a_draft_above_restricts_nobody_and_is_seen_by_nobody(self) -> None:
        site = Site()
        draft = site.draft(site.space("ENG"), "Draft")
        page = site.page(draft.space, "Page", parent=draft)
        assert site.sees(page)
        assert not site.sees(draft)


class TestChanges:
    def test_only_edits_make_new_versions(self) -> None:
        site = Site()
        space, other = site.space("ENG"), site.space("HR")
        page, target = site.page(space, "Page"), site.page(other, "Target")
        site.label(page, "howto")
        site.restrict(page, users=[site.bot])
        site.move(page, parent=target)
        file = site.attach(page, "a.txt", b"a")
        site.replace(file, b"b")
        site.comment(page, "Why?")
        assert page.version.number == 1
        assert file.version.number == 2
        site.edit(page, body="new")
        assert page.version.number == 2

    def test_a_moved_page_takes_along_what_is_below(self) -> None:
        site = Site()
        space, other = site.space("ENG"), site.space("HR")
        top = site.page(space, "Top")
        below = site.page(space, "Below", parent=top)
        file = site.attach(below, "a.txt", b"a")
        target = site.page(other, "Target")
        site.move(top, parent=target)
        assert below.space is other
        assert file.holder.space is other
        assert below.ancestors == [target, top]
        with pytest.raises(ValueError, match="below itself"):
            site.move(target, parent=below)

    @pytest.mark.parametrize("gesture", ["trash", "archive", "purge"])
    def test_what_was_below_moves_up_without_a_new_version(self, gesture: str) -> None:
        site = Site()
        top = site.page(site.space("ENG"), "Top")
        middle = site.page(top.space, "Middle", parent=top)
        below = site.page(top.space, "Below", parent=middle)
        site.restrict(middle, users=[site.author])
        assert not site.sees(below)
        getattr(site, gesture)(middle)
        assert below.parent is top
        assert below.version.number == 1
        assert site.sees(below)
        assert set(site.visible_documents()) == {top.id, below.id}

    def test_a_restored_page_is_where_it_was_or_on_top(self) -> None:
        site = Site()
        top = site.page(site.space("ENG"), "Top")
        page = site.page(top.space, "Page", parent=top)
        site.trash(page)
        site.restore(page)
        assert page.parent is top
        site.trash(page)
        site.purge(top)
        site.restore(page)
        assert page.parent is None
        assert set(site.visible_documents()) == {page.id}

    def test_a_deleted_comment_takes_its_replies_along(self) -> None:
        site = Site()
        page = site.page(site.space("ENG"), "Page")
        comment = site.comment(page, "Why?")
        reply = site.reply(comment, "So.")
        site.delete(comment)
        assert not {comment.id, reply.id} & site.contents.keys()
        assert page.comments == {}

    def test_a_deleted_space_takes_all_along(self) -> None:
        site = Site()
        page = site.page(site.space("ENG"), "Page")
        site.attach(page, "a.txt", b"a")
        site.reply(site.comment(page, "Why?"), "So.")
        site.delete_space(page.space)
        assert site.contents == {}
        assert site.visible_documents() == {}


PARENTS = st.lists(st.one_of(st.none(), st.integers(0, 20)), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(parents=PARENTS, gestures=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 20)), max_size=20))
def test_what_the_bot_sees_is_what_the_gates_let_it_see(parents: list[int | None], gestures: list[tuple[int, int, int]]) -> None:
    site = Site()
    crew = site.group("crew")
    spaces = [site.space("ENG"), site.space("HR")]
    pages: list[Content] = []
    for number, parent in enumerate(parents):
        above = pages[parent % len(pages)] if parent is not None and pages else None
        pages.append(site.page(above.space if above else spaces[number % 2], f"Page {number}", parent=above))
    for kind, first, second in gestures:
        page, other = pages[first % len(pages)], pages[second % len(pages)]
        if kind == 0:
            site.restrict(page, users=[site.author], groups=[crew])
        elif kind == 1 and page.status == other.status == "current" and other not in page.subtree():
            site.move(page, parent=other)
        elif kind == 2 and page.status == "current":
            site.trash(page)
        elif kind == 3 and page.status == "trashed":
            site.restore(page)
        elif kind == 4:
            (site.join if second % 2 else site.leave)(crew, site.bot)
        elif kind == 5:
            site.forbid(page.space, site.everybody)
            site.permit(page.space, crew if second % 2 else site.everybody)
        visible = site.visible_documents()
        for page in pages:
            assert site.sees(page) == site.may_read(site.bot, page)
            assert (page.id in visible) == (page.status == "current" and site.sees(page))
            assert all(page.id in above.children for above in [page.parent] if above is not None and page.status == "current")
            assert page.id in page.space.contents
