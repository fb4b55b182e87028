"""Google's own discovery documents as the judges of what the bot asks and of what the emulator answers."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_TYPES: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
    "any": object,
}
_FORMATS = {
    "int64": re.compile(r"-?[0-9]+"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
}


class Discovery:
    """Checks methods by their name, ``files.list``. Made only where the document is found."""

    def __init__(self, *documents: Mapping[str, Any]) -> None:
        self.schemas: dict[str, Any] = {}
        self._methods: dict[str, Any] = {}
        self._everywhere: dict[str, Any] = {}
        for document in documents:
            self.schemas |= document["schemas"]
            self._everywhere |= document["parameters"]
            for resource, described in document["resources"].items():
                for name, method in described.get("methods", {}).items():
                    self._methods[f"{resource}.{name}"] = method

    def request(self, method: str, named: Mapping[str, str], query: Iterable[tuple[str, str]]) -> list[str]:
        """What is wrong with a request: ``named`` is what its path says."""
        described = self._methods.get(method)
        if described is None:
            return []
        known = self._everywhere | described.get("parameters", {})
        sent = [*named.items(), *query]
        flaws = [flaw for name, value in sent for flaw in _parameter(name, value, known)]
        needed = {name for name, parameter in known.items() if parameter.get("required")} - {name for name, _ in sent}
        return [f"{method}: {flaw}" for flaw in (*flaws, *(f"{name} is missing" for name in sorted(needed)))]

    def answer(self, method: str, body: Any) -> list[str]:
        """What is wrong with the JSON of an answer."""
        described = self._methods.get(method)
        if described is None or "response" not in described:
            return []
        return [f"{method}: {flaw}" for flaw in self._value("answer", body, described["response"])]

    def method(self, name: str) -> Mapping[str, Any]:
        """As Google describes it."""
        described: Mapping[str, Any] = self._methods[name]
        return described

    def has(self, schema: str, path: Iterable[str]) -> bool:
        """Whether a schema has a field, named by what leads to it."""
        at: Any = self.schemas[schema]
        for name in path:
            at = self._resolved(at)
            at = self._resolved(at.get("items", at)).get("properties", {}).get(name)
            if at is None:
                return False
        return True

    def _resolved(self, schema: Any) -> Any:
        return self.schemas[schema["$ref"]] if "$ref" in schema else schema

    def _value(self, path: str, value: Any, schema: Any) -> Iterator[str]:
        schema = self._resolved(schema)
        kind = str(schema.get("type", "any"))
        if not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool)):
            yield f"{path} is no {kind}: {value!r:.100}"
            return
        if kind == "array":
            for item in value:
                yield from self._value(f"{path}[]", item, schema["items"])
        elif kind == "object":
            properties, more = schema.get("properties", {}), schema.get("additionalProperties")
            for name, inner in value.items():
                if name in properties or more is not None:
                    yield from self._value(f"{path}.{name}", inner, properties.get(name, more))
                else:
                    yield f"{path} has no {name}"
        elif (form := _FORMATS.get(schema.get("format", ""))) and not form.fullmatch(str(value)):
            yield f"{path} is no {schema['format']}: {value!r:.100}"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{path} may not be {value!r:.100}"


def _parameter(name: str, value: str, known: Mapping[str, Any]) -> Iterator[str]:
    parameter = known.get(name)
    if parameter is None:
        yield f"there is no parameter {name}"
        return
    kind = parameter["type"]
    if kind == "boolean" and value not in {"true", "false"}:
        yield f"{name} is no boolean: {value!r}"
    if kind == "integer" and not (value.isdecimal() and _within(int(value), parameter)):
        yield f"{name} may not be {value!r}"
    if "enum" in parameter and value not in parameter["enum"]:
        yield f"{name} may not be {value!r}"


def _within(value: int, parameter: Mapping[str, Any]) -> bool:
    return int(parameter.get("minimum", value)) <= value <= int(parameter.get("maximum", value))


@cache
def load() -> Discovery | None:
    """From where ``FOOTNOTE_DRIVE_DISCOVERY`` says that drive.v3.json is, or from google-api-python-client, if that is
    installed. The directory's document, admin.directory_v1.json, lies beside it.
    """
    named = os.environ.get("FOOTNOTE_DRIVE_DISCOVERY")
    client = importlib.util.find_spec("googleapiclient")
    if named:
        drive = Path(named)
    elif client and client.origin:
        drive = Path(client.origin).parent / "discovery_cache" / "documents" / "drive.v3.json"
    else:
        return None
    return Discovery(*(json.loads(path.read_bytes()) for path in (drive.with_name("admin.directory_v1.json"), drive)))
