"""How an emulated Confluence takes requests: routes, the values of parameters, refusals, paging."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import httpx

from tests.emulators.confluence_world import File

if TYPE_CHECKING:
    from tests.emulators.confluence_api import ConfluenceApi

Kind = Callable[[str], Any]
"""Reads one value of a parameter. Raises ValueError, with the reason, if it is not among the published ones."""


class Refused(Exception):
    def __init__(self, status: int, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or {400: "INVALID_REQUEST_PARAMETER", 404: "NOT_FOUND"}.get(status, "ERROR")


def text(value: str) -> str:
    return value


def flag(value: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueError("Expected type is Boolean")
    return value == "true"


def integer(low: int = 0, high: int | None = None) -> Kind:
    def read(value: str) -> int:
        if not re.fullmatch(r"-?\d+", value):
            raise ValueError("Expected type is Integer")
        if int(value) < low or (high is not None and int(value) > high):
            raise ValueError(f"Expected value is between {low} and {high}")
        return int(value)

    return read


def one_of(*values: str) -> Kind:
    def read(value: str) -> str:
        if value not in values:
            raise ValueError(f"Expected type is one of {', '.join(values)}")
        return value

    return read


def many(kind: Kind, most: int | None = None) -> Kind:
    """Repeated, or with commas."""

    def read(value: str) -> list[Any]:
        items = [kind(item.strip()) for item in value.split(",") if item.strip()]
        if most is not None and len(items) > most:
            raise ValueError(f"Expected are at most {most} values")
        return items

    return read


@dataclass(frozen=True)
class Call:
    """A request that was understood."""

    route: Route
    ids: Mapping[str, str]
    """What the path says."""
    query: Mapping[str, Any]
    body: Any
    empty: bool = False
    """A fault: the listing says that there is nothing."""

    def number(self, name: str = "id") -> str:
        """An id of v2 in the path: an int64."""
        if not self.ids[name].isdecimal():
            raise Refused(400, f"Provided value {{{self.ids[name]}}} for '{name}' is not the correct type. Expected type is long")
        return self.ids[name]


Handler = Callable[["ConfluenceApi", Call], Any]


class Edition(StrEnum):
    CLOUD = "cloud"
    DATA_CENTER = "data center"


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    handler: Handler
    parameters: Mapping[str, Kind]
    scopes: frozenset[str]
    """A token needs one of them; without any, nobody asks for one."""
    edition: Edition | None = None
    """None: both have it."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    def read(self, params: httpx.QueryParams) -> dict[str, Any]:
        query = {}
        for name in dict.fromkeys(params):
            if name not in self.parameters:
                raise Refused(400, f"Unknown query parameter '{name}'")
            value = ",".join(params.get_list(name))
            try:
                query[name] = self.parameters[name](value)
            except ValueError as error:
                raise Refused(400, f"Provided value {{{value}}} for '{name}' is not the correct type. {error}") from None
        return query


class Routes:
    """A list of routes below a prefix, filled by its decorators. ``scope`` names those that are good for a route."""

    def __init__(self, prefix: str, *, edition: Edition | None = None) -> None:
        self._prefix = prefix
        self._edition = edition
        self._all: list[Route] = []

    def get(
        self, *templates: str, scope: str, edition: Edition | None = None, **parameters: Kind
    ) -> Callable[[Handler], Handler]:
        return self._add("GET", templates, scope, edition, parameters)

    def post(
        self, *templates: str, scope: str, edition: Edition | None = None, **parameters: Kind
    ) -> Callable[[Handler], Handler]:
        return self._add("POST", templates, scope, edition, parameters)

    def of(self, edition: Edition) -> list[Route]:
        """Those that an edition has. Cloud serves them all below ``/wiki``."""
        prefix = "/wiki" if edition is Edition.CLOUD else ""
        return [replace(route, template=prefix + route.template) for route in self._all if route.edition in {None, edition}]

    def _add(
        self, method: str, templates: Sequence[str], scope: str, edition: Edition | None, parameters: Mapping[str, Kind]
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            named = {name.replace("_", "-"): kind for name, kind in parameters.items()}
            for template in templates:
                path, scopes = self._prefix + template, frozenset(scope.split())
                self._all.append(Route(method, path, handler, named, scopes, edition or self._edition))
            return handler

        return add


class Table:
    """Finds the route of a request. The most literal one wins: ``/user/current`` over ``/user/{id}``."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = sorted(routes, key=lambda route: route.template.count("{"))
        self._patterns = [(re.compile(re.sub(r"\{[^}]+\}", r"([^/]+)", r.template)), r) for r in self.routes]
        self._names = {route.template: re.findall(r"\{([^}]+)\}", route.template) for route in self.routes}

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Raises Refused, 404 or 405."""
        known = False
        for pattern, route in self._patterns:
            if match := pattern.fullmatch(path):
                if route.method == method:
                    return route, dict(zip(self._names[route.template], match.groups(), strict=True))
                known = True
        if known:
            raise Refused(405, "Method Not Allowed", code="METHOD_NOT_ALLOWED")
        raise Refused(404, f"null for uri: {path}")


def json_of(request: httpx.Request) -> Any:
    if not request.content:
        return None
    try:
        return json.loads(request.content)
    except ValueError:
        raise Refused(400, "The request body is not JSON") from None


# Files.


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, file: File) -> None:
        self._file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._file.pieces():
            yield piece
            await asyncio.sleep(0)


def bytes_of(file: File) -> httpx.Response:
    headers = {"Content-Type": file.media_type, "Content-Length": str(file.size)}
    return httpx.Response(200, headers=headers, stream=_Pieces(file))
