"""The part of Qdrant's REST API that Footnote uses, served over the engine in this process.

An unmodified ``qdrant_client`` talks to it as to a server. Whatever it does not know is answered with
an error in Qdrant's form that names it. There is one node, and every update is applied before it is
answered, so that all values of ``wait``, ``ordering`` and ``consistency`` hold; ``timeout`` bounds the
client's patience only, because a call into the engine cannot be interrupted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import orjson
from aiohttp import web

from core.embedded.api import CALLS, Call
from core.embedded.collections import Collections
from core.embedded.fields import Refused

_API_VERSION = "1.20.0"
"""The line of Qdrant whose REST API this speaks; clients compare it with their own version."""
_MOST_BYTES = 32 * 2**20
"""Size limit of a request: a Qdrant server's own default."""
_PARAMETERS = frozenset({"wait", "ordering", "consistency", "timeout"})
_FLUSH_SECONDS = 3.0
_QUIET_SECONDS = 30.0
"""Vacuuming stops everything for seconds, so it waits until nobody has asked for this long."""

log = logging.getLogger("footnote.qdrant")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class QdrantServer:
    """Serves ``collections`` on a listening socket and keeps them flushed and vacuumed."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._last_request = time.monotonic()
        self._runner: web.AppRunner | None = None
        self._upkeep: asyncio.Task[None] | None = None

    async def start(self, listener: socket.socket) -> None:
        application = web.Application(client_max_size=_MOST_BYTES, middlewares=[self._refusing])
        application.router.add_get("/", self._root)
        application.router.add_get("/healthz", self._health)
        for method, path, call in CALLS:
            application.router.add_route(method, path, self._handler(call))
        # A client drops an idle connection long before this: it never writes into one that is being closed.
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=3600, shutdown_timeout=5)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self._upkeep = asyncio.create_task(self._keep_up())

    async def stop(self) -> None:
        """Finish running requests, then flush and close. Everything acknowledged is on disk afterwards."""
        if self._upkeep is not None:
            self._upkeep.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        self._collections.close()

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                self._collections.flush()
                if time.monotonic() - self._last_request > _QUIET_SECONDS:
                    self._collections.vacuum()
            except Exception:
                # The log holds everything that was acknowledged; the disk may have room again the next time.
                log.exception("could not flush")

    def _handler(self, call: Call) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            started = time.perf_counter()
            for name in request.query:
                if name not in _PARAMETERS:
                    raise Refused.unsupported(f"the parameter `{name}`")
            raw = await request.read()
            try:
                body = orjson.loads(raw) if raw else None
            except orjson.JSONDecodeError as error:
                raise Refused.bad(f"the body is not JSON: {error}") from error
            result = call(self._collections, request.match_info, body)
            return _json(200, {"result": result, "status": "ok", "time": time.perf_counter() - started})

        return handle

    @web.middleware
    async def _refusing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._last_request = time.monotonic()
        try:
            return await handler(request)
        except Refused as refused:
            return _error(refused.status, str(refused))
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"Payload too large: a request may have {_MOST_BYTES} bytes; send fewer points at a time")
        except web.HTTPException as error:
            return _error(501, f"Not supported by the embedded engine: {request.method} {request.path} ({error.reason})")
        except (TypeError, ValueError, OverflowError) as error:
            # The binding's words for a value that it cannot convert: nothing was applied.
            return _error(400, f"Wrong input: {(str(error) or type(error).__name__).splitlines()[0]}")
        except Exception as error:
            if type(error) is not Exception:
                log.exception("%s %s failed", request.method, request.path)
                return _error(500, f"Service internal error: {type(error).__name__}")
            return _engine_error(request, str(error))
        except BaseException as error:
            if type(error).__name__ == "PanicException":
                # The engine is in an unknown state. Whoever is attached starts another keeper, which replays the log.
                log.critical("the engine panicked in %s %s: %s", request.method, request.path, error)
                os._exit(1)
            raise

    async def _root(self, _request: web.Request) -> web.Response:
        engine = version("qdrant-edge-py")
        return _json(200, {"title": f"Footnote's embedded Qdrant engine (qdrant-edge-py {engine})", "version": _API_VERSION})

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(text="healthz check passed")


def _engine_error(request: web.Request, text: str) -> web.Response:
    """The binding raises bare Exceptions; only their text tells a wrong request from a failing engine."""
    if text.startswith("No point with id"):
        return _error(404, f"Not found: {text} found")
    if text.startswith("Service "):
        log.error("%s %s: %s", request.method, request.path, text)
        return _error(500, text)
    return _error(400, f"Wrong input: {text}")


def _error(status: int, text: str) -> web.Response:
    return _json(status, {"status": {"error": text}, "time": 0.0})


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
