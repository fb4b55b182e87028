"""Google Drive as a source: shared drives, and folders of anybody's that are shared with a service account.

What changed is told by Drive's feed of changes. It does not tell of each document that a changed folder or drive holds,
so those are looked at again, or everything is listed: on the first sync, once a day, and whenever the feed leaves a doubt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime

import httpx

from connectors.google_drive.access import Readers, group, organizers
from connectors.google_drive.address import Address, is_id, parse_address
from connectors.google_drive.client import DriveClient
from connectors.google_drive.convert import skip_reason
from connectors.google_drive.cursor import Cursor, decode_cursor
from connectors.google_drive.directory import Directory
from connectors.google_drive.file import DriveFile
from connectors.google_drive.reading import Reading
from connectors.google_drive.survey import Survey
from connectors.google_drive.tree import Root, Tree
from core.errors import AuthError, ConfigError, DocumentError, UserError
from core.models import (
    Change,
    Checkpoint,
    Document,
    Failed,
    Groups,
    Known,
    Listed,
    Remove,
    Skipped,
    Upsert,
    now,
)
from core.ports import Limiter
from core.settings import DriveConfig


class DriveSource:
    def __init__(
        self,
        config: DriveConfig,
        limiter: Limiter,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.name = config.name
        self._clock = clock
        self._client = DriveClient(config, limiter, transport=transport, clock=clock)
        admin = config.directory_admin
        self._directory = Directory(config, admin, limiter, transport=transport) if admin else None
        self._drives = self._ids(config.drives)
        self._folders = self._ids(config.folders)

    async def close(self) -> None:
        await self._client.close()
        if self._directory:
            await self._directory.close()

    async def check(self) -> str:
        email = await self._client.account.email()
        tree = self._tree()
        roots = await tree.reached()
        missing = sorted(tree.ids - {root.id for root in roots})
        if not roots:
            raise AuthError(f"{email} sees none of what {self.name} should read: share {', '.join(missing)} with it")
        line = f"{email} reads {', '.join(map(_named, roots))}"
        if missing:
            line += f"; not shared with it, or in the trash: {', '.join(missing)}"
        if closed := [_named(root) for root in roots if not await self._tells_readers(tree, root)]:
            line += (
                f"; it may not see who may read {', '.join(closed)}, so nobody gets answers from there: "
                "make it an editor of the folder, or a content manager of the drive"
            )
        return line

    async def changes(self, cursor: str | None, known: Mapping[str, Known]) -> AsyncGenerator[Change, None]:
        at = self._clock()
        mark = decode_cursor(cursor)
        if mark and (mark.roots != self._roots or mark.is_due(at)):
            mark = None
        tree = self._tree()
        survey = Survey(self._client, tree, self.name, known)
        # Before the documents are looked at: who came later has no part in what was there before him.
        members = await self._members(tree, mark.shared, mark.groups) if mark else {}
        if mark is None or not await survey.follow(mark.token):
            mark = None
            tree = self._tree()
            survey = Survey(self._client, tree, self.name, known)
            members = await self._members(tree, _shared(await survey.begin()), ())
            await survey.list_all()
        shared = {*(mark.shared if mark else ()), *_shared(tree.looked_at), *tree.anchors}
        named = {*(mark.groups if mark else ()), *tree.groups}
        members |= await self._members(tree, shared, named, besides=members)
        groups = Groups(members=members)
        yield groups
        if survey.listed is not None:
            yield Listed(document_ids=frozenset(survey.listed), expected=len(survey.wanted) + len(survey.left_out))
        for gone in dict.fromkeys(survey.gone):
            yield Remove(document_id=gone)
        for told in (*survey.access, *survey.left_out):
            yield told
        # What the index has of known documents is old; new ones come after them.
        wanted = sorted(survey.wanted, key=lambda placed: self._id(placed.file.id) not in known)
        documents = known.keys() | (survey.listed or set())

        async def who_left() -> Groups:
            now = await self._members(tree, shared, named)
            return Groups(members={name: now.get(name, frozenset()) & told for name, told in members.items()})

        reading = Reading(self._client, self._tree, self.name, survey.token, documents, who_left)
        async with aclosing(reading.tell(wanted)) as contents:
            async for change in contents:
                yield change
        ends = [each for each in (mark.expires if mark else None, tree.expires) if each]
        after = Cursor(
            token=survey.token,
            listed_at=mark.listed_at if mark else at,
            expires=min(ends, default=None),
            roots=self._roots,
            shared=tuple(sorted(shared)),
            groups=tuple(sorted(named)),
        )
        yield Checkpoint(cursor=after.encode())

    async def fetch(self, document_id: str) -> Document | None:
        name, _, id = document_id.partition(":")
        if name != self.name or not is_id(id):
            return None
        token = await self._client.start_token()
        tree = self._tree()
        if id in tree.ids and await tree.root(id) is None:
            raise DocumentError(await Survey(self._client, tree, self.name, {}).unreachable(id))
        file = await self._client.file(id)
        if file is None or file.trashed or file.is_folder or file.is_shortcut:
            return None
        placed = await tree.locate(file)
        if placed is None:
            return None
        async for change in Reading(self._client, self._tree, self.name, token, {document_id}).tell([placed]):
            match change:
                case Upsert(document=document):
                    return document
                case Skipped(reason=reason):
                    raise DocumentError(reason)
                case Failed(error=error):
                    raise DocumentError(error)
        return None

    async def select(self, scope: str) -> AsyncIterator[str]:
        address = parse_address(scope.removeprefix(f"{self.name}:"))
        if address is None:
            raise UserError(
                f"{scope!r} is nothing in {self.name}: give the address or id of a file, a folder or a shared drive in it"
            )
        self._client.use_key(address.id, address.resource_key)
        tree = self._tree()
        file = await self._client.file(address.id)
        if address.id in tree.ids or (file and file.is_folder and await tree.path(file) is not None):
            async for found in tree.walk([address.id]):
                if id := self._document_of(found):
                    yield id
            return
        if file is None or await tree.locate(file) is None:
            raise UserError(
                f"{address.id} is not below what {self.name} reads, or not shared with {await self._client.account.email()}"
            )
        if id := self._document_of(file):
            yield id

    def _document_of(self, file: DriveFile) -> str | None:
        if file.is_folder or (not file.is_shortcut and skip_reason(file)):
            return None
        return self._id(file.target if file.is_shortcut and file.target else file.id)

    async def _members(
        self, tree: Tree, shared: Iterable[str], addresses: Iterable[str], *, besides: Container[str] = ()
    ) -> dict[str, Readers]:
        """Who may read each of these items in shared drives, who manages them, and who is in the Google groups that were met.
        Not asked again is what is known ``besides``.
        """
        members: dict[str, Readers] = {}
        for anchor in sorted(anchor for anchor in shared if group(self.name, anchor) not in besides):
            grants = await self._client.grants(anchor) or ()
            members[group(self.name, anchor)] = tree.note(grants)
            members[organizers(self.name, anchor)] = tree.note(grant for grant in grants if grant.organizer)
        if self._directory:
            asked = [name for name in {*addresses, *tree.groups} if group(self.name, name) not in besides]
            members |= {group(self.name, name): people for name, people in (await self._directory.members(asked)).items()}
        return members

    async def _tells_readers(self, tree: Tree, root: Root) -> bool:
        if root.drive:
            return await self._client.grants(root.id) is not None
        folder = await tree.folder(root.id)
        return folder is not None and folder.grants is not None

    def _tree(self) -> Tree:
        return Tree(self._client, self.name, drives=self._drives, folders=self._folders)

    @property
    def _roots(self) -> tuple[str, ...]:
        return tuple(sorted({*self._drives, *self._folders}))

    def _ids(self, named: Iterable[str]) -> tuple[str, ...]:
        found: list[Address] = []
        for text in named:
            address = parse_address(text)
            if address is None:
                raise ConfigError(
                    f"the Drive source {self.name!r} names {text!r}, which is neither the id nor the address of a folder or "
                    "shared drive: copy it from the browser's address bar"
                )
            self._client.use_key(address.id, address.resource_key)
            found.append(address)
        return tuple(address.id for address in found)

    def _id(self, id: str) -> str:
        return f"{self.name}:{id}"


def _shared(roots: Iterable[Root]) -> set[str]:
    return {root.id for root in roots if root.drive}


def _named(root: Root) -> str:
    return f"the {'shared drive' if root.id == root.drive else 'folder'} {root.name!r}"
