"""Footnote's own HTTP server: health, readiness, metrics, and what Slack and the sources post."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core.errors import ConfigError, FootnoteError
from core.telemetry import PARTS_UP

Probe = Callable[[], Awaitable[None]]
"""Returns when the part answers; raises FootnoteError with what is wrong."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PROBE_SECONDS = 3.0
_MAX_BODY = 1024 * 1024


async def probe_all(probes: Mapping[str, Probe]) -> dict[str, str]:
    """``up``, or what is wrong, for each part; all are asked at once and none may take longer than 3 s."""

    async def ask(probe: Probe) -> str:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await probe()
        except TimeoutError:
            return f"no answer within {_PROBE_SECONDS:.0f} s"
        except FootnoteError as error:
            return str(error)
        return "up"

    states = dict(zip(probes, await asyncio.gather(*(ask(probe) for probe in probes.values())), strict=True))
    for part, state in states.items():
        PARTS_UP.labels(part).set(state == "up")
    return states


class HttpServer:
    """Listens on ``host:port``; port 0 takes a free one, see ``port`` after :meth:`start`."""

    def __init__(
        self,
        host: str,
        port: int,
        probes: Mapping[str, Probe],
        slack_events: Handler | None = None,
        push: Handler | None = None,
        pages: Mapping[str, Handler] = MappingProxyType({}),
        measure: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``pages`` are what people open, by path. ``measure`` brings up to date what is only measured when somebody asks for
        metrics.
        """
        self._host = host
        self.port = port
        self._probes = probes
        self._measure = measure
        web_app = web.Application(client_max_size=_MAX_BODY)
        web_app.router.add_get("/healthz", self._healthz)
        web_app.router.add_get("/readyz", self._readyz)
        web_app.router.add_get("/metrics", self._metrics)
        if slack_events is not None:
            web_app.router.add_post("/slack/events", slack_events)
        for path, page in pages.items():
            web_app.router.add_get(path, page)
        if push is not None:
            web_app.router.add_post("/push/{source}", push)
        self._runner = web.AppRunner(web_app, access_log=None)

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"FOOTNOTE_HTTP_HOST:FOOTNOTE_HTTP_PORT {self._host}:{self.port} cannot be listened on "
                f"({error.strerror}): stop what uses it, or choose another port (0 takes a free one)"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        parts = await probe_all(self._probes)
        ready = all(state == "up" for state in parts.values())
        return web.json_response({"status": "ready" if ready else "not ready", "parts": parts}, status=200 if ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        # Whoever scrapes need not ask for readiness, too.
        await asyncio.gather(probe_all(self._probes), *([self._measure()] if self._measure else []))
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
