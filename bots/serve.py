"""One process from its start to its end: what runs, when it is ready, how it stops."""

from __future__ import annotations

import asyncio
import gc
import signal
import time

import structlog

from bots.app import App
from bots.finishing import finish_left_behind
from bots.http import HttpServer, Probe
from bots.platform import Platform
from core.errors import TransientError
from core.together import Together, cancelled

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 25.0
"""For running answers after SIGTERM; orchestrators kill after 30 s by default."""


async def serve(app: App, *, bots: bool = True, worker: bool = True, started: float | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError when a platform refuses its token or a port is taken."""
    started = time.perf_counter() if started is None else started
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    platforms = app.platforms if bots else []
    probes = app.probes | {platform.name: _connected(platform) for platform in platforms}
    http = HttpServer(
        app.settings.footnote_http_host,
        app.settings.footnote_http_port,
        probes,
        slack_events=app.slack_events if bots else None,
        push=app.push if worker else None,
        pages=app.slack_pages if bots else {},
        measure=app.measure,
    )
    background: list[asyncio.Task[None]] = []
    await http.start()
    app.audit.record("config.started", who="serve", settings=app.settings.fingerprint, bots=bots, worker=worker)
    try:
        async with Together() as starting:
            starting.create_task(app.warm())
            starting.create_task(_look_for_redis(app))
            for platform in platforms:
                starting.create_task(platform.start())
        # What is loaded now stays: looking through it for garbage would stop all answers for a tenth of a second each time.
        gc.collect()
        gc.freeze()
        if worker:
            background = [asyncio.create_task(work) for work in app.background()]
        background += [asyncio.create_task(finish_left_behind(app.pending, platform)) for platform in platforms]
        if bots and not platforms:
            log.warning("platform.missing", hint="set SLACK_BOT_TOKEN, SLACK_CLIENT_ID or DISCORD_BOT_TOKEN to be asked in chat")
        log.info(
            "footnote.ready",
            seconds=round(time.perf_counter() - started, 2),
            http=f"http://{app.settings.footnote_http_host}:{http.port}",
            platforms=[platform.name for platform in platforms],
            sources=list(app.sources),
            model=app.settings.footnote_model or "quotes",
        )
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopped, *background], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
    finally:
        log.info("footnote.stopping")
        stops = await asyncio.gather(*(platform.stop(DRAIN_SECONDS) for platform in platforms), return_exceptions=True)
        for platform, outcome in zip(platforms, stops, strict=True):
            if isinstance(outcome, BaseException):
                # The others, the running sync and the port still have to be let go of.
                log.error("platform.stop_failed", platform=platform.name, exc_info=outcome)
        await cancelled(*background)
        await http.stop()


def _connected(platform: Platform) -> Probe:
    async def probe() -> None:
        if not platform.connected:
            raise TransientError("not connected; it is tried again")

    return probe


async def _look_for_redis(app: App) -> None:
    """Raises ConfigError when it refuses us, which does not pass by itself. That it is away is only said: questions are
    answered without it, and a restart during an outage must not silence everybody.
    """
    try:
        await app.ping_redis()
    except TransientError as error:
        log.warning("redis.away", error=str(error), consequence="until it is there: answers without memory, and no syncs")
