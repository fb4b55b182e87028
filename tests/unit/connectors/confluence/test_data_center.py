"""Where a Data Center is unlike Cloud: offsets, a search that lags behind, profiles, older versions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.errors import AuthError, TransientError
from core.models import PUBLIC
from tests.emulators.confluence import AccessClass
from tests.unit.connectors.confluence.conftest import Acme, listed, members


@pytest.fixture
async def acme(data_center: Acme) -> Acme:
    return data_center


def pages(acme: Acme, number: int) -> list:
    return [acme.site.page(acme.eng, f"Page {i}", f"<p>text {i}</p>") for i in range(number)]


class TestOffsets:
    async def test_a_capped_listing_is_read_to_its_end(self, acme: Acme):
        """Its next links pass over what was asked for and not told."""
        assert len(listed([*await self._told(acme, 650)])) == 650

    @pytest.mark.parametrize("number", [199, 200, 201, 400])
    async def test_full_last_pages_are_no_trap(self, acme: Acme, number: int):
        assert len(listed([*await self._told(acme, number)])) == number

    async def _told(self, acme: Acme, number: int):
        pages(acme, number)
        return await acme.told()

    async def test_a_page_that_moves_up_meanwhile_is_not_passed_over(self, acme: Acme):
        written = pages(acme, 450)
        asked = 0

        def purge(request) -> None:
            nonlocal asked
            asked += request.path == "/rest/api/content" and "ancestors" in request.query.get("expand", "")
            if asked == 2:
                asked += 1
                for page in written[:5]:
                    acme.site.purge(page)

        acme.api.between = purge
        assert listed(await acme.told()) == {f"confluence:{page.id}" for page in written[5:]}

    async def test_one_that_never_rests_ends_the_sync(self, acme: Acme):
        written = pages(acme, 450)

        def purge(request) -> None:
            if request.path == "/rest/api/content" and int(request.query["start"]) > 0:
                for _ in range(3):
                    acme.site.purge(written.pop(0))

        acme.api.between = purge
        with pytest.raises(TransientError, match="changed each time"):
            await acme.told()

    async def test_a_listing_that_is_too_much_is_asked_for_in_smaller_pieces(self, acme: Acme):
        pages(acme, 60)
        acme.api.fail("GET */content", status=504, times=6)
        assert len(listed(await acme.told())) == 60
        limits = {request.query.get("limit") for request in acme.api.requests if request.path == "/rest/api/content"}
        assert limits >= {"200", "100"}


class TestSearch:
    async def test_what_it_does_not_know_yet_is_asked_on_the_page(self, acme: Acme):
        acme.api.index_delay = 3600
        page, other = pages(acme, 2)
        acme.site.attach(page, "a.txt", b"x")
        acme.site.reply(acme.site.comment(page, "<p>x</p>"), "<p>y</p>")
        acme.site.comment(other, "<p>x</p>", inline=True)
        await acme.sync()
        assert acme.agrees()


class TestPeople:
    async def test_addresses_are_asked_for_once_a_day(self, acme: Acme):
        pages(acme, 1)
        await acme.sync()
        asked = acme.api.count("GET */profile/*")
        assert asked == len(acme.site.accounts)
        await acme.sync()
        assert acme.api.count("GET */profile/*") == 0
        acme.time += timedelta(days=2)
        await acme.sync()
        assert acme.api.count("GET */profile/*") == asked

    async def test_without_profiles_nobody_has_an_address(self, acme: Acme):
        pages(acme, 1)
        acme.api.fail("GET */profile/*", status=404, times=float("inf"))
        assert all(not found for name, found in members(await acme.told()).items() if name.startswith("account:"))


class TestBefore91:
    @pytest.fixture(autouse=True)
    def older(self, acme: Acme) -> None:
        acme.api.knows_space_permissions = False

    async def test_permissions_come_from_the_remote_api(self, acme: Acme):
        team = acme.site.group("team", acme.ana)
        space = acme.site.space("HR", permit=[team, acme.bob, acme.site.bot])
        acme.site.page(space, "Salaries", "<p>x</p>")
        acme.site.permit(acme.eng, AccessClass.ANONYMOUS)
        acme.site.page(acme.eng, "Jobs", "<p>x</p>")
        assert (await acme.documents())["Jobs"].access == PUBLIC
        await acme.sync()
        assert acme.agrees()

    async def test_where_it_is_switched_off_it_is_said_what_to_do(self, acme: Acme):
        pages(acme, 1)
        acme.api.fail("POST /rpc/*", status=403, times=float("inf"))
        with pytest.raises(AuthError, match=r"JSON-RPC.*switch on"):
            await acme.told()
