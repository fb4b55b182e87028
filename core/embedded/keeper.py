"""Finds the keeper of a data dir, or starts it, and holds a lease on it. See __main__.py for the keeper itself."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.embedded.datadir import TAKEN, DataDir
from core.errors import ConfigError

_PATIENCE_SECONDS = 60.0
"""How long a keeper may take: it replays its log, vacuums and reads the append-only file before it is ready."""
_MUTE_SECONDS = 15.0
"""How long a claimed data dir may have no socket to connect to."""
_STARTER_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE = 30.0
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
        self.log = data.log
        self._data = data
        self._lease = lease
        self._watch = asyncio.create_task(self._stay_attached())

    async def release(self) -> None:
        """Give up the lease. The keeper goes soon after the last one, with everything written to disk."""
        self._watch.cancel()
        await asyncio.wait([self._watch])
        await _close(self._lease)

    async def _stay_attached(self) -> None:
        while True:
            with suppress(OSError):
                await self._lease.reader.read()
            log.warning("keeper.lost", data_dir=str(self._data.path))
            await _close(self._lease)
            self._lease = await self._replacement()
            log.warning("keeper.replaced", data_dir=str(self._data.path))

    async def _replacement(self) -> _Lease:
        pause = _PAUSE_SECONDS
        while True:
            try:
                return await _attach(self._data)
            except (ConfigError, OSError) as error:
                # Said once; it is tried again until someone mends it.
                log.log(logging.ERROR if pause == _PAUSE_SECONDS else logging.DEBUG, "keeper.not_replaced", error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)


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
    try:
        while True:
            with suppress(_NoKeeper):
                return await _lease(data, began + patience - clock())
            if clock() - began > patience:
                raise _held(data, data.claimed_by())
            if (holder := data.claimed_by()) is None:
                mute_since = clock()
                if started is None or started.poll() == TAKEN:
                    started = _start(data)
                elif (status := started.poll()) is not None:
                    raise ConfigError(f"The embedded engines in {data.path} ended as they started ({status}): {_tail(data.log)}")
            elif clock() - mute_since > min(patience, _MUTE_SECONDS):
                raise _held(data, holder)
            await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        if started is not None:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(started.wait, _STARTER_SECONDS)


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
    lease, granted = _Lease(sockets, reader, writer), False
    try:
        line = await asyncio.wait_for(reader.readline(), max(patience, 0.1))
        if not line:
            raise _NoKeeper
        outcome = json.loads(line)
        if "failed" in outcome:
            raise ConfigError(outcome["failed"])
        granted = True
        return lease
    except TimeoutError:
        raise _held(data, data.claimed_by()) from None
    except OSError as error:
        raise _NoKeeper from error
    finally:
        if not granted:
            await _close(lease)


def _start(data: DataDir) -> subprocess.Popen[bytes]:
    """Start a keeper in a session of its own. What is started ends once the keeper runs on its own, or cannot."""
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
    return kept | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}


def _held(data: DataDir, holder: str | None) -> ConfigError:
    return ConfigError(
        f"The data dir {data.path} is held by the process {holder or 'that starts there'}, which does not answer. "
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
