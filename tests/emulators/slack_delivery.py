"""How Slack brings events to an app: over Socket Mode or by HTTP, again when they are not acknowledged within 3 s."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

ACK_SECONDS = 3.0


@dataclass(frozen=True)
class Delivery:
    """One attempt. ``seconds`` is how long the acknowledgement took; None if there was none in time."""

    kind: str
    id: str
    attempt: int
    seconds: float | None
    status: int | None = None


@dataclass
class _Link:
    socket: web.WebSocketResponse
    frozen: bool = False
    awaited: dict[str, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)


class Courier:
    def __init__(self, retry_seconds: Sequence[float]) -> None:
        self.deliveries: list[Delivery] = []
        self.acknowledgements: list[dict[str, Any]] = []
        self.request_url: str | None = None
        """Where events are posted; None for Socket Mode."""
        self.signing_secret = ""
        self.base = ""
        self.issued_urls = 0
        self.handshakes = 0
        self.refuse_handshakes = 0
        self.expire_urls = 0
        self._retry_seconds = retry_seconds
        self._tickets: set[str] = set()
        self._links: list[_Link] = []
        self._turn = 0
        self._arrived = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None

    @property
    def links(self) -> int:
        """Open sockets that still answer."""
        return sum(not link.socket.closed and not link.frozen for link in self._links)

    # Socket Mode.

    def open_link(self) -> str:
        self.issued_urls += 1
        ticket = uuid.uuid4().hex
        if self.expire_urls > 0:
            self.expire_urls -= 1
        else:
            self._tickets.add(ticket)
        return f"{self.base.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id=A0FOOT"

    async def accept(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if self.refuse_handshakes > 0:
            self.refuse_handshakes -= 1
            return web.Response(status=408)
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403, text="expired or unknown ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        link = _Link(socket)
        await socket.send_json({"type": "hello", "num_connections": len(self._links) + 1})
        self._links.append(link)
        self._arrived.set()
        try:
            async for message in socket:
                if link.frozen:
                    await asyncio.Event().wait()
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    self._acknowledged(link, json.loads(message.data))
        finally:
            if link in self._links:
                self._links.remove(link)
            for waiting in link.awaited.values():
                waiting.cancel()
        return socket

    def _acknowledged(self, link: _Link, ack: dict[str, Any]) -> None:
        self.acknowledgements.append(ack)
        waiting = link.awaited.get(ack.get("envelope_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(ack)

    async def say_goodbye(self, reason: str = "refresh_requested") -> None:
        """A ``disconnect`` envelope on every socket; Slack closes it soon after."""
        for link in list(self._links):
            await link.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}})

    def cut(self) -> None:
        """Every socket breaks without a word."""
        for link in list(self._links):
            if (transport := link.socket.get_extra_info("socket")) is not None:
                transport.shutdown(2)

    def freeze(self) -> None:
        """Every socket stays open and is never read or written again."""
        for link in self._links:
            link.frozen = True

    # Delivery.

    async def deliver(self, kind: str, payload: dict[str, Any], *, id: str, retried: bool = True) -> None:
        """Until it is acknowledged, at most as often as Slack tries: once, and three times more for an event."""
        for attempt in range(1 + (len(self._retry_seconds) if retried else 0)):
            if attempt:
                await asyncio.sleep(self._retry_seconds[attempt - 1])
            if await self._attempt(kind, payload, id, attempt):
                return

    async def _attempt(self, kind: str, payload: dict[str, Any], id: str, attempt: int) -> bool:
        started = time.monotonic()
        status = None
        try:
            async with asyncio.timeout(ACK_SECONDS):
                if self.request_url is None:
                    await self._send(kind, payload, attempt)
                else:
                    status = await self._post(kind, payload, attempt)
            good = status is None or 200 <= status < 300
        except (TimeoutError, ConnectionError, aiohttp.ClientError, _Broken):
            good = False
        self.deliveries.append(Delivery(kind, id, attempt, time.monotonic() - started if good else None, status))
        return good

    async def _send(self, kind: str, payload: dict[str, Any], attempt: int) -> None:
        while not (links := [link for link in self._links if not link.socket.closed]):
            self._arrived.clear()
            await self._arrived.wait()
        self._turn += 1
        link = links[self._turn % len(links)]
        envelope: dict[str, Any] = {"envelope_id": str(uuid.uuid4()), "type": kind, "payload": payload}
        envelope["accepts_response_payload"] = kind == "slash_commands"
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        waiting = asyncio.get_running_loop().create_future()
        link.awaited[envelope["envelope_id"]] = waiting
        if not link.frozen:
            await link.socket.send_json(envelope)
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError as error:
            if waiting.cancelled():
                raise _Broken from error
            raise

    async def _post(self, kind: str, payload: dict[str, Any], attempt: int) -> int:
        if kind == "events_api":
            body, content_type = json.dumps(payload), "application/json"
        else:
            form = {"payload": json.dumps(payload)} if kind == "interactive" else payload
            body, content_type = urlencode(form), "application/x-www-form-urlencoded"
        headers = self.sign(body) | {"Content-Type": content_type}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
        if self._session is None:
            self._session = aiohttp.ClientSession()
        assert self.request_url is not None
        async with self._session.post(self.request_url, data=body, headers=headers) as response:
            await response.read()
            return response.status

    def sign(self, body: str, *, at: float | None = None, secret: str | None = None) -> dict[str, str]:
        """The headers that prove a body to be Slack's."""
        timestamp = str(int(time.time() if at is None else at))
        key = (self.signing_secret if secret is None else secret).encode()
        digest = hmac.new(key, f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        for link in list(self._links):
            link.frozen = False
            await link.socket.close()


class _Broken(Exception):
    """The socket ended before the acknowledgement."""
