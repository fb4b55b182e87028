"""``POST /push/{source}``: a source says that something changed. It is only a hint, on which the same sync runs at once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime

import structlog
from aiohttp import web

from core.errors import TransientError
from core.models import SyncRequest, now
from core.telemetry import PUSHES

log = structlog.get_logger(__name__)

_BODY_SECONDS = 10.0
_RETRY_SECONDS = 30

Hint = Callable[[bytes], str | None]
"""The scope that a notification's body names, if it names one."""
Submit = Callable[[SyncRequest], Awaitable[object]]
"""Puts a request into the queue, where one waits per source. Raises TransientError when the queue cannot be reached."""


class Push:
    """Answers notifications of three kinds of senders, each of which proves in its own way that it knows the secret:
    Google Drive (``X-Goog-Channel-Token``), a Data Center (``X-Hub-Signature`` over the body), and any other
    (``Authorization: Bearer``).
    """

    def __init__(
        self,
        secret: str,
        sources: Collection[str],
        submit: Submit,
        hints: Mapping[str, Hint],
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """``hints`` by source, for those whose notifications say what changed."""
        self._secret = secret.encode()
        self._sources = sources
        self._submit = submit
        self._hints = hints
        self._clock = clock
        self._told: defaultdict[str, set[str | None]] = defaultdict(set)
        """By source, the scopes that are to be submitted next; None is all of it."""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._next: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, request: web.Request) -> web.Response:
        """202 once a sync is due that began after this; 401 without proof, 404 for no source of ours, 503 without a queue."""
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        if not self._is_proven(request, body):
            PUSHES.labels("", "refused").inc()
            log.warning("push.refused", path=request.path, sender=request.remote)
            return web.Response(status=401, text="no proof of FOOTNOTE_PUSH_SECRET")
        source = request.match_info["source"]
        if source not in self._sources:
            PUSHES.labels("", "unknown").inc()
            return web.Response(status=404, text="there is no source of this name")
        if request.headers.get("X-Goog-Resource-State") == "sync":
            # A channel was opened; nothing has changed.
            PUSHES.labels(source, "opened").inc()
            return web.Response(status=202)
        hint = self._hints.get(source)
        try:
            await self._pass_on(source, hint(body) if hint else None)
        except TransientError as error:
            PUSHES.labels(source, "failed").inc()
            log.warning("push.failed", source=source, reason=str(error))
            return web.Response(status=503, headers={"Retry-After": str(_RETRY_SECONDS)})
        PUSHES.labels(source, "accepted").inc()
        return web.Response(status=202)

    def _is_proven(self, request: web.Request, body: bytes) -> bool:
        signature = b"sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest().encode()
        proofs = {
            "X-Goog-Channel-Token": self._secret,
            "X-Hub-Signature": signature,
            "Authorization": b"Bearer " + self._secret,
        }
        given = {name: request.headers.get(name, "").encode("utf-8", "surrogateescape") for name in proofs}
        return any(hmac.compare_digest(given[name], proof) for name, proof in proofs.items())

    async def _pass_on(self, source: str, scope: str | None) -> None:
        """While one request is being submitted, the next one waits and takes up all that is told meanwhile."""
        self._told[source].add(scope)
        if source not in self._next:
            self._next[source] = asyncio.create_task(self._submit_next(source))
        await asyncio.shield(self._next[source])

    async def _submit_next(self, source: str) -> None:
        async with self._turns[source]:
            del self._next[source]
            scopes = self._told.pop(source)
            request = SyncRequest(
                id=secrets.token_hex(8),
                source=source,
                requested_by="push",
                at=self._clock(),
                scope=scopes.pop() if len(scopes) == 1 else None,
            )
            await self._submit(request)
        log.info("push.passed_on", source=source, scope=request.scope, request=request.id)
