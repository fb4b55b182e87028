"""The emulated Data Center pages by offset, caps limits, and has its own ways to say who may do what."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.emulators.confluence import AccessClass, ConfluenceApi, Site, webhook


@pytest.fixture
def site() -> Site:
    return Site(data_center=True)


@pytest.fixture
def api(site: Site) -> ConfluenceApi:
    return ConfluenceApi(site, context="/confluence")


@pytest.fixture
async def client(api: ConfluenceApi) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {api.token}"}
    async with httpx.AsyncClient(transport=api, base_url=api.url, headers=headers) as client:
        yield client


async def get(client: httpx.AsyncClient, path: str) -> Any:
    return (await client.get(path)).raise_for_status().json()


async def test_the_next_link_goes_on_after_what_was_asked_and_so_leaves_pages_out(site: Site, client: httpx.AsyncClient) -> None:
    space = site.space("ENG")
    pages = [site.page(space, f"Page {number}").id for number in range(450)]
    first = await get(client, "/rest/api/content?spaceKey=ENG&type=page&limit=300")
    assert [item["id"] for item in first["results"]] == pages[:200]
    assert (first["size"], first["limit"]) == (200, 200)
    assert "start=300" in first["_links"]["next"]
    assert first["_links"]["context"] == "/confluence"
    own = await get(client, "/rest/api/content?spaceKey=ENG&type=page&limit=300&start=200")
    assert [item["id"] for item in own["results"]] == pages[200:400]


async def test_what_was_trashed_is_found_with_any_status(site: Site, client: httpx.AsyncClient) -> None:
    page = site.page(site.space("ENG"), "Page")
    site.trash(page)
    refused = await client.get(f"/rest/api/content/{page.id}")
    assert refused.status_code == 404
    assert refused.json()["reason"] == "Not Found"
    assert (await get(client, f"/rest/api/content/{page.id}?status=any"))["status"] == "trashed"
    assert (await get(client, "/rest/api/content?status=trashed"))["size"] == 1


async def test_space_permissions_are_told_since_9_1(site: Site, api: ConfluenceApi, client: httpx.AsyncClient) -> None:
    ana = site.user("Ana")
    site.space("ENG", permit=[site.everybody, ana, AccessClass.ANONYMOUS])
    told = await get(client, "/rest/api/space/ENG/permissions")
    assert [item["subject"] for item in told] == [
        {"type": "group", "name": "confluence-users"},
        {"type": "user", "userKey": ana.id},
        {"type": "anonymous"},
    ]
    assert all(item["operation"] == {"targetType": "space", "operationKey": "read"} for item in told)
    assert len(await get(client, "/rest/api/space/ENG/permissions/anonymous")) == 1


async def test_space_permissions_were_told_by_another_way_before(
    site: Site, api: ConfluenceApi, client: httpx.AsyncClient
) -> None:
    api.knows_space_permissions = False
    site.space("ENG", permit=[site.everybody, site.author, AccessClass.ANONYMOUS])
    assert (await client.get("/rest/api/space/ENG/permissions")).status_code == 404
    path = "/rpc/json-rpc/confluenceservice-v2/getSpacePermissionSets"
    (told,) = (await client.post(path, json=["ENG"])).raise_for_status().json()
    assert told["type"] == "VIEWSPACE"
    assert [(item["userName"], item["groupName"]) for item in told["spacePermissions"]] == [
        (None, "confluence-users"),
        ("wilma.writer", None),
        (None, None),
    ]
    assert (await client.post(path, json=["HR"])).status_code == 500


async def test_people_have_keys_and_names_and_an_address_only_in_their_profile(site: Site, client: httpx.AsyncClient) -> None:
    ana = site.user("Ana")
    shy = site.user("Shy One", shows_email=False)
    site.deactivate(shy)
    assert "email" not in await get(client, f"/rest/api/user?key={ana.id}")
    assert (await get(client, "/rest/mobile/latest/profile/ana"))["email"] == "ana@acme.com"
    assert "email" not in await get(client, "/rest/mobile/latest/profile/shy.one")
    assert (await get(client, "/rest/api/user?username=shy.one&expand=status"))["status"] == "deactivated"
    assert (await get(client, "/rest/api/user/current"))["username"] == "footnote"


async def test_the_members_of_a_group_with_a_slash_in_its_name_cannot_be_asked_for(site: Site, client: httpx.AsyncClient) -> None:
    site.group("crew/night", site.author)
    site.group("crew of day", site.author)
    assert (await client.get("/rest/api/group/crew%2Fnight/member")).status_code == 404
    assert (await get(client, "/rest/api/group/crew%20of%20day/member"))["size"] == 1


async def test_replies_name_the_comments_above_them(site: Site, client: httpx.AsyncClient) -> None:
    page = site.page(site.space("ENG"), "Page")
    first = site.comment(page, "Why?")
    second = site.reply(first, "So.")
    third = site.reply(second, "Ah.")
    told = await get(client, f"/rest/api/content/{page.id}/child/comment?depth=all&expand=ancestors,body.storage")
    above = {item["id"]: [ancestor["id"] for ancestor in item["ancestors"]] for item in told["results"]}
    assert above == {first.id: [], second.id: [first.id], third.id: [first.id, second.id]}
    assert (await get(client, f"/rest/api/content/{page.id}/child/comment"))["size"] == 1


async def test_files_come_from_the_site_itself(site: Site, client: httpx.AsyncClient) -> None:
    page = site.page(site.space("ENG"), "Page")
    site.attach(page, "tä ble #1 + 50%.csv", b"a,b")
    told = await get(client, f"/rest/api/content/{page.id}/child/attachment?expand=version")
    assert (await client.get(told["results"][0]["_links"]["download"])).content == b"a,b"


async def test_times_are_told_in_the_zone_of_the_server(site: Site, client: httpx.AsyncClient) -> None:
    page = site.page(site.space("ENG"), "Page")
    told = await get(client, f"/rest/api/content/{page.id}?expand=version")
    assert told["version"]["when"].endswith(("+01:00", "+02:00"))


async def test_it_is_below_its_path_and_takes_personal_tokens_alone(site: Site, api: ConfluenceApi) -> None:
    async with httpx.AsyncClient(transport=api, base_url=api.site_url) as client:
        bearer = {"Authorization": f"Bearer {api.token}"}
        assert (await client.get("/rest/api/space", headers=bearer)).status_code == 404
        assert (await client.get("/confluence/rest/api/space", headers=bearer)).status_code == 200
        assert (await client.get("/confluence/rest/api/space", auth=(api.email, api.token))).status_code == 401
        assert (await client.get("/confluence/api/v2/spaces", headers=bearer)).status_code == 404


def test_a_webhook_is_signed_over_its_body(site: Site) -> None:
    page = site.page(site.space("ENG"), "Page")
    body, headers = webhook(site, "secret", "page_updated", page)
    assert headers["X-Hub-Signature"] == f"sha256={hmac.new(b'secret', body, hashlib.sha256).hexdigest()}"
    assert json.loads(body)["page"]["id"] == page.number
