"""The emulated gateway: a WebSocket for each shard, sessions that can be resumed, and ways to break them."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from tests.emulators.discord import DiscordServer

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = 1 << 1 | 1 << 8 | MESSAGE_CONTENT
"""Members, presences, message content."""
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES = 1 << 0, 1 << 9, 1 << 12


@dataclass(eq=False)
class Session:
    id: str
    intents: int
    shard: int = 0
    shards: int = 1
    events: list[dict[str, Any]] = field(default_factory=list)
    socket: web.WebSocketResponse | None = None


class Gateway:
    def __init__(self, server: DiscordServer) -> None:
        self._server = server
        self._sessions: dict[str, Session] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._transports: dict[web.WebSocketResponse, asyncio.BaseTransport] = {}
        self._over: dict[web.WebSocketResponse, asyncio.Event] = {}
        self.refused_handshakes = 0
        """How many of the next connections are refused with 503."""
        self.shards = 1
        """How many Discord recommends, and the fewest that it takes."""
        self.granted = 0
        """Privileged intents that are switched on in the portal."""
        self.closes_identify_with: int | None = None
        """A close code for the next IDENTIFY."""
        self.identified = 0
        self.resumed = 0
        self.handshakes = 0

    # What a test does to it.

    @property
    def connections(self) -> int:
        return sum(1 for session in self._sessions.values() if session.socket is not None)

    async def cut(self, shard: int | None = None) -> None:
        """Break all connections, or those of one shard, without a word, as a network does."""
        if shard is not None:
            for session in self._sessions.values():
                if session.shard == shard and session.socket is not None:
                    transport = self._transports.get(session.socket)
                    session.socket = None
                    if isinstance(transport, asyncio.Transport):
                        transport.abort()
            return
        for socket in list(self._sockets):
            transport = self._transports.get(socket)
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        await self._gone()

    async def ask_to_reconnect(self) -> None:
        await self._to_all({"op": RECONNECT, "d": None})
        await self._gone()

    async def invalidate_sessions(self) -> None:
        """End all sessions: nothing can be resumed."""
        await self._to_all({"op": INVALID, "d": False})
        await self._gone()
        self._sessions.clear()

    async def close(self, code: int) -> None:
        for socket in list(self._sockets):
            await socket.close(code=code)

    def dispatch(self, event: str, data: dict[str, Any], *, stripped: dict[str, Any] | None = None) -> None:
        """Send to every session; one that is cut off gets it when it resumes. What is ``stripped`` is for those that did not ask
        for the content of messages.
        """
        for session in self._sessions.values():
            if self._shard_of(event, data, session.shards) == session.shard:
                plain = stripped is None or session.intents & MESSAGE_CONTENT
                self._dispatch_to(session, event, data if plain else stripped or {})

    def _shard_of(self, event: str, data: dict[str, Any], shards: int) -> int:
        """Direct messages are the first one's."""
        guild = data.get("guild_id") or (data["id"] if event.startswith("GUILD_") else 0)
        return (int(guild) >> 22) % shards

    # The protocol.

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if self.refused_handshakes > 0:
            self.refused_handshakes -= 1
            return web.Response(status=503)
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            return web.Response(status=400)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        self._over[socket] = asyncio.Event()
        if request.transport is not None:
            self._transports[socket] = request.transport
        try:
            await socket.send_json({"op": HELLO, "d": {"heartbeat_interval": 41_250}, "s": None, "t": None})
            await self._converse(socket)
        finally:
            self._sockets.discard(socket)
            self._transports.pop(socket, None)
            self._over.pop(socket).set()
            for session in self._sessions.values():
                if session.socket is socket:
                    session.socket = None
        return socket

    async def _converse(self, socket: web.WebSocketResponse) -> None:
        session: Session | None = None
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                await socket.close(code=4002)
                return
            message = frame.json()
            match message["op"]:
                case 1:
                    await socket.send_json({"op": ACK, "d": None, "s": None, "t": None})
                case 2 if session is not None:
                    await socket.close(code=4005)
                case 2:
                    session = await self._identify(socket, message["d"])
                case 6:
                    session = await self._resume(socket, message["d"])
                case _:
                    await socket.close(code=4001)

    async def _identify(self, socket: web.WebSocketResponse, data: dict[str, Any]) -> Session | None:
        if self.closes_identify_with is not None:
            code, self.closes_identify_with = self.closes_identify_with, None
            await socket.close(code=code)
            return None
        if data["token"] != self._server.token:
            await socket.close(code=4004)
            return None
        if data["intents"] & PRIVILEGED & ~self.granted:
            await socket.close(code=4014)
            return None
        shard, shards = data.get("shard") or (0, 1)
        if not 0 <= shard < shards or shards < self.shards:
            await socket.close(code=4010 if not 0 <= shard < shards else 4011)
            return None
        self.identified += 1
        session = Session(id=secrets.token_hex(8), intents=data["intents"], shard=shard, shards=shards, socket=socket)
        self._sessions[session.id] = session
        guild = self._server.guild_json()
        own = self._shard_of("GUILD_CREATE", guild, shards) == shard
        self._dispatch_to(session, "READY", self._server.ready(session.id, shard, shards, guild=own))
        if own:
            self._dispatch_to(session, "GUILD_CREATE", guild)
        return session

    async def _resume(self, socket: web.WebSocketResponse, data: dict[str, Any]) -> Session | None:
        if data["token"] != self._server.token:
            await socket.close(code=4004)
            return None
        session = self._sessions.get(data["session_id"])
        if session is None:
            await socket.send_json({"op": INVALID, "d": False, "s": None, "t": None})
            return None
        self.resumed += 1
        for event in session.events[data["seq"] or 0 :]:
            await socket.send_json(event)
        session.socket = socket
        self._dispatch_to(session, "RESUMED", {})
        return session

    def _dispatch_to(self, session: Session, event: str, data: dict[str, Any]) -> None:
        if not session.intents & _intent(event, data):
            return
        payload = {"op": DISPATCH, "t": event, "s": len(session.events) + 1, "d": data}
        session.events.append(payload)
        if session.socket is not None and not session.socket.closed:
            self._server.spawn(session.socket.send_json(payload))

    async def _to_all(self, payload: dict[str, Any]) -> None:
        for socket in list(self._sockets):
            await socket.send_json(payload | {"s": None, "t": None})

    async def _gone(self) -> None:
        """Wait until the connections of this moment are over."""
        for session in self._sessions.values():
            session.socket = None
        for over in list(self._over.values()):
            await over.wait()


def _intent(event: str, data: dict[str, Any]) -> int:
    """What a session must have asked for to be told; everybody is told of what asks for nothing."""
    if event.startswith(("GUILD_", "CHANNEL_", "THREAD_")):
        return GUILDS
    if event.startswith("MESSAGE_"):
        return GUILD_MESSAGES if data.get("guild_id") else DIRECT_MESSAGES
    return -1
