"""A search that is limited to people, headings and times finds what lies within, and tells nothing of what is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from qdrant_client import AsyncQdrantClient, models

from core.indexing.index import Index
from core.indexing.scope import conditions
from core.models import PUBLIC, Access, Audience, Scope
from tests.contract.pages import ANA, EMBEDDER, ENG, Pair, document

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

BERG, BO = "user:ana.berg@acme.com", "user:bo@acme.com"


def page(name: str, path: tuple[str, ...], owner: str, at: datetime, access: Access = PUBLIC) -> Pair:
    made, chunks = document(name, f"About {name}.\n\n" + "More of it. " * 300, access)
    moved = replace(made, path=path, owners=(owner,), updated_at=at)
    return moved, [replace(chunk, updated_at=at) for chunk in chunks]


PAGES = [
    page("deploying", ("Engineering", "Releases"), BERG, datetime(2026, 3, 1, tzinfo=UTC)),
    page("rota", ("Engineering",), BO, datetime(2026, 10, 31, 23, 30, tzinfo=UTC)),
    page("releases", ("Sales", "Engineering"), BO, datetime(2026, 11, 1, tzinfo=UTC)),
    page("secret", ("Engineering",), "user:eve@acme.com", datetime(2025, 1, 1, tzinfo=UTC), ENG),
]


@pytest.fixture
async def index(client: AsyncQdrantClient, name: str) -> Index:
    index = Index(client, EMBEDDER, name)
    await index.open()
    assert await index.upsert(PAGES) > 2 * len(PAGES)
    return index


async def within(client: AsyncQdrantClient, index: Index, scope: Scope, audience: Audience) -> set[str] | None:
    """The pages of which every chunk is within."""
    readable = models.Filter(must=[_any("access", sorted(await index.classes(audience)))])
    limits = await conditions(client, index.name, readable, scope)
    if limits is None:
        return None
    points, _ = await client.scroll(index.name, scroll_filter=models.Filter(must=[readable, *limits]), limit=100)
    found = [point.payload["document_id"] for point in points if point.payload]
    sizes = {made.id: len(chunks) for made, chunks in PAGES}
    assert all(found.count(document_id) == sizes[document_id] for document_id in found)
    return {document_id.removeprefix("wiki:") for document_id in found}


def _any(key: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))


OCTOBER = Scope(since=datetime(2026, 10, 1, tzinfo=UTC), until=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), {"deploying", "rota", "releases"}),
        (Scope(people=(BO,)), {"rota", "releases"}),
        (Scope(people=(BO, BERG)), {"deploying", "rota", "releases"}),
        (Scope(path=("Engineering",)), {"deploying", "rota"}),
        (Scope(path=("Engineering", "Releases")), {"deploying"}),
        (OCTOBER, {"rota"}),
        (Scope(until=datetime(2026, 10, 1, tzinfo=UTC)), {"deploying"}),
        (Scope(since=datetime(2026, 11, 1, tzinfo=timezone(timedelta(hours=1)))), {"rota", "releases"}),
        (replace(OCTOBER, people=(BO,), path=("Engineering",)), {"rota"}),
        (replace(OCTOBER, people=(BERG,)), None),
        (Scope(people=("user:eve@acme.com",)), None),
        (Scope(people=("user:nobody@acme.com",)), None),
    ],
)
async def test_a_scope_chooses_whole_documents_by_people_headings_and_time(
    client: AsyncQdrantClient, index: Index, scope: Scope, expected: set[str] | None
) -> None:
    assert await within(client, index, scope, Audience.of(())) == expected


async def test_who_may_read_more_finds_more_within_the_same_scope(client: AsyncQdrantClient, index: Index) -> None:
    assert await within(client, index, Scope(path=("Engineering",)), Audience.of(ANA)) == {"deploying", "rota", "secret"}


async def test_all_chunks_tell_what_they_are_called_and_their_class(index: Index) -> None:
    labels = [label for some in [labels async for labels in index.labels()] for label in some]
    assert len(labels) == sum(len(chunks) for _, chunks in PAGES)
    firsts = {label.title: (label.path, label.owners, label.access.replace("-", "")) for label in labels if label.path}
    assert firsts["Secret"] == (("Engineering",), ("user:eve@acme.com",), ENG.class_id)
    assert len(firsts) == len(PAGES)


async def test_words_stand_in_the_index_for_those_who_may_read_them(index: Index) -> None:
    words = ["secret", "deployed", "deploing", "the"]
    assert await index.standing(words, Audience.of(())) == {"deployed", "the"}
    assert await index.standing(words, Audience.of(ANA)) == {"secret", "deployed", "the"}
