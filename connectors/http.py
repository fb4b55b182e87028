"""HTTP to a service with documents: one credential, one pace, one retry policy, and errors in our words.

Only configured hosts are asked. A redirect is followed by hand: the credential stays with the host that it is for, and
nobody sends us to a private network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json as jsonlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import httpx

from core.errors import AuthError, DocumentError, FootnoteError, TransientError
from core.ports import Limiter
from core.retry import retry

ATTEMPTS = 6
BUDGET_SECONDS = 300.0
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
WHOLE_SECONDS = 600.0
"""For one answer, however steadily it trickles in."""
IN_FLIGHT = 4
"""Requests at once with one credential in one process."""
MAX_REDIRECTS = 5
MAX_JSON = 64 * 1024 * 1024

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Where networks without IPv4 find its addresses (RFC 6052)."""

Params = Mapping[str, Any]


class Credential(Protocol):
    """What is sent to be let in."""

    async def headers(self) -> Mapping[str, str]:
        """For the next request. Raises AuthError when the credential itself is refused or cannot be read."""
        ...

    async def renew(self) -> bool:
        """It was refused with 401: get another one, if there is one (a new access token, a secret file that was changed)."""
        ...


class Rejected(FootnoteError):
    """The service refused a request."""

    # A status that no repetition mends. The caller knows what it means; it does not reach people as it is.

    def __init__(self, message: str, *, status: int, body: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        """As JSON if it was JSON, else text. It may hold anything: never show or log it."""


class _ServerFailed(TransientError):
    """The service failed at this request (5xx)."""

    def __init__(self, message: str, *, status: int, retry_after: float | None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status


class Http:
    """``service`` is its name in errors. ``is_transient`` may say of a status and body that a repetition would help,
    where the service has its own way to say so. A ``transport`` stands for the whole network: no names are resolved then.
    """

    def __init__(
        self,
        service: str,
        base: str,
        credential: Credential,
        limiter: Limiter,
        *,
        is_transient: Callable[[int, Any], bool] = lambda status, body: False,
        transport: httpx.AsyncBaseTransport | None = None,
        in_flight: int = IN_FLIGHT,
        whole: float = WHOLE_SECONDS,
    ) -> None:
        self.service = service
        self.base = base.rstrip("/")
        self._credential = credential
        self._limiter = limiter
        self._is_transient = is_transient
        self._resolves = transport is None
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight),
            headers={"User-Agent": "Footnote", "Accept-Encoding": "gzip"},
            trust_env=True,
        )
        self._slots = asyncio.Semaphore(in_flight)
        self._whole = whole

    async def close(self) -> None:
        await self._client.aclose()

    async def json(
        self,
        path: str,
        params: Params | None = None,
        *,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = ATTEMPTS,
        failures: int | None = None,
    ) -> Any:
        """The JSON answer. ``path`` is appended to the base; an absolute URL must be of the same host.

        After so many ``failures`` (5xx), if it is said how many, the request is Rejected: a smaller one may succeed, where
        one thing in it is what the service cannot bear. Raises AuthError (401), Rejected (any other 4xx), TransientError (no
        answer, 429, 5xx, not JSON, cut off), and DocumentError for more than 64 MB.
        """
        send = _patient(lambda: self._ask(method, self._url(path), params, body, headers, limit=MAX_JSON), failures)

        async def ask() -> Any:
            answer = await send()
            try:
                return jsonlib.loads(answer.content)
            except ValueError as error:
                raise TransientError(
                    f"{self.service} answered {_where(answer.url)} with something that is not JSON, "
                    "as a login page or a proxy does: check its address in the settings"
                ) from error

        return await retry(ask, attempts=attempts, budget=BUDGET_SECONDS)

    async def content(
        self,
        path: str,
        params: Params | None = None,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        failures: int | None = None,
        may_be_html: bool = True,
    ) -> bytes:
        """A file's bytes. Raises DocumentError when there are more than ``limit``, else as :meth:`json`.

        Where no file ``may_be_html``, an answer that is declared so is none.
        """
        send = _patient(lambda: self._ask("GET", self._url(path), params, None, headers, limit=limit), failures)

        async def ask() -> bytes:
            answer = await send()
            if answer.is_html and not may_be_html:
                raise TransientError(
                    f"{self.service} answered {_where(answer.url)} with a page instead of a file, "
                    "as a login page or a proxy does: check its address in the settings"
                )
            return answer.content

        return await retry(ask, attempts=ATTEMPTS, budget=BUDGET_SECONDS)

    def _url(self, path: str) -> str:
        if not path.startswith(("http://", "https://")):
            return self.base + path
        if _origin(path) != _origin(self.base):
            raise FootnoteError(f"{self.service} sent us to another host, {urlsplit(path).hostname}: that is not followed")
        return path

    async def _ask(
        self, method: str, url: str, params: Params | None, body: Any, headers: Mapping[str, str] | None, *, limit: int
    ) -> _Answer:
        answer = await self._follow(method, url, params, body, headers, limit)
        if answer.status == 401 and await self._credential.renew():
            answer = await self._follow(method, url, params, body, headers, limit)
        if answer.status < 400:
            return answer
        raise await self._explain(answer)

    async def _follow(
        self, method: str, url: str, params: Params | None, body: Any, headers: Mapping[str, str] | None, limit: int
    ) -> _Answer:
        ours = _origin(url)
        for _ in range(MAX_REDIRECTS + 1):
            sent = dict(headers or {})
            if _origin(url) == ours:
                sent |= await self._credential.headers()
            elif not is_loopback(self.base) and not await is_public(url, resolves=self._resolves):
                raise FootnoteError(f"{self.service} sent us to {urlsplit(url).hostname}, which is no public https host")
            answer = await self._send(method, url, params, body, sent, limit)
            if answer.status not in {301, 302, 303, 307, 308} or not answer.location:
                return answer
            url, params, method, body = urljoin(url, answer.location), None, "GET", None
        raise FootnoteError(f"{self.service} redirects {_where(url)} in circles")

    async def _send(
        self, method: str, url: str, params: Params | None, body: Any, headers: Mapping[str, str], limit: int
    ) -> _Answer:
        async with self._slots:
            # Inside the slot: whoever still waits for one when the service asks for silence has to hear of it.
            await self._limiter.acquire()
            try:
                async with (
                    asyncio.timeout(self._whole),
                    self._client.stream(method, url, params=params, json=body, headers=headers) as answer,
                ):
                    declared = answer.headers.get("content-length", "")
                    if answer.status_code < 300 and declared.isdecimal() and int(declared) > limit:
                        raise _too_large(limit)
                    content = bytearray()
                    async for piece in answer.aiter_bytes():
                        content += piece
                        if len(content) > limit:
                            raise _too_large(limit)
                    return _Answer(url, answer.status_code, answer.headers, bytes(content))
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                # What theirs say may hold the URL with a signature in it.
                raise TransientError(
                    f"{self.service} does not answer at {urlsplit(url).hostname} ({type(error).__name__}); it is tried again"
                ) from error

    async def _explain(self, answer: _Answer) -> FootnoteError:
        body = answer.body()
        wait = answer.retry_after()
        # Some say 403 when they mean 429; who says when to come again refuses nothing.
        later = answer.status in {408, 429} or (answer.status == 403 and wait is not None)
        if later or answer.status >= 500 or self._is_transient(answer.status, body):
            if answer.status == 429 or wait:
                await self._limiter.pause(wait or 1.0)
            said = f"{self.service} answered {_where(answer.url)} with status {answer.status}"
            if answer.status >= 500:
                return _ServerFailed(said, status=answer.status, retry_after=wait)
            return TransientError(said, retry_after=wait)
        if answer.status == 401:
            return AuthError(f"{self.service} refused our credentials (401): renew them; the next sync picks them up")
        return Rejected(
            f"{self.service} refused {_where(answer.url)} with status {answer.status}", status=answer.status, body=body
        )


class _Answer:
    def __init__(self, url: str, status: int, headers: httpx.Headers, content: bytes) -> None:
        self.url = url
        self.status = status
        self.content = content
        self.location = headers.get("location")
        self._headers = headers

    @property
    def is_html(self) -> bool:
        return self._headers.get("content-type", "").partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}

    def body(self) -> Any:
        try:
            return jsonlib.loads(self.content)
        except ValueError:
            return self.content[:2000].decode(errors="replace")

    def retry_after(self) -> float | None:
        """Seconds, of either form of the header (RFC 9110, 10.2.3)."""
        value = self._headers.get("retry-after", "").strip()
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            return None


def _patient(ask: Callable[[], Awaitable[_Answer]], failures: int | None) -> Callable[[], Awaitable[_Answer]]:
    """``ask``, for so many 5xx; then it is Rejected."""
    met = 0

    async def send() -> _Answer:
        nonlocal met
        try:
            return await ask()
        except _ServerFailed as error:
            met += 1
            if met != failures:
                raise
            raise Rejected(str(error), status=error.status, body=None) from error

    return send


def _too_large(limit: int) -> DocumentError:
    return DocumentError(f"it has more than the {limit / 1e6:.0f} MB that are read")


def _where(url: str) -> str:
    """Without the query, which may carry a signature."""
    return urlsplit(url).path


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def is_public(url: str, *, resolves: bool) -> bool:
    """Https, and a host whose every address is a public one. Names are looked up if ``resolves``.

    A name that leads elsewhere a moment later gains nothing: who answers there has no certificate for it.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return False
    try:
        return _is_global(parts.hostname)
    except ValueError:
        pass
    if not resolves:
        return True
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(_is_global(str(address[4][0])) for address in found)


def _is_global(text: str) -> bool:
    """Of an address, also of one that only wraps one of IPv4. Raises ValueError for anything else."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if address in _TRANSLATED:
            wrapped = ipaddress.IPv4Address(address.packed[-4:])
        address = wrapped or address
    return address.is_global and not address.is_multicast
