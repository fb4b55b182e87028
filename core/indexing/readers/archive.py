"""Office files are ZIP archives: what must hold before one is opened."""

from __future__ import annotations

import io
import re
import zipfile
import zlib

from core.errors import DocumentError

MAX_ENTRIES = 5_000
MAX_INFLATED = 200 * 1024 * 1024
"""Bytes, declared as well as really inflated."""
MAX_RATIO = 100
"""Of inflated to packed bytes; office files stay below 30. Judged from 1 MiB on, for tiny files are no danger."""
_NESTED = (".zip", ".jar", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")


def check_archive(body: bytes) -> frozenset[str]:
    """The names in the archive. Raises DocumentError if it is damaged, a bomb, or holds other archives.

    The content is inflated once without being kept, because the sizes that a header declares may lie.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise DocumentError(
                    f"contains {len(entries):,} parts, more than the {MAX_ENTRIES:,} that are accepted: store it as PDF"
                )
            if sum(entry.file_size for entry in entries) > MAX_INFLATED:
                raise _too_large()
            for entry in entries:
                if entry.flag_bits & 1:
                    raise DocumentError("is protected by a password: store an unprotected copy")
                if entry.filename.startswith(("/", "\\")) or ":" in entry.filename or ".." in re.split(r"[/\\]", entry.filename):
                    raise DocumentError("contains a part with an unsafe name and was not opened: export it again")
                if entry.filename.lower().endswith(_NESTED):
                    raise DocumentError("contains another archive and was not opened: store its files one by one")
            _inflate(archive, entries, len(body))
            return frozenset(entry.filename for entry in entries)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise DocumentError("is not a readable Office file, it may be damaged: export or upload it again") from error


def _inflate(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], packed: int) -> None:
    inflated = 0
    for entry in entries:
        with archive.open(entry) as part:
            while piece := part.read(1 << 20):
                inflated += len(piece)
                if inflated > MAX_INFLATED or inflated > max(1 << 20, MAX_RATIO * packed):
                    raise _too_large()


def _too_large() -> DocumentError:
    return DocumentError(
        f"unpacks to more than {MAX_INFLATED // 2**20} MB or {MAX_RATIO} times its size and was not opened: split it"
    )
