"""Reading requests of Qdrant's REST API as requests of the engine: query, scroll, count, facet."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from core.embedded.fields import Fields, Refused, one_or_many
from core.embedded.filters import build_filter, point_id
from core.embedded.points import UNNAMED, Shape

_DIRECTIONS = {"asc": edge.Direction.Asc, "desc": edge.Direction.Desc}
_RRF_K = 2
"""Qdrant's own default of the constant in reciprocal rank fusion."""


def build_query(body: Any, shape: Shape, where: str = "query request") -> edge.QueryRequest:
    fields = Fields(body, where)
    offset = fields.count("offset")
    with_payload = payload_selector(fields.take("with_payload", False))
    with_vector = vector_selector(fields.take("with_vector", False))
    stage = _stage(fields, shape, depth=0)
    return edge.QueryRequest(offset=offset, with_payload=with_payload, with_vector=with_vector, **stage)


def build_scroll(body: Any) -> edge.ScrollRequest:
    fields = Fields(body, "scroll request")
    offset = fields.take("offset")
    request = edge.ScrollRequest(
        offset=None if offset is None else point_id(offset),
        limit=fields.count("limit", 1) or 10,
        filter=build_filter(fields.take("filter")),
        with_payload=payload_selector(fields.take("with_payload", True)),
        with_vector=vector_selector(fields.take("with_vector", False)),
        order_by=_order_by(fields.take("order_by")),
    )
    fields.finish()
    if request.offset is not None and request.order_by is not None:
        raise Refused.bad("a scroll cannot have both `offset` and `order_by`: continue with `order_by.start_from`")
    return request


def build_count(body: Any) -> edge.CountRequest:
    fields = Fields(body, "count request")
    exact = fields.flag("exact")
    request = edge.CountRequest(exact=True if exact is None else exact, filter=build_filter(fields.take("filter")))
    fields.finish()
    return request


def build_facet(body: Any) -> edge.FacetRequest:
    fields = Fields(body, "facet request")
    request = edge.FacetRequest(
        key=fields.required_text("key"),
        limit=fields.count("limit", 1) or 10,
        exact=fields.flag("exact") or False,
        filter=build_filter(fields.take("filter")),
    )
    fields.finish()
    return request


def payload_selector(value: Any) -> Any:
    """Which payload to return: all, none, or some keys."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return edge.PayloadSelector.Include(value)
    fields = Fields(value, "with_payload")
    include, exclude = fields.items("include"), fields.items("exclude")
    fields.finish()
    if include is not None:
        return edge.PayloadSelector.Include(include)
    if exclude is not None:
        return edge.PayloadSelector.Exclude(exclude)
    raise Refused.bad("with_payload names neither `include` nor `exclude`")


def vector_selector(value: Any) -> bool | list[str]:
    """Which vectors to return: all, none, or the named."""
    if isinstance(value, bool) or (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        return value
    raise Refused.bad("with_vector must be a boolean or an array of names")


def _stage(fields: Fields, shape: Shape, depth: int) -> dict[str, Any]:
    """What a query and each of its prefetches have in common."""
    if depth > 8:
        raise Refused.bad("prefetches are nested more than 8 deep")
    prefetches = [
        edge.Prefetch(**_stage(Fields(item, f"{fields.where}.prefetch[{index}]"), shape, depth + 1))
        for index, item in enumerate(one_or_many(fields.take("prefetch")))
    ]
    using = fields.text("using")
    query = _scoring(fields.take("query"), using or UNNAMED, shape, f"{fields.where}.query")
    if query is None and using:
        raise Refused.bad(f"{fields.where} has `using` but no `query`")
    if isinstance(query, edge.Fusion) and not prefetches:
        raise Refused.bad(f"{fields.where}: fusion needs prefetches to fuse")
    stage = {
        "prefetches": prefetches,
        "query": query,
        "filter": build_filter(fields.take("filter"), f"{fields.where}.filter"),
        "score_threshold": fields.number("score_threshold"),
        "limit": fields.count("limit", 1) or 10,
        "params": _search_params(fields.object("params")),
    }
    fields.finish()
    return stage


def _scoring(value: Any, using: str, shape: Shape, where: str) -> Any:
    if value is None:
        return None
    if isinstance(value, str | int):
        raise Refused.unsupported(f"the id of a point as {where}; send its vector")
    if isinstance(value, list) or (isinstance(value, dict) and "indices" in value):
        return edge.Query.Nearest(shape.vector(value, using, where), using)
    fields = Fields(value, where)
    query: Any
    if "nearest" in fields:
        query = _nearest(fields, using, shape)
    elif "fusion" in fields:
        query = _fusion(fields.text("fusion"))
    elif (rrf := fields.object("rrf")) is not None:
        query = edge.Fusion.Rrf(rrf.count("k", 1) or _RRF_K, rrf.items("weights"))
        rrf.finish()
    elif "order_by" in fields:
        query = _order_by(fields.take("order_by"))
    elif "sample" in fields:
        if fields.text("sample") != "random":
            raise Refused.bad(f"{where}.sample must be `random`")
        query = edge.Sample.Random
    else:
        raise Refused.unsupported(f"{where} of the kind {', '.join(f'`{name}`' for name in value) or 'without a name'}")
    fields.finish()
    return query


def _nearest(fields: Fields, using: str, shape: Shape) -> edge.Query:
    value = fields.take("nearest")
    if isinstance(value, str | int):
        raise Refused.unsupported(f"the id of a point as {fields.where}.nearest; send its vector")
    return edge.Query.Nearest(shape.vector(value, using, f"{fields.where}.nearest"), using)


def _fusion(name: str | None) -> Any:
    if name == "rrf":
        return edge.Fusion.Rrf(_RRF_K)
    if name == "dbsf":
        return edge.Fusion.Dbsf()
    raise Refused.bad(f"`{name}` is not a fusion: use `rrf` or `dbsf`")


def _order_by(value: Any) -> edge.OrderBy | None:
    if value is None:
        return None
    fields = Fields({"key": value} if isinstance(value, str) else value, "order_by")
    direction = fields.text("direction") or "asc"
    if direction not in _DIRECTIONS:
        raise Refused.bad(f"`{direction}` is not a direction: use `asc` or `desc`")
    order = edge.OrderBy(fields.required_text("key"), _DIRECTIONS[direction], fields.take("start_from"))
    fields.finish()
    return order


def _search_params(fields: Fields | None) -> edge.SearchParams | None:
    if fields is None:
        return None
    quantization = fields.object("quantization")
    params = edge.SearchParams(
        hnsw_ef=fields.count("hnsw_ef"),
        exact=fields.flag("exact") or False,
        indexed_only=fields.flag("indexed_only") or False,
        quantization=_quantization(quantization),
        idf=_idf(fields.take("idf"), f"{fields.where}.idf"),
    )
    fields.finish()
    return params


def _idf(value: Any, where: str) -> edge.IdfParams | None:
    """The points among which the rarity of words is counted: those of a filter, or all."""
    if value is None or value == "global":
        return None
    fields = Fields(value, where)
    corpus = build_filter(fields.require("corpus"), f"{where}.corpus")
    fields.finish()
    return edge.IdfParams(corpus=corpus)


def _quantization(fields: Fields | None) -> edge.QuantizationSearchParams | None:
    if fields is None:
        return None
    params = edge.QuantizationSearchParams(
        ignore=fields.flag("ignore") or False, rescore=fields.flag("rescore"), oversampling=fields.number("oversampling")
    )
    fields.finish()
    return params
