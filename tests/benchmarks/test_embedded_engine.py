"""What the embedded engine costs beyond the engine itself, side by side in one run.

``uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_embedded_engine.py``
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import httpx
import numpy
import pytest
import qdrant_edge as edge
from qdrant_client import AsyncQdrantClient, models

from core.embedded.datadir import DataDir
from core.embedded.keeper import attach

CHUNKS = 100_000
WIDTH = 384
BATCH = 64
"""As many as the index writes at a time."""
ROUNDS = 300
INDEXED = ("access", "source", "document_id")

Row = tuple[int, list[float], list[int], list[float], dict[str, str]]
_numbers = numpy.random.default_rng(1)
_dice = random.Random(1)


def dense() -> list[float]:
    return [float(number) for number in _numbers.normal(size=WIDTH).astype("float32")]


def sparse(words: int) -> tuple[list[int], list[float]]:
    return sorted(_dice.sample(range(30_000), words)), [_dice.uniform(0.5, 1.5) for _ in range(words)]


def rows(start: int) -> Iterator[Row]:
    for number in range(start, start + BATCH):
        payload = {"access": f"c{number % 8}", "source": "folder", "document_id": f"d{number // 10}", "text": "lorem ipsum " * 60}
        yield number, dense(), *sparse(57), payload


def own_query(vector: list[float], indices: list[int], values: list[float]) -> edge.QueryRequest:
    allowed = edge.Filter(must=[edge.FieldCondition("access", match=edge.MatchAny(["c1", "c2", "c3"]))])
    branches = [
        edge.Prefetch(limit=100, query=edge.Query.Nearest(vector, "dense"), filter=allowed),
        edge.Prefetch(limit=100, query=edge.Query.Nearest(edge.SparseVector(indices, values), "sparse"), filter=allowed),
    ]
    return edge.QueryRequest(limit=10, prefetches=branches, query=edge.Fusion.Dbsf(), with_payload=True)


async def client_query(client: AsyncQdrantClient, vector: list[float], indices: list[int], values: list[float]) -> None:
    allowed = models.Filter(must=[models.FieldCondition(key="access", match=models.MatchAny(any=["c1", "c2", "c3"]))])
    branches = [
        models.Prefetch(limit=100, query=vector, using="dense", filter=allowed),
        models.Prefetch(limit=100, query=models.SparseVector(indices=indices, values=values), using="sparse", filter=allowed),
    ]
    fusion = models.FusionQuery(fusion=models.Fusion.DBSF)
    found = await client.query_points("c", prefetch=branches, query=fusion, limit=10, with_payload=True)
    assert len(found.points) == 10


def shard(folder: Path) -> edge.EdgeShard:
    config = edge.EdgeConfig(
        vectors={"dense": edge.EdgeVectorParams(size=WIDTH, distance=edge.Distance.Cosine)},
        sparse_vectors={"sparse": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=10_000_000),
    )
    made = edge.EdgeShard.create(str(folder), config)
    for field in INDEXED:
        made.update(edge.UpdateOperation.create_field_index(field, edge.KeywordIndexParams()))
    return made


async def collection(client: AsyncQdrantClient) -> None:
    await client.create_collection(
        "c",
        vectors_config={"dense": models.VectorParams(size=WIDTH, distance=models.Distance.COSINE)},
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    for field in INDEXED:
        await client.create_payload_index("c", field, models.PayloadSchemaType.KEYWORD)


def resident_mb(process: str) -> tuple[int, int]:
    """All and only the anonymous resident memory; the rest is files that the system may drop."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) >> 10 for line in status if line.startswith(("VmRSS", "RssAnon"))}
    return found["VmRSS"], found["RssAnon"]


def percentiles(seconds: list[float]) -> tuple[float, float]:
    cuts = quantiles(seconds, n=100)
    return cuts[49] * 1000, cuts[94] * 1000


@pytest.mark.benchmark
@pytest.mark.timeout(600)
async def test_the_way_to_the_engine_costs_at_most_half_of_its_own_query() -> None:
    with tempfile.TemporaryDirectory(prefix="fn-", ignore_cleanup_errors=True) as path:
        own = shard(Path(path) / "own")
        began = time.perf_counter()
        engines = await attach(Path(path) / "data")
        print(f"\nstarted in {time.perf_counter() - began:.2f} s")
        keeper = DataDir(Path(path) / "data").claimed_by()
        assert keeper
        print("resident MB, all and anonymous, empty: {} {}".format(*resident_mb(keeper)))
        transport = httpx.AsyncHTTPTransport(uds=str(engines.qdrant_socket))
        client = AsyncQdrantClient(url="http://localhost", transport=transport, check_compatibility=False, timeout=60)
        await collection(client)
        spent = {"engine": 0.0, "client": 0.0}
        for start in range(0, CHUNKS, BATCH):
            batch = list(rows(start))
            began = time.perf_counter()
            points = [
                edge.Point(number, {"dense": vector, "sparse": edge.SparseVector(indices, values)}, payload)
                for number, vector, indices, values, payload in batch
            ]
            own.update(edge.UpdateOperation.upsert_points(points))
            spent["engine"] += time.perf_counter() - began
            began = time.perf_counter()
            structs = [
                models.PointStruct(
                    id=number,
                    vector={"dense": vector, "sparse": models.SparseVector(indices=indices, values=values)},
                    payload=payload,
                )
                for number, vector, indices, values, payload in batch
            ]
            await client.upsert("c", structs, wait=True)
            spent["client"] += time.perf_counter() - began
        print("upserted per second: " + ", ".join(f"{who} {CHUNKS / seconds:,.0f}" for who, seconds in spent.items()))
        own.flush()
        taken: dict[str, list[float]] = {"engine": [], "client": []}
        for _ in range(ROUNDS):
            vector, (indices, values) = dense(), sparse(8)
            began = time.perf_counter()
            assert len(own.query(own_query(vector, indices, values))) == 10
            taken["engine"].append(time.perf_counter() - began)
            began = time.perf_counter()
            await client_query(client, vector, indices, values)
            taken["client"].append(time.perf_counter() - began)
        (own_median, own_slow), (median, slow) = percentiles(taken["engine"]), percentiles(taken["client"])
        print(f"query p50/p95 ms: engine {own_median:.1f}/{own_slow:.1f}, client {median:.1f}/{slow:.1f}")
        print(f"ratios p50 {median / own_median:.2f}, p95 {slow / own_slow:.2f}")
        print("resident MB, all and anonymous: {} {}".format(*resident_mb(keeper)))
        await client.close()
        await engines.release()
        assert median / own_median <= 1.5
        assert slow / own_slow <= 1.5
