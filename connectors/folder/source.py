"""A folder of files as a source: Markdown, HTML, text, CSV, Office files and PDF, in any depth."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from connectors.folder.access import AccessFile, AccessUnknown, Gates, access_of, gates_of
from connectors.folder.file import media_type, modified_at, read, stamp
from connectors.folder.names import Parts, document_id, parts_of, printable
from connectors.folder.text import split_title
from connectors.folder.tree import SETTLED_SECONDS, File, Listing, Tree
from core.errors import DocumentError, UserError
from core.models import NOBODY, AccessChanged, Change, Checkpoint, Document, Failed, Known, Listed, Skipped, Upsert

_READ = b"owners"
"""Change it when more is read of a file than before: then all are read again."""
_CURSOR = "listed"
"""There is nothing to remember: every sync looks at all files."""


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """A folder, compared with what is known of it."""

    listing: Listing
    listed: frozenset[str]
    changed: list[tuple[str, File]]
    """By document id; known ones first."""


class FolderSource:
    """Reads a folder. Every sync lists it; a document's version is its file's status (inode, size, times) and who may
    read it, so that only files that changed are opened.
    """

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

    async def fetch(self, document_id: str) -> Document | None:
        parts = parts_of(self.name, document_id)
        if parts is None:
            return None
        try:
            return await asyncio.to_thread(self._load, parts)
        except FileNotFoundError:
            await asyncio.to_thread(self._tree.check_root)
            return None

    async def select(self, scope: str) -> AsyncIterator[str]:
        """``scope`` is a path inside the folder, of a file or of all that lies below, an address, or a document id."""
        path = scope
        for root in (self._url, f"file://{quote(os.fsencode(self._root))}"):
            if root and scope.startswith(f"{root}/"):
                path = unquote(scope.removeprefix(f"{root}/"), errors="surrogateescape")
        below = tuple(part for part in path.split("/") if part)
        listing = await asyncio.to_thread(self._tree.walk)
        exact = parts_of(self.name, scope)
        found = [file.parts for file in listing.files if file.parts == exact or (below and file.parts[: len(below)] == below)]
        if not found:
            raise UserError(f"{self.name} has no file or folder {scope!r}: give a path inside it, such as `travel/visa.md`.")
        for parts in found:
            yield self._id(parts)

    async def changes(self, cursor: str | None, known: Mapping[str, Known]) -> AsyncGenerator[Change, None]:
        """Known documents come before new ones, so that who lost the right to read is shut out first."""
        found = await asyncio.to_thread(self._compare, known)
        if not found.listing.unlistable:
            yield Listed(document_ids=found.listed, expected=len(found.changed))
        for parts, reason in found.listing.skipped:
            yield Skipped(document_id=self._id(parts), reason=reason)
        for parts, reason in found.listing.unlistable:
            # What lies below cannot be checked for who may read it.
            for id in known:
                if id.startswith(self._id(parts) + "/") or not parts:
                    yield AccessChanged(document_id=id, access=NOBODY)
            yield Failed(document_id=self._id(parts), error=reason)
        for id, file in found.changed:
            try:
                document = await asyncio.to_thread(self._load, file.parts)
            except FileNotFoundError:
                continue
            except DocumentError as error:
                # Who may read it now stands in it or around it, and one of them could not be read.
                yield AccessChanged(document_id=id, access=NOBODY)
                yield Failed(document_id=id, error=str(error))
            else:
                yield Upsert(document=document)
        yield Checkpoint(cursor=_CURSOR)

    # Thousands of files take a while even to compare: these are called in threads.

    def _compare(self, known: Mapping[str, Known]) -> _Compared:
        listing = self._tree.walk()
        listed = {self._id(parts) for parts, _ in listing.skipped}
        changed: list[tuple[str, File]] = []
        for file in listing.files:
            id = self._id(file.parts)
            listed.add(id)
            before = known.get(id)
            # One that was hidden may be readable again, and who may read it stands in the file.
            if (
                before is None
                or before.access_class == NOBODY.class_id
                or not before.version
                or before.version != _version(file.stamp, file.access_files, file.parts)
            ):
                changed.append((id, file))
        changed.sort(key=lambda item: item[0] not in known)
        return _Compared(listing=listing, listed=frozenset(listed), changed=changed)

    def _id(self, parts: Parts) -> str:
        return document_id(self.name, parts)

    def _load(self, parts: Parts) -> Document:
        """The document, with a version once the file has settled. Raises FileNotFoundError, AccessUnknown, DocumentError."""
        kind = media_type(parts[-1])
        if kind is None or any(part.startswith(".") for part in parts):
            raise FileNotFoundError(parts[-1])
        data, status = read(self._root, parts)
        # After the content: what was written together with a narrower access must not go out under the wider one.
        access_files = self._tree.access_files(parts[:-1])
        read_at = self._clock()
        front, title, body = split_title(data, kind)
        own: Gates = () if front.readers is None else (front.readers,)
        settled = max(status.st_mtime, status.st_ctime) < read_at - SETTLED_SECONDS
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
            version=_version(stamp(status), access_files, parts) if settled else "",
            owners=front.owners,
        )
        _ = document.content_hash  # Kept by the document: megabytes are hashed in this thread and not on the event loop.
        return document

    def _url_of(self, parts: Parts) -> str:
        if self._url is None:
            return "file://" + quote(os.fsencode(self._root.joinpath(*parts)))
        return f"{self._url}/{quote(os.fsencode('/'.join(parts)))}"


def _version(stamp: str, access_files: Iterable[AccessFile], parts: Parts) -> str:
    """Changes with the file and with who may read it; empty while that is unknown, so that the file is looked at again."""
    try:
        inherited = access_of(gates_of(access_files, parts)).class_id
    except AccessUnknown:
        return ""
    return f"{hashlib.blake2b(stamp.encode(), digest_size=8, salt=_READ).hexdigest()}.{inherited[:16]}"
