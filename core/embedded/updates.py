"""Writing requests of Qdrant's REST API as operations of the engine. All names are those of ``/points/batch``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from core.embedded.fields import Fields, Refused
from core.embedded.filters import build_filter, point_ids
from core.embedded.points import Shape, build_point_vectors, build_points, payload_object

Operations = list[edge.UpdateOperation]

_MODES = {
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}


def build_update(name: str, body: Any, shape: Shape) -> Operations:
    """The operations that one named update needs, in order. Nothing is applied when this raises Refused."""
    if (build := _BUILDERS.get(name)) is None:
        raise Refused.unsupported(f"the update operation `{name}`")
    fields = Fields(body, name)
    operations = build(fields, shape)
    fields.finish()
    return operations


def build_batch(body: Any, shape: Shape) -> list[Operations]:
    """The operations of a batch: all of them are read before the first is applied."""
    fields = Fields(body, "batch")
    updates = fields.required_items("operations")
    fields.finish()
    built = []
    for update in updates:
        if not isinstance(update, dict) or len(update) != 1:
            raise Refused.bad("each item of `operations` must be an object with one field that names the operation")
        ((name, argument),) = update.items()
        built.append(build_update(name, argument, shape))
    return built


def _upsert(fields: Fields, shape: Shape) -> Operations:
    mode = fields.text("update_mode") or "upsert"
    if mode not in _MODES:
        raise Refused.bad(f"`{mode}` is not an update mode: use {', '.join(_MODES)}")
    condition = build_filter(fields.take("update_filter"), "update_filter")
    return [edge.UpdateOperation.upsert_points(build_points(fields, shape), condition, _MODES[mode])]


def _delete(fields: Fields, _shape: Shape) -> Operations:
    update = edge.UpdateOperation
    return _where(fields, update.delete_points, update.delete_points_by_filter)


def _set_payload(fields: Fields, _shape: Shape) -> Operations:
    update = edge.UpdateOperation
    return _write_payload(fields, update.set_payload, update.set_payload_by_filter)


def _overwrite_payload(fields: Fields, _shape: Shape) -> Operations:
    update = edge.UpdateOperation
    return _write_payload(fields, update.overwrite_payload, update.overwrite_payload_by_filter)


def _delete_payload(fields: Fields, _shape: Shape) -> Operations:
    update, keys = edge.UpdateOperation, fields.required_items("keys")
    return _where(fields, update.delete_payload, update.delete_payload_by_filter, keys)


def _clear_payload(fields: Fields, _shape: Shape) -> Operations:
    update = edge.UpdateOperation
    return _where(fields, update.clear_payload, update.clear_payload_by_filter)


def _update_vectors(fields: Fields, shape: Shape) -> Operations:
    condition = build_filter(fields.take("update_filter"), "update_filter")
    points = build_point_vectors(fields.required_items("points"), shape)
    return [edge.UpdateOperation.update_vectors(points, condition)]


def _delete_vectors(fields: Fields, _shape: Shape) -> Operations:
    update, names = edge.UpdateOperation, fields.required_items("vector")
    return _where(fields, update.delete_vectors, update.delete_vectors_by_filter, names)


_BUILDERS: dict[str, Callable[[Fields, Shape], Operations]] = {
    "upsert": _upsert,
    "delete": _delete,
    "set_payload": _set_payload,
    "overwrite_payload": _overwrite_payload,
    "delete_payload": _delete_payload,
    "clear_payload": _clear_payload,
    "update_vectors": _update_vectors,
    "delete_vectors": _delete_vectors,
}


def _write_payload(fields: Fields, by_ids: Callable[..., Any], by_filter: Callable[..., Any]) -> Operations:
    payload = payload_object(fields.require("payload"), f"{fields.where}.payload")
    return _where(fields, by_ids, by_filter, payload, fields.text("key"))


def _where(fields: Fields, by_ids: Callable[..., Any], by_filter: Callable[..., Any], *arguments: Any) -> Operations:
    """For the points that are named by ids, by a filter, or (as in Qdrant) by both: ids first."""
    ids, chosen = fields.take("points"), build_filter(fields.take("filter"))
    if ids is None and chosen is None:
        raise Refused.bad(f"{fields.where} names neither `points` nor `filter`")
    operations = [] if ids is None else [by_ids(point_ids(ids, f"{fields.where}.points"), *arguments)]
    return operations if chosen is None else [*operations, by_filter(chosen, *arguments)]
