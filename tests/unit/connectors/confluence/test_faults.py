"""What goes wrong between Confluence and us, with the outcome of each: nothing is lost, nothing is removed that is there,
and nobody waits for one broken page.
"""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from core.errors import AuthError, FootnoteError, TransientError
from core.indexing.run import may_remove_unasked
from core.models import SyncReport
from tests.unit.connectors.confluence.conftest import Acme


def pages(acme: Acme, number: int, **fields: object) -> list:
    return [acme.site.page(acme.eng, f"Page {i}", f"<p>text {i}</p>", **fields) for i in range(number)]


class TestThrottling:
    """F3."""

    async def test_a_sync_completes_and_every_wait_is_honoured(self, either: Acme):
        written = pages(either, 300)
        either.api.throttle(every=3, retry_after=2)
        report = await either.sync()
        assert (report.indexed, report.failures) == (len(written), 0)
        assert either.api.violations == []
        refused = [request.at for request in either.api.requests if request.status == 429]
        after = [next((r.at for r in either.api.requests if r.at > at + either.api.faults.grace), at + 2) for at in refused]
        assert refused
        assert all(next_one - at >= 2 for at, next_one in zip(refused, after, strict=True))

    async def test_a_403_that_says_when_to_come_again_is_a_wait(self, data_center: Acme):
        pages(data_center, 3)
        data_center.api.fail("GET */content", status=403, retry_after=2, times=2)
        assert (await data_center.sync()).indexed == 3


class TestPoisonPage:
    """F5."""

    async def test_it_fails_alone_and_heals(self, either: Acme):
        broken, *others = pages(either, 30)
        either.site.poison(broken)
        report = await either.sync()
        assert (report.indexed, list(report.failed)) == (len(others), [f"confluence:{broken.id}"])
        assert report.coverage is not None
        assert (report.coverage.failed, report.coverage.missing) == (1, 0)
        either.site.poison(broken, False)
        either.time += timedelta(hours=1)
        assert (await either.sync()).indexed == 1
        assert either.agrees()

    async def test_the_cursor_moves(self, either: Acme):
        either.site.poison(pages(either, 3)[0])
        await either.sync()
        assert either.ledger.cursor

    async def test_few_requests_find_it_among_a_hundred(self, either: Acme):
        either.site.poison(pages(either, 100)[57])
        await either.sync()
        assert sum("body" in str(request.query) for request in either.api.requests) < 3 * 2 * 8 + 10

    async def test_a_comment_that_fails_is_one_document(self, either: Acme):
        page = pages(either, 1)[0]
        either.site.poison(either.site.comment(page, "<p>bad</p>"))
        either.site.comment(page, "<p>good</p>")
        report = await either.sync()
        assert (report.indexed, report.failures) == (2, 1)

    async def test_an_attachment_that_fails_is_one_document(self, either: Acme):
        page = pages(either, 1)[0]
        bad, _ = either.site.attach(page, "bad.txt", b"x"), either.site.attach(page, "good.txt", b"x")
        either.api.fail("GET *download*", path=f"*{bad.id if not either.site.data_center else 'bad.txt'}*", status=500, times=99)
        report = await either.sync()
        assert (report.indexed, list(report.failed)) == (2, [f"confluence:{bad.id}"])

    @pytest.mark.parametrize("fault", [{"cut": True}, {"truncated": True}])
    async def test_half_a_file_is_none(self, either: Acme, fault: dict):
        page = pages(either, 1)[0]
        file = either.site.attach(page, "a.txt", b"all of it")
        either.api.fail("GET *download*" if either.site.data_center else "GET media", times=1, **fault)
        await either.sync()
        either.time += timedelta(hours=1)
        await either.sync()
        assert either.text_of(file) == "all of it"
        assert either.agrees()

    async def test_when_one_after_the_other_fails_it_is_not_the_pages(self, either: Acme):
        for page in pages(either, 30):
            either.site.poison(page)
        with pytest.raises(TransientError):
            await either.sync()
        assert either.ledger.failed == {}


class TestListings:
    """F6 and F7."""

    @pytest.mark.parametrize("fault", [{"lost": True}, {"cut": True}, {"truncated": True}, {"html": True}, {"status": 502}])
    async def test_one_that_drops_for_good_changes_nothing(self, either: Acme, fault: dict):
        written = pages(either, 600)
        await either.sync()
        cursor, held = either.ledger.cursor, either.index.documents
        either.site.trash(written[0])
        route = "GET */content" if either.site.data_center else "GET */pages"
        either.api.fail(route, after=1, times=float("inf"), **fault)
        with pytest.raises(TransientError):
            await either.sync()
        assert (either.ledger.cursor, either.index.documents) == (cursor, held)
        either.api.faults.clear()
        await either.sync()
        assert either.agrees()

    @pytest.mark.parametrize("fault", [{"lost": True}, {"cut": True}, {"truncated": True}, {"html": True}, {"status": 502}])
    async def test_one_that_drops_once_goes_on_where_it_was(self, acme: Acme, fault: dict):
        written = pages(acme, 600)
        acme.api.fail("GET */pages", after=1, times=2, **fault)
        report = await acme.sync()
        assert report.indexed == len(written)
        assert sum("space-id" in request.query for request in acme.api.requests if request.route.endswith("/pages")) == 3 + 2

    async def test_empty_pages_with_a_next_link_are_not_the_end(self, acme: Acme):
        acme.api.empty_page_every = 2
        written = pages(acme, 800)
        assert (await acme.sync()).indexed == len(written)

    async def test_empty_pages_without_end_are_an_error(self, acme: Acme):
        pages(acme, 3)
        acme.api.empty_page_every = 1
        with pytest.raises(TransientError, match="without end"):
            await acme.sync()

    @pytest.mark.parametrize("answer", ["{}", "[]", '{"results": null}', '{"results": [{"title": "x"}], "_links": {}}', "null"])
    async def test_an_answer_that_cannot_be_understood_is_no_empty_listing(self, either: Acme, answer: str):
        pages(either, 3)
        await either.sync()
        transport = Instead(either.api, "/rest/api/content" if either.site.data_center else "/wiki/api/v2/pages", answer)
        either.source = either.connect(transport=transport)
        with pytest.raises(FootnoteError):
            await either.sync()
        assert len(either.index.documents) == 3


class Instead(httpx.AsyncBaseTransport):
    """Answers one path with some text."""

    def __init__(self, api: httpx.AsyncBaseTransport, path: str, answer: str) -> None:
        self._api = api
        self._path = path
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == self._path:
            return httpx.Response(200, text=self._answer)
        return await self._api.handle_async_request(request)


class TestSuddenLosses:
    """F8."""

    async def test_an_empty_listing_is_an_error(self, either: Acme):
        pages(either, 5)
        await either.sync()
        either.api.fail("GET */spaces" if not either.site.data_center else "GET */space", empty=True, times=float("inf"))
        with pytest.raises(FootnoteError, match="lists no documents"):
            await either.sync()
        assert len(either.index.documents) == 5

    async def test_a_space_that_is_gone_waits_for_confirmation(self, either: Acme):
        pages(either, 30)
        hr = either.site.space("HR")
        theirs = [either.site.page(hr, f"Secret {i}", "<p>x</p>") for i in range(50)]
        await either.sync()
        either.site.delete_space(hr)
        report = await either.sync()
        assert (report.withheld, report.removed) == (len(theirs), 0)
        assert len(either.index.documents) == 80
        assert (await either.sync(prune=True)).removed == len(theirs)
        assert either.agrees()

    async def test_so_do_three_in_five_pages(self, either: Acme):
        written = pages(either, 100)
        await either.sync()
        for page in written[:60]:
            either.site.purge(page)
        assert may_remove_unasked(100) < 60
        assert (await either.sync()).withheld == 60
        assert len(either.index.documents) == 100


class TestPeopleAtWork:
    """F9."""

    @pytest.mark.parametrize(
        "deed",
        ["trash", "purge", "archive", "move", "restrict", "unrestrict", "restrict above", "leave", "forbid", "permit", "folder"],
    )
    async def test_one_sync_makes_search_see_what_people_may_see(self, either: Acme, deed: str):
        site = either.site
        team = site.group("team", either.ana, either.bob, site.bot)
        hr = site.space("HR", permit=[team])
        above = site.page(either.eng, "Above", "<p>above</p>")
        if deed == "folder":
            if site.data_center:
                return
            above = site.folder(either.eng, "Folder")
        page = site.page(either.eng, "Leave", "<p>Thirty.</p>", parent=above)
        site.attach(page, "a.txt", b"file")
        site.comment(page, "<p>comment</p>")
        closed = site.page(hr, "Closed", "<p>closed</p>")
        site.restrict(closed, users=[either.ana, site.bot])
        await either.sync()
        match deed:
            case "trash" | "purge" | "archive":
                getattr(site, deed)(page)
            case "move":
                site.move(page, parent=closed)
            case "restrict":
                site.restrict(page, users=[either.bob, site.bot])
            case "unrestrict":
                site.unrestrict(closed)
            case "restrict above" | "folder":
                site.restrict(above, groups=[team])
            case "leave":
                site.leave(team, either.bob)
            case "forbid":
                site.permit(either.eng, team)
                site.forbid(either.eng, site.everybody)
            case "permit":
                site.permit(hr, either.bob)
        await either.sync()
        assert either.agrees()


class TestTime:
    """F10 and F23."""

    async def test_an_edit_while_a_sync_runs_is_there_after_two(self, either: Acme):
        for when in range(25):
            page = either.site.page(either.eng, f"Page {when}", "<p>old</p>")
            waiting = [when]

            def edit(request, page=page, waiting=waiting) -> None:
                waiting[0] -= 1
                if waiting[0] == -1:
                    either.site.edit(page, body="<p>new</p>")

            either.api.between = edit
            await either.sync()
            either.api.between = None
            await either.sync()
            if waiting[0] < 0:
                assert either.text_of(page) == "new", when

    async def test_edits_within_one_minute_are_told_apart(self, either: Acme):
        page = pages(either, 1)[0]
        for word in ("one", "two", "three"):
            either.site.edit(page, body=f"<p>{word}</p>")
            await self._sync_at_once(either)
            assert either.text_of(page) == word

    async def test_a_search_that_lags_behind_delays_nothing(self, either: Acme):
        either.api.index_delay = 60.0
        page = either.site.page(either.eng, "Leave", "<p>Thirty.</p>")
        either.site.restrict(page, users=[either.ana, either.site.bot])
        either.site.attach(page, "a.txt", b"file")
        either.site.comment(page, "<p>comment</p>")
        await self._sync_at_once(either)
        assert either.agrees()

    async def test_clocks_that_jump_and_zones_that_differ_miss_nothing(self, either: Acme):
        either.site.bot.time_zone = "America/Los_Angeles"
        for number, jump in enumerate([timedelta(0), timedelta(hours=-1), timedelta(hours=3), timedelta(days=-1)]):
            either.time += jump
            either.site.page(either.eng, f"Page {number}", "<p>x</p>")
            await either.sync()
            assert either.agrees()

    async def _sync_at_once(self, acme: Acme) -> SyncReport:
        acme.time -= timedelta(minutes=1)
        return await acme.sync()


class TestCursors:
    """F11."""

    async def test_a_refused_cursor_restarts_that_listing_alone(self, acme: Acme):
        written = pages(acme, 600)
        acme.api.between = self._expire_at(acme, 2)
        assert (await acme.sync()).indexed == len(written)
        swept = [request for request in acme.api.requests if request.route.endswith("/pages") and "space-id" in request.query]
        assert [("cursor" in request.query, request.status) for request in swept] == [
            (False, 200),
            (True, 400),
            (False, 200),
            (True, 200),
            (True, 200),
        ]
        assert acme.api.count("GET */blogposts") == 1

    async def test_one_that_is_refused_again_and_again_ends_the_sync(self, acme: Acme):
        pages(acme, 600)
        acme.api.between = lambda request: acme.api.expire_cursors()
        with pytest.raises(TransientError, match="refused the cursor"):
            await acme.sync()
        assert acme.index.documents == set()

    def _expire_at(self, acme: Acme, number: int):
        seen = 0

        def expire(request) -> None:
            nonlocal seen
            seen += request.path.endswith("/pages")
            if seen == number:
                seen += 1
                acme.api.expire_cursors()

        return expire


class TestToken:
    """F12."""

    async def test_a_revoked_token_needs_attention_and_heals_without_a_restart(self, either: Acme, tmp_path):
        file = tmp_path / "token"
        file.write_text(either.api.credentials.token)
        either.source = either.connect(api_token=None, api_token_file=file)
        page = pages(either, 1)[0]
        await either.sync()
        either.api.credentials.revoke()
        with pytest.raises(AuthError, match="CONFLUENCE_API_TOKEN"):
            await either.sync()
        assert either.text_of(page) == "text 0"
        file.write_text(either.api.credentials.renew() + "\n")
        either.site.edit(page, body="<p>new</p>")
        await either.sync()
        assert either.text_of(page) == "new"

    async def test_one_that_is_replaced_in_the_middle_is_not_noticed(self, either: Acme, tmp_path):
        file = tmp_path / "token"
        file.write_text(either.api.credentials.token)
        either.source = either.connect(api_token=None, api_token_file=file)
        pages(either, 3)

        def renew(request) -> None:
            if len(either.api.requests) == 4:
                file.write_text(either.api.credentials.renew())

        either.api.between = renew
        assert (await either.sync()).indexed == 3
