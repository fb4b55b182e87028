"""What lies below a root: the files, and the access files that hold for each folder. Blocking: call in a thread."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from connectors.folder.access import ACCESS_FILE, AccessFile, AccessUnknown, is_mistaken_name, parse_access_file
from connectors.folder.file import read, skip_reason, stamp
from connectors.folder.names import Parts, printable
from core.errors import ConfigError, DocumentError

SETTLED_SECONDS = 60.0
"""What changed less than this before it was read is read again next time: a second change within the resolution of
the file system's clock (up to 2 s on FAT, and file servers have clocks of their own) leaves no trace in its status."""
_MAX_ACCESS_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class File:
    parts: Parts
    stamp: str
    access_files: tuple[AccessFile, ...]
    """Those that hold for it, outermost first."""


@dataclass(kw_only=True)
class Listing:
    """What one walk found. It is complete when nothing is ``unlistable``."""

    files: list[File] = field(default_factory=list)
    skipped: list[tuple[Parts, str]] = field(default_factory=list)
    """Path and reason of what is no document of this folder."""
    unlistable: list[tuple[Parts, str]] = field(default_factory=list)
    """Folders whose files are unknown now, and why."""


class Tree:
    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._clock = clock
        self._known: dict[Parts, tuple[tuple[str, str], tuple[AccessFile, ...]]] = {}

    def walk(self) -> Listing:
        """List all. Raises ConfigError when the root cannot be listed, or is another one at the end than at the start."""
        before = self.check_root()
        listing = Listing()
        folders: list[tuple[Parts, tuple[AccessFile, ...]]] = [((), ())]
        while folders:
            folders += self._list(*folders.pop(), listing)
        after = self.check_root()
        if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino):
            raise ConfigError(f"the folder {self._root} was exchanged while it was listed: is it a mount that came or went?")
        return listing

    def access_files(self, folder: Parts) -> tuple[AccessFile, ...]:
        """The access files that hold for the files in ``folder`` as they are now. Raises AccessUnknown, FileNotFoundError."""
        return tuple(file for depth in range(len(folder) + 1) for file in self._access_files_in(folder[:depth]))

    def check_root(self) -> os.stat_result:
        """The status of the root. Raises ConfigError when it cannot be listed: then nothing is known of its files."""
        try:
            status = self._root.stat()
            if not stat.S_ISDIR(status.st_mode):
                raise ConfigError(f"{self._root} is not a folder: correct FOOTNOTE_FOLDER, or `path` in footnote.toml")
            with os.scandir(self._root):
                return status
        except OSError as error:
            raise ConfigError(
                f"the folder {self._root} cannot be read ({error.strerror}): is it mounted, "
                "and may the user who runs Footnote read it?"
            ) from error

    def _list(self, parts: Parts, above: tuple[AccessFile, ...], listing: Listing) -> list[tuple[Parts, tuple[AccessFile, ...]]]:
        """Add what lies directly in one folder to the listing; returns the folders in it."""
        folders: list[tuple[Parts, tuple[AccessFile, ...]]] = []
        try:
            with os.scandir(self._root.joinpath(*parts)) as opened:
                entries = sorted(opened, key=lambda entry: os.fsencode(entry.name))
            access_files = (*above, *self._access_files_in(parts))
        except (FileNotFoundError, NotADirectoryError):
            return folders
        except AccessUnknown as error:
            listing.unlistable.append((parts, str(error)))
            return folders
        except OSError as error:
            listing.unlistable.append((parts, f"it cannot be listed ({error.strerror}): may the user who runs Footnote read it?"))
            return folders
        for entry in entries:
            path = (*parts, entry.name)
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                listing.unlistable.append((path, f"it cannot be looked at ({error.strerror})"))
                continue
            if stat.S_ISDIR(status.st_mode) and not entry.name.startswith("."):
                folders.append((path, access_files))
            elif reason := skip_reason(entry.name, status):
                if entry.name != ACCESS_FILE:
                    listing.skipped.append((path, self._about_link(path) if stat.S_ISLNK(status.st_mode) else reason))
            else:
                listing.files.append(File(parts=path, stamp=stamp(status), access_files=access_files))
        return folders

    def _about_link(self, parts: Parts) -> str:
        root = os.path.realpath(self._root)
        inside = os.path.commonpath([root, os.path.realpath(self._root.joinpath(*parts))]) == root
        return "symbolic link (what it points to is read where it lies)" if inside else "symbolic link that leaves the folder"

    def _access_files_in(self, folder: Parts) -> tuple[AccessFile, ...]:
        path = self._root.joinpath(*folder)
        try:
            status = path.stat()
            of_folder, of_file = stamp(status), ""
            changed = status.st_ctime
            try:
                status = path.joinpath(ACCESS_FILE).lstat()
                of_file, changed = stamp(status), max(changed, status.st_ctime)
            except FileNotFoundError:
                pass
            known = self._known.get(folder)
            if known and known[0] == (of_folder, of_file):
                return known[1]
            found = self._read_access_files(folder, os.listdir(path), declared=bool(of_file))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise AccessUnknown(f"it cannot be told who may read it: a folder above it is closed ({error.strerror})") from error
        if changed < self._clock() - SETTLED_SECONDS:
            self._known[folder] = ((of_folder, of_file), found)
        return found

    def _read_access_files(self, folder: Parts, names: list[str], *, declared: bool) -> tuple[AccessFile, ...]:
        where = "/".join(printable(part) for part in (*folder, ACCESS_FILE))
        mistaken = [name for name in names if is_mistaken_name(name)]
        found = [
            AccessFile(
                folder=folder, error=f"beside {where} lies {printable(name)}, which is not read: rename it to {ACCESS_FILE}"
            )
            for name in mistaken
        ]
        if declared:
            try:
                text, _ = read(self._root, (*folder, ACCESS_FILE), limit=_MAX_ACCESS_BYTES)
                found.append(parse_access_file(text.decode("utf-8-sig"), folder, where))
            except (DocumentError, OSError, UnicodeDecodeError) as error:
                problem = f"{where} cannot be read, so nobody may read the files below it: {error}"
                found.append(AccessFile(folder=folder, error=problem))
        return tuple(found)
