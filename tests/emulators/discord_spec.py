"""Discord's own OpenAPI document as the judge of what the bot sends and of what the emulator answers."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_ROOT = "urn:discord"


class Specification:
    """Checks bodies by method, path and status. Made only where ``FOOTNOTE_SPECS`` names the folder of the document."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self._document = json.loads(text)
        # Discord writes ids as strings, and reads them as numbers too.
        lenient = json.loads(text)
        lenient["components"]["schemas"]["SnowflakeType"] = {"type": ["string", "integer"], "pattern": "^(0|[1-9][0-9]*)$"}
        self._requests, self._responses = _registry(lenient), _registry(self._document)
        self._paths = [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path) for path in self._document["paths"]]
        # "@original" stands beside "{message_id}": the literal path is the better match.
        self._paths.sort(key=lambda item: item[1].count("{"))

    def request(self, method: str, path: str, body: Any) -> list[str]:
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not in Discord's API"]
        if "requestBody" not in operation or body is None:
            return []
        content = operation["requestBody"]["content"]["application/json"]
        return self._errors(content["schema"], self._requests, body)

    def response(self, method: str, path: str, status: int, body: Any) -> list[str]:
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not in Discord's API"]
        if status >= 500:
            return []
        responses = operation["responses"]
        described = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if described is None:
            return [f"{method} {path} never answers {status}"]
        if "$ref" in described:
            described = self._document["components"]["responses"][described["$ref"].rpartition("/")[2]]
        schema = described.get("content", {}).get("application/json", {}).get("schema")
        return self._errors(schema, self._responses, body) if schema else []

    def _operation(self, method: str, path: str) -> Any:
        for pattern, name in self._paths:
            if pattern.match(path) and method.lower() in self._document["paths"][name]:
                return self._document["paths"][name][method.lower()]
        return None

    def _errors(self, schema: Any, registry: Registry[Any], body: Any) -> list[str]:
        # References lead from the part into the document.
        absolute = json.loads(json.dumps(schema).replace('"#/', f'"{_ROOT}#/'))
        return [
            f"{'.'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:300]}"
            for error in Draft202012Validator(absolute, registry=registry).iter_errors(body)
        ]


def _registry(document: Any) -> Registry[Any]:
    return Registry().with_resource(_ROOT, Resource.from_contents(document, default_specification=DRAFT202012))


@cache
def load() -> Specification | None:
    folder = os.environ.get("FOOTNOTE_SPECS")
    return Specification(Path(folder) / "discord-v10.openapi.json") if folder else None
