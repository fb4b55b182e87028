"""A Qdrant server: the real engine behind the real REST API, on a TCP port, in a process that can be killed and frozen.

``python -m tests.emulators.qdrant_server FOLDER PORT`` is that process.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from core.embedded.collections import Collections
from core.embedded.qdrant import QdrantServer
from tests.redis_servers import free_port

_ROOT = Path(__file__).parents[2]


class QdrantProcess:
    """Keeps its port and its data over its deaths."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.to_thread(self._spawn)
        async with asyncio.timeout(30), httpx.AsyncClient() as client:
            while True:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                try:
                    (await client.get(f"{self.url}/healthz")).raise_for_status()
                    return
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Connections are accepted by the kernel, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _spawn(self) -> subprocess.Popen[bytes]:
        port = self.url.rpartition(":")[2]
        with (self._folder / "log").open("ab") as log:
            command = [sys.executable, "-m", __name__, str(self._folder / "data"), port]
            return subprocess.Popen(command, cwd=_ROOT, stdout=log, stderr=log)


async def _serve(folder: Path, port: int) -> None:
    collections = Collections(folder)
    collections.load()
    server = QdrantServer(collections)
    await server.start(socket.create_server(("127.0.0.1", port)))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
