"""Where files are: below which configured root, on which path, and so who may read them.

One :class:`Tree` lives for one look at Drive. What it learns of folders holds for that look.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.google_drive.access import Grant, Readers, access_of, group, organizers
from connectors.google_drive.client import DriveClient
from connectors.google_drive.file import DriveFile
from core.indexing.cleaning import one_line
from core.models import Access

MAX_DEPTH = 100
"""Folders in folders: the most that Google allows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A configured folder or shared drive."""

    id: str
    name: str
    drive: str | None
    """The shared drive that it is, or lies in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A file that is ours."""

    file: DriveFile
    path: tuple[str, ...]
    access: Access

    @property
    def version(self) -> str:
        return self.file.version(self.path)


class Tree:
    def __init__(self, client: DriveClient, source: str, *, drives: Iterable[str], folders: Iterable[str]) -> None:
        """``source`` names the groups; ``drives`` and ``folders`` are the ids of the roots."""
        self.groups: set[str] = set()
        """Addresses of the Google groups that were met in permissions."""
        self.expires: datetime | None = None
        """When the first of the permissions that were met ends."""
        self.anchors: set[str] = set()
        """Items in shared drives whose readers, wherever they come from, are groups: mostly roots, else the topmost folder
        that we see. So no document is touched when a member comes or goes.
        """
        self._client = client
        self._source = source
        self._drives = tuple(drives)
        self._ids = frozenset({*self._drives, *folders})
        self._roots: dict[str, Root | None] = {}
        self._folders: dict[str, DriveFile | None] = {}
        self._granted: dict[str, Readers | None] = {}
        """Who was named on an item in a shared drive itself."""

    @property
    def ids(self) -> frozenset[str]:
        """Of all roots."""
        return self._ids

    @property
    def looked_at(self) -> list[Root]:
        """The roots of which something was asked, as far as they can be read."""
        return [root for root in self._roots.values() if root]

    async def root(self, id: str) -> Root | None:
        """None when it is gone, in the trash, or not shared with us."""
        if id not in self._roots:
            self._roots[id] = await self._look_at_root(id)
        return self._roots[id]

    async def reached(self) -> list[Root]:
        """The roots that can be read."""
        return [root for id in sorted(self._ids) if (root := await self.root(id))]

    def learn(self, files: Iterable[DriveFile]) -> None:
        """What a listing told of folders need not be asked for."""
        self._folders.update((file.id, file) for file in files if file.is_folder)

    async def walk(self, ids: Iterable[str]) -> AsyncIterator[DriveFile]:
        """All that lies below these folders, at any depth, level by level."""
        level = sorted(ids)
        seen = set(level)
        while level:
            found = await self._client.in_folders(level)
            self.learn(found)
            for file in found:
                yield file
            level = sorted({file.id for file in found if file.is_folder} - seen)
            seen.update(level)

    async def locate(self, file: DriveFile) -> Placed | None:
        """Where a file stands, itself or by a shortcut; None when it is not below a root."""
        path = await self.path(file)
        if path is None:
            path = (await self.paths_of_shortcuts([file.id])).get(file.id)
        return None if path is None else await self.placed(file, path)

    async def placed(self, file: DriveFile, path: tuple[str, ...]) -> Placed:
        return Placed(file=file, path=path, access=access_of(await self._readers_of(file)))

    async def paths_of_shortcuts(self, targets: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """By target, the path of the shortcuts below a root that stand for it; of several the first."""
        found: dict[str, tuple[str, ...]] = {}
        for shortcut in await self._client.shortcuts_to(targets):
            path = await self.path(shortcut)
            if path is not None and shortcut.target:
                found[shortcut.target] = min(path, found.get(shortcut.target, path))
        return found

    async def path(self, file: DriveFile) -> tuple[str, ...] | None:
        """The name of the nearest root above, and those of the folders between; None when there is no root above."""
        root, folders = await self._above(file)
        if root is None and file.drive in self._drives:
            # A folder that we may not see hides what is above it.
            root = await self.root(file.drive)
        return (root.name, *(folder.name for folder in folders)) if root else None

    async def folder(self, id: str) -> DriveFile | None:
        if id not in self._folders:
            self._folders[id] = await self._client.file(id)
        return self._folders[id]

    def note(self, grants: Iterable[Grant]) -> Readers:
        """The principals of these grants. Groups and expiry dates are remembered."""
        prefix = group(self._source, "")
        found = set()
        for grant in grants:
            found.add(grant.principal)
            if grant.principal.startswith(prefix):
                self.groups.add(grant.principal.removeprefix(prefix))
            if grant.expires and (self.expires is None or grant.expires < self.expires):
                self.expires = grant.expires
        return frozenset(found)

    async def _look_at_root(self, id: str) -> Root | None:
        if id in self._drives:
            name = await self._client.drive_name(id)
            return None if name is None else Root(id=id, name=one_line(name) or "Untitled", drive=id)
        folder = await self.folder(id)
        return Root(id=id, name=folder.name, drive=folder.drive) if folder and not folder.trashed else None

    async def _above(self, file: DriveFile) -> tuple[Root | None, list[DriveFile]]:
        """The nearest root above a file, if we see the way to it, and the folders between or that we see, outermost first."""
        folders: list[DriveFile] = []
        seen = {file.id}
        parent = file.parent
        while parent and parent not in seen and len(folders) < MAX_DEPTH:
            if parent in self._ids and (root := await self.root(parent)):
                return root, folders[::-1]
            folder = await self.folder(parent)
            if folder is None:
                break
            seen.add(parent)
            folders.append(folder)
            parent = folder.parent
        return None, folders[::-1]

    async def _readers_of(self, file: DriveFile) -> Readers | None:
        """None: unknown."""
        if file.drive is None:
            return None if file.grants is None else self.note(file.grants)
        root, folders = await self._above(file)
        below = [*folders, file]
        anchor = root.id if root else below.pop(0).id
        readers = self._readers_at(anchor)
        for item in below:
            if item.limited:
                readers = frozenset({organizers(self._source, anchor)})
            if item.limited or item.augmented:
                granted = await self._granted_on(item.id)
                if granted is None:
                    # What was granted there is hidden from us, but perhaps not all that holds for the file.
                    return self._readers_at(file.id)
                readers |= granted
        return readers

    def _readers_at(self, anchor: str) -> Readers:
        self.anchors.add(anchor)
        return frozenset({group(self._source, anchor)})

    async def _granted_on(self, id: str) -> Readers | None:
        if id not in self._granted:
            grants = await self._client.grants(id)
            self._granted[id] = None if grants is None else self.note(grant for grant in grants if grant.direct)
        return self._granted[id]
