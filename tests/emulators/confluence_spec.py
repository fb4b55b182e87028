"""Atlassian's own OpenAPI documents as the judge of what is asked of Confluence Cloud and of what the emulator answers.

The emulator has its traffic judged wherever FOOTNOTE_SPECS names the folder of the documents: see ``ConfluenceApi.flaws``.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator

SAMPLE = 10
"""How many results of an answer are judged: they are all made alike."""
_GATEWAY = re.compile(r"^/ex/confluence/[^/]+")
_FORGOTTEN = {"parentId", "parentType", "homepageId", "description", "icon"}
"""Null where there is none, which the documents say in words or not at all."""


class Specification:
    """Of v2, every path and parameter must be there. The document of v1 is of 2021: only what it describes is judged."""

    def __init__(self, folder: Path) -> None:
        v2 = json.loads((folder / "confluence-cloud-v2.openapi.json").read_text(encoding="utf-8"))
        v1 = json.loads((folder / "confluence-cloud-v1.openapi.json").read_text(encoding="utf-8"))
        self._documents = {"v2": _with_null(v2), "v1": _with_null(v1)}
        self._validators: dict[int, Any] = {}
        self._paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", prefix + path)), version, path)
            for version, prefix in (("v2", "/wiki/api/v2"), ("v1", ""))
            for path in self._documents[version]["paths"]
        ]
        self._paths.sort(key=lambda item: item[2].count("{"))

    def request(self, request: httpx.Request) -> list[str]:
        found = self._operation(request)
        path = _GATEWAY.sub("", request.url.path)
        if found is None:
            return [f"{request.method} {path} is not in the API"] if path.startswith("/wiki/api/v2") else []
        version, operation = found
        document = self._documents[version]
        parameters = {}
        for parameter in operation.get("parameters", []):
            known = _at(document, parameter["$ref"]) if "$ref" in parameter else parameter
            if known["in"] == "query":
                parameters[known["name"]] = known
        flaws = []
        for name, value in request.url.params.multi_items():
            if name in parameters:
                problems = self._errors(version, parameters[name]["schema"], _read(document, parameters[name]["schema"], value))
                flaws += [f"{request.method} {path} {name}: {problem}" for problem in problems]
            elif version == "v2":
                flaws.append(f"{request.method} {path} has no parameter {name}")
        missing = [name for name, known in parameters.items() if known.get("required") and name not in request.url.params]
        flaws += [f"{request.method} {path} needs {name}" for name in missing]
        if request.content:
            body = operation["requestBody"]
            body = _at(document, body["$ref"]) if "$ref" in body else body
            schema = body["content"]["application/json"]["schema"]
            flaws += [f"{request.method} {path} {p}" for p in self._errors(version, schema, json.loads(request.content))]
        return flaws

    def response(self, request: httpx.Request, status: int, content: bytes) -> list[str]:
        found = self._operation(request)
        if found is None or status in {405, 429} or status >= 500:
            return []
        version, operation = found
        where = f"{status} of {request.method} {_GATEWAY.sub('', request.url.path)}"
        described = operation["responses"].get(str(status))
        if described is None:
            return [] if version == "v1" else [f"{where} is never answered"]
        schema = described.get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return []
        body = json.loads(content)
        if isinstance(body, dict) and isinstance(results := body.get("results"), list):
            body["results"] = results[:SAMPLE]
        return [f"{where}: {problem}" for problem in self._errors(version, schema, body)]

    def _operation(self, request: httpx.Request) -> tuple[str, Any] | None:
        """The most literal path wins."""
        path = _GATEWAY.sub("", request.url.path)
        for pattern, version, name in self._paths:
            if pattern.fullmatch(path) and request.method.lower() in self._documents[version]["paths"][name]:
                return version, self._documents[version]["paths"][name][request.method.lower()]
        return None

    def _errors(self, version: str, schema: Any, value: Any) -> list[str]:
        if id(schema) not in self._validators:
            whole = {**schema, "components": self._documents[version]["components"]}
            self._validators[id(schema)] = Draft202012Validator(whole)
        return [f"{error.json_path} {error.message[:300]}" for error in self._validators[id(schema)].iter_errors(value)]


def _read(document: Any, schema: Any, value: str) -> Any:
    """As the schema means it: a list may be written with commas."""
    schema = _at(document, schema["$ref"]) if "$ref" in schema else schema
    if schema.get("type") == "array":
        return [_read(document, schema.get("items", {}), item) for item in value.split(",")]
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    return {"true": True, "false": False}.get(value, value) if schema.get("type") == "boolean" else value


def _at(document: Any, reference: str) -> Any:
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def _with_null(node: Any, name: str = "") -> Any:
    """OpenAPI 3.0 says ``nullable`` where JSON Schema says that null is one of the types."""
    if isinstance(node, list):
        return [_with_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _with_null(item, key) for key, item in node.items() if key != "nullable"}
    if node.get("type") == "array" and "enum" in node:
        # v1 says so of the list, and means what is in it.
        plain["items"] = plain["items"] | {"enum": plain.pop("enum")}
    schema = "type" in node or "$ref" in node or "allOf" in node
    if node.get("nullable") is True or (name in _FORGOTTEN and schema):
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


@cache
def load() -> Specification | None:
    folder = os.environ.get("FOOTNOTE_SPECS")
    return Specification(Path(folder)) if folder else None
