"""What goes wrong at the emulated Drive goes wrong where and as often as it was said."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.emulators.drive import DriveApi

FILES = "/drive/v3/files"


@pytest.fixture
def api() -> DriveApi:
    api = DriveApi()
    api.drive.doc("Leave", api.drive.folder("Handbook"), "Thirty days.")
    return api


@pytest.fixture
async def client(api: DriveApi) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client() as client:
        yield client


async def statuses(client: httpx.AsyncClient, count: int, path: str = FILES) -> list[int]:
    return [(await client.get(path)).status_code for _ in range(count)]


async def test_a_fault_meets_every_nth_request_so_many_times(api: DriveApi, client: httpx.AsyncClient) -> None:
    api.fail("files.*", 429, times=2, every=3, after=1)
    assert await statuses(client, 10) == [200, 200, 200, 429, 200, 200, 429, 200, 200, 200]
    assert [call.status for call in api.calls_of("files.list")] == [200, 200, 200, 429, 200, 200, 429, 200, 200, 200]


async def test_a_fault_meets_one_file_only(api: DriveApi, client: httpx.AsyncClient) -> None:
    folder, leave = api.drive.items.values()
    api.fail("files.get", 500, times=9, about=leave.id)
    assert await statuses(client, 2, f"{FILES}/{leave.id}") == [500, 500]
    assert await statuses(client, 1, f"{FILES}/{folder.id}") == [200]
    api.faults.clear()
    assert await statuses(client, 1, f"{FILES}/{leave.id}") == [200]


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("userRateLimitExceeded", 403),
        ("rateLimitExceeded", 403),
        ("insufficientFilePermissions", 403),
        ("domainPolicy", 403),
        ("accessNotConfigured", 403),
        ("backendError", 500),
        (429, 429),
        (503, 503),
    ],
)
async def test_an_error_has_googles_shape_and_no_time_to_wait(
    api: DriveApi, client: httpx.AsyncClient, what: str | int, status: int
) -> None:
    api.fail("files.list", what)
    answer = await client.get(FILES)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert "Retry-After" not in answer.headers
    assert error["errors"][0].keys() >= {"domain", "reason", "message"}
    if isinstance(what, str):
        assert error["errors"][0]["reason"] == what


async def test_answers_are_spoilt(api: DriveApi, client: httpx.AsyncClient) -> None:
    api.fail("files.list", "html")
    assert (await client.get(FILES)).headers["Content-Type"].startswith("text/html")
    api.fail("files.list", "truncated")
    answer = await client.get(FILES)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()
    for effect in ("cut", "half"):
        api.fail("files.list", effect)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(FILES)
    assert [call.status for call in api.calls] == [200, 200, 0, 200]


async def test_a_download_breaks_off(api: DriveApi, client: httpx.AsyncClient) -> None:
    (_, leave) = api.drive.items.values()
    api.fail("files.export", "half")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(f"{FILES}/{leave.id}/export", params={"mimeType": "text/markdown"})


async def test_a_listing_is_incomplete_or_has_an_empty_page(api: DriveApi, client: httpx.AsyncClient) -> None:
    api.fail("files.list", "incomplete")
    assert (await client.get(FILES)).json()["incompleteSearch"] is True
    api.fail("files.list", "empty_page")
    empty = (await client.get(FILES)).json()
    assert empty["files"] == []
    assert len((await client.get(FILES, params={"pageToken": empty["nextPageToken"]})).json()["files"]) == 2


async def test_the_feed_has_an_empty_page(api: DriveApi, client: httpx.AsyncClient) -> None:
    token = (await client.get("/drive/v3/changes/startPageToken")).json()["startPageToken"]
    for item in api.drive.items.values():
        api.drive.touch(item)
    api.fail("changes.list", "empty_page")
    empty = (await client.get("/drive/v3/changes", params={"pageToken": token})).json()
    assert empty["changes"] == []
    rest = (await client.get("/drive/v3/changes", params={"pageToken": empty["nextPageToken"]})).json()
    assert len(rest["changes"]) == 2


async def test_only_a_page_token_expires(api: DriveApi, client: httpx.AsyncClient) -> None:
    api.fail("files.list", "expired")
    first = (await client.get(FILES, params={"pageSize": "1"})).json()
    params = {"pageSize": "1", "pageToken": first["nextPageToken"]}
    assert (await client.get(FILES, params=params)).json()["error"]["errors"][0]["location"] == "pageToken"
    assert (await client.get(FILES, params=params)).status_code == 200


async def test_an_answer_is_late(api: DriveApi, client: httpx.AsyncClient) -> None:
    api.fail("files.list", "slow", seconds=0.2)
    began = time.monotonic()
    await client.get(FILES)
    assert time.monotonic() - began >= 0.2


async def test_the_world_changes_between_requests(api: DriveApi, client: httpx.AsyncClient) -> None:
    folder, leave = api.drive.items.values()
    api.between = lambda call: api.drive.trash(folder) if call.route == "files.get" else None
    assert (await client.get(f"{FILES}/{leave.id}", params={"fields": "trashed"})).json() == {"trashed": True}


def test_an_unknown_fault_is_a_mistake(api: DriveApi) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        api.fail("files.list", "nonsense")
