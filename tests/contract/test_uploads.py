"""Files that people added are kept whole, replaced at once, and gone when they are removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from core.errors import DocumentError
from core.indexing import uploads as kept
from core.indexing.uploads import PIECE, Uploads
from core.models import Access
from tests.uploads import upload

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

LARGE = bytes(range(256)) * (PIECE // 128 + 3)


@pytest.fixture
def uploads(client: AsyncQdrantClient, name: str) -> Uploads:
    return Uploads(client, name)


@pytest.fixture
def points(client: AsyncQdrantClient, name: str) -> Callable[[], Awaitable[list[Any]]]:
    async def all_points() -> list[Any]:
        found, _ = await client.scroll(f"{name}-uploads", limit=1000)
        return [point.payload for point in found]

    return all_points


async def test_a_file_comes_back_as_it_was(uploads):
    access = Access(gates=(frozenset({"channel:slack:C1"}), frozenset({"user:ana@acme.com"})))
    travel, body = upload("Travel.pdf", LARGE, access=access)
    assert len(body) > 2 * PIECE
    await uploads.put(travel, body)
    assert await uploads.read(travel.id) == (travel, body)
    assert await uploads.get(travel.id) == travel
    assert await uploads.all() == [travel]


async def test_before_anybody_added_a_file_there_is_none(uploads):
    assert await uploads.all() == []
    assert await uploads.read("uploads:1") is None
    assert await uploads.get("uploads:1") is None
    assert not await uploads.remove("uploads:1")


async def test_an_empty_file_is_kept_too(uploads):
    empty, _ = upload("empty.txt", b"")
    await uploads.put(empty, b"")
    assert await uploads.read(empty.id) == (empty, b"")


async def test_a_newer_version_takes_the_place_of_the_older_one_and_nothing_is_left_of_that(uploads, points):
    old, old_body = upload("Travel.pdf", LARGE)
    new, new_body = upload("Travel.pdf", "short")
    assert old.id == new.id
    await uploads.put(old, old_body)
    await uploads.put(new, new_body)
    assert await uploads.read(old.id) == (new, new_body)
    assert len(await points()) == 2, "a head and a piece"


async def test_a_removed_file_leaves_nothing(uploads, points):
    travel, body = upload("Travel.pdf", LARGE)
    other, other_body = upload("Other.txt", "kept")
    await uploads.put(travel, body)
    await uploads.put(other, other_body)
    assert await uploads.remove(travel.id)
    assert not await uploads.remove(travel.id)
    assert await uploads.read(travel.id) is None
    assert {point["document_id"] for point in await points()} == {other.id}


async def test_the_same_name_elsewhere_is_another_file(uploads):
    here, _ = upload("Travel.pdf", "here")
    there, _ = upload("Travel.pdf", "there", place="channel:slack:C2")
    again, _ = upload(" TRAVEL.pdf", "here, later")
    assert here.id != there.id
    assert here.id == again.id


async def test_a_file_of_which_bytes_were_lost_is_told_so(uploads, client, name):
    travel, body = upload("Travel.pdf", LARGE)
    await uploads.put(travel, body)
    found, _ = await client.scroll(f"{name}-uploads", limit=1000)
    lost = next(point.id for point in found if point.payload["kind"] == "piece")
    await client.delete(f"{name}-uploads", [lost])
    with pytest.raises(DocumentError, match="add it again"):
        await uploads.read(travel.id)


async def test_pieces_that_somebody_left_who_died_are_swept_away_by_the_next_one(uploads, client, name, points):
    travel, body = upload("Travel.pdf", LARGE)
    await uploads.put(travel, body)
    found, _ = await client.scroll(f"{name}-uploads", limit=1000)
    head = next(point.id for point in found if point.payload["kind"] == "head")
    await client.delete(f"{name}-uploads", [head])
    other, other_body = upload("Other.txt", "kept")
    await uploads.put(other, other_body)
    assert len(await points()) > 2, "they may still be being written"
    await Uploads(client, name, stale=-1.0).put(other, other_body)
    assert len(await points()) == 2


def test_the_source_of_added_files_has_one_name() -> None:
    from connectors.registry import UPLOADS

    assert kept.SOURCE == UPLOADS
