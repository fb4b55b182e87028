"""How an emulated Confluence answers: what it was asked for, a refusal in Atlassian's own words, or half of it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.emulators.confluence_faults import Broken, Fault
from tests.emulators.confluence_http import Refused


def answer(body: Any) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    if (
        isinstance(body, dict)
        and isinstance(links := body.get("_links"), dict)
        and str(links.get("next")).startswith("/wiki/api")
    ):
        headers["Link"] = f'<{links["next"]}>; rel="next", <{links["base"]}>; rel="base"'
    return httpx.Response(200, content=json.dumps(body, ensure_ascii=False).encode(), headers=headers)


async def spoil(response: httpx.Response, fault: Fault) -> httpx.Response:
    if not (fault.cut or fault.truncated):
        return response
    content, headers = await response.aread(), {"Content-Type": response.headers.get("Content-Type", "application/json")}
    if fault.truncated:
        return httpx.Response(200, content=content[: len(content) // 2], headers=headers)
    return httpx.Response(200, headers=headers | {"Content-Length": str(len(content))}, stream=Broken(content))


def refusal(refused: Refused, path: str, *, data_center: bool) -> httpx.Response:
    status, message = refused.status, refused.message
    if status == 401 and not data_center:
        return httpx.Response(401, json={"code": 401, "message": message}, headers={"WWW-Authenticate": "OAuth"})
    if "/api/v2/" in path:
        error = {"status": status, "code": refused.code, "title": message, "detail": None}
        return httpx.Response(status, json={"errors": [error]})
    data = {"authorized": status not in {401, 403, 404}, "valid": True, "errors": [], "successful": False}
    body: dict[str, Any] = {"statusCode": status, "data": data, "message": message}
    if data_center:
        data["allowedInReadOnlyMode"] = True
        body["reason"] = httpx.codes.get_reason_phrase(status)
    return httpx.Response(status, json=body)
