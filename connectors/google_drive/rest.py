"""How Google's APIs are asked: pages, resource keys, and what their refusals mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx

from connectors.google_drive.credential import ServiceAccount
from connectors.http import Http, Rejected
from core.errors import AuthError, ConfigError, FootnoteError, TransientError
from core.ports import Limiter

FAILURES = 3
"""So many 5xx on one content are about that content."""
SAME_PAGE = 10
"""Times that a list may lead to one page again: an empty page may stand for one that is not ready."""

_QUOTA = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded", "quotaExceeded", "backendError"})
_SETUP = frozenset({"insufficientPermissions", "accessNotConfigured", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "SERVICE_DISABLED"})
_CLOSED = frozenset({"insufficientFilePermissions", "appNotAuthorizedToFile", "forbidden", "notFound"})


class Rest:
    """One API, with one credential. ``setup`` is what an operator must do when Google does not let us use it at all."""

    def __init__(
        self,
        service: str,
        base: str,
        account: ServiceAccount,
        limiter: Limiter,
        *,
        setup: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.service = service
        self._account = account
        self._limiter = limiter
        self._setup = setup
        self._transport = transport
        self._http = self._to(base)
        self._keys: dict[str, str] = {}

    async def close(self) -> None:
        await self._http.close()
        await self._account.close()

    def use_key(self, id: str, key: str | None) -> None:
        """Send an item's resource key with what is asked about it."""
        if key:
            self._keys[id] = key

    async def get(self, path: str, params: Mapping[str, Any], *, kind: str | None = None, about: Sequence[str] = ()) -> Any:
        """An object, of this ``kind``. ``about`` are the ids of the items that the question names. Raises Rejected, and
        ConfigError for a refusal that is not Google's."""
        try:
            answer = await self._http.json(path, params, headers=self._headers(about))
        except Rejected as error:
            if not reason_of(error.body):
                # A proxy's "not found" is no proof that something is gone.
                raise ConfigError(
                    f"{urlsplit(self._http.base).netloc} answered {path} with status {error.status}, and not as Google does: "
                    "is GOOGLE_API_URL its address?"
                ) from error
            await self._explain(error)
        # What is not of this kind, an empty object for one, is no proof that there is nothing.
        if not isinstance(answer, dict) or (kind and answer.get("kind") != kind):
            raise TransientError(f"{self.service} answered {path} with something else; check its address in the settings")
        return answer

    async def get_or_none(self, path: str, params: Mapping[str, Any], id: str) -> Any:
        """None when there is no such item, or we may not see it."""
        try:
            return await self.get(path, params, about=[id])
        except Rejected as error:
            if is_about_the_item(error):
                return None
            raise refused(error, "an item") from error

    async def pages(
        self, path: str, params: Mapping[str, Any], *, kind: str, token: str | None = None, about: Sequence[str] = ()
    ) -> AsyncIterator[Any]:
        """All pages of a list. An empty one may have a next one."""
        seen: Counter[str] = Counter()
        while True:
            page = await self.get(path, {**params, "pageToken": token} if token else params, kind=kind, about=about)
            yield page
            token = page.get("nextPageToken")
            if not token:
                return
            seen[token] += 1
            if seen[token] > SAME_PAGE:
                raise FootnoteError(f"{self.service} lists {path} in circles; nothing was removed, the next sync lists again")

    async def content(self, path: str, params: Mapping[str, Any], id: str, *, limit: int, may_be_html: bool) -> bytes:
        """Raises Rejected, also for what always fails, and DocumentError for more than ``limit`` bytes."""
        return await self._content(self._http, path, params, id, limit, may_be_html)

    async def follow(self, link: str, id: str, *, limit: int) -> bytes:
        """As :meth:`content`, from an address on another host that may be given our access token."""
        http = self._to(link)
        try:
            return await self._content(http, link, {}, id, limit, False)
        finally:
            await http.close()

    def _to(self, base: str) -> Http:
        return Http(self.service, base, self._account, self._limiter, is_transient=is_transient, transport=self._transport)

    async def _content(self, http: Http, path: str, params: Mapping[str, Any], id: str, limit: int, may_be_html: bool) -> bytes:
        headers = self._headers([id])
        try:
            return await http.content(
                path, params or None, limit=limit, headers=headers, failures=FAILURES, may_be_html=may_be_html
            )
        except Rejected as error:
            await self._explain(error)

    async def _explain(self, error: Rejected) -> NoReturn:
        if (reason := reason_of(error.body)) in _SETUP:
            email = await self._account.email()
            raise AuthError(f"Google does not let {email} use its API ({reason}): {self._setup}") from error
        raise error

    def _headers(self, about: Sequence[str]) -> Mapping[str, str]:
        keys = ",".join(f"{id}/{self._keys[id]}" for id in about if id in self._keys)
        return {"X-Goog-Drive-Resource-Keys": keys} if keys else {}


def reason_of(body: Any) -> str:
    """Google's word for what went wrong; empty when it gave none."""
    try:
        error = body["error"]
        return str((error.get("errors") or error["details"])[0]["reason"])
    except (KeyError, TypeError, IndexError, AttributeError):
        return ""


def is_about_the_item(error: Rejected) -> bool:
    """Whether it is gone or closed to us, and not all of Drive: 403 says many things, and anybody's 404 has no reason."""
    reason = reason_of(error.body)
    return bool(reason) and (error.status == 404 or (error.status == 403 and reason in _CLOSED))


def is_transient(status: int, body: Any) -> bool:
    """Over quota is said with 403, as is everything that no repetition mends."""
    return status == 403 and reason_of(body) in _QUOTA


def refused(error: Rejected, what: str) -> FootnoteError:
    reason = reason_of(error.body) or "no reason given, as Google would: is GOOGLE_API_URL its address?"
    return FootnoteError(
        f"Google refused us {what} (status {error.status}, {reason}); nothing was removed, the next sync asks again"
    )
