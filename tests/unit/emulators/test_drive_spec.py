"""What the emulator knows of Google's APIs is what Google's discovery documents say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.drive_fields import DEFAULTS, SCHEMAS, mask_of
from tests.emulators.drive_resources import _FILE
from tests.emulators.drive_routes import ROUTES
from tests.emulators.drive_spec import Discovery, load


@pytest.fixture(scope="module")
def google() -> Discovery:
    found = load()
    assert found, "install google-api-python-client, or set FOOTNOTE_DRIVE_DISCOVERY to a copy of drive.v3.json"
    return found


def paths(fields: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, below in fields.items():
        yield (name,)
        yield from ((name, *rest) for rest in paths(below or {}))


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_field_is_one_of_googles(google: Discovery, schema: str) -> None:
    assert [path for path in paths(SCHEMAS[schema]) if not google.has(schema, path)] == []
    if schema in DEFAULTS:
        mask_of(DEFAULTS[schema], schema)


def test_every_field_of_a_file_is_filled_in() -> None:
    assert set(SCHEMAS["File"]) == set(_FILE)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.name not in {"token", "exportLinks"}], ids=lambda r: r.name)
def test_every_method_and_parameter_is_one_of_googles(google: Discovery, route: Any) -> None:
    described = google.method(route.name)
    assert (described["httpMethod"], described["flatPath"].rpartition("/")[2]) == (route.method, route.path.rpartition("/")[2])
    kinds = {"string": str, "boolean": bool, "integer": int}
    told = {name: kinds[parameter["type"]] for name, parameter in described.get("parameters", {}).items()}
    assert dict(route.parameters).items() <= told.items()
    assert described.get("response", {}).get("$ref", "") == route.schema
    assert route.scopes & set(described["scopes"])


@pytest.mark.parametrize(
    ("query", "flaw"),
    [
        ({"pageSize": "2000"}, "pageSize may not be '2000'"),
        ({"colour": "red"}, "there is no parameter colour"),
        ({"supportsAllDrives": "yes"}, "supportsAllDrives is no boolean: 'yes'"),
        ({"alt": "xml"}, "alt may not be 'xml'"),
    ],
)
def test_a_wrong_request_is_a_flaw(google: Discovery, query: dict[str, str], flaw: str) -> None:
    assert google.request("files.list", {}, query.items()) == [f"files.list: {flaw}"]
    assert google.request("changes.list", {}, []) == ["changes.list: pageToken is missing"]
    assert google.request("files.get", {"fileId": "1"}, []) == []


@pytest.mark.parametrize(
    ("file", "flaw"),
    [
        ({"size": 3}, "answer.files[].size is no string: 3"),
        ({"size": "3.0"}, "answer.files[].size is no int64: '3.0'"),
        ({"colour": "red"}, "answer.files[] has no colour"),
        ({"modifiedTime": "today"}, "answer.files[].modifiedTime is no date-time: 'today'"),
        ({"parents": "1"}, "answer.files[].parents is no array: '1'"),
        ({"capabilities": {"canDownload": 1}}, "answer.files[].capabilities.canDownload is no boolean: 1"),
    ],
)
def test_a_wrong_answer_is_a_flaw(google: Discovery, file: dict[str, Any], flaw: str) -> None:
    assert google.answer("files.list", {"files": [file]}) == [f"files.list: {flaw}"]
    assert google.answer("files.list", {"files": [{"size": "3", "exportLinks": {"text/plain": "https://x"}}]}) == []
