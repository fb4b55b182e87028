"""The data dir as the embedded engines see it: its lock, its sockets, its log."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from core.errors import ConfigError

TAKEN = 75
"""Exit status of a keeper whose data dir another one holds."""
_LONGEST_SOCKET = 100
"""Bytes in a socket's path: Linux takes 107, macOS 103."""
_LONGEST_LOG = 1_000_000
_ROOM_TO_START = 64 * 2**20
_ADVICE = "Choose another folder with FOOTNOTE_DATA_DIR, or mend this one."


class DataDir:
    """Paths and claims inside one data dir. Everything in it belongs to its user alone.

    The sockets live in ``run/``; where its path is too long for a socket, or its file system has none, in a
    private folder of the system's temporary one, which ``run.path`` then names.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.qdrant = self.path / "qdrant"
        self.redis = self.path / "redis"
        self.log = self.path / "keeper.log"
        self._lock = self.path / "keeper.lock"
        self._sockets = self.path / "run"
        self._elsewhere = self.path / "run.path"

    def prepare(self) -> None:
        """Make it. Raises ConfigError when it cannot be written."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(self._open_lock())
        except OSError as error:
            raise self.unusable(error) from error

    def check_room(self, least: int = _ROOM_TO_START) -> None:
        """Raises ConfigError when fewer than ``least`` bytes are free: on a full disk the engines are killed as they write."""
        if (free := shutil.disk_usage(self.path).free) < least:
            raise ConfigError(
                f"The disk of the data dir {self.path} has {free >> 20} MB free; the embedded engines need {least >> 20} MB "
                "to start. Free some space, or choose another folder with FOOTNOTE_DATA_DIR."
            )

    def unusable(self, error: OSError) -> ConfigError:
        return ConfigError(f"The data dir {self.path}{self._owner()} cannot be used: {error.strerror or error}. {_ADVICE}")

    def _owner(self) -> str:
        with suppress(OSError):
            if (owner := self.path.stat().st_uid) != os.geteuid():
                return f", which belongs to the user with id {owner} (this is {os.geteuid()}),"
        return ""

    def claim(self) -> int | None:
        """Lock it for as long as the returned file is open here or in a child, or None when another holds it."""
        lock = self._open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        sign(lock)
        return lock

    def claimed_by(self) -> str | None:
        """The process id of who holds it, or None when nobody does."""
        lock = self._open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.pread(lock, 20, 0).decode().strip() or "unknown"
        else:
            return None
        finally:
            os.close(lock)

    def _open_lock(self) -> int:
        return os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def sockets(self) -> Path | None:
        """The folder of the sockets as the last keeper chose it; None when there is none that is ours."""
        if (folder := self._recorded()) is not None:
            return folder if _is_private(folder) else None
        return self._sockets if _fits(self._sockets) else None

    def _recorded(self) -> Path | None:
        try:
            return Path(self._elsewhere.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def make_sockets(self) -> Path:
        """Make that folder; the one of a killed keeper is used again, so that its clients find the same paths."""
        if (recorded := self._recorded()) is not None:
            with suppress(OSError):  # it is there, or was swept away with other temporary files
                recorded.mkdir(mode=0o700)
        if (folder := self.sockets()) is not None and _binds(folder):
            return folder
        folder = Path(tempfile.mkdtemp(prefix="footnote-"))
        if not _fits(folder):
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="footnote-", dir="/tmp"))
        draft = self._elsewhere.with_suffix(".tmp")
        draft.write_text(str(folder), encoding="utf-8")
        draft.replace(self._elsewhere)
        return folder

    def remove_sockets(self, folder: Path) -> None:
        with suppress(OSError):
            for name in ("lease.sock", "qdrant.sock", "redis.sock"):
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
            self._elsewhere.unlink(missing_ok=True)

    def foundations(self) -> tuple[tuple[int, int] | None, ...]:
        """What the engines stand on. It changes when somebody deletes the data dir, or an engine's folder, below them."""
        return tuple(_identity(path) for path in (self._lock, self.qdrant, self.redis))

    def trim_log(self) -> None:
        """Keep one old copy of 1 MB at most. The open file is emptied in place: other processes go on appending to it."""
        with suppress(OSError):
            if self.log.stat().st_size > _LONGEST_LOG:
                with suppress(OSError):
                    self.log.with_suffix(".log.1").write_bytes(self.log.read_bytes()[-_LONGEST_LOG:])
                os.truncate(self.log, 0)


def sign(lock: int) -> None:
    """Write this process's id into a lock that it holds: in one piece, for whoever reads it meanwhile."""
    os.pwrite(lock, f"{os.getpid():<19}\n".encode(), 0)


def listen(path: Path) -> socket.socket:
    """A listening socket at ``path`` that only this user can connect to."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(128)
    listener.setblocking(False)
    return listener


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / "qdrant.sock")) <= _LONGEST_SOCKET


def _binds(folder: Path) -> bool:
    """Whether its file system can hold sockets: some that containers share with their host cannot."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    try:
        listen(folder / "lease.sock").close()
    except OSError:
        return False
    return True


def _is_private(folder: Path) -> bool:
    """Whether nobody else can have put anything into a folder of the shared temporary one."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
