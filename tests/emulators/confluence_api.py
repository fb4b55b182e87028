"""Confluence's REST API over an emulated site, Cloud and Data Center, without a socket: an httpx transport.

site = Site()
api = ConfluenceApi(site)
client = httpx.AsyncClient(transport=api, base_url=api.url, auth=(api.email, api.token))
"""

from __future__ import annotations

import asyncio
import hmac
import inspect
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import httpx

from tests.emulators import (
    confluence_spec,
    confluence_v1_content,
    confluence_v1_people,
    confluence_v2_comments,
    confluence_v2_content,
    confluence_v2_spaces,
)
from tests.emulators.confluence_answers import answer, refusal, spoil
from tests.emulators.confluence_auth import Credentials
from tests.emulators.confluence_faults import LOGIN, Fault, Faults
from tests.emulators.confluence_http import Call, Edition, Refused, Route, Table, bytes_of, json_of
from tests.emulators.confluence_paging import Cursors, Ordered
from tests.emulators.confluence_site import Site
from tests.emulators.confluence_world import Content, File

CLOUD_ID = "35273b54-3f06-40d2-880f-dd28cf8daafa"
PARTS = (
    confluence_v1_content.routes,
    confluence_v1_content.files,
    confluence_v1_people.routes,
    confluence_v1_people.profiles,
    confluence_v1_people.rpc,
    confluence_v2_spaces.routes,
    confluence_v2_content.routes,
    confluence_v2_comments.routes,
)
SCOPES = frozenset(scope for part in PARTS for route in part.of(Edition.CLOUD) for scope in route.scopes) - {
    confluence_v1_content.BROWSER
}
"""All that a token could be granted for what is emulated."""
JUDGED = 20
"""So many answers of each route are judged: each with hundreds of pages takes a while."""


@dataclass
class Request:
    """A call as it came."""

    method: str
    route: str
    """Template of its path; empty if there is none."""
    path: str
    query: dict[str, str]
    at: float
    """Of the monotonic clock."""
    status: int = 0
    """Of the answer; 0 if there was none."""
    spoilt: bool = False
    """It met a fault."""


def _tenant(api: ConfluenceApi, call: Call) -> Any:
    return {"cloudId": CLOUD_ID}


TENANT = Route("GET", "/_edge/tenant_info", _tenant, {}, frozenset(), Edition.CLOUD)


class ConfluenceApi(httpx.AsyncBaseTransport):
    """``scopes`` make the bot's token a scoped one: good at the gateway alone, and for these alone. ``context`` is the
    path at which a Data Center is served. ``between`` is called before each request: people work while a sync runs.
    """

    def __init__(
        self,
        site: Site,
        *,
        scopes: Iterable[str] | None = None,
        context: str = "",
        index_delay: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.site = site
        self.data_center = site.data_center
        self.context = context if site.data_center else "/wiki"
        self.site_url = "https://confluence.acme.com" if site.data_center else "https://acme.atlassian.net"
        self.gateway_url = "https://api.atlassian.com"
        self.media_url = "https://api.media.atlassian.com"
        self.credentials = Credentials(site.bot, scopes=scopes, data_center=site.data_center)
        self.index_delay = index_delay
        """Seconds until the search knows of a change."""
        self.empty_page_every: int | None = None
        """Every so many pages of a listing with cursors, one without results but with a next link."""
        self.knows_space_permissions = True
        """Data Center: 9.1 or later."""
        self.between: Callable[[Request], Awaitable[None] | None] | None = None
        self.faults = Faults(monotonic)
        self.cursors = Cursors()
        self.requests: list[Request] = []
        self.calls: Counter[tuple[str, str]] = Counter()
        """By method and template of the path."""
        self.flaws: list[str] = []
        """What Atlassian's documents say against the requests, or against the answers of the emulator."""
        self._pages = 0
        self._judge = None if site.data_center else confluence_spec.load()
        self._judged: Counter[tuple[str, str, int]] = Counter()
        self._sleep = sleep
        self._monotonic = monotonic
        self._listings: tuple[int, dict[object, Ordered]] = (-1, {})
        edition = Edition.DATA_CENTER if site.data_center else Edition.CLOUD
        routes = [route for part in PARTS for route in part.of(edition)]
        self.routes = routes if site.data_center else [*routes, TENANT]
        self._table = Table(self.routes)

    @property
    def url(self) -> str:
        """CONFLUENCE_URL."""
        if self.data_center:
            return self.site_url + self.context
        return self.site_url if self.credentials.scopes is None else f"{self.gateway_url}/ex/confluence/{CLOUD_ID}"

    @property
    def email(self) -> str:
        """CONFLUENCE_EMAIL."""
        return self.credentials.email

    @property
    def token(self) -> str:
        """CONFLUENCE_API_TOKEN."""
        return self.credentials.token or "revoked"

    @property
    def violations(self) -> list[str]:
        return self.faults.violations

    def count(self, route: str = "*") -> int:
        """How many requests matched a pattern such as ``GET */pages*``."""
        return sum(count for (method, template), count in self.calls.items() if fnmatchcase(f"{method} {template}", route))

    def forget(self) -> None:
        """Count from here."""
        self.requests.clear()
        self.calls.clear()

    # What goes wrong.

    def fail(self, routes: str = "*", **fault: Any) -> Fault:
        """See :class:`Fault`."""
        return self.faults.add(Fault(routes, **fault))

    def throttle(self, every: int, retry_after: float, *, times: float = float("inf")) -> Fault:
        return self.fail(status=429, retry_after=retry_after, every=every, times=times)

    def expire_cursors(self) -> None:
        self.cursors.expire()

    def revoke(self) -> None:
        """The token is not accepted any more."""
        self.credentials.revoke()

    def renew(self) -> str:
        """A new token; the old one is not accepted any more."""
        return self.credentials.renew()

    # What a client sees.

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        response = await self.handle(request)
        response.request = request
        return response

    async def handle(self, request: httpx.Request) -> httpx.Response:
        origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
        if origin == self.media_url:
            return await self._download(request)
        if origin not in {self.site_url, self.gateway_url}:
            raise httpx.ConnectError(f"there is nobody at {origin}", request=request)
        record = Request(request.method, "", request.url.path, dict(request.url.params), self._monotonic())
        self.requests.append(record)
        if self._judge is not None:
            self.flaws += self._judge.request(request)
        if self.between is not None and inspect.isawaitable(waiting := self.between(record)):
            await waiting
        try:
            path, gateway = self._inside(request.url.path, origin)
            route, ids = self._table.find(request.method, path)
            record.route = route.template
            self.calls[route.method, route.template] += 1
            fault = self.faults.take(route.name, path)
            record.spoilt = fault is not None
            if fault is not None and fault.seconds:
                await self._sleep(fault.seconds)
            if fault is not None and (response := self._fails(fault, path)):
                record.status = response.status_code
                return response
            if route.scopes:
                self.credentials.check(request.headers.get("authorization", ""), route, gateway=gateway)
            query = route.read(request.url.params)
            call = Call(route, ids, query, json_of(request), empty=fault is not None and fault.empty)
            told = route.handler(self, call)
            response = told if isinstance(told, httpx.Response) else answer(told)
            if fault is not None:
                response = await spoil(response, fault)
        except Refused as refused:
            response = refusal(refused, request.url.path, data_center=self.data_center)
        record.status = response.status_code
        if self._judge is not None and not record.spoilt:
            self._judge_answer(self._judge, request, record, response)
        return response

    # What the routes share.

    @property
    def base(self) -> str:
        """Of ``_links``: always the site, even through the gateway."""
        return self.site_url + self.context

    def listing(self, query: object, build: Callable[[], Ordered]) -> Ordered:
        """Kept until something changes on the site: a listing of many pages is put in order once."""
        revision, known = self._listings
        if revision != self.site.revision:
            known = {}
            self._listings = (self.site.revision, known)
        if query not in known:
            known[query] = build()
        return known[query]

    def page(self, call: Call, listing: Ordered, *, query: object, limit: int) -> tuple[list[Any], str | None]:
        """The results that a cursor leads to, and the cursor of the next ones."""
        cursor = call.query.get("cursor")
        key = None if cursor is None else self.cursors.take(query, cursor)
        if call.empty:
            return [], None
        self._pages += 1
        if self.empty_page_every and self._pages % self.empty_page_every == 0:
            return [], self.cursors.give(query, key)
        items, last = listing.after(key, limit)
        return items, None if last is None else self.cursors.give(query, last)

    def media(self, attachment: Content, file: File) -> str:
        """Where the bytes are: on another host, for a signature in place of the credential."""
        signature = hmac.digest(b"media", file.id.encode(), "sha256").hex()
        return f"{self.media_url}/file/{file.id}/binary?token={signature}&name={attachment.id}"

    # Inside.

    def _inside(self, path: str, origin: str) -> tuple[str, bool]:
        """The path as on the site, and whether it came through the gateway."""
        if path.startswith("/ex/confluence/") and origin == self.gateway_url and not self.data_center:
            cloud_id, _, rest = path.removeprefix("/ex/confluence/").partition("/")
            if cloud_id != CLOUD_ID:
                raise Refused(404, "Not Found")
            return f"/{rest}", True
        if origin != self.site_url:
            raise Refused(404, "Not Found")
        if self.data_center and self.context:
            if not path.startswith(f"{self.context}/"):
                raise Refused(404, "Not Found")
            return path.removeprefix(self.context), False
        return path, False

    def _fails(self, fault: Fault, path: str) -> httpx.Response | None:
        if fault.lost:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        if fault.html:
            return httpx.Response(200, html=LOGIN)
        if fault.status is None:
            return None
        refused = Refused(fault.status, httpx.codes.get_reason_phrase(fault.status))
        response = refusal(refused, path, data_center=self.data_center)
        if fault.retry_after is not None:
            response.headers["Retry-After"] = f"{fault.retry_after:g}"
        return response

    def _judge_answer(
        self, judge: confluence_spec.Specification, request: httpx.Request, record: Request, response: httpx.Response
    ) -> None:
        kind = record.method, record.route, record.status
        self._judged[kind] += 1
        if self._judged[kind] <= JUDGED and isinstance(response.stream, httpx.ByteStream):
            self.flaws += judge.response(request, record.status, response.content)

    async def _download(self, request: httpx.Request) -> httpx.Response:
        """The other host. It takes signatures, and no credentials at all."""
        self.requests.append(Request(request.method, "media", request.url.path, {}, self._monotonic()))
        self.calls[request.method, "media"] += 1
        if "authorization" in request.headers:
            return httpx.Response(400, json={"message": "Only one auth mechanism allowed"})
        attachment = self.site.contents.get(request.url.params.get("name", ""))
        files = {} if attachment is None else {self.media(attachment, file): file for file in attachment.files.values()}
        file = files.get(str(request.url))
        if file is None:
            return httpx.Response(403, json={"message": "signature does not match"})
        fault = self.faults.take("GET media", request.url.path)
        if fault is not None and fault.status is not None:
            return httpx.Response(fault.status)
        return await spoil(bytes_of(file), fault) if fault is not None else bytes_of(file)
