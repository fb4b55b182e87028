"""Finds the keeper of a data dir, or starts it, and holds a lease on it. See __main__.py for the keeper itself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.embedded.datadir import DataDir
from core.errors import ConfigError

_PATIENCE_SECONDS = 60.0
"""How long a keeper may take: it replays its log, vacuums and reads the append-only file before it is ready."""
_MUTE_SECONDS = 15.0
"""How long a claimed data dir may have no socket to connect to."""
_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE = 30.0
_TAKEN = 75
_KEPT = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT"})

log = structlog.get_logger(__name__)


@dataclass
class _Lease:
    sockets: Path
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _NoKeeper(Exception):
    """Nobody answers at the data dir's socket."""


class Engines:
    """Both embedded engines, kept running until :meth:`release`. The sockets keep their paths when a keeper is replaced."""

    def __init__(self, data: DataDir, lease: _Lease) -> None:
        self.qdrant_socket = lease.sockets / "qdrant.sock"
        """Speaks Qdrant's REST API."""
        self.redis_socket = lease.sockets / "redis.sock"
        """Speaks Redis's protocol."""
        self._data = data
        self._lease = lease
        self._watch = asyncio.create_task(self._stay_attached())

    async def release(self) -> None:
        """Give up the lease. The keeper goes soon after the last one, with everything written to disk."""
        self._watch.cancel()
        with suppress(asyncio.CancelledError):
            await self._watch
        await _close(self._lease)

    async def _stay_attached(self) -> None:
        while True:
            with suppress(OSError):
                await self._lease.reader.read()
            log.warning("keeper.lost", data_dir=str(self._data.path))
            await _close(self._lease)
            pause = _PAUSE_SECONDS
            while True:
                try:
                    self._lease = await _attach(self._data)
                    break
                except (ConfigError, OSError) as error:
                    log.error("keeper.not_replaced", error=str(error), retry_seconds=pause)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
            log.warning("keeper.replaced", data_dir=str(self._data.path))


async def attach(data_dir: Path, *, patience: float = _PATIENCE_SECONDS) -> Engines:
    """Have both engines running on ``data_dir`` and use them until released; any number of processes may.

    Raises ConfigError when the folder cannot be written, or what holds it has not answered for ``patience`` seconds.
    """
    data = DataDir(data_dir)
    data.prepare()
    return Engines(data, await _attach(data, patience))


async def _attach(data: DataDir, patience: float = _PATIENCE_SECONDS) -> _Lease:
    clock = asyncio.get_running_loop().time
    began = mute_since = clock()
    started: subprocess.Popen[bytes] | None = None
    while True:
        try:
            return await _lease(data, began + patience - clock())
        except _NoKeeper:
            pass
        holder = data.claimed_by()
        if holder is None:
            mute_since = clock()
            if started is None or started.poll() == _TAKEN:
                started = _start(data)
            elif started.poll() is not None:
                status = started.returncode
                raise ConfigError(f"The embedded engines in {data.path} ended with status {status} at once: {_tail(data.log)}")
        elif clock() - mute_since > _MUTE_SECONDS:
            raise _held(data, holder)
        await asyncio.sleep(_PAUSE_SECONDS)
        if clock() - began > patience:
            raise _held(data, holder or "unknown")


async def _lease(data: DataDir, patience: float) -> _Lease:
    """Connect, and wait until the engines are ready. Raises _NoKeeper, or ConfigError with what the keeper says."""
    if (sockets := data.sockets()) is None:
        raise _NoKeeper
    try:
        reader, writer = await asyncio.open_unix_connection(str(sockets / "lease.sock"))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _NoKeeper from error
    except OSError as error:
        raise data.unusable(error) from error
    lease = _Lease(sockets, reader, writer)
    try:
        line = await asyncio.wait_for(reader.readline(), max(patience, 0.1))
        outcome = json.loads(line) if line else None
    except TimeoutError:
        await _close(lease)
        raise _held(data, data.claimed_by() or "unknown") from None
    except OSError:
        outcome = None
    except BaseException:
        await _close(lease)
        raise
    if outcome is None:
        await _close(lease)
        raise _NoKeeper
    if "failed" in outcome:
        await _close(lease)
        raise ConfigError(outcome["failed"])
    return lease


def _start(data: DataDir) -> subprocess.Popen[bytes]:
    """A keeper of its own session: it survives this process, its terminal, and the signals of both."""
    try:
        with data.log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "core.embedded", str(data.path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=data.path,
                env=_environment(),
            )
    except OSError as error:
        raise data.unusable(error) from error


def _environment() -> dict[str, str]:
    """What the keeper needs of ours: it finds the same modules, and none of our secrets stay in a process that outlives us."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(("LC_", "LD_", "DYLD_"))}
    return kept | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _held(data: DataDir, holder: str) -> ConfigError:
    return ConfigError(
        f"The data dir {data.path} is held by the process {holder}, which does not answer. "
        "End that process, or choose another folder with FOOTNOTE_DATA_DIR."
    )


def _tail(path: Path) -> str:
    with suppress(OSError):
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])
    return "it left no log"


async def _close(lease: _Lease) -> None:
    lease.writer.close()
    with suppress(OSError):
        await lease.writer.wait_closed()
