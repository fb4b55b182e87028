"""What goes wrong with the emulated Confluence goes wrong when it was said to, in the transport and over real HTTP alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.emulators.confluence import ConfluenceApi, ConfluenceServer, Site

PAGES = "/wiki/api/v2/pages"


@asynccontextmanager
async def over_http(site: Site) -> AsyncIterator[tuple[ConfluenceApi, httpx.AsyncClient]]:
    async with (
        ConfluenceServer(site) as server,
        httpx.AsyncClient(base_url=server.url, auth=(str(server.email), server.token)) as client,
    ):
        yield server.api, client


@asynccontextmanager
async def in_process(site: Site) -> AsyncIterator[tuple[ConfluenceApi, httpx.AsyncClient]]:
    api = ConfluenceApi(site)
    async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
        yield api, client


@pytest.fixture(params=[in_process, over_http])
async def talk(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ConfluenceApi, httpx.AsyncClient]]:
    site = Site()
    space = site.space("ENG")
    for number in range(5):
        site.page(space, f"Page {number}", "<p>Ünïcode 🙂</p>")
    async with request.param(site) as talk:
        yield talk


class TestFaults:
    async def test_a_status_meets_so_many_calls_and_no_more(self, talk: tuple[ConfluenceApi, httpx.AsyncClient]) -> None:
        api, client = talk
        api.fail("GET */pages", status=503, times=2, after=1)
        assert [(await client.get(PAGES)).status_code for _ in range(4)] == [200, 503, 503, 200]
        assert [request.status for request in api.requests] == [200, 503, 503, 200]

    async def test_a_fault_may_be_meant_for_one_page(self, talk: tuple[ConfluenceApi, httpx.AsyncClient]) -> None:
        api, client = talk
        first, second, *_ = (await client.get(PAGES)).json()["results"]
        api.fail(path=f"*/pages/{first['id']}", status=403, times=float("inf"))
        assert (await client.get(f"{PAGES}/{first['id']}")).status_code == 403
        assert (await client.get(f"{PAGES}/{second['id']}")).status_code == 200
        api.faults.clear()
        assert (await client.get(f"{PAGES}/{first['id']}")).status_code == 200

    async def test_a_connection_may_break_before_the_answer_and_in_it(
        self, talk: tuple[ConfluenceApi, httpx.AsyncClient]
    ) -> None:
        api, client = talk
        api.fail(cut=True)
        api.fail(lost=True, after=1)
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(PAGES)
        assert (await client.get(PAGES)).status_code == 200

    async def test_half_of_an_answer_and_a_login_page_come_with_200(self, talk: tuple[ConfluenceApi, httpx.AsyncClient]) -> None:
        api, client = talk
        api.fail(truncated=True)
        half = await client.get(PAGES)
        assert half.status_code == 200
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            half.json()
        api.fail(html=True)
        assert "Log in" in (await client.get(PAGES)).text

    async def test_an_empty_listing_says_that_it_is_complete(self, talk: tuple[ConfluenceApi, httpx.AsyncClient]) -> None:
        api, client = talk
        api.fail("GET */pages", empty=True)
        empty = (await client.get(PAGES)).json()
        assert empty["results"] == []
        assert "next" not in empty["_links"]

    async def test_people_work_between_two_requests(self, talk: tuple[ConfluenceApi, httpx.AsyncClient]) -> None:
        api, client = talk
        space = next(iter(api.site.spaces.values()))

        async def write(request: object) -> None:
            api.site.page(space, "Another")

        api.between = write
        assert len((await client.get(PAGES)).json()["results"]) == 6
        api.between = None
        assert api.calls["GET", PAGES] == 1
        api.forget()
        assert api.count() == 0


class TestThrottle:
    async def test_every_so_many_calls_are_told_to_wait_and_who_does_not_is_recorded(self) -> None:
        now = 100.0
        site = Site()
        api = ConfluenceApi(site, monotonic=lambda: now)
        api.throttle(every=3, retry_after=2)
        async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
            answers = [await client.get(PAGES) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert answers[2].headers["retry-after"] == "2"
            now += 0.05
            assert (await client.get(PAGES)).status_code == 200
            assert api.violations == []
            now += 1
            assert (await client.get(PAGES)).status_code == 429
            assert len(api.violations) == 1
            now += 1
            assert (await client.get(PAGES)).status_code == 200
            assert len(api.violations) == 1

    async def test_a_slow_answer_takes_its_time_and_is_good(self) -> None:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        api = ConfluenceApi(Site(), sleep=sleep)
        api.fail(seconds=30)
        async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
            assert (await client.get(PAGES)).status_code == 200
        assert slept == [30]


class TestServer:
    async def test_files_have_a_host_of_their_own(self) -> None:
        async with ConfluenceServer() as server:
            page = server.site.page(server.site.space("ENG"), "Page")
            file = server.site.attach(page, "big.bin", zeros=3_000_000)
            async with httpx.AsyncClient(base_url=server.url, auth=(str(server.email), server.token)) as client:
                sent = await client.get(f"/wiki/rest/api/content/{page.id}/child/attachment/{file.id}/download")
                assert not sent.headers["location"].startswith(server.url)
                assert (await client.get(sent.headers["location"])).status_code == 400
            async with httpx.AsyncClient() as stranger:
                assert len((await stranger.get(sent.headers["location"])).content) == 3_000_000

    async def test_a_data_center_is_served_below_its_path(self) -> None:
        async with ConfluenceServer(data_center=True, context="/confluence") as server:
            assert server.email is None
            assert server.url.endswith("/confluence")
            async with httpx.AsyncClient(headers={"Authorization": f"Bearer {server.token}"}) as client:
                assert (await client.get(f"{server.url}/rest/api/user/current")).json()["username"] == "footnote"

    async def test_a_scoped_token_is_served_at_the_gateway(self) -> None:
        async with ConfluenceServer(scopes=["read:space:confluence"]) as server, httpx.AsyncClient() as client:
            client.auth = (str(server.email), server.token)
            assert (await client.get(f"{server.url}/wiki/api/v2/spaces")).status_code == 200
            assert (await client.get(f"{server.url}{PAGES}")).status_code == 401
