"""A Drive source on an emulated Drive in this process. Nobody waits: the clock of the loop jumps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.google_drive.source import DriveSource
from core.models import AccessChanged, Change, Checkpoint, Document, Failed, Groups, Known, Listed, Remove, Skipped, Upsert
from core.principals import expand
from core.settings import DriveConfig
from tests.emulators.drive import Drive, DriveApi
from tests.fakes import Unhurried
from tests.virtual_time import LOOPS


def pytest_asyncio_loop_factories(config, item):
    return LOOPS


class Workspace:
    """A source, the world that it reads, and an index that does with changes what the engine does, without its care."""

    def __init__(self, folder: Path) -> None:
        self.drive = Drive()
        for email in ("ana@acme.com", "bob@acme.com", "cat@acme.com", "dan@other.org"):
            self.drive.user(email)
        self.api = DriveApi(self.drive)
        self.key = folder / "key.json"
        self.write_key()
        self.documents: dict[str, Document] = {}
        self.left_out: dict[str, Skipped | Failed] = {}
        self.groups: Mapping[str, frozenset[str]] = {}
        self.listed: frozenset[str] | None = None
        self.cursor: str | None = None
        self.told: list[Change] = []
        """In the last sync."""
        self._sources: list[DriveSource] = []

    def shared_folder(self, name: str, **fields: object):
        """In Ana's My Drive, shared with the account as an editor, so that it sees who may read."""
        folder = self.drive.folder(name, **fields)
        self.drive.share(folder, f"user:{self.drive.bot}", "writer")
        return folder

    def moment(self) -> None:
        """Two edits are not made in the same millisecond."""
        self.drive.pass_time(timedelta(seconds=1))

    def bodies(self) -> int:
        """Contents that were asked for."""
        media = [call for call in self.api.calls if "alt=media" in call.address]
        return len(media) + len(self.api.calls_of("files.export")) + len(self.api.calls_of("exportLinks"))

    def write_key(self) -> None:
        self.key.write_text(json.dumps(self.api.accounts.credentials()))

    def source(self, *, folders=(), drives=(), **fields: object) -> DriveSource:
        config = DriveConfig(
            credentials=self.key,
            folders=tuple(each if isinstance(each, str) else each.id for each in folders),
            drives=tuple(each if isinstance(each, str) else each.id for each in drives),
            **fields,
        )
        source = DriveSource(config, Unhurried(), transport=self.api, clock=self.drive.now)
        self._sources.append(source)
        return source

    async def close(self) -> None:
        for source in self._sources:
            await source.close()

    @property
    def known(self) -> dict[str, Known]:
        indexed = {
            id: Known(version=document.version, content_hash=document.content_hash, access_class=document.access.class_id)
            for id, document in self.documents.items()
        }
        return {id: Known(version=row.version) for id, row in self.left_out.items()} | indexed

    async def sync(self, source: DriveSource, *, full: bool = False) -> list[Change]:
        """Everything that is told, taken over into ``documents`` as it comes."""
        self.told, self.listed = [], None
        async for change in source.changes(None if full else self.cursor, self.known):
            self.told.append(change)
            match change:
                case Upsert(document=document):
                    self.documents[document.id] = document
                    self.left_out.pop(document.id, None)
                case AccessChanged(document_id=id, access=access):
                    if id in self.documents:
                        self.documents[id] = replace(self.documents[id], access=access)
                case Remove(document_id=id):
                    self.documents.pop(id, None)
                    self.left_out.pop(id, None)
                case Skipped(document_id=id):
                    self.documents.pop(id, None)
                    self.left_out[id] = change
                case Failed(document_id=id):
                    self.left_out[id] = change
                case Groups(members=members):
                    self.groups = members
                case Listed(document_ids=ids):
                    self.listed = ids
                    for gone in (self.documents.keys() | self.left_out.keys()) - ids:
                        self.documents.pop(gone, None)
                        self.left_out.pop(gone, None)
                case Checkpoint(cursor=cursor):
                    self.cursor = cursor
        return self.told

    def of(self, kind: type) -> list:
        return [change for change in self.told if isinstance(change, kind)]

    def may_read(self, email: str, item) -> bool:
        held = expand({f"user:{email}"}, self.groups)
        return self.documents[f"drive:{item.id}"].access.admits(held)

    @property
    def titles(self) -> set[str]:
        return {document.title for document in self.documents.values()}

    def body(self, item) -> str:
        return self.documents[f"drive:{item.id}"].body.decode()

    def agrees(self, *roots) -> None:
        """What was told is what is true: which documents, and who finds them."""
        visible = self.drive.visible_documents(roots)
        assert {f"drive:{id}" for id in visible} == self.documents.keys() | {
            id for id in self.left_out if id.removeprefix("drive:") in visible
        }
        for id in self.documents:
            item = self.drive.items[id.removeprefix("drive:")]
            for email in self.drive.users:
                if email != self.drive.bot:
                    assert self.may_read(email, item) == self.drive.finds(email, item), (email, item.name)


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Workspace]:
    workspace = Workspace(tmp_path)
    yield workspace
    await workspace.close()
    assert not workspace.api.flaws, "every request and answer is as Google's discovery document says"
