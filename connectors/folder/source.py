"""A folder of files as a source: Markdown, HTML, text, CSV, Office files and PDF, in any depth."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import os
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from connectors.folder.access import AccessFile, AccessUnknown, Gates, access_of, gates_of
from connectors.folder.file import media_type, modified_at, read, stamp
from connectors.folder.names import Parts, document_id, parts_of, printable
from connectors.folder.text import split_title
from connectors.folder.tree import SETTLED_SECONDS, File, Listing, Tree
from core.errors import DocumentError
from core.models import NOBODY, AccessChanged, Change, Checkpoint, Document, Failed, Skipped, Upsert

Seen = Mapping[str, str]
"""Document id to a mark of the file and of who may read it, when it was last read."""


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """A folder, compared with what a cursor remembers of it."""

    listing: Listing
    before: Seen
    unchanged: dict[str, str]
    changed: list[tuple[str, File]]
    """By document id; known ones first."""


class FolderSource:
    """Reads a folder. Removals are not reported: what is gone is missing from :meth:`ids`.

    The cursor remembers the status of every file (inode, size, times) and who may read it, about 30 bytes per file.
    """

    reports_removals = False

    def __init__(self, name: str, root: Path, *, url: str | None = None, clock: Callable[[], float] = time.time) -> None:
        """``url`` is where people open the files: the path inside the folder is appended; without it ``file://``."""
        self.name = name
        self._root = root.expanduser().absolute()
        self._url = url.rstrip("/") if url else None
        self._clock = clock
        self._tree = Tree(self._root, clock)

    async def check(self) -> str:
        found = await asyncio.to_thread(self._tree.walk)
        closed = f", {len(found.unlistable)} folders or files cannot be looked at" if found.unlistable else ""
        return f"{self._root}: {len(found.files)} documents{closed}"

    async def ids(self) -> AsyncIterator[str]:
        for id in await asyncio.to_thread(self._list):
            yield id

    async def fetch(self, document_id: str) -> Document | None:
        parts = parts_of(self.name, document_id)
        if parts is None:
            return None
        try:
            return (await asyncio.to_thread(self._load, parts))[0]
        except FileNotFoundError:
            await asyncio.to_thread(self._tree.check_root)
            return None

    async def changes(self, cursor: str | None) -> AsyncIterator[Change]:
        """Known documents come before new ones, so that who lost the right to read is shut out first."""
        found = await asyncio.to_thread(self._compare, cursor)
        for parts, reason in found.listing.skipped:
            yield Skipped(document_id=self._id(parts), reason=reason)
        for parts, reason in found.listing.unlistable:
            # What lies below cannot be checked for who may read it.
            for known in found.before:
                if known.startswith(self._id(parts) + "/") or not parts:
                    yield AccessChanged(document_id=known, access=NOBODY)
            yield Failed(document_id=self._id(parts), error=reason)
        seen = found.unchanged
        for id, file in found.changed:
            try:
                document, mark = await asyncio.to_thread(self._load, file.parts)
            except FileNotFoundError:
                continue
            except DocumentError as error:
                # Who may read it now stands in it or around it, and one of them could not be read.
                yield AccessChanged(document_id=id, access=NOBODY)
                yield Failed(document_id=id, error=str(error))
            else:
                if mark:
                    seen[id] = mark
                yield Upsert(document=document)
        yield Checkpoint(cursor=await asyncio.to_thread(_encode_cursor, seen))

    # Thousands of files take a while even to compare: these are called in threads.

    def _list(self) -> list[str]:
        found = self._tree.walk()
        if found.unlistable:
            parts, reason = found.unlistable[0]
            raise DocumentError(f"{self._id(parts)}: {reason}")
        return [self._id(file.parts) for file in found.files]

    def _compare(self, cursor: str | None) -> _Compared:
        before = _decode_cursor(cursor)
        listing = self._tree.walk()
        unchanged: dict[str, str] = {}
        changed: list[tuple[str, File]] = []
        for file in listing.files:
            id = self._id(file.parts)
            mark = before.get(id)
            if mark is not None and mark == _mark(file.stamp, file.access_files, file.parts):
                unchanged[id] = mark
            else:
                changed.append((id, file))
        changed.sort(key=lambda item: item[0] not in before)
        return _Compared(listing=listing, before=before, unchanged=unchanged, changed=changed)

    def _id(self, parts: Parts) -> str:
        return document_id(self.name, parts)

    def _load(self, parts: Parts) -> tuple[Document, str | None]:
        """The document, and its mark if the file has settled. Raises FileNotFoundError, AccessUnknown, DocumentError."""
        kind = media_type(parts[-1])
        if kind is None or any(part.startswith(".") for part in parts):
            raise FileNotFoundError(parts[-1])
        data, status = read(self._root, parts)
        # After the content: what was written together with a narrower access must not go out under the wider one.
        access_files = self._tree.access_files(parts[:-1])
        read_at = self._clock()
        front, title, body = split_title(data, kind)
        own: Gates = () if front.readers is None else (front.readers,)
        document = Document(
            id=self._id(parts),
            source=self.name,
            title=title or printable(os.path.splitext(parts[-1])[0]),
            url=self._url_of(parts),
            body=body,
            media_type=kind,
            updated_at=front.updated or modified_at(status),
            access=access_of((*gates_of(access_files, parts), *own)),
            path=tuple(printable(part) for part in parts[:-1]),
            metadata={"updated": front.updated.isoformat()} if front.updated else {},
        )
        _ = document.content_hash  # Kept by the document: megabytes are hashed in this thread and not on the event loop.
        settled = max(status.st_mtime, status.st_ctime) < read_at - SETTLED_SECONDS
        return document, _mark(stamp(status), access_files, parts) if settled else None

    def _url_of(self, parts: Parts) -> str:
        if self._url is None:
            return "file://" + quote(os.fsencode(self._root.joinpath(*parts)))
        return f"{self._url}/{quote(os.fsencode('/'.join(parts)))}"


def _mark(stamp: str, access_files: Iterable[AccessFile], parts: Parts) -> str | None:
    """Changes with the file and with who may read it; None while that is unknown, so that the file is looked at again."""
    try:
        inherited = access_of(gates_of(access_files, parts)).class_id
    except AccessUnknown:
        return None
    return f"{hashlib.blake2b(stamp.encode(), digest_size=8).hexdigest()}.{inherited[:16]}"


def _encode_cursor(seen: Seen) -> str:
    return base64.b64encode(zlib.compress(json.dumps(seen, ensure_ascii=False).encode())).decode()


def _decode_cursor(cursor: str | None) -> Seen:
    """A cursor that cannot be read, of another version perhaps, means from the beginning."""
    try:
        seen = json.loads(zlib.decompress(base64.b64decode(cursor or "", validate=True)))
    except (ValueError, zlib.error, binascii.Error):
        return {}
    return seen if isinstance(seen, dict) else {}
