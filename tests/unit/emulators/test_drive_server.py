"""The emulated Drive over HTTP, asked by Google's own client, and what it announces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from tests.emulators.drive import DriveServer

READ = "https://www.googleapis.com/auth/drive.readonly"
ALL = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}


@pytest.fixture
async def google() -> AsyncIterator[DriveServer]:
    async with DriveServer() as server:
        yield server


def official(google: DriveServer, path: Path) -> Any:
    """Google's client, which blocks: call it in a thread."""
    credentials = service_account.Credentials.from_service_account_file(google.write_credentials(path), scopes=[READ])
    options = {"api_endpoint": f"{google.url}/drive/v3/"}
    return build("drive", "v3", credentials=credentials, client_options=options, static_discovery=True, cache_discovery=False)


async def test_googles_own_client_reads_it(google: DriveServer, tmp_path: Path) -> None:
    people = google.drive.shared_drive("People")
    doc = google.drive.doc("Päivät 🌴", people, "# Leave")
    file = google.drive.file("a.txt", people, "abc")

    def read() -> None:
        drive = official(google, tmp_path / "key.json")
        token = drive.changes().getStartPageToken(supportsAllDrives=True).execute()["startPageToken"]
        first = drive.files().list(corpora="drive", driveId=people.id, pageSize=1, **ALL)
        second = drive.files().list_next(first, first.execute())
        assert [found["name"] for found in second.execute()["files"]] == ["a.txt"]
        assert drive.files().export(fileId=doc.id, mimeType="text/markdown").execute() == b"# Leave"
        assert drive.files().get_media(fileId=file.id, supportsAllDrives=True).execute() == b"abc"
        google.drive.rename(doc, "Holidays")
        changes = drive.changes().list(pageToken=token, **ALL).execute()["changes"]
        assert [change["file"]["name"] for change in changes] == ["Holidays"]
        assert drive.drives().list().execute()["drives"][0]["name"] == "People"
        assert len(drive.permissions().list(fileId=doc.id, supportsAllDrives=True).execute()["permissions"]) == 1
        with pytest.raises(HttpError, match="File not found"):
            drive.files().get(fileId=doc.id).execute()

    await asyncio.to_thread(read)
    assert google.api.flaws == []
    assert google.api.counts["token"] == 1


async def test_export_links_lead_to_another_port_that_wants_the_token(google: DriveServer) -> None:
    doc = google.drive.doc("Leave", google.drive.folder("Handbook"), "# Leave")
    headers = {"Authorization": f"Bearer {google.api.accounts.issue()}"}
    async with httpx.AsyncClient(base_url=google.url) as client:
        told = await client.get(f"/drive/v3/files/{doc.id}", params={"fields": "exportLinks"}, headers=headers)
        link = told.json()["exportLinks"]["text/markdown"]
        assert httpx.URL(link).port != httpx.URL(google.url).port
        assert (await client.get(link)).status_code == 401
        assert (await client.get(link, headers=headers)).text == "# Leave"


async def test_a_connection_breaks_before_or_within_an_answer(google: DriveServer) -> None:
    headers = {"Authorization": f"Bearer {google.api.accounts.issue()}"}
    async with httpx.AsyncClient(base_url=google.url, headers=headers) as client:
        for effect in ("cut", "half"):
            google.api.fail("files.list", effect)
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/drive/v3/files")
        assert (await client.get("/drive/v3/files")).status_code == 200


class TestChannels:
    @pytest.fixture
    async def heard(self) -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
        """The address of somebody who listens, and the headers of what came."""
        came: list[dict[str, str]] = []

        async def hear(request: web.Request) -> web.Response:
            assert await request.read() == b""
            came.append({name: value for name, value in request.headers.items() if name.startswith("X-Goog-")})
            return web.Response(status=202)

        app = web.Application()
        app.router.add_post("/push/drive", hear)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/push/drive", came
        await runner.cleanup()

    async def watch(self, client: httpx.AsyncClient, **body: Any) -> httpx.Response:
        token = (await client.get("/drive/v3/changes/startPageToken")).json()["startPageToken"]
        return await client.post("/drive/v3/changes/watch", params={"pageToken": token}, json={"type": "web_hook"} | body)

    async def test_are_told_of_changes_with_their_token_until_they_are_stopped(
        self, google: DriveServer, heard: tuple[str, list[dict[str, str]]]
    ) -> None:
        address, came = heard
        async with google.api.client() as client:
            channel = (await self.watch(client, id="c-1", address=address, token="s3cret")).json()
            assert channel.keys() == {"kind", "id", "resourceId", "resourceUri", "token", "expiration"}
            assert (await self.watch(client, id="c-1", address=address)).json()["error"]["errors"][0][
                "reason"
            ] == "channelIdNotUnique"
            assert await google.push("sync") == [202]
            assert await google.push() == [202]
            assert [headers["X-Goog-Resource-State"] for headers in came] == ["sync", "change"]
            assert came[1]["X-Goog-Channel-Token"] == "s3cret"
            assert came[1]["X-Goog-Channel-ID"] == "c-1"
            stopped = await client.post("/drive/v3/channels/stop", json={"id": "c-1", "resourceId": channel["resourceId"]})
            assert stopped.status_code == 204
            assert await google.push() == []
        assert google.api.flaws == []

    async def test_expire(self, google: DriveServer, heard: tuple[str, list[dict[str, str]]]) -> None:
        async with google.api.client() as client:
            long = await self.watch(client, id="long", address=heard[0], expiration=str(10**14))
            assert int(long.json()["expiration"]) < 10**14
            await self.watch(client, id="past", address=heard[0], expiration="1000")
            assert await google.push() == [202]

    async def test_need_a_safe_address_and_an_id(self, google: DriveServer) -> None:
        async with google.api.client() as client:
            for body in ({"id": "c", "address": "http://acme.com/push"}, {"address": "https://acme.com"}, {"colour": "red"}):
                assert (await self.watch(client, **body)).status_code == 400
