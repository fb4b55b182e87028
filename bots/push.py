"""``POST /push/{source}``: a source says that something changed. It is only a hint, on which the same sync runs at once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from functools import partial

import structlog
from aiohttp import web

from core.errors import TransientError
from core.models import PUSH, SyncRequest, now
from core.telemetry import PUSHES

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 2.0
"""Between two requests for one source: ten thousand notifications in a burst are one change, or a few."""
_SCOPE = 2000
"""Characters. What is longer is no address, and everything is looked at."""
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
        pause: float = PAUSE_SECONDS,
    ) -> None:
        """``hints`` by source, for those whose notifications say what changed. ``pause`` in seconds."""
        self._secret = secret.encode()
        self._submit = submit
        self._hints = hints
        self._clock = clock
        self._told = {source: _Told(partial(self._pass_on, source), pause) for source in sources}

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
        if source not in self._told:
            PUSHES.labels("", "unknown").inc()
            return web.Response(status=404, text="there is no source of this name")
        if request.headers.get("X-Goog-Resource-State") == "sync":
            # A channel was opened; nothing has changed.
            PUSHES.labels(source, "opened").inc()
            return web.Response(status=202)
        try:
            await self._told[source].add(self._hint(source, body))
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

    def _hint(self, source: str, body: bytes) -> str | None:
        hint = self._hints.get(source)
        scope = hint(body) if hint else None
        return scope if scope and len(scope) <= _SCOPE else None

    async def _pass_on(self, source: str, scope: str | None) -> None:
        request = SyncRequest(id=secrets.token_hex(8), source=source, requested_by=PUSH, at=self._clock(), scope=scope)
        await self._submit(request)
        log.info("push.passed_on", source=source, scope=scope, request=request.id)


class _Told:
    """What one source told: passed on at once, and then all that comes within a pause together at its end."""

    def __init__(self, pass_on: Callable[[str | None], Awaitable[None]], pause: float) -> None:
        self._pass_on = pass_on
        self._pause = pause
        self._scopes: set[str | None] = set()
        self._rest_until = 0.0
        self._later: asyncio.Task[None] | None = None

    async def add(self, scope: str | None) -> None:
        """Raises TransientError when it could not be passed on and is forgotten: the sender comes again."""
        self._scopes.add(scope)
        if self._later is None and time.monotonic() >= self._rest_until:
            await self._all()
        elif self._later is None:
            self._later = asyncio.create_task(self._all_later())

    async def _all(self) -> None:
        self._rest_until = time.monotonic() + self._pause
        scopes, self._scopes = self._scopes, set()
        try:
            await self._pass_on(scopes.pop() if len(scopes) == 1 else None)
        except TransientError:
            self._rest_until = 0.0
            raise

    async def _all_later(self) -> None:
        """Their senders were told that all is well, so it is tried until it is."""
        while self._scopes:
            await asyncio.sleep(max(0.0, self._rest_until - time.monotonic()))
            held = set(self._scopes)
            try:
                await self._all()
            except TransientError:
                self._scopes |= held
                self._rest_until = time.monotonic() + self._pause
        self._later = None
