"""Google's Drive v3, its token endpoint and the members of the Admin SDK's directory, on an emulated Drive.

api = DriveApi(Drive())
async with api.client() as client:
    answer = await client.get("/drive/v3/files", params={"q": "trashed = false"})
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import httpx

from tests.emulators.drive_auth import READ, Accounts
from tests.emulators.drive_content import pieces
from tests.emulators.drive_errors import STATUS, Refused, TokenRefused
from tests.emulators.drive_faults import Effect, Fault, Faults
from tests.emulators.drive_fields import mask_of
from tests.emulators.drive_listing import Listing, changes, start_page_token
from tests.emulators.drive_methods import (
    Channel,
    Media,
    about,
    drive,
    drives,
    export_file,
    follow_export_link,
    get_file,
    members,
    permissions,
    stop,
    watch,
)
from tests.emulators.drive_pages import Pages
from tests.emulators.drive_question import Question
from tests.emulators.drive_resources import Resources
from tests.emulators.drive_routes import Route, parameters_of, route_of
from tests.emulators.drive_spec import load
from tests.emulators.drive_world import Drive

API_URL = "https://www.googleapis.com"
EXPORT_URL = "https://docs.google.com"
EXPORT_LIMIT = 10 * 1024 * 1024


@dataclass
class Call:
    """A request of the bot. ``status`` is 0 when it got no answer."""

    route: str
    method: str
    address: str
    """Path and query."""
    at: float
    """Seconds of the monotonic clock."""
    status: int = 0


class DriveApi(httpx.AsyncBaseTransport):
    """``drive`` may be changed between requests and, by ``between``, before each."""

    def __init__(self, drive: Drive | None = None) -> None:
        self.drive = drive or Drive()
        self.accounts = Accounts(self.drive)
        self.pages = Pages()
        self.faults = Faults()
        self.channels: dict[str, Channel] = {}
        self.calls: list[Call] = []
        self.flaws: list[str] = []
        """What Google's discovery document has against requests and answers so far, where it is at hand."""
        self.judge = load()
        self.between: Callable[[Call], Awaitable[None] | None] | None = None
        self.export_url = EXPORT_URL
        self.export_limit = EXPORT_LIMIT
        self._listing = Listing()

    def client(self, scopes: frozenset[str] = READ, *, email: str | None = None) -> httpx.AsyncClient:
        """One that is let in, as the bot or as somebody else."""
        headers = {"Authorization": f"Bearer {self.accounts.issue(scopes, email=email)}"}
        return httpx.AsyncClient(transport=self, base_url=API_URL, headers=headers)

    # What is known of the requests.

    @property
    def counts(self) -> Counter[str]:
        """Requests by route."""
        return Counter(call.route for call in self.calls)

    def calls_of(self, route: str) -> list[Call]:
        return [call for call in self.calls if call.route == route]

    def fail(self, route: str, what: Effect | int | str, **how: Any) -> None:
        """The next requests go wrong: an :class:`Effect`, a status, or a reason of Google's. ``how`` as of :class:`Fault`."""
        self.faults.add(Fault(route, what if what in STATUS or isinstance(what, int) else Effect(what), **how))

    # What is answered.

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.handle(request)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.RemoteProtocolError for a connection that breaks."""
        content = await request.aread()
        path, method = request.url.path, request.method
        call = Call("", method, request.url.raw_path.decode(), time.monotonic())
        self.calls.append(call)
        try:
            route, named = route_of(method, path)
            call.route = route.name
            if self.between and (waiting := self.between(call)):
                await waiting
            fault = self.faults.take(route.name, call.address)
            answer = await self._answer(request, content, route, named, fault)
        except Refused as refused:
            answer = httpx.Response(refused.status, json=refused.body)
        except TokenRefused as refused:
            answer = httpx.Response(refused.status, json=refused.body)
        call.status = answer.status_code
        return answer

    async def _answer(
        self, request: httpx.Request, content: bytes, route: Route, named: dict[str, str], fault: Fault | None
    ) -> httpx.Response:
        effect = fault.what if fault and isinstance(fault.what, Effect) else None
        if fault:
            await asyncio.sleep(fault.seconds)
            if effect is None:
                raise _refusal(fault.what)
        if effect is Effect.HTML:
            return httpx.Response(200, html="<!doctype html><title>Sign in</title><p>Sign in to continue.</p>")
        if effect is Effect.CUT:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        if effect is Effect.EXPIRED:
            raise self.pages.refusal()
        answer = self._result(request, content, route, named, effect)
        if effect not in {Effect.TRUNCATED, Effect.HALF}:
            return answer
        whole = await answer.aread()
        half, headers = whole[: len(whole) // 2], {"Content-Type": answer.headers["Content-Type"]}
        if effect is Effect.TRUNCATED:
            return httpx.Response(answer.status_code, content=half, headers=headers)
        headers["Content-Length"] = str(len(whole))
        return httpx.Response(answer.status_code, stream=_Broken(half, request), headers=headers)

    def _result(
        self, request: httpx.Request, content: bytes, route: Route, named: dict[str, str], effect: Effect | None
    ) -> httpx.Response:
        if route.name == "token":
            return httpx.Response(200, json=self.accounts.grant(dict(parse_qsl(content.decode()))))
        if self.judge:
            self.flaws += self.judge.request(route.name, named, request.url.params.multi_items())
        token = self.accounts.bearer(request.headers.get("Authorization"), route.scopes)
        parameters = parameters_of(route, request.url.params.multi_items())
        fields = parameters.get("fields")
        asked = Question(
            route=route,
            named=named,
            parameters=parameters,
            mask=mask_of(None if fields is None else str(fields), route.schema) if route.schema else mask_of("*", "File"),
            email=token.email,
            world=self.drive,
            resources=Resources(self.drive, token.email, self.export_url),
            pages=self.pages,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=_json(content) if content else None,
            effect=effect,
        )
        result = self._call(asked)
        if isinstance(result, Media):
            return _media(result)
        if result is None:
            return httpx.Response(204)
        body = asked.mask.apply(result)
        if self.judge:
            self.flaws += self.judge.answer(route.name, body)
        return httpx.Response(200, json=body)

    def _call(self, asked: Question) -> dict[str, Any] | Media | None:
        match asked.route.name:
            case "about.get":
                return about(asked)
            case "files.list":
                return self._listing.files(asked)
            case "files.get":
                return get_file(asked)
            case "files.export":
                return export_file(asked, self.export_limit)
            case "exportLinks":
                return follow_export_link(asked)
            case "permissions.list":
                return permissions(asked)
            case "changes.getStartPageToken":
                return start_page_token(asked)
            case "changes.list":
                return changes(asked)
            case "changes.watch":
                return watch(asked, self.channels)
            case "channels.stop":
                stop(asked, self.channels)
                return None
            case "drives.list":
                return drives(asked)
            case "drives.get":
                return drive(asked)
            case "members.list":
                return members(asked)
        raise AssertionError(f"{asked.route.name} has no method")


def _refusal(what: int | str) -> Refused:
    if isinstance(what, int):
        reason = {429: "rateLimitExceeded", 403: "forbidden", 404: "notFound", 401: "authError"}.get(what, "backendError")
        return Refused(reason, f"Emulated status {what}", status=what)
    return Refused(what, f"Emulated {what}")


def _media(media: Media) -> httpx.Response:
    stop = media.size if media.stop is None else media.stop
    headers = {"Content-Type": media.type, "Content-Length": str(stop - media.start)}
    if media.stop is not None:
        headers["Content-Range"] = f"bytes {media.start}-{stop - 1}/{media.size}"
    return httpx.Response(206 if media.stop is not None else 200, stream=_Pieces(media, stop), headers=headers)


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, media: Media, stop: int) -> None:
        self._media = media
        self._stop = stop

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in pieces(self._media.content, self._media.start, self._stop):
            yield piece


class _Broken(httpx.AsyncByteStream):
    def __init__(self, content: bytes, request: httpx.Request) -> None:
        self._content = content
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        text = "peer closed connection without sending complete message body"
        raise httpx.RemoteProtocolError(text, request=self._request)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise Refused("parseError", "Parse Error", status=400) from None
