"""What Footnote relies on in Qdrant, over the embedded engine, Qdrant's own reference in memory, and a real server.

The server takes part when QDRANT_URL is set. With FOOTNOTE_SPECS every exchange with the embedded engine
is also judged by Qdrant's published OpenAPI document.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from core.embedded.keeper import Engines
from core.indexing.index import Index
from core.models import ANYONE, NOBODY, PUBLIC, Chunk, Document
from tests.answering import hits_of
from tests.conftest import SERVER_URL
from tests.contract.openapi import Description
from tests.contract.qdrant_corpus import FILTERS, INDEXES, WIDTH, corpus, match, vectors

SPECS = os.environ.get("FOOTNOTE_SPECS")


class Judged(httpx.AsyncHTTPTransport):
    """The engine's socket; every exchange is judged when there is something to judge by."""

    def __init__(self, socket: Path, description: Description | None) -> None:
        super().__init__(uds=str(socket))
        self._description = description

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        body = await answer.aread()
        if self._description is not None:
            self._description.judge(request, answer, body)
        return answer


@pytest.fixture(scope="module")
def description() -> Description | None:
    return Description(Path(SPECS) / "qdrant.openapi.json") if SPECS else None


@pytest.fixture(scope="module")
def engines(shared_engines: Engines) -> Engines:
    return shared_engines


pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")


@pytest.fixture
async def reference() -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(":memory:")
    yield client
    await client.close()


@pytest.fixture(params=["engine", "memory", *(["server"] if SERVER_URL else [])])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[AsyncQdrantClient]:
    if request.param == "memory":
        client = AsyncQdrantClient(":memory:")
    elif request.param == "server":
        client = AsyncQdrantClient(url=SERVER_URL, check_compatibility=False)
    else:
        client = _over(request.getfixturevalue("engines"), request.getfixturevalue("description"))
    yield client
    await client.close()


@pytest.fixture
async def engine(engines: Engines, description: Description | None) -> AsyncIterator[AsyncQdrantClient]:
    client = _over(engines, description)
    yield client
    await client.close()


def _over(engines: Engines, description: Description | None) -> AsyncQdrantClient:
    transport = Judged(engines.qdrant_socket, description)
    return AsyncQdrantClient(url="http://localhost", transport=transport, check_compatibility=False)


async def collection(client: AsyncQdrantClient, points: list[models.PointStruct] | None = None) -> str:
    """A new collection like Footnote's, with these points."""
    name = uuid.uuid4().hex
    await client.create_collection(
        name,
        vectors_config={"dense": models.VectorParams(size=WIDTH, distance=models.Distance.COSINE)},
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    for field, schema in INDEXES.items():
        await client.create_payload_index(name, field, schema, wait=True)
    if points:
        await client.upsert(name, points, wait=True)
    return name


async def ids_of(client: AsyncQdrantClient, name: str, chosen: models.Filter | None) -> list[Any]:
    records, following = await client.scroll(name, scroll_filter=chosen, limit=1000, with_payload=False)
    assert following is None
    return sorted((record.id for record in records), key=str)


def _create_alias(alias: str, name: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))


class TestDifferences:
    """The same requests to the engine and to the reference: the same answers."""

    async def test_every_kind_of_filter_chooses_the_same_points(
        self, engine: AsyncQdrantClient, reference: AsyncQdrantClient
    ) -> None:
        points = corpus()
        mine, theirs = await collection(engine, points), await collection(reference, points)
        for what, chosen in FILTERS.items():
            expected = await ids_of(reference, theirs, chosen)
            assert await ids_of(engine, mine, chosen) == expected, what
            assert (await engine.count(mine, count_filter=chosen)).count == len(expected), what
        chosen_counts = {what: len(await ids_of(reference, theirs, chosen)) for what, chosen in FILTERS.items()}
        telling = [what for what, count in chosen_counts.items() if 0 < count < len(points)]
        assert len(telling) >= len(FILTERS) - 4, chosen_counts

    async def test_dense_sparse_and_fused_searches_rank_alike(
        self, engine: AsyncQdrantClient, reference: AsyncQdrantClient
    ) -> None:
        points = corpus(300)
        mine, theirs = await collection(engine, points), await collection(reference, points)
        dice = random.Random(11)
        for chosen in (None, FILTERS["any keyword"], FILTERS["every part at once"]):
            for _ in range(10):
                for arguments in searches(vectors(dice), chosen):
                    expected = (await reference.query_points(theirs, **arguments)).points
                    got = (await engine.query_points(mine, **arguments)).points
                    assert [point.id for point in got] == [point.id for point in expected]
                    assert [point.score for point in got] == pytest.approx([point.score for point in expected], abs=1e-4)
                    assert [point.payload for point in got] == [point.payload for point in expected]

    async def test_words_are_as_rare_as_they_are_among_the_points_that_count(
        self, engine: AsyncQdrantClient, reference: AsyncQdrantClient
    ) -> None:
        points = corpus(300)
        mine, theirs = await collection(engine, points), await collection(reference, points)
        sparse = {"query": vectors(random.Random(11))["sparse"], "using": "sparse"}
        told: dict[str, list[float]] = {}
        for what in ("any keyword", "a range of numbers", "no keyword at all", "nothing asked"):
            rarity = models.SearchParams(idf=models.IdfCorpusParams(corpus=FILTERS[what]))
            branch = models.Prefetch(**sparse, params=rarity, limit=50)
            fused = {"prefetch": branch, "query": models.FusionQuery(fusion=models.Fusion.DBSF)}
            for arguments in ({**sparse, "search_params": rarity}, fused):
                expected = (await reference.query_points(theirs, **arguments)).points
                got = (await engine.query_points(mine, **arguments)).points
                assert [point.id for point in got] == [point.id for point in expected]
                assert [point.score for point in got] == pytest.approx([point.score for point in expected], abs=1e-4)
                told.setdefault(what, [point.score for point in got])
        everywhere = (await engine.query_points(mine, **sparse, search_params=models.SearchParams(idf="global"))).points
        assert told["nothing asked"] == [point.score for point in everywhere]
        assert told["any keyword"] != told["nothing asked"] != told["a range of numbers"]

    async def test_random_edits_leave_the_same_points(self, engine: AsyncQdrantClient, reference: AsyncQdrantClient) -> None:
        dice = random.Random(3)
        points = corpus(60)
        names = {client: await collection(client, points) for client in (engine, reference)}
        for _ in range(60):
            edit = random_edit(dice, points)
            for client, name in names.items():
                await edit(client, name)
            got, expected = [await everything(client, name) for client, name in names.items()]
            assert got == expected


def searches(query: dict[str, Any], chosen: models.Filter | None) -> Iterator[dict[str, Any]]:
    common: dict[str, Any] = {"limit": 10, "with_payload": True}
    dense, sparse = ({"query": query[name], "using": name} for name in ("dense", "sparse"))
    yield {**common, **dense, "query_filter": chosen}
    yield {**common, **dense, "query_filter": chosen, "score_threshold": 0.2, "offset": 2}
    yield {**common, **sparse, "query_filter": chosen}
    prefetch = [models.Prefetch(**one, filter=chosen, limit=50) for one in (dense, sparse)]
    yield {**common, "prefetch": prefetch, "query": models.FusionQuery(fusion=models.Fusion.DBSF)}
    yield {**common, "prefetch": prefetch, "query": models.FusionQuery(fusion=models.Fusion.DBSF), "score_threshold": 0.9}
    rescored = models.Prefetch(prefetch=prefetch, query=models.FusionQuery(fusion=models.Fusion.DBSF), limit=20)
    yield {**common, "prefetch": rescored, **dense}


def random_edit(dice: random.Random, points: list[models.PointStruct]) -> Any:
    """One write, as a function of the client and the collection, so that both get the same."""
    some = [point.id for point in dice.sample(points, 3)]
    chosen = dice.choice([FILTERS[what] for what in FILTERS if what not in {"nothing asked", "no ids", "a word in a text"}])
    payload = {"source": "folder", "n": dice.randint(0, 9)}
    fresh = models.PointStruct(id=dice.choice(points).id, vector=vectors(dice), payload=payload)
    # By filter: an id that is not there is an error for a server, and nothing for the reference.
    named = models.FilterSelector(filter=models.Filter(must=[models.HasIdCondition(has_id=some)]))
    value = {"mark": dice.randint(0, 99)}
    edits = [
        lambda client, name: client.upsert(name, [fresh]),
        lambda client, name: client.upsert(name, models.Batch(ids=[fresh.id], vectors=_columns(fresh), payloads=[fresh.payload])),
        lambda client, name: client.delete(name, models.PointIdsList(points=some[:1])),
        lambda client, name: client.set_payload(name, value, points=models.FilterSelector(filter=chosen)),
        lambda client, name: client.set_payload(name, value, points=models.FilterSelector(filter=chosen), key="author"),
        lambda client, name: client.overwrite_payload(name, value, points=models.FilterSelector(filter=chosen)),
        lambda client, name: client.delete_payload(name, ["size", "author.name"], points=named),
        lambda client, name: client.clear_payload(name, named),
        lambda client, name: client.batch_update_points(
            name,
            [
                models.UpsertOperation(upsert=models.PointsList(points=[fresh])),
                models.SetPayloadOperation(set_payload=models.SetPayload(payload=value, points=[fresh.id])),
                models.DeleteOperation(delete=models.FilterSelector(filter=models.Filter(must=[match("n", 5)]))),
            ],
        ),
    ]
    return dice.choice(edits)


def _columns(point: models.PointStruct) -> dict[str, Any]:
    assert isinstance(point.vector, dict)
    return {name: [vector] for name, vector in point.vector.items()}


async def everything(client: AsyncQdrantClient, name: str) -> dict[str, Any]:
    records, _ = await client.scroll(name, limit=1000, with_payload=True)
    return {str(record.id): record.payload for record in records}


class TestContract:
    """What Footnote does to Qdrant, wherever it runs."""

    async def test_a_collection_is_created_described_and_deleted(self, client: AsyncQdrantClient) -> None:
        name = uuid.uuid4().hex
        assert not await client.collection_exists(name)
        await client.create_collection(
            name,
            vectors_config={"dense": models.VectorParams(size=WIDTH, distance=models.Distance.COSINE)},
            sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
            metadata={"embeddings": "MiniLM"},
        )
        assert await client.collection_exists(name)
        assert name in {described.name for described in (await client.get_collections()).collections}
        info = await client.get_collection(name)
        assert info.points_count == 0
        assert info.config.params.vectors["dense"].size == WIDTH
        assert info.config.params.vectors["dense"].distance is models.Distance.COSINE
        assert info.config.params.sparse_vectors["sparse"].modifier is models.Modifier.IDF
        assert info.config.metadata == {"embeddings": "MiniLM"}
        await client.delete_collection(name)
        assert not await client.collection_exists(name)

    async def test_points_come_back_as_they_were_written(self, client: AsyncQdrantClient) -> None:
        key = str(uuid.uuid4())
        payload = {"text": "Grüße, 世界 \U0001f600", "n": 2**53, "x": 0.5, "deep": {"list": [1, None, {"a": []}]}, "none": None}
        sparse = models.SparseVector(indices=[3, 9], values=[0.5, 1.5])
        name = await collection(
            client, [models.PointStruct(id=key, vector={"dense": [1.0] + [0.0] * 7, "sparse": sparse}, payload=payload)]
        )
        (record,) = await client.retrieve(name, [key, str(uuid.uuid4())], with_payload=True, with_vectors=True)
        assert record.id == key
        assert record.payload == payload
        assert record.vector["dense"] == pytest.approx([1.0] + [0.0] * 7)
        assert record.vector["sparse"] == sparse

    async def test_the_payload_can_be_chosen(self, client: AsyncQdrantClient) -> None:
        name = await collection(
            client, [models.PointStruct(id=1, vector=vectors(random.Random(1)), payload={"a": 1, "b": 2, "c": 3})]
        )
        for selector, expected in (
            (True, {"a": 1, "b": 2, "c": 3}),
            (["a", "c"], {"a": 1, "c": 3}),
            (models.PayloadSelectorExclude(exclude=["a"]), {"b": 2, "c": 3}),
        ):
            (record,) = await client.retrieve(name, [1], with_payload=selector)
            assert record.payload == expected

    async def test_an_upsert_replaces_the_whole_point(self, client: AsyncQdrantClient) -> None:
        dice = random.Random(1)
        name = await collection(client, [models.PointStruct(id=1, vector=vectors(dice), payload={"a": 1})])
        await client.upsert(name, [models.PointStruct(id=1, vector=vectors(dice), payload={"b": 2})])
        assert await everything(client, name) == {"1": {"b": 2}}

    async def test_a_wrong_dimension_is_refused_and_changes_nothing(self, client: AsyncQdrantClient) -> None:
        name = await collection(client)
        good = models.PointStruct(id=1, vector=vectors(random.Random(1)))
        wrong = models.PointStruct(id=2, vector={"dense": [1.0, 2.0]})
        with pytest.raises((UnexpectedResponse, ValueError)):
            await client.upsert(name, [wrong])
        await client.upsert(name, [good])
        assert (await client.count(name)).count == 1

    async def test_pages_of_a_scroll_cover_every_point_once(self, client: AsyncQdrantClient) -> None:
        points = corpus(95)
        name = await collection(client, points)
        seen: list[Any] = []
        page: Any = None
        while True:
            records, page = await client.scroll(name, limit=20, offset=page, with_payload=["position"])
            seen += [record.id for record in records]
            if page is None:
                break
        assert sorted(map(str, seen)) == sorted(str(point.id) for point in points)

    async def test_a_scroll_can_be_ordered_by_a_field(self, client: AsyncQdrantClient) -> None:
        points = corpus(50)
        name = await collection(client, points)
        order = models.OrderBy(key="size", direction=models.Direction.DESC)
        records, _ = await client.scroll(name, limit=5, order_by=order)
        sizes = sorted((point.payload["size"] for point in points), reverse=True)
        assert [record.payload["size"] for record in records] == sizes[:5]

    async def test_a_facet_counts_points_by_value(self, client: AsyncQdrantClient) -> None:
        points = corpus(100)
        name = await collection(client, points)
        first = models.Filter(must=[match("position", 0)])
        found = await client.facet(name, "source", facet_filter=first, limit=100, exact=True)
        expected: dict[str, int] = {}
        for point in points:
            if point.payload["position"] == 0:
                expected[point.payload["source"]] = expected.get(point.payload["source"], 0) + 1
        assert {hit.value: hit.count for hit in found.hits} == expected

    async def test_a_batch_of_queries_answers_each_in_its_place(self, client: AsyncQdrantClient) -> None:
        name = await collection(client, corpus(80))
        dice = random.Random(5)
        asked = [vectors(dice)["dense"] for _ in range(3)]
        together = await client.query_batch_points(
            name, [models.QueryRequest(query=one, using="dense", limit=5) for one in asked]
        )
        for one, answer in zip(asked, together, strict=True):
            alone = await client.query_points(name, query=one, using="dense", limit=5)
            assert [point.id for point in answer.points] == [point.id for point in alone.points]

    async def test_rank_fusion_follows_a_branch_that_outweighs_the_other(self, client: AsyncQdrantClient) -> None:
        dice = random.Random(9)
        name = await collection(client, corpus(80))
        query = vectors(dice)
        branches = [models.Prefetch(query=query[one], using=one, limit=20) for one in ("dense", "sparse")]
        weighted = models.RrfQuery(rrf=models.Rrf(k=1, weights=[50.0, 0.01]))
        alone = await client.query_points(name, query=query["dense"], using="dense", limit=5)
        fused = await client.query_points(name, prefetch=branches, query=weighted, limit=5)
        assert [point.id for point in fused.points] == [point.id for point in alone.points]

    async def test_searching_without_a_match_finds_nothing(self, client: AsyncQdrantClient) -> None:
        name = await collection(client, corpus(20))
        nobody = models.Filter(must=[match("access", "nobody")])
        found = await client.query_points(name, query=[1.0] * WIDTH, using="dense", query_filter=nobody)
        assert found.points == []

    async def test_an_alias_stands_for_its_collection_and_is_moved_in_one_step(self, client: AsyncQdrantClient) -> None:
        first = await collection(client, corpus(3))
        second = await collection(client, corpus(5))
        alias, other = uuid.uuid4().hex, uuid.uuid4().hex
        await client.update_collection_aliases([_create_alias(alias, first), _create_alias(other, first)])
        assert (await client.count(alias)).count == 3
        assert await client.collection_exists(alias)
        assert (await client.get_collection(alias)).points_count == 3
        forget = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        assert await client.update_collection_aliases([forget, _create_alias(alias, second)])
        assert (await client.count(alias)).count == 5
        await client.delete(alias, models.Filter(must=[]), wait=True)
        assert (await client.count(second)).count == 0
        assert [known.alias_name for known in (await client.get_collection_aliases(second)).aliases] == [alias]
        known = {known.alias_name: known.collection_name for known in (await client.get_aliases()).aliases}
        assert (known[alias], known[other]) == (second, first)
        assert {alias, other}.isdisjoint(c.name for c in (await client.get_collections()).collections)

    async def test_an_alias_is_renamed_replaced_and_deleted_with_its_collection(self, client: AsyncQdrantClient) -> None:
        first, second = await collection(client, corpus(3)), await collection(client, corpus(5))
        alias, renamed = uuid.uuid4().hex, uuid.uuid4().hex
        await client.update_collection_aliases([_create_alias(alias, first)])
        rename = models.RenameAlias(old_alias_name=alias, new_alias_name=renamed)
        await client.update_collection_aliases([models.RenameAliasOperation(rename_alias=rename)])
        assert (await client.count(renamed)).count == 3
        assert not await client.collection_exists(alias)
        await client.update_collection_aliases([_create_alias(renamed, second)])
        assert (await client.count(renamed)).count == 5
        forget = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        assert await client.update_collection_aliases([forget]), "there is none any more"
        await client.delete_collection(second)
        assert renamed not in {known.alias_name for known in (await client.get_aliases()).aliases}

    @pytest.mark.parametrize("taken", [True, False])
    async def test_a_change_of_aliases_that_cannot_be_done_is_refused(self, client: AsyncQdrantClient, taken: bool) -> None:
        first, second = await collection(client), await collection(client)
        wrong = _create_alias(second, first) if taken else _create_alias(uuid.uuid4().hex, uuid.uuid4().hex)
        with pytest.raises((UnexpectedResponse, ValueError), match="already exists" if taken else "(?i)not found"):
            await client.update_collection_aliases([wrong])

    async def test_an_unknown_collection_is_an_error_that_names_it(self, client: AsyncQdrantClient) -> None:
        with pytest.raises((UnexpectedResponse, ValueError), match="nowhere"):
            await client.count("nowhere")


class TestRefusals:
    """What the embedded engine cannot do is said, by name; nothing is ignored."""

    @pytest.mark.parametrize(
        ("path", "body", "status", "named"),
        [
            ("points/query", {"query": {"recommend": {"positive": [1]}}}, 501, "recommend"),
            ("points/query", {"query": {"formula": {"sum": []}}}, 501, "formula"),
            ("points/query", {"query": 5, "using": "dense"}, 501, "id of a point"),
            ("points/query", {"query": {"text": "hi", "model": "m"}, "using": "dense"}, 501, "text"),
            ("points/query", {"query": [1.0], "using": "dense"}, 400, "expected dim: 8, got 1"),
            ("points/query", {"query": [1.0] * WIDTH, "using": "other"}, 400, "other"),
            ("points/query", {"query": {"fusion": "dbsf"}}, 400, "prefetch"),
            ("points/query", {"limit": 0}, 400, "limit"),
            ("points/query", {"lookup_from": {"collection": "x"}}, 501, "lookup_from"),
            ("points/query", {"shard_key": "a"}, 501, "shard_key"),
            ("points/query", {"params": {"acorn": {"enable": True}}}, 501, "acorn"),
            ("points/query/groups", {"group_by": "source"}, 501, "points/query/groups"),
            ("points/scroll", {"filter": {"must": [{"key": "a", "match": {"value": 1.5}}]}}, 400, "match.value"),
            ("points/scroll", {"filter": {"must": [{"key": "a", "match": {"any": ["a", 1]}}]}}, 400, "any"),
            ("points/scroll", {"filter": {"must": [{"key": "a"}]}}, 400, "`a`"),
            ("points/scroll", {"filter": {"maybe": []}}, 501, "maybe"),
            ("points/scroll", {"filter": {"must": [{"key": "a", "range": {"gte": "soon"}}]}}, 400, "date"),
            ("points/scroll", {"order_by": "unindexed"}, 400, "unindexed"),
            ("points/scroll", {"order_by": {"key": "size", "direction": "up"}}, 400, "up"),
            ("points/count", {"filter": {"must": {"has_id": ["not-an-id"]}}}, 400, "not-an-id"),
            ("points/delete", {}, 400, "filter"),
            ("points/delete", {"points": [-1]}, 400, "-1"),
            ("points/payload", {"payload": {"a": 1}, "points": [123456]}, 404, "123456"),
            ("points/batch", {"operations": [{"reindex": {}}]}, 501, "reindex"),
            ("facet", {"key": "unindexed"}, 400, "unindexed"),
            ("snapshots", {}, 501, "snapshots"),
        ],
    )
    async def test_a_request_that_cannot_be_done_is_refused(
        self, engines: Engines, engine: AsyncQdrantClient, path: str, body: dict[str, Any], status: int, named: str
    ) -> None:
        name = await collection(engine, corpus(3))
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(engines.qdrant_socket))) as http:
            answer = await http.post(f"http://localhost/collections/{name}/{path}", json=body)
        assert answer.status_code == status, answer.text
        assert named in answer.json()["status"]["error"]

    async def test_a_refused_point_in_a_batch_keeps_the_others_out_too(self, engines: Engines, engine: AsyncQdrantClient) -> None:
        name = await collection(engine)
        points = [models.PointStruct(id=1, vector=vectors(random.Random(1))), models.PointStruct(id=2, vector={"dense": [1.0]})]
        with pytest.raises(UnexpectedResponse, match="expected dim"):
            await engine.upsert(name, points)
        assert (await engine.count(name)).count == 0

    async def test_a_collection_cannot_be_created_twice(self, engine: AsyncQdrantClient) -> None:
        name = await collection(engine)
        with pytest.raises(UnexpectedResponse, match="already exists"):
            await engine.create_collection(name, vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))

    async def test_a_collection_may_have_an_odd_name(self, engine: AsyncQdrantClient) -> None:
        for name in ("with space", "Größe", "a%2Fb", "live", "..x"):
            await engine.create_collection(name, vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
            await engine.upsert(name, [models.PointStruct(id=1, vector=[1.0, 2.0])])
            found = await engine.query_points(name, query=[1.0, 1.0], with_vectors=True)
            assert [(point.id, point.score, point.vector) for point in found.points] == [(1, 3.0, [1.0, 2.0])]
            assert await engine.delete_collection(name)

    async def test_a_request_that_is_too_large_is_refused_with_the_limit(self, engines: Engines) -> None:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(engines.qdrant_socket))) as http:
            answer = await http.put("http://localhost/collections/any/points", content=b"[" + b" " * (33 * 2**20) + b"]")
        assert answer.status_code == 413
        assert "33554432 bytes" in answer.json()["status"]["error"]

    async def test_its_version_is_one_that_the_client_accepts(self, engine: AsyncQdrantClient) -> None:
        from importlib.metadata import version

        spoken = (await engine.info()).version
        assert spoken.split(".")[:2] == version("qdrant-client").split(".")[:2]


class Letters:
    """An embedder that needs no model: how often each of eight letters occurs."""

    name, dimension = "letters", WIDTH

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0 + text.count(letter) for letter in "aeinorst"] for text in texts]

    async def embed_query(self, text: str) -> list[float]:
        return (await self.embed_documents([text]))[0]

    def count(self, text: str) -> int:
        return len(text.split())


if SPECS:

    async def test_all_that_the_index_asks_is_in_the_published_document(
        engine: AsyncQdrantClient, description: Description
    ) -> None:
        index = Index(engine, Letters(), uuid.uuid4().hex)
        await index.open()
        before = description.judged
        at = datetime(2026, 1, 2, tzinfo=UTC)
        said = {"source": "folder", "title": "Travel", "url": "file:///t.md", "updated_at": at, "access": PUBLIC}
        page = Document(id="folder:t.md", body="Book trains.", media_type="text/markdown", **said)
        texts = enumerate(("Book trains.", "Hotels are paid for."))
        chunks = [Chunk(document_id=page.id, position=position, headings=(), text=text, **said) for position, text in texts]
        assert await index.upsert([(page, chunks)]) == 2
        assert [hit.chunk.text for hit in await hits_of(index, "hotels", ANYONE, 1)] == ["Hotels are paid for."]
        assert [record.document_id async for record in index.records("folder")] == [page.id]
        assert await index.counts() == {"folder": 1}
        await index.set_access(page.id, NOBODY, page.content_hash)
        assert await hits_of(index, "hotels", ANYONE, 1) == []
        await index.remove([page.id])
        assert await index.counts() == {}
        await index.health()
        assert description.judged - before >= 10
