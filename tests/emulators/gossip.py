"""A server that answers every request with a status and repeats all that it was sent, as a proxy's debug page does."""

from __future__ import annotations

from typing import Self

from aiohttp import web


class GossipServer:
    def __init__(self, status: int) -> None:
        self.status = status
        self.url = ""
        self.asked: set[str] = set()
        """The values of the Authorization and api-key headers that came."""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._repeat)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _repeat(self, request: web.Request) -> web.Response:
        self.asked |= {value for name, value in request.headers.items() if name.lower() in {"authorization", "api-key"}}
        said = f"{request.method} {request.path_qs}\n{dict(request.headers)}\n{await request.text()}"
        problem = {
            "message": said,
            "code": 0,
            "error": said,
            "error_description": said,
            "errors": [said],
            "status": {"error": said},
        }
        return web.json_response(problem, status=self.status, reason="Nothing works")
