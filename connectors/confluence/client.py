"""Confluence over HTTP: where it is, what its refusals mean, and listings to their very end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx

from connectors.confluence.token import Token, Unreadable
from connectors.http import ATTEMPTS, Http, Rejected, is_loopback
from core.errors import AuthError, ConfigError, FootnoteError, TransientError
from core.ports import Limiter
from core.settings import ConfluenceConfig

GATEWAY_PATH = "/ex/confluence/"
GATEWAY = "https://api.atlassian.com" + GATEWAY_PATH
MAX_RESTARTS = 3
"""Times that one listing may begin anew in a sync, because its cursor was refused or rows moved under it."""
MAX_EMPTY = 20
"""Pages without results in a row, each promising more."""
FAILURES = 3
"""Answers with 5xx, after which less is asked for at once."""
SMALLEST = 5
"""Results at a time, below which a listing that fails is not asked for less."""

Answer = dict[str, Any]
Item = TypeVar("Item")
Result = TypeVar("Result")

_CLOUD_ID = re.compile(r"[0-9a-fA-F-]{8,64}")

_SCOPES = (
    ("/permissions", "read:space:confluence"),
    ("/role-assignments", "read:space.permission:confluence"),
    ("/spaces", "read:space:confluence"),
    ("/rest/api/space", "read:space:confluence"),
    ("/attachment", "read:attachment:confluence"),
    ("-comments", "read:comment:confluence"),
    ("/folders", "read:folder:confluence"),
    ("/restriction", "read:content.restriction:confluence"),
    ("/search", "search:confluence"),
    ("/group", "read:group:confluence"),
    ("/user", "read:user:confluence"),
    ("/pages", "read:page:confluence"),
    ("/blogposts", "read:page:confluence"),
)
"""What a scoped token needs, by part of the path; the first one that fits."""


class Client:
    """Paths begin at the address of the site: ``/wiki/api/v2/pages`` of Cloud, ``/rest/api/content`` of a Data Center.

    A scoped token is refused by its own site: then Cloud's gateway is asked, and if it takes the token, from then on.
    """

    def __init__(self, config: ConfluenceConfig, limiter: Limiter, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = config.url.rstrip("/").removesuffix("/wiki") if is_cloud(config) else config.url.rstrip("/")
        self.cloud = is_cloud(config)
        self._limiter = limiter
        self._token = Token(config)
        self._bearer = config.email is None
        self._transport = transport
        self.base = self.url + ("/wiki" if self.cloud else "")
        """What the addresses of pages begin with, for people."""
        self._http = self._at(self.url)
        self._retired: Http | None = None
        self._moving = asyncio.Lock()

    async def close(self) -> None:
        for http in filter(None, (self._http, self._retired)):
            await http.close()

    async def json(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        attempts: int = ATTEMPTS,
        failures: int | None = None,
    ) -> Answer:
        """The answer to a GET, or to a POST of ``body``. Raises as :meth:`connectors.http.Http.json`."""
        answer = await self.value(path, params, body=body, attempts=attempts, failures=failures)
        if not isinstance(answer, dict):
            raise TransientError(f"Confluence answered {path} with something else than an object: is {self.url} its address?")
        base = _links(answer).get("base")
        if isinstance(base, str) and base.startswith(("https://", "http://")):
            # Behind the gateway only the answers say where the site is.
            self.base = base
        return answer

    async def value(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        attempts: int = ATTEMPTS,
        failures: int | None = None,
    ) -> Any:
        """As :meth:`json`, where the answer is no object."""
        method = "GET" if body is None else "POST"
        return await self._ask(
            path, lambda http: http.json(path, params, method=method, body=body, attempts=attempts, failures=failures)
        )

    async def found(self, path: str, params: Mapping[str, Any]) -> Answer | None:
        """One thing; None when it is not there (404)."""
        try:
            return await self.json(path, params)
        except Rejected as error:
            if error.status != 404:
                raise self.explained(error, path) from error
            return None

    async def content(
        self, path: str, params: Mapping[str, Any] | None = None, *, limit: int, failures: int, may_be_html: bool
    ) -> bytes:
        """A file. Raises DocumentError when it has more than ``limit`` bytes, else as :meth:`json`."""
        return await self._ask(
            path, lambda http: http.content(path, params, limit=limit, failures=failures, may_be_html=may_be_html)
        )

    async def listed(
        self, path: str, params: Mapping[str, Any], read: Callable[[Answer], Item], *, failures: int | None = None
    ) -> list[Item]:
        """All results of a listing with cursors, begun anew when its cursor is refused.

        Raises AuthError when it is not allowed (403), TransientError when no end of it is to be had, and Rejected after so
        many ``failures`` of one request.
        """
        for _ in range(MAX_RESTARTS + 1):
            with suppress(_Stale):
                return await self._follow(path, params, read, failures)
        raise TransientError(f"Confluence refused the cursor of {path} {MAX_RESTARTS + 1} times: it is listed again next time")

    async def counted(
        self, path: str, params: Mapping[str, Any], key: Callable[[Answer], str], read: Callable[[Answer], Item], *, limit: int
    ) -> list[Item]:
        """All results of a listing with offsets, by what is unique in them. It is begun anew when rows moved under it: one
        that was removed meanwhile would hide another one behind it.

        Raises as :meth:`listed`.
        """
        for _ in range(MAX_RESTARTS + 1):
            with suppress(_Stale):
                return list((await self._count(path, params, key, read, limit)).values())
        raise TransientError(f"{path} of Confluence changed each time that it was listed: it is listed again next time")

    async def _follow(
        self, path: str, params: Mapping[str, Any], read: Callable[[Answer], Item], failures: int | None
    ) -> list[Item]:
        found: list[Item] = []
        cursor, empty = None, 0
        while True:
            try:
                answer = await self.json(path, params if cursor is None else {**params, "cursor": cursor}, failures=failures)
            except Rejected as error:
                if error.status == 400 and cursor is not None:
                    raise _Stale from error
                if error.status >= 500:
                    raise
                raise self.explained(error, path) from error
            results = results_of(answer, path)
            found += (understood(read, result, path) for result in results)
            empty = 0 if results else empty + 1
            cursor = _next_cursor(answer)
            if cursor is None:
                return found
            if empty > MAX_EMPTY:
                raise TransientError(f"Confluence promises more of {path} without end: it is listed again next time")

    async def _count(
        self, path: str, params: Mapping[str, Any], key: Callable[[Answer], str], read: Callable[[Answer], Item], limit: int
    ) -> dict[str, Item]:
        found: dict[str, Item] = {}
        start, empty = 0, 0
        while True:
            # One row is asked for again. Servers cap the limit as they like: what came is counted, not what was asked for.
            overlap = 1 if found and not empty else 0
            try:
                answer = await self.json(path, {**params, "start": start - overlap, "limit": limit}, failures=FAILURES)
            except Rejected as error:
                if error.status >= 500 and limit > SMALLEST:
                    limit = max(SMALLEST, limit // 2)
                    continue
                raise self.explained(error, path) from error
            results = results_of(answer, path)
            keys = [understood(key, result, path) for result in results]
            if overlap and (not keys or keys[0] not in found):
                raise _Stale
            before = len(found)
            found |= {name: understood(read, result, path) for name, result in zip(keys, results, strict=True)}
            if "next" not in _links(answer) and len(results) < _size(answer, limit):
                return found
            empty = 0 if len(found) > before else empty + 1
            if empty > MAX_EMPTY:
                raise TransientError(f"Confluence promises more of {path} without end: it is listed again next time")
            start += (_size(answer, limit) if empty else len(results)) - overlap

    async def _ask(self, path: str, ask: Callable[[Http], Awaitable[Result]]) -> Result:
        http = self._http
        at_site = self.cloud and GATEWAY_PATH not in http.base
        try:
            return await ask(http)
        except Unreadable:
            raise
        except TransientError as error:
            raise TransientError(f"{error} (CONFLUENCE_URL is {self.url})", retry_after=error.retry_after) from error
        except (AuthError, Rejected) as error:
            # To a Cloud site a bearer is not even a bad token.
            if isinstance(error, Rejected) and not (at_site and self._bearer and error.status == 403):
                raise
            if not at_site:
                raise self._refused(path, "") from error
        async with self._moving:
            if self._http is http and (gateway := await self._find_gateway()):
                self._retired, self._http = http, gateway
        if self._http is http:
            raise self._refused(path, ", and so did Atlassian's gateway for scoped tokens")
        return await self._ask(path, ask)

    async def _find_gateway(self) -> Http | None:
        """Where the site's scoped tokens are taken, if this is one of them."""
        if is_loopback(self.url):
            # What answers on this machine does not send the token to another one.
            return None
        gateway = None
        try:
            found = await self._http.json("/_edge/tenant_info", attempts=1)
            cloud_id = found.get("cloudId") if isinstance(found, dict) else None
            if isinstance(cloud_id, str) and _CLOUD_ID.fullmatch(cloud_id):
                gateway = self._at(GATEWAY + cloud_id)
                await gateway.json("/wiki/api/v2/spaces", {"limit": 1}, attempts=1)
                return gateway
        except FootnoteError:
            if gateway is not None:
                await gateway.close()
        return None

    def _at(self, base: str) -> Http:
        return Http("Confluence", base, self._token, self._limiter, transport=self._transport)

    def _refused(self, path: str, also: str) -> AuthError:
        return AuthError(
            f"Confluence at {self.url} refused the token (401){also}. It may have expired or been revoked, "
            f"CONFLUENCE_URL or CONFLUENCE_EMAIL may be wrong{self._scope(path, ', or it is a scoped token without ')}: "
            "renew it in CONFLUENCE_API_TOKEN; the next sync picks up a changed CONFLUENCE_API_TOKEN_FILE"
        )

    def explained(self, error: Rejected, path: str) -> FootnoteError:
        """What a refusal means for the whole sync."""
        if error.status >= 500:
            return TransientError(str(error))
        if error.status == 403:
            return AuthError(
                f"Confluence at {self.url} does not let this account ask {path} (403): give it access to Confluence"
                f"{self._scope(path, ' and its token the scope ')}"
            )
        return error

    def not_here(self, error: Rejected, path: str) -> FootnoteError:
        """What a refusal means of what every Confluence answers."""
        if error.status == 403 or error.status >= 500:
            return self.explained(error, path)
        this, other = ("Cloud", "unset it for a Data Center") if self.cloud else ("Data Center", "set it for Cloud")
        return ConfigError(
            f"there is no Confluence {this} at {self.url} ({path} was refused with {error.status}): correct CONFLUENCE_URL, or "
            f"CONFLUENCE_EMAIL ({other})"
        )

    def _scope(self, path: str, before: str) -> str:
        scope = next((scope for part, scope in _SCOPES if part in path), "") if self.cloud else ""
        return scope and before + scope


def moment(text: str) -> datetime:
    """In UTC: a Data Center says it in its own zone."""
    return datetime.fromisoformat(text).astimezone(UTC)


def slices(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class _Stale(Exception):
    """The listing is not the one that was begun."""


def is_cloud(config: ConfluenceConfig) -> bool:
    """Cloud asks for an e-mail address, or is at Atlassian's; what has neither is a Data Center."""
    parts = urlsplit(config.url)
    host = parts.hostname or ""
    return config.email is not None or host.endswith(".atlassian.net") or GATEWAY_PATH in parts.path


def hosts_of(config: ConfluenceConfig) -> frozenset[str]:
    """Where its pages may be: behind the gateway, any site of Atlassian's."""
    if config.pages_url:
        return frozenset({urlsplit(config.pages_url).hostname or ""})
    parts = urlsplit(config.url)
    return frozenset({".atlassian.net" if GATEWAY_PATH in parts.path else parts.hostname or ""})


def results_of(answer: Answer, path: str) -> list[Answer]:
    results = answer.get("results")
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise TransientError(f"Confluence answered {path} without results")
    return results


def understood(read: Callable[[Answer], Item], result: Answer, path: str) -> Item:
    """What is read from an answer. Raises FootnoteError when it is not made as Confluence's answers are."""
    try:
        return read(result)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FootnoteError(f"Confluence answered {path} in a way that is not understood ({type(error).__name__})") from error


def _links(answer: Answer) -> Mapping[str, Any]:
    links = answer.get("_links")
    return links if isinstance(links, dict) else {}


def _next_cursor(answer: Answer) -> str | None:
    """The cursor alone is taken: through the gateway, the address around it is not one that can be asked."""
    following = _links(answer).get("next")
    found = parse_qs(urlsplit(following).query).get("cursor") if isinstance(following, str) else None
    return found[0] if found else None


def _size(answer: Answer, asked: int) -> int:
    """How many results a full page has."""
    said = answer.get("limit")
    return min(said, asked) if isinstance(said, int) and said > 0 else asked
