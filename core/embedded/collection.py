"""One collection: a shard of the engine in a folder of its own, beside the description that made it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import orjson
import qdrant_edge as edge

from core.embedded.fields import Fields, Refused
from core.embedded.indexes import memory, render_index
from core.embedded.points import UNNAMED, Shape

_DISTANCES = {name: getattr(edge.Distance, name) for name in ("Cosine", "Euclid", "Dot", "Manhattan")}
_DATATYPES = {
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
    "uint8": edge.VectorStorageDatatype.Uint8,
}
_HNSW = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, "max_indexing_threads": 0, "on_disk": False}
_OPTIMIZERS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "flush_interval_sec": 5,
}
_WAL = {"wal_capacity_mb": 32, "wal_segments_ahead": 0}
_TUNING = ("hnsw_config", "optimizers_config", "wal_config", "quantization_config")
_NEVER = 10_000_000
"""Indexing threshold in kB that nothing reaches: no approximate index is built, every search is exact."""


class Collection:
    """A shard and its description. Every call runs the engine in the calling thread and holds the GIL meanwhile."""

    def __init__(self, path: Path, description: dict[str, Any], shard: edge.EdgeShard) -> None:
        self._path = path
        self._description = description
        self._updates = 0
        self._unflushed = True
        """At first for what was replayed from the log."""
        self.shard = shard
        self.shape = _shape(description)
        self._vacuumed = False

    @classmethod
    def create(cls, path: Path, draft: Path, body: Any) -> Collection:
        """Make a new collection in ``draft`` and move it to ``path``: a crash meanwhile leaves none.

        Raises Refused for what the engine cannot do.
        """
        description = _describe(body)
        config = _engine_config(description)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        edge.EdgeShard.create(str(draft / "shard"), config).close()
        write_json(draft / "collection.json", description)
        draft.rename(path)
        _sync_folder(path.parent)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Collection:
        description = orjson.loads((path / "collection.json").read_bytes())
        return cls(path, description, edge.EdgeShard.load(str(path / "shard")))

    def drop(self, grave: Path) -> None:
        """Close the shard and delete its folder by way of ``grave``: a crash meanwhile leaves no half of it."""
        self.shard.close()
        shutil.rmtree(grave, ignore_errors=True)
        self._path.rename(grave)
        _sync_folder(self._path.parent)
        shutil.rmtree(grave, ignore_errors=True)

    def apply(self, operations: list[edge.UpdateOperation]) -> int:
        """Apply in order; each is safe from a crash of this process once it returned. Returns a number for the update."""
        self._unflushed, self._vacuumed = True, False
        for operation in operations:
            self.shard.update(operation)
        self._updates += 1
        return self._updates

    def flush(self) -> None:
        """Write everything to disk (a power cut loses nothing from before); nothing to do costs nothing."""
        if self._unflushed:
            self.shard.flush()
            self._unflushed = False

    @property
    def points(self) -> int:
        return self.shard.info().points_count

    def vacuum(self) -> None:
        """Drop what deletions left behind once a fifth of a segment is dead. (The place of rewritten points is reused anyway.)"""
        if not self._vacuumed:
            self._vacuumed = True
            self._unflushed |= self.shard.optimize()

    def close(self) -> None:
        self.shard.close()

    def merge_metadata(self, metadata: dict[str, Any]) -> None:
        merged = {**(self._description.get("metadata") or {}), **metadata} if metadata else {}
        description = {**self._description, "metadata": merged}
        write_json(self._path / "collection.json", description)
        self._description = description

    def info(self) -> dict[str, Any]:
        """What ``GET /collections/{name}`` answers."""
        state, described = self.shard.info(), self._description
        params = {
            "vectors": described["vectors"],
            "sparse_vectors": described["sparse_vectors"] or None,
            "shard_number": 1,
            "replication_factor": 1,
            "write_consistency_factor": 1,
            "on_disk_payload": described["on_disk_payload"],
        }
        tuning = described["tuning"]
        config = {
            "params": {name: value for name, value in params.items() if value is not None},
            "hnsw_config": _HNSW | tuning.get("hnsw_config", {}),
            "optimizer_config": _OPTIMIZERS | {"indexing_threshold": _NEVER} | tuning.get("optimizers_config", {}),
            "wal_config": _WAL | tuning.get("wal_config", {}),
            "quantization_config": tuning.get("quantization_config"),
        }
        if described.get("metadata"):
            config["metadata"] = described["metadata"]
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": state.indexed_vectors_count,
            "points_count": state.points_count,
            "segments_count": state.segments_count,
            "config": config,
            "payload_schema": {name: render_index(index) for name, index in state.payload_schema.items()},
        }


def _describe(body: Any) -> dict[str, Any]:
    """What is kept of a request to create a collection: enough to make the shard, and to tell it again."""
    fields = Fields(body, "collection")
    for name in ("shard_number", "replication_factor", "write_consistency_factor"):
        if (fields.count(name) or 1) != 1:
            raise Refused.unsupported(f"`{name}` above 1")
    on_disk_payload, metadata = fields.flag("on_disk_payload"), fields.object("metadata")
    description = {
        "vectors": fields.take("vectors", {}),
        "sparse_vectors": fields.take("sparse_vectors", {}),
        "on_disk_payload": True if on_disk_payload is None else on_disk_payload,
        "metadata": metadata and metadata.rest,
        # Tuning trades exactness for speed at sizes that the embedded engine is not for: kept and shown, never needed.
        "tuning": {name: fields.take(name) for name in _TUNING if name in fields},
    }
    fields.finish()
    return description


def _engine_config(description: dict[str, Any]) -> edge.EdgeConfig:
    dense = {name: _dense(Fields(value, f"vectors.{name}")) for name, value in _named(description["vectors"]).items()}
    sparse = {name: _sparse(Fields(value, f"sparse_vectors.{name}")) for name, value in description["sparse_vectors"].items()}
    if not dense and not sparse:
        raise Refused.unsupported("a collection without vectors")
    return edge.EdgeConfig(
        vectors=dense,
        sparse_vectors=sparse,
        on_disk_payload=description["on_disk_payload"],
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NEVER),
        wal_enabled=True,
    )


def _named(vectors: Any) -> dict[str, Any]:
    """Name to parameters; a lone set of parameters describes the unnamed vector."""
    fields = Fields(vectors, "vectors").rest
    return {UNNAMED: fields} if "size" in fields and "distance" in fields else fields


def _dense(fields: Fields) -> edge.EdgeVectorParams:
    size, distance, datatype = fields.count("size", 1), fields.text("distance"), fields.text("datatype") or "float32"
    if size is None or distance not in _DISTANCES:
        raise Refused.bad(f"{fields.where} needs a `size` and a `distance` out of {', '.join(_DISTANCES)}")
    if datatype not in _DATATYPES:
        raise Refused.unsupported(f"the datatype `{datatype}`")
    multivector = fields.object("multivector_config")
    if multivector is not None and multivector.text("comparator") != "max_sim":
        raise Refused.bad(f"{multivector.where}.comparator must be `max_sim`")
    for name in ("hnsw_config", "quantization_config"):
        fields.take(name)
    params = edge.EdgeVectorParams(
        size=size,
        distance=_DISTANCES[distance],
        on_disk=fields.flag("on_disk"),
        memory=memory(fields.text("memory")),
        datatype=_DATATYPES[datatype],
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim) if multivector else None,
    )
    fields.finish()
    return params


def _sparse(fields: Fields) -> edge.EdgeSparseVectorParams:
    modifier, index = fields.text("modifier"), fields.object("index")
    fields.finish()
    if modifier not in (None, "none", "idf"):
        raise Refused.bad(f"`{modifier}` is not a modifier: use `idf` or `none`")
    arguments: dict[str, Any] = {}
    if index is not None:
        arguments = {
            "full_scan_threshold": index.count("full_scan_threshold"),
            "on_disk": index.flag("on_disk"),
            "memory": memory(index.text("memory")),
        }
        if (index.text("datatype") or "float32") != "float32":
            raise Refused.unsupported(f"{index.where}.datatype other than `float32`")
        index.finish()
    return edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf if modifier == "idf" else None, **arguments)


def _shape(description: dict[str, Any]) -> Shape:
    dense = _named(description["vectors"])
    multi = {name for name, value in dense.items() if value.get("multivector_config")}
    return Shape(
        dense={name: value["size"] for name, value in dense.items() if name not in multi},
        multi={name: dense[name]["size"] for name in multi},
        sparse=frozenset(description["sparse_vectors"]),
    )


def write_json(path: Path, value: Any) -> None:
    """Replace a file so that a crash or a full disk leaves the old or the new one, never half of it."""
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        file.write(orjson.dumps(value))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
