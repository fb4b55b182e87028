"""Socket Mode: a connection that comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.05
_CLOSE_SECONDS = 3.0
_MOST_PATIENT = 4
"""How many times longer than the first attempt to connect a later one may take."""

# The library logs each failed attempt with a traceback and the secret address; we log the loss and the recovery, once each.
_silent = logging.getLogger("slack_sdk.socket_mode.footnote")
_silent.setLevel(logging.CRITICAL)
_silent.disabled = True


class Connection:
    """The library's own client reconnects after a cut or a ``disconnect``, but asks for its first address only once and
    never leaves an attempt that hangs: whoever is not connected for ``grace`` seconds is thrown away and made anew.
    """

    def __init__(self, app: AsyncApp, client: AsyncWebClient, app_token: str, *, ping: float, grace: float) -> None:
        self._app = app
        self._client = client
        self._app_token = app_token
        self._ping = ping
        self._grace = grace
        self._handler: AsyncSocketModeHandler | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    async def open(self, *, patience: float) -> bool:
        """True once connected; False after ``patience`` seconds, and it goes on trying."""
        self._begin()
        self._watch = asyncio.create_task(self._keep_up())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._up.wait()
        return self.connected

    async def silence(self) -> None:
        """Take no more events. Calls of the Web API go on."""
        if self._watch is not None:
            self._watch.cancel()
        self._up.clear()
        await self._end()

    def _begin(self) -> None:
        # Made in a running loop: it opens a session of its own.
        self._handler = AsyncSocketModeHandler(
            self._app, self._app_token, logger=_silent, web_client=self._client, ping_interval=self._ping
        )
        self._connecting = asyncio.create_task(self._handler.connect_async())

    async def _end(self) -> None:
        if self._handler is None or self._connecting is None:
            return
        self._connecting.cancel()
        client = self._handler.client
        # A peer that has gone silent is not waited for.
        with contextlib.suppress(TimeoutError, OSError, aiohttp.ClientError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await client.close()
        for work in (client.message_processor, client.message_receiver, client.current_session_monitor):
            if work is not None:
                work.cancel()
        await client.aiohttp_client_session.close()

    async def _keep_up(self) -> None:
        lost: float | None = None
        tried, grace = time.monotonic(), self._grace
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._handler is not None and await self._handler.client.is_connected():
                if lost is not None:
                    log.info("slack.reconnected", seconds=round(time.monotonic() - lost, 1))
                lost, tried, grace = None, time.monotonic(), self._grace
                self._up.set()
                continue
            if self._up.is_set():
                lost = tried = time.monotonic()
                log.warning("slack.disconnected", hint="it reconnects by itself")
                self._up.clear()
            if time.monotonic() - tried > grace:
                # Next time more patiently: Slack may need longer than that to answer.
                grace = min(2 * grace, _MOST_PATIENT * self._grace)
                await self._end()
                self._begin()
                tried = time.monotonic()
