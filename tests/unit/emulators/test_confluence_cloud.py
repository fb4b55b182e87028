"""The emulated Confluence Cloud pages, hides and lets in as the real one does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.emulators.confluence import CLOUD_ID, SCOPES, AccessClass, ConfluenceApi, Site
from tests.sources import NOON

V1, V2 = "/wiki/rest/api", "/wiki/api/v2"


@pytest.fixture
def site() -> Site:
    """A second passes between any two things that happen: their order must not hang on the machine's clock."""
    moments = count()
    return Site(clock=lambda: NOON + timedelta(seconds=next(moments)))


@pytest.fixture
def api(site: Site) -> ConfluenceApi:
    return ConfluenceApi(site)


@pytest.fixture
async def client(api: ConfluenceApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
        yield client


async def ids(client: httpx.AsyncClient, path: str) -> list[str]:
    """Of all pages of a listing."""
    found: list[str] = []
    onward: str | None = path
    while onward:
        answer = (await client.get(onward)).raise_for_status().json()
        found += [item["id"] for item in answer["results"]]
        onward = answer["_links"].get("next")
    return found


class TestListing:
    async def test_ten_thousand_pages_are_listed_within_seconds(self, site: Site, client: httpx.AsyncClient) -> None:
        space = site.space("ENG")
        pages = [site.page(space, f"Page {number}", "<p>Body</p>").id for number in range(10_000)]
        started = time.perf_counter()
        assert await ids(client, f"{V2}/spaces/{space.id}/pages?limit=250&sort=id&body-format=storage") == pages
        assert time.perf_counter() - started < 5

    @pytest.mark.parametrize("sort", ["id", "-id", "title", "-title", "modified-date", "-modified-date", "-created-date"])
    async def test_pages_come_in_order_and_once_each(self, site: Site, client: httpx.AsyncClient, sort: str) -> None:
        space = site.space("ENG")
        pages = [site.page(space, title) for title in "CABAEDB"]
        site.edit(pages[2])
        keys = {
            "id": lambda page: (page.number,),
            "title": lambda page: (page.title, page.number),
            "modified-date": lambda page: (page.version.at, page.number),
            "created-date": lambda page: (page.created.at, page.number),
        }
        pages.sort(key=keys[sort.removeprefix("-")], reverse=sort.startswith("-"))
        assert await ids(client, f"{V2}/pages?limit=2&sort={sort}") == [page.id for page in pages]

    async def test_the_next_link_is_relative_to_the_host_and_a_header_says_the_same(
        self, site: Site, api: ConfluenceApi, client: httpx.AsyncClient
    ) -> None:
        space = site.space("ENG")
        for title in "AB":
            site.page(space, title)
        answer = await client.get(f"{V2}/pages?limit=1&status=current")
        links = answer.json()["_links"]
        assert links["next"].startswith(f"{V2}/pages?")
        assert links["base"] == f"{api.site_url}/wiki"
        assert answer.links["next"]["url"] == links["next"]
        assert parse_qs(urlsplit(links["next"]).query)["status"] == ["current"]
        searched = (await client.get(f"{V1}/content/search", params={"cql": "type=page", "limit": 1})).json()["_links"]
        assert searched["next"].startswith("/rest/api/content/search?")
        assert searched["context"] == "/wiki"

    async def test_a_cursor_is_good_for_its_query_alone_and_until_it_expires(
        self, site: Site, api: ConfluenceApi, client: httpx.AsyncClient
    ) -> None:
        space = site.space("ENG")
        for title in "AB":
            site.page(space, title)
        onward = (await client.get(f"{V2}/pages?limit=1")).json()["_links"]["next"]
        cursor = parse_qs(urlsplit(onward).query)["cursor"][0]
        assert (await client.get(f"{V2}/pages", params={"cursor": cursor, "limit": 5})).status_code == 200
        assert (await client.get(f"{V2}/pages", params={"cursor": cursor, "sort": "title"})).status_code == 400
        assert (await client.get(f"{V2}/spaces/{space.id}/pages", params={"cursor": cursor})).status_code == 400
        api.expire_cursors()
        refused = await client.get(onward)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["code"] == "INVALID_REQUEST_PARAMETER"
        assert "Expected type is Cursor" in refused.json()["errors"][0]["title"]

    async def test_an_empty_page_may_have_a_next_link(self, site: Site, api: ConfluenceApi, client: httpx.AsyncClient) -> None:
        space = site.space("ENG")
        pages = [site.page(space, f"Page {number}").id for number in range(7)]
        api.empty_page_every = 2
        assert await ids(client, f"{V2}/pages?limit=2") == pages
        assert api.count("GET */pages") == 7

    async def test_a_page_that_is_edited_meanwhile_moves_to_the_front(self, site: Site, client: httpx.AsyncClient) -> None:
        space = site.space("ENG")
        pages = [site.page(space, f"Page {number}") for number in range(4)]
        answer = (await client.get(f"{V2}/pages?limit=2&sort=-modified-date")).json()
        assert [item["id"] for item in answer["results"]] == [pages[3].id, pages[2].id]
        site.edit(pages[0])
        assert await ids(client, answer["_links"]["next"]) == [pages[1].id]

    async def test_archived_pages_are_listed_unless_it_is_said_otherwise_and_the_trash_on_demand(
        self, site: Site, client: httpx.AsyncClient
    ) -> None:
        space = site.space("ENG")
        current, archived, trashed = (site.page(space, title) for title in "ABC")
        site.archive(archived)
        site.trash(trashed)
        assert await ids(client, f"{V2}/pages") == [current.id, archived.id]
        assert await ids(client, f"{V2}/pages?status=current") == [current.id]
        assert await ids(client, f"{V2}/spaces/{space.id}/pages?status=trashed") == [trashed.id]
        assert (await client.get(f"{V2}/pages/{trashed.id}")).status_code == 404
        assert (await client.get(f"{V2}/pages/{trashed.id}?status=current,trashed")).json()["status"] == "trashed"
        site.purge(trashed)
        assert (await client.get(f"{V2}/pages/{trashed.id}?status=trashed,deleted")).status_code == 404

    async def test_the_nearest_ancestors_are_told_root_first(self, site: Site, client: httpx.AsyncClient) -> None:
        space = site.space("ENG")
        chain = [site.folder(space, "Folder")]
        for number in range(30):
            chain.append(site.page(space, f"Page {number}", parent=chain[-1]))
        nearest = (await client.get(f"{V2}/pages/{chain[-1].id}/ancestors")).json()["results"]
        assert [item["id"] for item in nearest] == [page.id for page in chain[5:30]]
        above = (await client.get(f"{V2}/pages/{nearest[0]['id']}/ancestors")).json()["results"]
        assert above[0] == {"id": chain[0].id, "type": "folder"}
        assert len(above) == 5


class TestSight:
    async def test_what_the_bot_may_not_read_is_nowhere(self, site: Site, client: httpx.AsyncClient) -> None:
        space, closed = site.space("ENG"), site.space("HR", permit=[site.author])
        page, below = site.page(space, "Page"), site.page(closed, "Secret")
        child = site.page(space, "Child", parent=page)
        site.attach(child, "a.txt", b"a")
        site.comment(child, "Why?")
        site.restrict(page, users=[site.author])
        for path in (
            f"{V2}/pages/{child.id}",
            f"{V2}/pages/{child.id}/attachments",
            f"{V2}/pages/{below.id}",
            f"{V2}/spaces/{closed.id}",
            f"{V2}/spaces/{closed.id}/permissions",
            f"{V1}/content/{child.id}",
            f"{V1}/content/{child.id}/restriction",
            f"{V1}/space/HR",
        ):
            assert (await client.get(path)).status_code == 404, path
        for path in (f"{V2}/pages", f"{V2}/attachments", f"{V2}/footer-comments", f"{V1}/content/search?cql=type=page"):
            assert await ids(client, path) == [], path
        assert await ids(client, f"{V2}/spaces") == [space.id]

    async def test_addresses_are_empty_unless_they_may_be_seen(self, site: Site, client: httpx.AsyncClient) -> None:
        ana, ben = site.user("Ana", shows_email=False), site.user("Ben")
        site.deactivate(ben)
        told = (await client.post(f"{V2}/users-bulk", json={"accountIds": [ana.id, ben.id, "nobody"]})).json()["results"]
        assert [(user["email"], user["accountStatus"]) for user in told] == [("", "active"), ("ben@acme.com", "inactive")]
        assert (await client.get(f"{V1}/user", params={"accountId": ana.id})).json()["email"] == ""
        assert (await client.post(f"{V2}/users-bulk", json={"accountIds": []})).status_code == 400

    async def test_members_are_told_by_offset_two_hundred_at_a_time(self, site: Site, client: httpx.AsyncClient) -> None:
        crew = site.group("crew", *(site.user(f"User {number}") for number in range(205)))
        path = f"{V1}/group/{crew.id}/membersByGroupId"
        first = (await client.get(path, params={"limit": 1000})).json()
        assert (first["size"], first["limit"]) == (200, 200)
        assert "start=200" in first["_links"]["next"]
        assert (await client.get(path, params={"start": 200})).json()["size"] == 5

    async def test_long_restrictions_are_told_in_parts_of_a_hundred(self, site: Site, client: httpx.AsyncClient) -> None:
        page = site.page(site.space("ENG"), "Page")
        people = [site.user(f"User {number}") for number in range(130)]
        site.restrict(page, users=[*people, site.bot])
        path = f"{V1}/content/{page.id}/restriction/byOperation/read"
        first = (await client.get(path)).json()["restrictions"]["user"]
        assert first["size"] == 100
        assert "start=100" in first["_links"]["next"]
        second = (await client.get(f"{path}?start=100&limit=100")).json()["restrictions"]["user"]
        assert second["size"] == 31
        assert second["_links"] == {}
        inline = (await client.get(f"{V1}/content/{page.id}?expand=restrictions.read.restrictions.user")).json()
        assert inline["restrictions"]["read"]["restrictions"]["user"]["size"] == 100

    async def test_space_permissions_say_roles_apart_and_the_public_in_v1_alone(
        self, site: Site, client: httpx.AsyncClient
    ) -> None:
        space = site.space("ENG", permit=[site.everybody, AccessClass.ANONYMOUS])
        site.permit(space, AccessClass.LICENSED, role=site.role("Reader", "read/space"))
        told = (await client.get(f"{V2}/spaces/{space.id}/permissions")).json()["results"]
        assert [(item["principal"]["type"], item["principal"]["id"]) for item in told] == [
            ("group", site.everybody.id),
            ("role", "all-licensed-users"),
        ]
        roles = (await client.get(f"{V2}/spaces/{space.id}/role-assignments")).json()["results"]
        assert [item["principal"]["principalType"] for item in roles] == ["ACCESS_CLASS"]
        old = (await client.get(f"{V1}/space/ENG?expand=permissions")).json()["permissions"]
        assert [item["anonymousAccess"] for item in old] == [False, True, False]

    async def test_restrictions_of_ancestors_fail_for_all_if_one_is_a_draft(self, site: Site, client: httpx.AsyncClient) -> None:
        space = site.space("ENG")
        site.page(space, "Page", parent=site.draft(space, "Draft"))
        site.page(space, "Other")
        expand = "ancestors.restrictions.read.restrictions.user"
        refused = await client.get(f"{V1}/content/search", params={"cql": "type=page", "expand": expand})
        assert refused.status_code == 404
        assert (await client.get(f"{V1}/content/search", params={"cql": "type=page", "expand": "ancestors"})).status_code == 200

    async def test_the_check_of_others_is_for_administrators(self, site: Site, client: httpx.AsyncClient) -> None:
        page = site.page(site.space("ENG"), "Page")
        ana = site.user("Ana")
        site.restrict(page, users=[site.bot])
        check = {"subject": {"type": "user", "identifier": ana.id}, "operation": "read"}
        path = f"{V1}/content/{page.id}/permission/check"
        assert (await client.post(path, json=check)).status_code == 403
        site.bot.administers = True
        assert (await client.post(path, json=check)).json()["hasPermission"] is False


class TestBodies:
    async def test_one_broken_body_fails_the_listing_that_it_is_in(self, site: Site, client: httpx.AsyncClient) -> None:
        space = site.space("ENG")
        good, bad = site.page(space, "Good"), site.page(space, "Bad")
        site.poison(bad)
        assert (await client.get(f"{V2}/pages?body-format=storage")).status_code == 500
        assert (await client.get(f"{V2}/pages?body-format=storage&limit=1")).status_code == 200
        assert await ids(client, f"{V2}/pages") == [good.id, bad.id]
        assert (await client.get(f"{V2}/pages/{bad.id}?body-format=view")).status_code == 500
        assert (await client.get(f"{V2}/pages/{bad.id}")).status_code == 200

    async def test_pages_of_v1_are_silently_capped_more_so_with_bodies(self, site: Site, client: httpx.AsyncClient) -> None:
        space = site.space("ENG")
        for number in range(250):
            site.page(space, f"Page {number}")
        sizes = []
        for expand in ("version", "body.storage", "body.view"):
            params: dict[str, Any] = {"cql": "type=page", "limit": 500, "expand": expand}
            sizes.append((await client.get(f"{V1}/content/search", params=params)).json()["size"])
        assert sizes == [200, 100, 25]

    async def test_a_file_is_fetched_from_another_host_that_takes_no_credential(
        self, site: Site, api: ConfluenceApi, client: httpx.AsyncClient
    ) -> None:
        page = site.page(site.space("ENG"), "Page")
        file = site.attach(page, "a.txt", b"one")
        sent = await client.get(f"{V1}/content/{page.id}/child/attachment/{file.id}/download")
        assert sent.status_code == 302
        assert sent.headers["location"].startswith(api.media_url)
        assert (await client.get(sent.headers["location"])).status_code == 400
        async with httpx.AsyncClient(transport=api) as stranger:
            assert (await stranger.get(sent.headers["location"])).content == b"one"
            site.purge(file)
            assert (await stranger.get(sent.headers["location"])).status_code == 403

    async def test_a_file_is_kept_in_each_of_its_versions(
        self, site: Site, api: ConfluenceApi, client: httpx.AsyncClient
    ) -> None:
        page = site.page(site.space("ENG"), "Page")
        file = site.attach(page, "a.txt", b"one")
        site.edit(file, title="b.txt")
        site.replace(file, b"three")
        path = f"{V1}/content/{page.id}/child/attachment/{file.id}/download"
        async with httpx.AsyncClient(transport=api) as stranger:
            kept = []
            for query in ("?version=1", "?version=2", "?version=3", ""):
                sent = await client.get(path + query)
                kept.append((await stranger.get(sent.headers["location"])).content)
        assert kept == [b"one", b"one", b"three", b"three"]
        assert (await client.get(f"{path}?version=4")).status_code == 400

    async def test_a_listed_size_may_be_a_lie(self, site: Site, client: httpx.AsyncClient) -> None:
        page = site.page(site.space("ENG"), "Page")
        site.attach(page, "a.txt", b"longer than that", listed=3)
        assert (await client.get(f"{V2}/attachments")).json()["results"][0]["fileSize"] == 3

    async def test_a_huge_file_costs_no_memory_here(self, site: Site, api: ConfluenceApi) -> None:
        page = site.page(site.space("ENG"), "Page")
        file = site.attach(page, "huge.bin", zeros=300 * 2**20)
        assert file.file.data == b""
        assert file.file.size == 314_572_800
        async with httpx.AsyncClient(transport=api) as stranger, stranger.stream("GET", api.media(file, file.file)) as answer:
            first = await anext(answer.aiter_bytes())
        assert answer.headers["content-length"] == "314572800"
        assert len(first) == 65_536


class TestCredentials:
    async def test_a_token_is_good_with_its_address_on_the_site(self, site: Site, api: ConfluenceApi) -> None:
        async with httpx.AsyncClient(transport=api, base_url=api.url) as client:
            assert (await client.get("/_edge/tenant_info")).json() == {"cloudId": CLOUD_ID}
            assert (await client.get(f"{V2}/spaces")).status_code == 401
            assert (await client.get(f"{V2}/spaces", auth=(api.email, "wrong"))).status_code == 401
            assert (await client.get(f"{V2}/spaces", headers={"Authorization": f"Bearer {api.token}"})).status_code == 403
            gateway = f"{api.gateway_url}/ex/confluence/{CLOUD_ID}{V2}/spaces"
            assert (await client.get(gateway, auth=(api.email, api.token))).status_code == 401

    async def test_a_scoped_token_is_good_at_the_gateway_alone(self, site: Site) -> None:
        api = ConfluenceApi(site, scopes=SCOPES)
        space = site.space("ENG")
        for title in "AB":
            site.page(space, title)
        async with httpx.AsyncClient(transport=api, auth=(api.email, api.token)) as client:
            assert (await client.get(f"{api.site_url}{V2}/spaces")).status_code == 401
            links = (await client.get(f"{api.url}{V2}/pages?limit=1")).json()["_links"]
            assert links["next"].startswith(V2)
            assert links["base"] == "https://acme.atlassian.net/wiki"
            bearer = {"Authorization": f"Bearer {api.token}"}
            assert (await client.get(f"{api.url}{links['next']}", headers=bearer, auth=None)).status_code == 200  # type: ignore[arg-type]
            elsewhere = f"{api.gateway_url}/ex/confluence/other{V2}/pages"
            assert (await client.get(elsewhere)).status_code == 404

    async def test_a_scope_that_is_missing_is_a_401_and_browsers_links_take_no_scope(self, site: Site) -> None:
        api = ConfluenceApi(site, scopes=SCOPES - {"read:confluence-groups", "read:group:confluence"})
        page = site.page(site.space("ENG"), "Page")
        link = f"/wiki/download/attachments/{page.id}/{site.attach(page, 'a.txt', b'a').title}"
        async with httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token)) as client:
            refused = await client.get(f"{V1}/group")
            assert (refused.status_code, refused.json()["message"]) == (401, "Unauthorized; scope does not match")
            assert (await client.get(link.removeprefix("/"))).status_code == 401
            assert (await client.get(f"{V2}/pages")).status_code == 200

    async def test_a_revoked_token_is_refused_until_there_is_a_new_one(self, api: ConfluenceApi) -> None:
        async with httpx.AsyncClient(transport=api, base_url=api.url) as client:
            old = api.token
            api.revoke()
            assert (await client.get(f"{V2}/spaces", auth=(api.email, old))).status_code == 401
            assert (await client.get(f"{V2}/spaces", auth=(api.email, api.renew()))).status_code == 200
            assert (await client.get(f"{V2}/spaces", auth=(api.email, old))).status_code == 401

    async def test_a_deactivated_account_is_refused(self, api: ConfluenceApi, client: httpx.AsyncClient) -> None:
        api.site.deactivate(api.site.bot)
        assert (await client.get(f"{V2}/spaces")).status_code == 401

    async def test_there_is_nobody_at_another_host(self, api: ConfluenceApi) -> None:
        async with httpx.AsyncClient(transport=api) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("https://other.atlassian.net/wiki/api/v2/spaces")
