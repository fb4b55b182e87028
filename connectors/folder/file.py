"""One file of a folder: what it is, and its bytes, read without being led out of the folder. Blocking: call in a thread."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from connectors.folder.access import AccessUnknown
from connectors.folder.names import Parts, printable
from core.errors import DocumentError
from core.indexing.parsing import MEDIA_TYPES

MAX_BYTES = 50 * 1024 * 1024
"""A bigger file is left alone: text of this size is no page that anybody reads."""
_ATTEMPTS = 3


def media_type(name: str) -> str | None:
    return MEDIA_TYPES.get(_extension(name))


def skip_reason(name: str, status: os.stat_result) -> str | None:
    """Why this is no document, or None if it is one. ``status`` is of the name itself, links not followed."""
    if name.startswith("."):
        return "hidden"
    if stat.S_ISLNK(status.st_mode):
        return "symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if media_type(name) is None:
        return f"unsupported type {printable(_extension(name) or '(no extension)')}"
    return f"larger than {MAX_BYTES // 1024**2} MB" if status.st_size > MAX_BYTES else None


def _extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def stamp(status: os.stat_result) -> str:
    """Changes whenever the file does, except within the resolution of its file system's clock."""
    return f"{status.st_ino:x}.{status.st_size:x}.{status.st_mtime_ns:x}.{status.st_ctime_ns:x}"


def modified_at(status: os.stat_result) -> datetime:
    """When the file changed last; the epoch for a time that no calendar knows (file systems allow it)."""
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def read(root: Path, parts: Parts, *, limit: int = MAX_BYTES) -> tuple[bytes, os.stat_result]:
    """The bytes of one file and its status, both of the same moment.

    Raises FileNotFoundError when it is gone, AccessUnknown when we may not read it (then who may is unknown, too), and
    DocumentError when it is too large or keeps changing.
    """
    for _ in range(_ATTEMPTS):
        try:
            with _opened(root, parts) as file:
                before = os.fstat(file)
                if not stat.S_ISREG(before.st_mode):
                    raise FileNotFoundError(errno.ENOENT, "something else took its place")
                data = _contents(file, limit)
                after = os.fstat(file)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.ENXIO}:
                raise FileNotFoundError(errno.ENOENT, "something else took its place") from error
            raise AccessUnknown(f"it cannot be read ({error.strerror}): may the user who runs Footnote read it?") from error
        if stamp(before) == stamp(after) and len(data) == after.st_size:
            return data, after
        time.sleep(0.02)
    raise DocumentError("it changes while it is read; the next sync tries again")


@contextmanager
def _opened(root: Path, parts: Parts) -> Iterator[int]:
    """Open folder by folder, following no link: a name that was a folder when listed may be a link by now."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = below
        # Without O_NONBLOCK a named pipe would wait for a writer forever.
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        yield file
    finally:
        os.close(file)


def _contents(file: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := os.read(file, 1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise DocumentError(f"it is larger than {limit // 1024} KB")
    return b"".join(pieces)
