"""Judges requests and answers by an OpenAPI 3.0 document. Errors are AssertionErrors that name the call."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema


class Description:
    """An API as its publisher describes it."""

    def __init__(self, path: Path) -> None:
        document = _nullable_as_null(json.loads(path.read_text(encoding="utf-8")))
        self._paths: dict[str, Any] = document["paths"]
        self._components = {"components": document["components"]}
        self.judged = 0

    def judge(self, request: httpx.Request, answer: httpx.Response, body: bytes) -> None:
        """Check both sides of one exchange; the answer's body has been read."""
        operation, called = self._operation(request)
        known = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
        for name in request.url.params:
            assert name in known, f"{called} has no parameter {name}"
        if request.content:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self._check(json.loads(request.content), schema, f"request of {called}")
        responses = operation["responses"]
        described = responses.get(str(answer.status_code)) or responses.get("4XX") or responses["default"]
        schema = described["content"]["application/json"]["schema"]
        self._check(json.loads(body), schema, f"answer {answer.status_code} of {called}")
        self.judged += 1

    def _operation(self, request: httpx.Request) -> tuple[dict[str, Any], str]:
        """The most literal path wins: ``/points/query`` over ``/points/{id}``."""
        fitting = [path for path in self._paths if _pattern(path).fullmatch(request.url.path)]
        assert fitting, f"{request.url.path} is not a path of the API"
        path = min(fitting, key=lambda path: path.count("{"))
        return self._paths[path][request.method.lower()], f"{request.method} {path}"

    def _check(self, value: Any, schema: dict[str, Any], what: str) -> None:
        validator = jsonschema.Draft202012Validator({**schema, **self._components})
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        assert error is None, f"{what}: {error.json_path} {error.message:.300}"


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


def _nullable_as_null(node: Any) -> Any:
    """OpenAPI 3.0 says ``nullable`` where JSON Schema says that null is one of the types."""
    if isinstance(node, list):
        return [_nullable_as_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _nullable_as_null(item) for name, item in node.items() if name != "nullable"}
    if node.get("nullable") is not True:
        return plain
    return {"anyOf": [plain, {"type": "null"}]} if plain else {"type": "null"}
