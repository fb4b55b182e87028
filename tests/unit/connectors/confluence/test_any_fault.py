"""Whatever request fails, however, and whenever somebody edits: nothing is lost, and nobody sees what is not theirs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from core.errors import FootnoteError
from core.principals import expand
from tests.emulators.confluence import Content
from tests.unit.connectors.confluence.conftest import Acme

KINDS = [{"lost": True}, {"cut": True}, {"truncated": True}, {"html": True}, {"status": 503}]


@pytest.fixture(params=["cloud", "data center"])
async def busy(request) -> AsyncIterator[Acme]:
    """A site with one of everything, once read."""
    acme = Acme(data_center=request.param == "data center")
    site = acme.site
    team = site.group("team", acme.ana, site.bot)
    above = site.page(acme.eng, "Above", "<p>above</p>")
    site.restrict(above, groups=[team])
    page = site.page(acme.eng, "Leave", "<p>Thirty.</p>", parent=above)
    site.restrict(page, users=[acme.ana, site.bot])
    site.attach(page, "a.txt", b"file")
    site.reply(site.comment(page, "<p>comment</p>"), "<p>reply</p>")
    site.comment(page, "<p>inline</p>", inline=True, marked="Thirty")
    site.blog(acme.eng, "News", "<p>news</p>")
    if not site.data_center:
        site.page(acme.eng, "Below", "<p>below</p>", parent=site.folder(acme.eng, "Folder"))
    await acme.sync()
    assert acme.agrees()
    yield acme
    await acme.close()


def readers(acme: Acme) -> dict[str, frozenset[str]]:
    """Document to those of Ana and Bob who may read it, as far as the index knows."""
    people = {each: expand({f"user:{each.email}"}, acme.ledger.members) for each in (acme.ana, acme.bob)}
    accesses = {id: acme.index.access_of(id) for id in acme.index.documents}
    return {
        id: frozenset(each.email for each, held in people.items() if access and access.admits(held))
        for id, access in accesses.items()
    }


@pytest.mark.parametrize("fault", KINDS, ids=lambda fault: next(iter(fault)))
async def test_whichever_request_fails_for_good_nothing_is_lost_and_the_next_sync_makes_it_good(busy: Acme, fault: dict):
    """F6, of each listing and of each question about access."""
    await busy.sync()
    routes = {f"{method} {template}" for method, template in busy.api.calls}
    assert len(routes) >= 5
    for number, route in enumerate(sorted(routes)):
        held, cursor, before = busy.index.documents, busy.ledger.cursor, readers(busy)
        page = busy.site.page(busy.eng, f"New {number}", "<p>new</p>")
        busy.api.fail(route, times=float("inf"), **fault)
        try:
            await busy.sync()
        except FootnoteError:
            assert busy.ledger.cursor == cursor
            assert busy.index.documents == held, route
        else:
            assert busy.index.documents >= held, route
        after = readers(busy)
        assert all(after[id] <= before.get(id, after[id]) for id in after), f"{route} showed somebody more"
        busy.api.faults.clear()
        busy.time += timedelta(hours=5)
        await busy.sync()
        assert busy.agrees(), route
        assert busy.text_of(page) == "new"


@pytest.mark.parametrize("data_center", [False, True], ids=["cloud", "data center"])
async def test_whatever_is_done_at_any_moment_of_a_sync_is_true_after_two_though_the_search_lags(data_center: bool):
    """F10. The search knows of a change after a minute; the syncs are a minute apart."""
    for when in range(14):
        for deed in (_edit, _restrict, _attach, _replace, _comment, _move):
            acme = Acme(data_center=data_center, index_delay=60.0)
            page = acme.site.page(acme.eng, "Leave", "<p>old</p>")
            acme.site.page(acme.eng, "Other", "<p>other</p>")
            acme.site.attach(page, "a.txt", b"old")
            await acme.sync()
            waiting = when

            def do(request, deed=deed, page=page, acme=acme) -> None:
                nonlocal waiting
                waiting -= 1
                if waiting == -1:
                    deed(acme, page)

            acme.api.between = do
            await acme.sync()
            acme.api.between = None
            await acme.sync()
            if waiting < 0:
                assert acme.agrees(), (when, deed.__name__)
                assert _texts(acme) == _held(acme), (when, deed.__name__)
            await acme.close()


def _edit(acme: Acme, page: Content) -> None:
    acme.site.edit(page, body="<p>new</p>")


def _restrict(acme: Acme, page: Content) -> None:
    acme.site.restrict(page, users=[acme.ana, acme.site.bot])


def _attach(acme: Acme, page: Content) -> None:
    acme.site.attach(page, "b.txt", b"new")


def _replace(acme: Acme, page: Content) -> None:
    [file] = [each for each in acme.site.contents.values() if each.title == "a.txt"]
    acme.site.replace(file, b"newer")


def _comment(acme: Acme, page: Content) -> None:
    acme.site.comment(page, "<p>comment</p>")


def _move(acme: Acme, page: Content) -> None:
    [other] = [each for each in acme.site.contents.values() if each.title == "Other"]
    acme.site.move(page, parent=other)


def _texts(acme: Acme) -> dict[str, str]:
    """What people have written, by document."""
    return {
        f"confluence:{'comment:' if each.kind == 'comment' else ''}{each.id}": each.file.data.decode()
        if each.files
        else each.body.removeprefix("<p>").removesuffix("</p>")
        for each in acme.site.visible_documents().values()
    }


def _held(acme: Acme) -> dict[str, str]:
    return {id: acme.index.text_of(id) for id in acme.index.documents}


class Hiding(httpx.AsyncBaseTransport):
    """Among the rows of a listing lie some that the account may not see. A Data Center counts them, and shows none of them."""

    def __init__(self, api: httpx.AsyncBaseTransport, *, at: int, hidden: int) -> None:
        self._api = api
        self._at = at
        self._hidden = hidden

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if request.url.path != "/rest/api/content":
            return await self._api.handle_async_request(request)
        start, limit = int(params.get("start", 0)), int(params["limit"])
        first, behind = self._before(start), self._before(start + limit)
        links = {"next": f"/rest/api/content?start={start + limit}"}
        results: list[Any] = []
        if first < behind:
            url = request.url.copy_with(params=params.set("start", first).set("limit", behind - first))
            answer = await self._api.handle_async_request(httpx.Request("GET", url, headers=request.headers))
            results = json.loads(await answer.aread())["results"]
            links = links if len(results) == behind - first else {}
        found = {"results": results, "start": start, "limit": limit, "size": len(results), "_links": links}
        return httpx.Response(200, json=found)

    def _before(self, row: int) -> int:
        """How many that it shows come before a row."""
        return min(row, self._at) if row < self._at + self._hidden else row - self._hidden


@pytest.mark.parametrize(("at", "hidden"), [(0, 100), (40, 7), (100, 300), (51, 449), (299, 1000)])
async def test_pages_of_a_listing_on_which_a_data_center_shows_nothing_are_not_its_end(data_center: Acme, at: int, hidden: int):
    """F7"""
    written = [data_center.site.page(data_center.eng, f"Page {number}", "<p>x</p>") for number in range(300)]
    data_center.source = data_center.connect(transport=Hiding(data_center.api, at=at, hidden=hidden))
    assert (await data_center.sync()).indexed == len(written)


JUMPS: list[Callable[[datetime], datetime]] = [
    lambda at: at - timedelta(hours=1),
    lambda at: at + timedelta(hours=1),
    lambda at: datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC),
    lambda at: datetime(2026, 10, 25, 0, 59, 30, tzinfo=UTC),
    lambda at: datetime(2026, 11, 1, 8, 59, 30, tzinfo=UTC),
    lambda at: at + timedelta(days=365),
]
"""Among them the moments at which summer time begins and ends in Berlin, and ends in Los Angeles."""


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"])
@pytest.mark.parametrize("data_center", [False, True], ids=["cloud", "data center"])
async def test_jumps_of_the_clock_summer_time_and_the_zone_of_the_account_hide_nothing(data_center: bool, zone: str):
    """F23"""
    acme = Acme(data_center=data_center, index_delay=60.0)
    acme.site.bot.time_zone = zone
    page = acme.site.page(acme.eng, "Leave", "<p>old</p>")
    await acme.sync()
    for number, jump in enumerate(JUMPS):
        acme.time = jump(acme.time)
        acme.site.edit(page, body=f"<p>text {number}</p>")
        acme.site.attach(page, f"{number}.txt", b"file")
        closed = acme.site.page(acme.eng, f"Closed {number}", "<p>x</p>")
        acme.site.restrict(closed, users=[acme.ana, acme.site.bot])
        acme.site.comment(page, f"<p>comment {number}</p>")
        await acme.sync()
        assert acme.agrees(), number
        assert _texts(acme) == _held(acme), number
    await acme.close()


async def test_a_sync_without_changes_embeds_and_writes_nothing(busy: Acme):
    """F21"""
    await busy.sync()
    embedded, points = len(busy.index.embedded), dict(busy.index.points)
    report = await busy.sync()
    assert (len(busy.index.embedded), busy.index.points) == (embedded, points)
    assert (report.indexed, report.access_changed, report.removed, report.coverage.missing) == (0, 0, 0, 0)
    assert not [request for request in busy.api.requests if "download" in request.route or "body" in str(request.query)]
