"""Points of Qdrant's REST API, in and out: ids, dense, sparse and multi-vectors, payloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge

from core.embedded.fields import Fields, Refused
from core.embedded.filters import point_id

UNNAMED = ""
"""The name that the engine gives to the only vector of a collection without named vectors."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a collection's vectors look like. Checked before the engine sees an update.

    The engine refuses a wrong vector too, but only after it wrote the update to its log: replayed after
    a crash, the points in front of the wrong one would appear although their update was refused.
    """

    dense: Mapping[str, int]
    """Name to dimension."""
    multi: Mapping[str, int]
    sparse: frozenset[str]

    def vectors(self, value: Any, where: str) -> Any:
        """A point's vectors for the engine: a list for the unnamed one, otherwise name to vector."""
        if isinstance(value, list):
            return self.vector(value, UNNAMED, where)
        if not isinstance(value, dict):
            raise Refused.bad(f"{where} must be an array, or an object of named vectors")
        return {name: self.vector(vector, name, where) for name, vector in value.items()}

    def vector(self, value: Any, name: str, where: str) -> Any:
        """One vector of the named kind. Raises Refused for a wrong name, dimension or kind."""
        if (size := self.dense.get(name)) is not None:
            return _dense(value, size, where)
        if name in self.sparse:
            return sparse_vector(value, where)
        if (size := self.multi.get(name)) is not None:
            if not isinstance(value, list) or not value:
                raise Refused.bad(f"{where} must be an array of vectors for the multi-vector `{name}`")
            rows = value if isinstance(value[0], list) else [value]
            return [_dense(row, size, where) for row in rows]
        raise Refused.bad(f"Not existing vector name error: {name}")


def sparse_vector(value: Any, where: str) -> edge.SparseVector:
    fields = Fields(value, where)
    indices, values = fields.items("indices") or [], fields.items("values") or []
    if "text" in fields or "model" in fields:
        raise Refused.unsupported(f"inference ({where} is a text or an image to embed): send the vector itself")
    fields.finish()
    if len(indices) != len(values):
        raise Refused.bad(f"{where} has {len(indices)} indices but {len(values)} values")
    if len(set(indices)) != len(indices):
        raise Refused.bad(f"{where} repeats an index: indices must be unique")
    return edge.SparseVector(indices, values)


def _dense(value: Any, size: int, where: str) -> list[float]:
    if not isinstance(value, list):
        if isinstance(value, dict) and ("text" in value or "image" in value or "object" in value):
            raise Refused.unsupported(f"inference ({where} is a text or an image to embed): send the vector itself")
        raise Refused.bad(f"{where} must be an array of numbers")
    if len(value) != size:
        raise Refused.bad(f"Vector dimension error: expected dim: {size}, got {len(value)}")
    return value


def build_points(fields: Fields, shape: Shape) -> list[edge.Point]:
    """The points of an upsert, given as a list of points or as parallel lists (``batch``)."""
    if (batch := fields.object("batch")) is None:
        return [_point(row, shape) for row in fields.required_items("points")]
    ids, payloads = batch.items("ids") or [], batch.items("payloads")
    vectors = _transposed(batch.take("vectors"), len(ids))
    batch.finish()
    payloads = payloads or [None] * len(ids)
    if len(payloads) != len(ids):
        raise Refused.bad(f"the batch has {len(ids)} ids but {len(payloads)} payloads")
    columns = zip(ids, vectors, payloads, strict=True)
    return [_point({"id": key, "vector": vector, "payload": payload}, shape) for key, vector, payload in columns]


def build_point_vectors(rows: Sequence[Any], shape: Shape) -> list[edge.PointVectors]:
    """Vectors to write onto existing points."""
    built = []
    for row in rows:
        fields = Fields(row, "points[]")
        key, vectors = point_id(fields.require("id")), shape.vectors(fields.require("vector"), "points[].vector")
        fields.finish()
        built.append(edge.PointVectors(key, vectors))
    return built


def payload_object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused.bad(f"{where} must be an object")
    return value


def _point(row: Any, shape: Shape) -> edge.Point:
    fields = Fields(row, "points[]")
    key = point_id(fields.require("id"))
    vectors = shape.vectors(fields.require("vector"), "points[].vector")
    payload = payload_object(fields.take("payload", {}), "points[].payload")
    fields.finish()
    return edge.Point(key, vectors, payload)


def _transposed(value: Any, count: int) -> list[Any]:
    if isinstance(value, list):
        rows = value
    elif isinstance(value, dict):
        if any(not isinstance(column, list) or len(column) != count for column in value.values()):
            raise Refused.bad(f"the batch has {count} ids, but not as many vectors")
        rows = [{name: column[index] for name, column in value.items()} for index in range(count)]
    else:
        raise Refused.bad("batch.vectors must be an array or an object of arrays")
    if len(rows) != count:
        raise Refused.bad(f"the batch has {count} ids but {len(rows)} vectors")
    return rows


def render_vectors(vector: Any) -> Any:
    if isinstance(vector, dict):
        return {name: render_vectors(item) for name, item in vector.items()}
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    return vector


def render_record(record: edge.Record | edge.ScoredPoint) -> dict[str, Any]:
    rendered: dict[str, Any] = {"id": record.id, "payload": record.payload}
    if record.vector is not None:
        rendered["vector"] = render_vectors(record.vector)
    if record.order_value is not None:
        rendered["order_value"] = record.order_value
    return rendered


def render_scored(point: edge.ScoredPoint) -> dict[str, Any]:
    return {**render_record(point), "version": point.version, "score": point.score}
