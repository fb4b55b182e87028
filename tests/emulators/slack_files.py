"""Files in a workspace: given to an app that proves who it is and was granted ``files:read``; others are sent to log in."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.emulators.slack_rules import Refused

File = dict[str, Any]
"""As Slack describes one in events and in files.info."""


@dataclass
class Stored:
    file: File
    body: bytes
    served: int = 0


class SlackFiles:
    """``valid`` tells whether a token opens what is in this team; ``need`` raises Refused for a scope that was not granted."""

    def __init__(self, team: str, valid: Callable[[str], bool], need: Callable[[str], None]) -> None:
        self.base = ""
        self.redirect: str | None = None
        """Where all who ask for bytes are sent, when it is set."""
        self.stored: dict[str, Stored] = {}
        self._team = team
        self._valid = valid
        self._need = need
        self._numbers = itertools.count(1)

    def upload(self, user: str, name: str, body: bytes, mimetype: str = "application/octet-stream", **fields: Any) -> File:
        """Somebody's file; hang it on a message with ``say(..., files=[file])``."""
        id = f"F{next(self._numbers):08d}"
        address = f"{self.base}/files-pri/{self._team}-{id}"
        file = {
            "id": id,
            "name": name,
            "title": name,
            "mimetype": mimetype,
            "filetype": name.rpartition(".")[2],
            "user": user,
            "size": len(body),
            "mode": "hosted",
            "is_external": False,
            "url_private": f"{address}/{name}",
            "url_private_download": f"{address}/download/{name}",
            "permalink": f"https://footnote.slack.com/files/{user}/{id}/{name.lower()}",
            **fields,
        }
        self.stored[id] = Stored(file, body)
        return file

    def unexplained(self, file: File) -> File:
        """As an event in a channel that is shared with others tells of it."""
        return {"id": file["id"], "mode": "file_access", "file_access": "check_file_info", "created": 1, "user": file["user"]}

    def info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """files.info"""
        self._need("files:read")
        stored = self.stored.get(str(arguments.get("file")))
        if stored is None:
            raise Refused("file_not_found")
        return {"file": stored.file, "comments": []}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.redirect is not None:
            raise web.HTTPFound(self.redirect)
        stored = self.stored.get(request.match_info["id"].partition("-")[2])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            if not self._valid(token):
                raise Refused("not_authed")
            self._need("files:read")
        except Refused:
            # Not an error, but the page where people log in.
            page = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head></html>"
            return web.Response(text=page, content_type="text/html")
        if stored is None:
            raise web.HTTPNotFound
        stored.served += 1
        return web.Response(body=stored.body, content_type=stored.file["mimetype"])
