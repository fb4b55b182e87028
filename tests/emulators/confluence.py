"""Confluence as a local server, Cloud or Data Center, over a site in which tests act for the people who write.

async with ConfluenceServer() as confluence:
    space = confluence.site.space("ENG")
    page = confluence.site.page(space, "Leave", "<p>Thirty days.</p>")
    ...  # CONFLUENCE_URL=confluence.url, CONFLUENCE_EMAIL=confluence.email, CONFLUENCE_API_TOKEN=confluence.token
    assert confluence.api.count("GET */pages/*") == 1
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Self

import httpx
from aiohttp import web

from tests.emulators.confluence_api import CLOUD_ID, SCOPES, ConfluenceApi
from tests.emulators.confluence_faults import Fault
from tests.emulators.confluence_site import Site
from tests.emulators.confluence_world import AccessClass, Account, Content, Group, Role, Space

__all__ = [
    "CLOUD_ID",
    "SCOPES",
    "AccessClass",
    "Account",
    "ConfluenceApi",
    "ConfluenceServer",
    "Content",
    "Fault",
    "Group",
    "Role",
    "Site",
    "Space",
    "webhook",
]


class ConfluenceServer:
    """Files are served by a second port, as by another host. What ``how`` may say: see :class:`ConfluenceApi`."""

    def __init__(self, site: Site | None = None, *, data_center: bool = False, **how: Any) -> None:
        self.site = site or Site(data_center=data_center)
        self.api = ConfluenceApi(self.site, **how)
        self._runners: list[web.AppRunner] = []

    async def __aenter__(self) -> Self:
        self.api.site_url = self.api.gateway_url = await self._serve()
        self.api.media_url = await self._serve()
        return self

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            await runner.cleanup()

    @property
    def url(self) -> str:
        """CONFLUENCE_URL."""
        return self.api.url

    @property
    def email(self) -> str | None:
        """CONFLUENCE_EMAIL."""
        return None if self.site.data_center else self.api.email

    @property
    def token(self) -> str:
        """CONFLUENCE_API_TOKEN."""
        return self.api.token

    async def _serve(self) -> str:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = httpx.Request(
            request.method,
            f"http://{request.host}{request.raw_path}",
            headers=list(request.headers.items()),
            content=await request.read(),
        )
        assert request.transport is not None
        try:
            answer = await self.api.handle(asked)
        except httpx.HTTPError:
            request.transport.abort()
            return web.Response()
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        response = web.StreamResponse(status=answer.status_code, headers=headers)
        if "content-length" in answer.headers:
            response.content_length = int(answer.headers["content-length"])
        await response.prepare(request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        try:
            async for piece in answer.stream:
                await response.write(piece)
        except httpx.HTTPError:
            request.transport.abort()
        return response


def webhook(site: Site, secret: str, event: str, content: Content) -> tuple[bytes, dict[str, str]]:
    """Body and headers with which a Data Center tells of ``page_updated``, ``page_trashed``, ``attachment_created`` ..."""
    fields = {
        "id": content.number,
        "title": content.title,
        "spaceKey": content.holder.space.key,
        "version": content.version.number,
        "contentType": content.kind,
    }
    kind = event.partition("_")[0]
    body = json.dumps(
        {
            "timestamp": int(site.clock().timestamp() * 1000),
            "event": event,
            "userKey": content.version.author.id,
            kind: fields,
        }
    ).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Event-Key": event, "X-Hub-Signature": f"sha256={signature}"}
    return body, headers
