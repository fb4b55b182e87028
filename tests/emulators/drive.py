"""Google Drive as a local server: what people do with files and groups, and what the API tells the bot of it.

async with DriveServer() as google:
    handbook = google.drive.folder("Handbook")
    google.drive.doc("Leave", handbook, "# Leave\\n\\nThirty days.")
    google.write_credentials(path)                         # GOOGLE_APPLICATION_CREDENTIALS
    ...                                                    # GOOGLE_API_URL=google.url
    assert google.api.counts["files.export"] == 1
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Self

import httpx
from aiohttp import web

from tests.emulators.drive_api import DriveApi
from tests.emulators.drive_methods import Channel
from tests.emulators.drive_world import Drive

__all__ = ["Drive", "DriveApi", "DriveServer", "key_file"]

_OF_CONNECTION = {"transfer-encoding", "connection", "content-encoding"}


class DriveServer:
    """``drive`` is the world behind it, ``api`` what was asked of it and what goes wrong."""

    def __init__(self, drive: Drive | None = None) -> None:
        self.api = DriveApi(drive)
        self.drive = self.api.drive
        self.url = ""
        """GOOGLE_API_URL."""
        self._runner: web.AppRunner | None = None
        self._messages = 0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        # Export links lead to another host of Google's: here to another port.
        for _ in range(2):
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url, self.api.export_url = (f"http://127.0.0.1:{address[1]}" for address in self._runner.addresses)
        self.api.accounts.token_uri = f"{self.url}/token"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def write_credentials(self, path: Path) -> Path:
        """The service account's key file, as the operator downloads it. Write it again after the key was replaced."""
        path.write_text(json.dumps(self.api.accounts.credentials(), indent=2))
        return path

    async def push(self, state: str = "change") -> list[int]:
        """Tell each channel that has not expired, as Google does; returns what they answered. ``sync``: it begins."""
        now = time.time()
        live = [channel for channel in self.api.channels.values() if channel.expires > now]
        async with httpx.AsyncClient(trust_env=False) as client:
            answers = await asyncio.gather(*(self._announce(client, channel, state) for channel in live))
        return [answer.status_code for answer in answers]

    async def _announce(self, client: httpx.AsyncClient, channel: Channel, state: str) -> httpx.Response:
        self._messages += 1
        headers = {
            "X-Goog-Channel-ID": channel.id,
            "X-Goog-Channel-Expiration": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(channel.expires)),
            "X-Goog-Message-Number": str(self._messages),
            "X-Goog-Resource-ID": channel.resource_id,
            "X-Goog-Resource-State": state,
            "X-Goog-Resource-URI": channel.resource_uri,
        } | ({"X-Goog-Channel-Token": channel.token} if channel.token else {})
        return await client.post(channel.address, headers=headers)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = httpx.Request(
            request.method, str(request.url), headers=list(request.headers.items()), content=await request.read()
        )
        try:
            answer = await self.api.handle(asked)
            headers = [(name, value) for name, value in answer.headers.multi_items() if name not in _OF_CONNECTION]
            told = web.StreamResponse(status=answer.status_code, headers=headers)
            await told.prepare(request)
            assert isinstance(answer.stream, httpx.AsyncByteStream)
            async for piece in answer.stream:
                await told.write(piece)
            await told.write_eof()
            return told
        except httpx.RemoteProtocolError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()


@cache
def key_file() -> Path:
    """The key file of the service account, as long as its key was not replaced."""
    path = Path(tempfile.mkdtemp()) / "key.json"
    path.write_text(json.dumps(DriveApi().accounts.credentials()))
    return path
