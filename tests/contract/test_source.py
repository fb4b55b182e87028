"""What every source promises, run over every connector."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient

from connectors.confluence.source import ConfluenceSource
from connectors.folder.source import FolderSource
from connectors.folder.tree import SETTLED_SECONDS
from connectors.google_drive.source import DriveSource
from connectors.uploads.source import UploadSource
from core.errors import UserError
from core.indexing.uploads import Uploads
from core.limits import LocalLimiter
from core.models import (
    EVERYONE,
    PUBLIC,
    Access,
    AccessChanged,
    Change,
    Checkpoint,
    Document,
    Groups,
    Known,
    Listed,
    Remove,
    Upsert,
)
from core.ports import Source
from core.principals import expand
from core.settings import ConfluenceConfig, DriveConfig
from tests.emulators.confluence import AccessClass, ConfluenceApi, Content, Site
from tests.emulators.drive import Drive, DriveApi
from tests.emulators.drive_world import Item
from tests.uploads import at_once, upload

ANA = "user:ana@acme.com"


@dataclass
class Place:
    """Where a source's documents live, and how people change them there."""

    source: Source
    write: Callable[[str, str], object]
    """A new document, or an edit of it."""
    remove: Callable[[str], object]
    restrict: Callable[[str], object]
    """Leave the document to Ana alone."""


def a_folder(path: Path) -> Place:
    """Files settle at once, so that their versions are known."""

    def restrict(name: str) -> None:
        (path / ".access.toml").write_text(f'[files]\n"{name}.md" = ["{ANA}"]')

    return Place(
        source=FolderSource("docs", path, clock=lambda: time.time() + 2 * SETTLED_SECONDS),
        write=lambda name, text: (path / f"{name}.md").write_text(text),
        remove=lambda name: (path / f"{name}.md").unlink(),
        restrict=restrict,
    )


def a_confluence(_path: Path, *, data_center: bool = False) -> Place:
    site = Site(data_center=data_center)
    space = site.space("ENG", permit=[AccessClass.ANONYMOUS])
    ana = site.user("Ana", email="ana@acme.com")
    api = ConfluenceApi(site)
    pages: dict[str, Content] = {}

    def write(name: str, text: str) -> None:
        if name in pages:
            site.edit(pages[name], body=f"<p>{text}</p>")
        else:
            pages[name] = site.page(space, name, f"<p>{text}</p>")

    config = ConfluenceConfig(
        name="docs", url=api.url, email=None if data_center else api.email, api_token=SecretStr(api.token or ""), spaces=("ENG",)
    )
    return Place(
        source=ConfluenceSource(config, LocalLimiter(rate=10_000), transport=api),
        write=write,
        remove=lambda name: site.trash(pages[name]),
        # Who may not read it cannot index it either.
        restrict=lambda name: site.restrict(pages[name], users=[ana, site.bot]),
    )


def a_data_center(path: Path) -> Place:
    return a_confluence(path, data_center=True)


def a_drive(path: Path, *, shared: bool = False) -> Place:
    drive = Drive()
    api = DriveApi(drive)
    key = path / "key.json"
    key.write_text(json.dumps(api.accounts.credentials()))
    root = drive.shared_drive("Team", members={"user:ana@acme.com": "reader"}) if shared else drive.folder("Team")
    if not shared:
        # Who may not edit a folder in somebody's My Drive is not told who may read it.
        drive.share(root, f"user:{drive.bot}", "writer")
    files: dict[str, Item] = {}

    def write(name: str, text: str) -> None:
        if name in files:
            drive.edit(files[name], text)
        else:
            files[name] = drive.doc(name, root, text)
            drive.share(files[name], "anyone", discoverable=True)

    def restrict(name: str) -> None:
        drive.unshare(files[name], "anyone")
        drive.share(files[name], ANA)

    ids = {"drives" if shared else "folders": (root.id,)}
    return Place(
        source=DriveSource(DriveConfig(name="docs", credentials=key, **ids), LocalLimiter(rate=10_000), transport=api),
        write=write,
        remove=lambda name: drive.trash(files[name]),
        restrict=restrict,
    )


def a_shared_drive(path: Path) -> Place:
    return a_drive(path, shared=True)


def uploads(_path: Path) -> Place:
    kept = Uploads(AsyncQdrantClient(":memory:"))
    texts: dict[str, str] = {}

    def write(name: str, text: str, access: Access = PUBLIC) -> None:
        texts[name] = text
        added, body = upload(f"{name}.txt", text, access=access)
        at_once(kept.put(added, body))

    def remove(name: str) -> None:
        added, _ = upload(f"{name}.txt", "")
        at_once(kept.remove(added.id))

    return Place(
        source=UploadSource(kept),
        write=write,
        remove=remove,
        restrict=lambda name: write(name, texts[name], Access(gates=(frozenset({ANA}),))),
    )


@pytest.fixture(params=[a_folder, a_confluence, a_data_center, a_drive, a_shared_drive, uploads])
def place(request, tmp_path: Path) -> Place:
    return request.param(tmp_path)


Told = list[Change]


async def changes(source: Source, before: Told | None = None) -> Told:
    """What it tells from the beginning, or to somebody who knows what it told before."""
    found = before or []
    known = {
        id: Known(version=document.version, content_hash=document.content_hash, access_class=document.access.class_id)
        for id, document in documents(found).items()
    }
    return [change async for change in source.changes(cursor(found) if found else None, known)]


def listed(found: Told) -> set[str]:
    [listing] = [change for change in found if isinstance(change, Listed)]
    return set(listing.document_ids)


def documents(found: Told) -> dict[str, Document]:
    return {change.document.id: change.document for change in found if isinstance(change, Upsert)}


def cursor(found: Told) -> str:
    assert isinstance(found[-1], Checkpoint)
    return found[-1].cursor


class TestSource:
    def test_it_is_one(self, place: Place):
        assert isinstance(place.source, Source)

    async def test_check_says_in_one_line_what_was_reached(self, place: Place):
        assert len((await place.source.check()).splitlines()) == 1

    async def test_from_the_beginning_all_documents_are_told_and_a_checkpoint_ends_it(self, place: Place):
        place.write("one", "first")
        place.write("two", "second")
        found = await changes(place.source)
        assert len(documents(found)) == 2
        assert cursor(found)

    async def test_documents_carry_their_source_and_an_id_under_its_name(self, place: Place):
        place.write("one", "first")
        [document] = documents(await changes(place.source)).values()
        assert document.source == place.source.name
        assert document.id.startswith(f"{place.source.name}:")
        assert document.updated_at.tzinfo is not None
        assert document.access.admits(frozenset({EVERYONE}))

    async def test_the_listing_names_what_the_changes_told(self, place: Place):
        place.write("one", "first")
        place.write("two", "second")
        found = await changes(place.source)
        assert listed(found) == documents(found).keys()
        assert found.index(next(change for change in found if isinstance(change, Upsert))) > [
            isinstance(change, Listed) for change in found
        ].index(True), "what is gone goes first"

    async def test_fetch_gives_the_same_document_as_the_changes(self, place: Place):
        place.write("one", "first")
        for document_id, document in documents(await changes(place.source)).items():
            assert await place.source.fetch(document_id) == document

    async def test_fetch_of_an_unknown_or_foreign_document_is_none(self, place: Place):
        for document_id in (f"{place.source.name}:no-such-thing.md", "other:one.md", "", ":", f"{place.source.name}:"):
            assert await place.source.fetch(document_id) is None

    async def test_nothing_is_told_again_when_nothing_changed(self, place: Place):
        place.write("one", "first")
        first = await changes(place.source)
        assert documents(await changes(place.source, first)) == {}

    async def test_an_edit_is_told_once(self, place: Place):
        place.write("one", "first")
        place.write("two", "second")
        first = await changes(place.source)
        place.write("one", "first, but better")
        second = await changes(place.source, first)
        [document] = documents(second).values()
        assert "better" in str(document.body)
        assert document.version != documents(first)[document.id].version

    async def test_a_cursor_can_be_used_twice(self, place: Place):
        place.write("one", "first")
        first = await changes(place.source)
        place.write("one", "second")
        assert documents(await changes(place.source, first)) == documents(await changes(place.source, first))

    async def test_a_removed_document_is_reported_or_missing_from_the_listing(self, place: Place):
        place.write("one", "first")
        place.write("two", "second")
        first = await changes(place.source)
        [gone] = [id for id, document in documents(first).items() if "first" in str(document.body)]
        place.remove("one")
        second = await changes(place.source, first)
        assert await place.source.fetch(gone) is None
        assert Remove(document_id=gone) in second or gone not in listed(second)

    async def test_a_document_is_selected_by_its_id_and_by_its_address(self, place: Place):
        place.write("one", "first")
        place.write("two", "second")
        for document_id, document in documents(await changes(place.source)).items():
            for scope in (document_id, document.url):
                assert [id async for id in place.source.select(scope)] == [document_id]

    async def test_a_scope_that_means_nothing_is_refused_in_words(self, place: Place):
        place.write("one", "first")
        for scope in ("no such place", "https://elsewhere.example/x", "", "\0"):
            with pytest.raises(UserError):
                _ = [id async for id in place.source.select(scope)]

    async def test_a_restriction_is_told_without_a_change_of_the_content(self, place: Place):
        place.write("one", "first")
        place.write("two", "second")
        first = await changes(place.source)
        place.restrict("one")
        told = await changes(place.source, first)
        [one] = [document for document in documents(first).values() if "first" in str(document.body)]
        accesses = {change.document_id: change.access for change in told if isinstance(change, AccessChanged)}
        if again := documents(told).get(one.id):
            assert again.content_hash == one.content_hash
            accesses[one.id] = again.access
        told_of = [change.members for change in [*first, *told] if isinstance(change, Groups)]
        groups = told_of[-1] if told_of else {}
        assert accesses[one.id].admits(expand({ANA}, groups))
        assert not accesses[one.id].admits(expand({"user:bob@acme.com"}, groups))
