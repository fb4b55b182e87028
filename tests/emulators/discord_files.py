"""Files on Discord's CDN: whoever has the signed address gets them, until it expires."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(eq=False)
class File:
    id: int
    name: str
    body: bytes
    url: str
    content_type: str | None
    served: list[str | None] = field(default_factory=list)
    """What each who asked for it proved with: nobody has to."""

    def json(self) -> dict[str, Any]:
        described = {"id": str(self.id), "filename": self.name, "size": len(self.body), "url": self.url, "proxy_url": self.url}
        return described | ({"content_type": self.content_type} if self.content_type else {})


class Cdn:
    def __init__(self) -> None:
        self.base = ""
        self.redirect: str | None = None
        """Where all who ask for bytes are sent, when it is set."""
        self._files: dict[str, File] = {}

    def store(self, id: int, name: str, body: bytes, content_type: str | None) -> File:
        signature = secrets.token_hex(8)
        file = File(id, name, body, f"{self.base}/attachments/1/{id}/{name}?ex=1&is=2&hm={signature}", content_type)
        self._files[str(id)] = file
        return file

    def expire(self, file: File) -> None:
        del self._files[str(file.id)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.redirect is not None:
            raise web.HTTPFound(self.redirect)
        file = self._files.get(request.match_info["id"])
        if file is None or request.query.get("hm") != file.url.rpartition("=")[2]:
            return web.Response(status=404, text="This content is no longer available.")
        file.served.append(request.headers.get("Authorization"))
        return web.Response(body=file.body, content_type=file.content_type or "application/octet-stream")
