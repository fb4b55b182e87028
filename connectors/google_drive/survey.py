"""What differs from what is known, as far as Drive's metadata tell: no content is read for it."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.google_drive.client import DriveClient, IncompleteListing, TokenRefused
from connectors.google_drive.convert import skip_reason
from connectors.google_drive.file import DriveFile, same_content
from connectors.google_drive.tree import Placed, Root, Tree
from core.errors import AuthError
from core.models import NOBODY, AccessChanged, Failed, Known, Skipped

DANGLING = "shortcut to a file that is gone or not shared"
TO_FOLDER = "shortcut to a folder"


class Survey:
    """Filled by :meth:`follow`, or by :meth:`begin` and :meth:`list_all`."""

    def __init__(self, client: DriveClient, tree: Tree, source: str, known: Mapping[str, Known]) -> None:
        self.token = ""
        """From where to read on."""
        self.listed: set[str] | None = None
        """All that there is; None when only changes were looked at."""
        self.gone: list[str] = []
        self.access: list[AccessChanged] = []
        self.left_out: list[Skipped | Failed] = []
        self.wanted: list[Placed] = []
        """Whose content is to be read."""
        self._client = client
        self._tree = tree
        self._source = source
        self._known = known

    async def begin(self) -> list[Root]:
        """The roots that a listing will be of. Raises AuthError when nothing of what is configured is shared with us."""
        self.token = await self._client.start_token()
        self.listed = set()
        roots = await self._tree.reached()
        for missing in sorted(self._tree.ids - {root.id for root in roots}):
            self._miss_root(missing, await self.unreachable(missing))
        if not roots:
            raise AuthError(f"nothing to read: {'; '.join(str(row.error) for row in self.left_out if isinstance(row, Failed))}")
        return roots

    async def list_all(self) -> None:
        """After :meth:`begin`. Raises FootnoteError when a listing is incomplete."""
        roots = await self._tree.reached()
        files: dict[str, DriveFile] = {}
        drives = {root.id for root in roots if root.id == root.drive}
        for drive in sorted(drives):
            files |= {file.id: file for file in await self._client.in_drive(drive)}
        self._tree.learn(files.values())
        async for file in self._tree.walk(root.id for root in roots if root.drive not in drives):
            files[file.id] = file
        shortcuts: list[tuple[tuple[str, ...], DriveFile]] = []
        for file in files.values():
            path = None if file.is_folder else await self._tree.path(file)
            if path is None:
                continue
            if file.is_shortcut:
                shortcuts.append((path, file))
            else:
                await self._compare(file, path)
        for path, shortcut in sorted(shortcuts, key=lambda each: each[0]):
            await self._stand_in(shortcut, path)

    async def unreachable(self, root: str) -> str:
        return (
            f"{root} is not shared with {await self._client.account.email()}, or in the trash: share it with that address, "
            "or take it out of the settings"
        )

    async def follow(self, token: str) -> bool:
        """What the feed tells since ``token``. False when that is not enough to know everything: then it is to be listed."""
        try:
            news, self.token = await self._client.changes(token)
        except TokenRefused:
            return False
        if news.drives:
            return False
        files: dict[str, DriveFile] = {}
        folders: list[str] = []
        self._tree.learn(file for file in news.files.values() if file)
        for id, file in news.files.items():
            if file is None:
                # Something unknown that is gone may have been a folder, and what was in it is not told.
                if id in self._tree.ids or self._id(id) not in self._known:
                    return False
                self.gone.append(self._id(id))
            elif not file.is_folder:
                files[id] = file
            elif file.trashed or file.limited or not await self._is_inside(file):
                # What was in it may be out of our sight now.
                return False
            else:
                folders.append(id)
        async for file in self._tree.walk(folders):
            if file.is_folder and file.limited:
                return False
            if not file.is_folder:
                files[file.id] = file
        self.gone += (self._id(id) for id in folders if id in self._tree.ids and self._id(id) in self._known)
        try:
            await self._compare_all(files)
        except IncompleteListing:
            return False
        return True

    async def _is_inside(self, folder: DriveFile) -> bool:
        return folder.id in self._tree.ids or await self._tree.path(folder) is not None

    async def _compare_all(self, files: dict[str, DriveFile]) -> None:
        """Files that changed, wherever they are."""
        for shortcut in [file for file in files.values() if file.is_shortcut]:
            target = await self._target_of(files.pop(shortcut.id))
            if target is not None:
                files.setdefault(target.id, target)
        outside = []
        for file in files.values():
            path = None if file.trashed else await self._tree.path(file)
            if path is not None:
                await self._compare(file, path)
            else:
                outside.append(file)
        paths = await self._tree.paths_of_shortcuts([file.id for file in outside if not file.trashed])
        for file in outside:
            if file.id in paths:
                await self._compare(file, paths[file.id])
            else:
                self._forget(file.id)

    async def _target_of(self, shortcut: DriveFile) -> DriveFile | None:
        """The file that a shortcut stands for, or stood for."""
        inside = None if shortcut.trashed else await self._tree.path(shortcut)
        target = await self._client.file(shortcut.target) if shortcut.target else None
        reason = _cannot_stand_for(target)
        if inside is not None and reason:
            self._leave_out(shortcut, inside, reason)
        else:
            self._forget(shortcut.id)
        if reason and shortcut.target:
            self._forget(shortcut.target)
        return None if reason else target

    async def _stand_in(self, shortcut: DriveFile, path: tuple[str, ...]) -> None:
        """In a listing: what a shortcut stands for is listed in its place, once."""
        assert self.listed is not None
        if shortcut.target and self._id(shortcut.target) in self.listed:
            return
        target = await self._client.file(shortcut.target) if shortcut.target else None
        if reason := _cannot_stand_for(target):
            self._leave_out(shortcut, path, reason)
        elif target is not None:
            await self._compare(target, path)

    async def _compare(self, file: DriveFile, path: tuple[str, ...]) -> None:
        """Note what is to be done about a file that is ours."""
        if reason := skip_reason(file):
            self._leave_out(file, path, reason)
            return
        placed = await self._tree.placed(file, path)
        id, access = self._id(file.id), placed.access
        if self.listed is not None:
            self.listed.add(id)
        before = self._known.get(id, Known(version=""))
        moved = before.access_class not in {"", access.class_id}
        # A change of access moves the counter, too; it must not cost an export.
        same = before.version == placed.version or (moved and same_content(before.version, placed.version))
        if moved:
            # Of another content the index must not show what it has: this access was never meant for it.
            self.access.append(AccessChanged(document_id=id, access=access if same else NOBODY))
        if not same:
            self.wanted.append(placed)

    def _leave_out(self, file: DriveFile, path: tuple[str, ...], reason: str) -> None:
        id, version = self._id(file.id), file.version((*path, reason))
        if self.listed is not None:
            self.listed.add(id)
        if self._known.get(id, Known(version="")).version != version:
            self.left_out.append(Skipped(document_id=id, reason=reason, version=version))

    def _miss_root(self, root: str, error: str) -> None:
        assert self.listed is not None
        self.listed.add(self._id(root))
        self.left_out.append(Failed(document_id=self._id(root), error=error, version="unreachable"))

    def _forget(self, id: str) -> None:
        if self._id(id) in self._known:
            self.gone.append(self._id(id))

    def _id(self, id: str) -> str:
        return f"{self._source}:{id}"


def _cannot_stand_for(target: DriveFile | None) -> str | None:
    if target is None or target.trashed or target.is_shortcut:
        return DANGLING
    return TO_FOLDER if target.is_folder else None
