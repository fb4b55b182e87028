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
        self._document = json.loads(path.read_text(encoding="utf-8"))
        resource = Resource.from_contents(self._document, default_specification=DRAFT202012)
        self._registry = Registry().with_resource(_ROOT, resource)
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
        return self._errors(content["schema"], body)

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
        return self._errors(schema, body) if schema else []

    def _operation(self, method: str, path: str) -> Any:
        for pattern, name in self._paths:
            if pattern.match(path) and method.lower() in self._document["paths"][name]:
                return self._document["paths"][name][method.lower()]
        return None

    def _errors(self, schema: Any, body: Any) -> list[str]:
        return [
            f"{'.'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:300]}"
            for error in self._validator(json.dumps(schema, sort_keys=True)).iter_errors(body)
        ]

    @cache  # noqa: B019 - one specification lives as long as the tests
    def _validator(self, schema: str) -> Draft202012Validator:
        absolute = schema.replace('"#/', f'"{_ROOT}#/')
        return Draft202012Validator(json.loads(absolute), registry=self._registry)


@cache
def load() -> Specification | None:
    folder = os.environ.get("FOOTNOTE_SPECS")
    return Specification(Path(folder) / "discord-v10.openapi.json") if folder else None
