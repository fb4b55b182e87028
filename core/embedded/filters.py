"""Filters of Qdrant's REST API as conditions of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import qdrant_edge as edge

from core.embedded.fields import Fields, Refused, one_or_many


def build_filter(value: Any, where: str = "filter") -> edge.Filter | None:
    """Translate a filter; None stays None. Raises Refused for what the engine cannot express."""
    if value is None:
        return None
    fields = Fields(value, where)
    must, should, must_not = (_conditions(fields.take(name), f"{where}.{name}") for name in ("must", "should", "must_not"))
    min_should = fields.object("min_should")
    fields.finish()
    return edge.Filter(must=must, should=should, must_not=must_not, min_should=_min_should(min_should))


def point_id(value: Any) -> edge.PointId:
    """An id is an unsigned integer or a UUID; the engine itself reads the UUID."""
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, int) and not 0 <= value < 2**64):
        raise Refused.bad(f"{value!r:.80} is not a point id: use an unsigned integer or a UUID")
    return value


def point_ids(values: Any, where: str) -> list[edge.PointId]:
    if not isinstance(values, list):
        raise Refused.bad(f"{where} must be an array of point ids")
    return [point_id(value) for value in values]


def _conditions(value: Any, where: str) -> list[Any] | None:
    if value is None:
        return None
    return [_condition(item, f"{where}[{index}]") for index, item in enumerate(one_or_many(value))]


def _min_should(fields: Fields | None) -> edge.MinShould | None:
    if fields is None:
        return None
    conditions = _conditions(fields.require("conditions"), f"{fields.where}.conditions") or []
    least = fields.required_count("min_count")
    fields.finish()
    return edge.MinShould(conditions, least)


def _condition(value: Any, where: str) -> Any:
    fields = Fields(value, where)
    if "key" in fields:
        return _field_condition(fields)
    if {"must", "should", "must_not", "min_should"} & value.keys():
        return build_filter(value, where)
    if (ids := fields.items("has_id")) is not None:
        fields.finish()
        return edge.HasIdCondition(set(point_ids(ids, f"{where}.has_id")))
    if (name := fields.text("has_vector")) is not None:
        fields.finish()
        return edge.HasVectorCondition(name)
    for name, kind in (("is_empty", edge.IsEmptyCondition), ("is_null", edge.IsNullCondition)):
        if (field := fields.object(name)) is not None:
            condition = kind(field.required_text("key"))
            field.finish()
            fields.finish()
            return condition
    if (nested := fields.object("nested")) is not None:
        fields.finish()
        key = nested.required_text("key")
        inner = build_filter(nested.require("filter"), f"{nested.where}.filter") or edge.Filter()
        nested.finish()
        # The engine wants the elements of the array spelled out; REST means them anyway.
        return edge.NestedCondition(key if key.endswith("[]") else f"{key}[]", inner)
    fields.finish()
    return edge.Filter()


def _field_condition(fields: Fields) -> edge.FieldCondition:
    key = fields.required_text("key")
    arguments: dict[str, Any] = {
        "match": _match(fields.object("match")),
        "range": _range(fields.object("range")),
        "values_count": _values_count(fields.object("values_count")),
        "geo_bounding_box": _geo_box(fields.object("geo_bounding_box")),
        "geo_radius": _geo_radius(fields.object("geo_radius")),
        "geo_polygon": _geo_polygon(fields.object("geo_polygon")),
        "is_empty": fields.flag("is_empty"),
        "is_null": fields.flag("is_null"),
    }
    fields.finish()
    if all(argument is None for argument in arguments.values()):
        raise Refused.bad(f"{fields.where} says nothing about the field `{key}`")
    return edge.FieldCondition(key, **arguments)


class _Boolean:
    """A boolean that the binding does not take for an integer.

    ``MatchValue(True)`` matches the *integer* 1, because Python's booleans are integers and the binding
    tries those first. It knows numpy's boolean by its name, which spares the keeper importing numpy.
    """

    def __init__(self, value: bool) -> None:
        self._value = value

    def __bool__(self) -> bool:
        return self._value


_Boolean.__module__, _Boolean.__name__ = "numpy", "bool_"

_TEXT_MATCHES: dict[str, Callable[[str], Any]] = {
    "text": edge.MatchText,
    "text_any": edge.MatchTextAny,
    "phrase": edge.MatchPhrase,
    "prefix": edge.MatchPrefix,
}


def _match(fields: Fields | None) -> Any:
    if fields is None:
        return None
    match: Any = None
    if "value" in fields:
        value = fields.take("value")
        if not isinstance(value, str | int):
            raise Refused.bad(f"{fields.where}.value must be a string, an integer or a boolean")
        match = edge.MatchValue(cast(bool, _Boolean(value)) if isinstance(value, bool) else value)
    elif "any" in fields:
        match = edge.MatchAny(_variants(fields.items("any"), f"{fields.where}.any"))
    elif "except" in fields:
        match = edge.MatchExcept(_variants(fields.items("except"), f"{fields.where}.except"))
    else:
        for name, kind in _TEXT_MATCHES.items():
            if name in fields:
                match = kind(fields.required_text(name))
                break
    fields.finish()
    if match is None:
        raise Refused.bad(f"{fields.where} names nothing to match")
    return match


def _variants(values: list[Any] | None, where: str) -> list[Any]:
    values = values or []
    if all(isinstance(value, str) for value in values):
        return values
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return values
    raise Refused.bad(f"{where} must be all strings or all integers")


def _range(fields: Fields | None) -> Any:
    if fields is None:
        return None
    bounds = {name: fields.take(name) for name in ("gte", "gt", "lte", "lt")}
    fields.finish()
    given = [bound for bound in bounds.values() if bound is not None]
    if given and all(isinstance(bound, str) for bound in given):
        return edge.RangeDateTime(**bounds)
    if any(isinstance(bound, bool) or not isinstance(bound, int | float) for bound in given):
        raise Refused.bad(f"{fields.where} must have bounds that are all numbers or all dates")
    return edge.RangeFloat(**bounds)


def _values_count(fields: Fields | None) -> edge.ValuesCount | None:
    if fields is None:
        return None
    bounds = {name: fields.count(name) for name in ("gte", "gt", "lte", "lt")}
    fields.finish()
    return edge.ValuesCount(**bounds)


def _geo_point(value: Any, where: str) -> edge.GeoPoint:
    fields = Fields(value, where)
    point = edge.GeoPoint(fields.required_number("lon"), fields.required_number("lat"))
    fields.finish()
    return point


def _geo_box(fields: Fields | None) -> edge.GeoBoundingBox | None:
    if fields is None:
        return None
    corners = [_geo_point(fields.require(name), f"{fields.where}.{name}") for name in ("top_left", "bottom_right")]
    fields.finish()
    return edge.GeoBoundingBox(*corners)


def _geo_radius(fields: Fields | None) -> edge.GeoRadius | None:
    if fields is None:
        return None
    radius = edge.GeoRadius(_geo_point(fields.require("center"), f"{fields.where}.center"), fields.required_number("radius"))
    fields.finish()
    return radius


def _geo_polygon(fields: Fields | None) -> edge.GeoPolygon | None:
    if fields is None:
        return None
    exterior = _geo_line(fields.require("exterior"), f"{fields.where}.exterior")
    interiors = [_geo_line(line, f"{fields.where}.interiors") for line in fields.items("interiors") or []]
    fields.finish()
    return edge.GeoPolygon(exterior, interiors)


def _geo_line(value: Any, where: str) -> list[edge.GeoPoint]:
    fields = Fields(value, where)
    points = [_geo_point(point, f"{where}.points") for point in fields.items("points") or []]
    fields.finish()
    return points
