"""Payload indexes: Qdrant's field schemas as the engine's parameters, and back."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from core.embedded.fields import Fields, Refused

_MEMORY = {"cold": edge.Memory.Cold, "cached": edge.Memory.Cached, "pinned": edge.Memory.Pinned}
_TOKENIZERS = {
    "prefix": edge.TokenizerType.Prefix,
    "whitespace": edge.TokenizerType.Whitespace,
    "word": edge.TokenizerType.Word,
    "multilingual": edge.TokenizerType.Multilingual,
}
_KINDS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "keyword": (edge.KeywordIndexParams, ("is_tenant", "prefix")),
    "integer": (edge.IntegerIndexParams, ("lookup", "range", "is_principal")),
    "float": (edge.FloatIndexParams, ("is_principal",)),
    "geo": (edge.GeoIndexParams, ()),
    "bool": (edge.BoolIndexParams, ()),
    "datetime": (edge.DatetimeIndexParams, ("is_principal",)),
    "uuid": (edge.UuidIndexParams, ("is_tenant",)),
    "text": (edge.TextIndexParams, ("lowercase", "ascii_folding", "phrase_matching")),
}
_COMMON = ("on_disk", "enable_hnsw")


def build_index(body: Any) -> edge.UpdateOperation:
    """The operation that makes an index on a payload field."""
    fields = Fields(body, "index request")
    name, schema = fields.required_text("field_name"), fields.take("field_schema")
    fields.finish()
    if schema is None:
        raise Refused.unsupported("an index without `field_schema`")
    parameters = Fields({"type": schema} if isinstance(schema, str) else schema, "field_schema")
    kind = parameters.text("type")
    if kind not in _KINDS:
        raise Refused.bad(f"`{kind}` is not a type of index: use {', '.join(_KINDS)}")
    make, flags = _KINDS[kind]
    arguments: dict[str, Any] = {flag: parameters.flag(flag) for flag in (*flags, *_COMMON)}
    arguments["memory"] = memory(parameters.text("memory"))
    if kind == "text":
        arguments |= _text_arguments(parameters)
    parameters.finish()
    return edge.UpdateOperation.create_field_index(name, make(**arguments))


def memory(name: str | None) -> Any:
    """Where a component is kept: on disk, cached or pinned in memory."""
    if name is None:
        return None
    if name not in _MEMORY:
        raise Refused.bad(f"`{name}` is not a memory placement: use {', '.join(_MEMORY)}")
    return _MEMORY[name]


def _text_arguments(parameters: Fields) -> dict[str, Any]:
    tokenizer = parameters.text("tokenizer") or "word"
    if tokenizer not in _TOKENIZERS:
        raise Refused.unsupported(f"the tokenizer `{tokenizer}`")
    return {
        "tokenizer": _TOKENIZERS[tokenizer],
        "min_token_len": parameters.count("min_token_len"),
        "max_token_len": parameters.count("max_token_len"),
    }


def render_index(info: edge.PayloadIndexInfo) -> dict[str, Any]:
    """``data_type``, ``params`` and ``points`` as in a collection's ``payload_schema``."""
    kind = name_of(info.data_type)
    rendered: dict[str, Any] = {"data_type": kind, "points": info.points}
    params = info.params
    if params is not None:
        parameters: dict[str, Any] = {"type": kind}
        for flag in (*_KINDS[kind][1], *_COMMON):
            parameters[flag] = getattr(params, flag)
        if params.memory is not None:
            parameters["memory"] = name_of(params.memory)
        if isinstance(params, edge.TextIndexParams):
            parameters["tokenizer"] = name_of(params.tokenizer)
            parameters["min_token_len"] = params.min_token_len
            parameters["max_token_len"] = params.max_token_len
        rendered["params"] = {name: value for name, value in parameters.items() if value is not None}
    return rendered


def name_of(member: Any) -> str:
    """The engine's enums print as ``Memory.Cold``; REST says ``cold``."""
    return str(member).rpartition(".")[2].lower()
