"""What is particular to the source of added files; what every source promises is tested for it with the others."""

from __future__ import annotations

import pytest
from qdrant_client import AsyncQdrantClient

from connectors.uploads.source import UploadSource
from core.errors import DocumentError
from core.indexing.uploads import Uploads
from core.models import Access, AccessChanged, Failed, Known, Listed, Upsert
from tests.uploads import upload

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

ANA_ALONE = Access(gates=(frozenset({"user:ana@acme.com"}),))


@pytest.fixture
def client() -> AsyncQdrantClient:
    return AsyncQdrantClient(":memory:")


@pytest.fixture
def uploads(client: AsyncQdrantClient) -> Uploads:
    return Uploads(client)


@pytest.fixture
def source(uploads: Uploads) -> UploadSource:
    return UploadSource(uploads)


async def lose_the_bytes(client: AsyncQdrantClient) -> None:
    found, _ = await client.scroll("footnote-uploads", limit=100)
    await client.delete("footnote-uploads", [point.id for point in found if point.payload["kind"] == "piece"])


async def test_before_anybody_added_a_file_it_lists_nothing_and_is_well(source):
    changes = [change async for change in source.changes(None, {})]
    assert changes[0] == Listed(document_ids=frozenset(), expected=0)
    assert await source.check() == "0 files that people added, 0.0 MB"


async def test_the_check_says_how_much_there_is(source, uploads):
    await uploads.put(*upload("a.txt", b"x" * 1_500_000))
    assert await source.check() == "1 files that people added, 1.5 MB"


async def test_a_file_whose_bytes_were_lost_fails_and_the_others_go_on(source, uploads, client):
    lost, body = upload("lost.txt", "lost")
    await uploads.put(lost, body)
    await lose_the_bytes(client)
    kept, body = upload("kept.txt", "kept")
    await uploads.put(kept, body)
    changes = [change async for change in source.changes(None, {})]
    [failed] = [change for change in changes if isinstance(change, Failed)]
    [told] = [change.document for change in changes if isinstance(change, Upsert)]
    assert (failed.document_id, told.id) == (lost.id, kept.id)
    assert "add it again" in failed.error
    with pytest.raises(DocumentError):
        await source.fetch(lost.id)


async def test_a_change_of_readers_is_told_without_the_file(source, uploads, client):
    file, body = upload("a.txt", "text", access=ANA_ALONE)
    await uploads.put(file, body)
    await lose_the_bytes(client)
    known = {file.id: Known(version=file.version, content_hash="h", access_class="another")}
    changes = [change async for change in source.changes("listed", known)]
    assert [change for change in changes if isinstance(change, AccessChanged)] == [
        AccessChanged(document_id=file.id, access=ANA_ALONE)
    ]


async def test_a_file_that_was_removed_a_moment_ago_can_still_be_asked_about(source, uploads):
    file, body = upload("a.txt", "text")
    await uploads.put(file, body)
    await uploads.remove(file.id)
    assert [id async for id in source.select(file.id)] == [file.id]
    assert await source.fetch(file.id) is None


async def test_files_are_selected_by_their_name(source, uploads):
    here, body = upload("a.txt", "here")
    there, other = upload("a.txt", "there", place="channel:slack:C2")
    await uploads.put(here, body)
    await uploads.put(there, other)
    assert {id async for id in source.select("a.txt")} == {here.id, there.id}
