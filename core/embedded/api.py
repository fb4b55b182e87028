"""The calls of Qdrant's REST API that Footnote uses, without HTTP: each takes the collections, the path's parts and the body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qdrant_edge as edge

from core.embedded import queries
from core.embedded.collections import Collections
from core.embedded.fields import Fields, Refused
from core.embedded.filters import point_id, point_ids
from core.embedded.indexes import build_index
from core.embedded.points import render_record, render_scored
from core.embedded.updates import build_batch, build_update

Path = Mapping[str, str]
Call = Callable[[Collections, Path, Any], Any]
"""Returns the ``result`` of the answer. Raises Refused, or whatever the engine raises."""

_GROWING = frozenset({"upsert", "set_payload", "overwrite_payload", "update_vectors"})


def _list(collections: Collections, _path: Path, _body: Any) -> Any:
    return {"collections": [{"name": name} for name in collections]}


def _exists(collections: Collections, path: Path, _body: Any) -> Any:
    return {"exists": path["collection"] in collections}


def _describe(collections: Collections, path: Path, _body: Any) -> Any:
    return collections[path["collection"]].info()


def _create(collections: Collections, path: Path, body: Any) -> Any:
    collections.create(path["collection"], body)
    return True


def _change(collections: Collections, path: Path, body: Any) -> Any:
    collection, fields = collections[path["collection"]], Fields(body, "collection")
    metadata = fields.object("metadata")
    fields.finish()
    if metadata is not None:
        collection.merge_metadata(metadata.rest)
    return True


def _drop(collections: Collections, path: Path, _body: Any) -> Any:
    return collections.drop(path["collection"])


def _aliases(collections: Collections, _path: Path, _body: Any) -> Any:
    return _render_aliases(collections.aliases)


def _aliases_of(collections: Collections, path: Path, _body: Any) -> Any:
    return _render_aliases({alias: name for alias, name in collections.aliases.items() if name == path["collection"]})


def _change_aliases(collections: Collections, _path: Path, body: Any) -> Any:
    fields = Fields(body, "change of aliases")
    actions = fields.required_items("actions")
    fields.finish()
    collections.change_aliases(actions)
    return True


def _create_index(collections: Collections, path: Path, body: Any) -> Any:
    return _completed(collections.growing(path["collection"]).apply([build_index(body)]))


def _drop_index(collections: Collections, path: Path, _body: Any) -> Any:
    operation = edge.UpdateOperation.delete_field_index(path["field"])
    return _completed(collections[path["collection"]].apply([operation]))


def _updating(name: str) -> Call:
    def call(collections: Collections, path: Path, body: Any) -> Any:
        choose = collections.growing if name in _GROWING else collections.__getitem__
        collection = choose(path["collection"])
        return _completed(collection.apply(build_update(name, body, collection.shape)))

    return call


def _batch(collections: Collections, path: Path, body: Any) -> Any:
    collection = collections.growing(path["collection"])
    return [_completed(collection.apply(operations)) for operations in build_batch(body, collection.shape)]


def _retrieve(collections: Collections, path: Path, body: Any) -> Any:
    fields = Fields(body, "retrieve request")
    ids = point_ids(fields.require("ids"), "ids")
    with_payload = queries.payload_selector(fields.take("with_payload", True))
    with_vector = queries.vector_selector(fields.take("with_vector", False))
    fields.finish()
    return [render_record(record) for record in collections[path["collection"]].shard.retrieve(ids, with_payload, with_vector)]


def _fetch(collections: Collections, path: Path, _body: Any) -> Any:
    text = path["id"]
    records = collections[path["collection"]].shard.retrieve([point_id(int(text) if text.isdigit() else text)], True, True)
    if not records:
        raise Refused.missing(f"Point with id {text} does not exists!")
    return render_record(records[0])


def _scroll(collections: Collections, path: Path, body: Any) -> Any:
    records, following = collections[path["collection"]].shard.scroll(queries.build_scroll(body))
    return {"points": [render_record(record) for record in records], "next_page_offset": following}


def _count(collections: Collections, path: Path, body: Any) -> Any:
    return {"count": collections[path["collection"]].shard.count(queries.build_count(body))}


def _facet(collections: Collections, path: Path, body: Any) -> Any:
    hits = collections[path["collection"]].shard.facet(queries.build_facet(body)).hits
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in hits]}


def _query(collections: Collections, path: Path, body: Any) -> Any:
    collection = collections[path["collection"]]
    return {"points": [render_scored(point) for point in collection.shard.query(queries.build_query(body, collection.shape))]}


def _query_batch(collections: Collections, path: Path, body: Any) -> Any:
    collection, fields = collections[path["collection"]], Fields(body, "batch of queries")
    searches = fields.required_items("searches")
    fields.finish()
    requests = [queries.build_query(search, collection.shape, f"searches[{index}]") for index, search in enumerate(searches)]
    answers = collection.shard.query_batch(edge.QueryBatchRequest(requests))
    return [{"points": [render_scored(point) for point in points]} for points in answers]


def _render_aliases(aliases: Mapping[str, str]) -> dict[str, Any]:
    return {"aliases": [{"alias_name": alias, "collection_name": name} for alias, name in aliases.items()]}


def _completed(operation: int) -> dict[str, Any]:
    return {"operation_id": operation, "status": "completed"}


_ONE = "/collections/{collection}"
CALLS: tuple[tuple[str, str, Call], ...] = (
    ("GET", "/collections", _list),
    ("GET", "/aliases", _aliases),
    ("POST", "/collections/aliases", _change_aliases),
    ("GET", f"{_ONE}/aliases", _aliases_of),
    ("GET", f"{_ONE}/exists", _exists),
    ("GET", _ONE, _describe),
    ("PUT", _ONE, _create),
    ("PATCH", _ONE, _change),
    ("DELETE", _ONE, _drop),
    ("PUT", f"{_ONE}/index", _create_index),
    ("DELETE", f"{_ONE}/index/{{field}}", _drop_index),
    ("PUT", f"{_ONE}/points", _updating("upsert")),
    ("POST", f"{_ONE}/points", _retrieve),
    ("GET", f"{_ONE}/points/{{id}}", _fetch),
    ("POST", f"{_ONE}/points/delete", _updating("delete")),
    ("PUT", f"{_ONE}/points/vectors", _updating("update_vectors")),
    ("POST", f"{_ONE}/points/vectors/delete", _updating("delete_vectors")),
    ("POST", f"{_ONE}/points/payload", _updating("set_payload")),
    ("PUT", f"{_ONE}/points/payload", _updating("overwrite_payload")),
    ("POST", f"{_ONE}/points/payload/delete", _updating("delete_payload")),
    ("POST", f"{_ONE}/points/payload/clear", _updating("clear_payload")),
    ("POST", f"{_ONE}/points/batch", _batch),
    ("POST", f"{_ONE}/points/scroll", _scroll),
    ("POST", f"{_ONE}/points/count", _count),
    ("POST", f"{_ONE}/points/query", _query),
    ("POST", f"{_ONE}/points/query/batch", _query_batch),
    ("POST", f"{_ONE}/facet", _facet),
)
"""Method, path and call."""
