"""Who may read what: the space, and every restricted page above, and the page itself."""

from __future__ import annotations

import pytest

from connectors.confluence.access import Gates
from connectors.confluence.listing import Listing, Page, Space
from connectors.confluence.restrictions import RestrictionReader
from core.errors import AuthError, TransientError
from core.models import EVERYONE, NOBODY, PUBLIC
from tests.emulators.confluence import AccessClass
from tests.emulators.confluence_site import ROLES
from tests.sources import NOON
from tests.unit.connectors.confluence.conftest import Acme

VIEWER = ROLES[0]
TEAM, BOARD = frozenset({"group:c:team"}), frozenset({"group:c:board"})


def page(id: str, parent: str | None = None) -> Page:
    return Page(id=id, kind="page", title=id, space_id="1", version=1, updated_at=NOON, url="", parent_id=parent)


def listing(*pages: Page) -> Listing:
    return Listing(spaces={"1": Space(id="1", key="K", name="Space")}, pages={one.id: one for one in pages})


class TestGates:
    def test_they_are_the_space_each_restricted_ancestor_and_the_page(self):
        found = listing(page("a"), page("b", "a"), page("c", "b"))
        gates = Gates(found, {"1": TEAM}, {"a": BOARD, "b": None, "c": frozenset({"account:c:1"})})
        assert gates.of(found.pages["c"]).gates == (TEAM, BOARD, frozenset({"account:c:1"}))
        assert gates.of(found.pages["b"]).gates == (TEAM, BOARD)
        assert gates.principals == TEAM | BOARD | {"account:c:1"}

    def test_a_gate_for_everyone_is_none(self):
        found = listing(page("a"), page("b"))
        gates = Gates(found, {"1": frozenset({EVERYONE}) | TEAM}, {"a": None, "b": BOARD})
        assert gates.of(found.pages["a"]) == PUBLIC
        assert gates.of(found.pages["b"]).gates == (BOARD,)

    @pytest.mark.parametrize("unknown", ["space", "page", "ancestor", "parent"])
    def test_what_is_unknown_admits_nobody(self, unknown: str):
        found = listing(page("a", "gone" if unknown == "parent" else None), page("b", "a"))
        restrictions = {"a": None, "b": None, "gone": None}
        restrictions.pop({"page": "b", "ancestor": "a"}.get(unknown, ""), None)
        gates = Gates(found, {} if unknown == "space" else {"1": TEAM}, restrictions)
        assert gates.of(found.pages["b"]) == NOBODY

    def test_pages_below_one_another_in_a_circle_admit_nobody(self):
        found = listing(page("a", "b"), page("b", "a"))
        assert Gates(found, {"1": TEAM}, {"a": None, "b": None}).of(found.pages["a"]) == NOBODY

    @pytest.mark.parametrize("first", ["99", "4999", "0"])
    def test_a_very_deep_tree_is_for_nobody_below_its_hundredth_page(self, first: str):
        found = listing(*(page(str(number), str(number - 1) if number else None) for number in range(5000)))
        gates = Gates(found, {"1": TEAM}, dict.fromkeys(found.pages))
        gates.of(found.pages[first])
        assert gates.of(found.pages["99"]).gates == (TEAM,)
        assert gates.of(found.pages["4999"]) == NOBODY


class TestSpaces:
    @pytest.mark.parametrize("with_role", [False, True])
    async def test_their_readers_are_those_with_the_permission_to_read_them(self, either: Acme, with_role: bool):
        site = either.site
        team = site.group("team", either.ana)
        space = site.space("HR", permit=[site.bot])
        if with_role and not site.data_center:
            site.permit(space, team, role=VIEWER)
        else:
            site.permit(space, team)
        site.permit(space, either.bob, operation="create", target="page")
        site.page(space, "Salaries", "<p>x</p>")
        await either.sync()
        assert either.agrees()

    async def test_anonymous_ones_are_for_everyone(self, either: Acme):
        either.site.permit(either.eng, AccessClass.ANONYMOUS)
        either.site.page(either.eng, "Jobs", "<p>x</p>")
        assert (await either.documents())["Jobs"].access == PUBLIC

    async def test_so_are_those_with_a_role_for_everyone(self, acme: Acme):
        acme.site.permit(acme.eng, AccessClass.ANONYMOUS, role=VIEWER)
        acme.site.page(acme.eng, "Jobs", "<p>x</p>")
        assert (await acme.documents())["Jobs"].access == PUBLIC

    async def test_a_class_of_people_that_is_not_named_is_a_group_of_nobody_we_know(self, acme: Acme):
        space = acme.site.space("HR", permit=[])
        acme.site.permit(space, AccessClass.LICENSED, role=VIEWER)
        acme.site.page(space, "Rules", "<p>x</p>")
        document = (await acme.documents())["Rules"]
        assert document.access.gates == (frozenset({"group:confluence:all-licensed-users"}),)

    async def test_permissions_of_many_are_all_told(self, either: Acme):
        people = [either.site.user(f"P{number}") for number in range(300)]
        space = either.site.space("HR", permit=[either.site.bot, *people])
        either.site.page(space, "Rules", "<p>x</p>")
        [gate] = (await either.documents())["Rules"].access.gates
        assert len(gate) == 301

    @pytest.mark.parametrize("route", ["GET */permissions", "GET */content/search", "GET */membersByGroupId"])
    async def test_what_may_not_be_asked_is_an_error_and_not_nobody(self, acme: Acme, route: str):
        acme.site.page(acme.eng, "Leave", "<p>x</p>")
        acme.site.page(acme.eng, "Sick", "<p>x</p>")
        acme.api.fail(route, status=403, times=float("inf"))
        with pytest.raises(AuthError, match="403"):
            await acme.told()


class TestRestrictions:
    async def test_attachments_and_comments_have_those_of_the_page_and_of_all_above_it(self, either: Acme):
        site = either.site
        above = site.page(either.eng, "Above", "<p>x</p>")
        site.restrict(above, users=[either.ana, site.bot])
        page = site.page(either.eng, "Leave", "<p>x</p>", parent=site.page(either.eng, "Between", "<p>x</p>", parent=above))
        site.attach(page, "a.txt", b"x")
        site.comment(page, "<p>x</p>")
        await either.sync()
        assert len(either.index.documents) == 5
        assert either.agrees()

    async def test_the_nearest_one_does_not_win(self, either: Acme):
        site = either.site
        above = site.page(either.eng, "Above", "<p>x</p>")
        site.restrict(above, users=[either.ana, site.bot])
        page = site.page(either.eng, "Leave", "<p>x</p>", parent=above)
        site.restrict(page, users=[either.ana, either.bob, site.bot])
        await either.sync()
        assert either.may_read(either.ana, page)
        assert not either.may_read(either.bob, page)

    async def test_being_let_in_by_a_page_is_not_being_let_in_by_its_space(self, either: Acme):
        team = either.site.group("team", either.ana, either.site.bot)
        page = either.site.page(either.site.space("HR", permit=[team]), "Leave", "<p>x</p>")
        either.site.restrict(page, users=[either.bob, either.site.bot])
        await either.sync()
        assert either.agrees()

    async def test_a_restriction_of_editing_is_none_of_reading(self, either: Acme):
        page = either.site.page(either.eng, "Leave", "<p>x</p>")
        either.site.restrict(page, users=[either.ana], operation="update")
        await either.sync()
        assert either.may_read(either.bob, page)

    async def test_those_of_folders_count(self, acme: Acme):
        folder = acme.site.folder(acme.eng, "Board")
        acme.site.restrict(folder, users=[acme.ana, acme.site.bot])
        page = acme.site.page(acme.eng, "Leave", "<p>x</p>", parent=acme.site.folder(acme.eng, "Inner", parent=folder))
        acme.site.page(acme.eng, "Other", "<p>x</p>")
        await acme.sync()
        assert acme.agrees()
        assert not acme.may_read(acme.bob, page)
        assert acme.api.count("GET */folders/*") == 2

    async def test_long_ones_are_read_to_their_end(self, either: Acme):
        people = [either.site.user(f"P{number}") for number in range(250)]
        groups = [either.site.group(f"g{number}") for number in range(130)]
        page = either.site.page(either.eng, "Leave", "<p>x</p>")
        either.site.page(either.eng, "Other", "<p>x</p>")
        either.site.restrict(page, users=[either.site.bot, *people], groups=groups)
        [_, own] = (await either.documents())["Leave"].access.gates
        assert len(own) == 251 + 130

    @pytest.mark.parametrize("status", [403, 404, 500])
    async def test_one_that_cannot_be_read_closes_the_page_and_all_below(self, acme: Acme, status: int):
        folder = acme.site.folder(acme.eng, "Folder")
        acme.site.page(acme.eng, "Below", "<p>x</p>", parent=acme.site.page(acme.eng, "In", "<p>x</p>", parent=folder))
        acme.site.page(acme.eng, "Beside", "<p>x</p>")
        acme.api.fail("GET */restriction*", path=f"*/{folder.id}/*", status=status, times=float("inf"))
        documents = await acme.documents()
        assert (documents["In"].access, documents["Below"].access) == (NOBODY, NOBODY)
        assert documents["Beside"].access != NOBODY

    async def test_a_page_below_a_draft_of_somebody_is_for_nobody(self, acme: Acme):
        acme.site.page(acme.eng, "Leave", "<p>x</p>", parent=acme.site.draft(acme.eng, "Draft"))
        acme.site.page(acme.eng, "Other", "<p>x</p>")
        assert (await acme.documents())["Leave"].access == NOBODY

    async def test_when_none_can_be_read_it_is_not_the_pages(self, acme: Acme):
        acme.api.index_delay = 3600
        for number in range(8):
            acme.site.page(acme.eng, f"Page {number}", "<p>x</p>")
        acme.api.fail("GET */restriction*", status=500, times=float("inf"))
        with pytest.raises(TransientError):
            await acme.told()
        acme.api.faults.clear()
        acme.api.fail("GET */restriction*", status=403, times=float("inf"))
        with pytest.raises(AuthError, match="403"):
            await acme.told()

    async def test_a_page_that_the_search_does_not_know_yet_is_asked_for(self, acme: Acme):
        old = acme.site.page(acme.eng, "Old", "<p>x</p>")
        acme.api.index_delay = 3600
        page = acme.site.page(acme.eng, "New", "<p>x</p>")
        acme.site.restrict(page, users=[acme.ana, acme.site.bot])
        acme.site.restrict(old, users=[acme.ana, acme.site.bot])
        await acme.sync()
        assert acme.agrees()


class TestRestrictionReader:
    def reader(self) -> RestrictionReader:
        return RestrictionReader(None, "", user=lambda user: user.get("accountId"), group=lambda group: group.get("id"))

    def content(self, users: list[dict], groups: list[dict], **fields: object) -> dict:
        user, group = ({"results": some, "limit": 100, "size": len(some)} | fields for some in (users, groups))
        return {"id": 7, "restrictions": {"read": {"restrictions": {"user": user, "group": group}}}}

    def test_nobody_named_is_no_restriction(self):
        assert self.reader().listed(self.content([], [])) == ("7", None)

    def test_only_people_who_are_gone_is_a_restriction_to_nobody(self):
        gone = {"type": "unknown", "displayName": "Unknown user"}
        assert self.reader().listed(self.content([gone], [])) == ("7", frozenset())
        assert self.reader().listed(self.content([gone, {"accountId": "a"}], [{"id": "g"}])) == ("7", frozenset({"a", "g"}))

    @pytest.mark.parametrize("fields", [{"limit": 1}, {"_links": {"next": "/more"}}])
    def test_a_list_that_was_cut_is_asked_for(self, fields: dict):
        assert self.reader().listed(self.content([{"accountId": "a"}], [], **fields)) is None

    @pytest.mark.parametrize("content", [{"id": 7}, {"id": 7, "restrictions": None}, {"id": 7, "restrictions": {}}])
    def test_one_that_is_not_told_is_asked_for(self, content: dict):
        assert self.reader().listed(content) is None


async def test_a_page_that_is_rewritten_and_opened_while_its_site_is_listed_shows_nobody_its_old_text(either: Acme):
    site, page = either.site, either.site.page(either.eng, "Salaries", "<p>nothing yet</p>")
    begun = asked = 0

    def meanwhile(_request: object) -> None:
        nonlocal asked
        asked += 1
        if asked == begun:
            site.restrict(page, users=[], groups=[])
            site.edit(page, body="<p>for all</p>")

    while asked >= begun:
        site.restrict(page, users=[either.ana, site.bot])
        site.edit(page, body="<p>secret</p>")
        await either.sync()
        assert (either.text_of(page), either.may_read(either.bob, page)) == ("secret", False)
        begun, asked = begun + 1, 0
        either.api.between = meanwhile
        await either.sync()
        either.api.between = None
        assert (either.text_of(page), either.may_read(either.bob, page)) in {
            ("secret", False),
            ("for all", True),
            ("for all", False),
        }
    assert begun > 5, "it was done before each of several requests"
