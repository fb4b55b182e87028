"""Notifications are believed only with a proof, answered at once, and a burst of them makes a few syncs."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from bots.http import HttpServer
from bots.push import Push
from core.errors import TransientError
from core.models import SyncRequest

SECRET = "a secret of some length"
BEARER = {"Authorization": f"Bearer {SECRET}"}


class Queue:
    """Takes requests; while it is ``away`` it takes none."""

    def __init__(self) -> None:
        self.requests: list[SyncRequest] = []
        self.away = False

    async def submit(self, request: SyncRequest) -> None:
        if self.away:
            raise TransientError("the queue of syncs cannot be reached")
        self.requests.append(request)


def page(body: bytes) -> str | None:
    return str(json.loads(body)["page"]) if body.startswith(b"{") else None


@asynccontextmanager
async def listening(queue: Queue, secret: str | None = SECRET, *, pause: float = 0.0) -> AsyncIterator[httpx.AsyncClient]:
    push = Push(secret, ["wiki", "drive"], queue.submit, {"wiki": page}, pause=pause) if secret else None
    server = HttpServer("127.0.0.1", 0, {}, push=push)
    await server.start()
    limits = httpx.Limits(max_connections=50)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", limits=limits, timeout=60) as http:
            yield http
    finally:
        await server.stop()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


BODY = b'{"page": 7}'
PROOFS = {
    "a bearer secret": BEARER,
    "a signature over the body": signed(BODY),
    "a channel's token": {"X-Goog-Channel-Token": SECRET, "X-Goog-Resource-State": "change"},
}


@pytest.mark.parametrize("headers", PROOFS.values(), ids=PROOFS)
async def test_who_proves_to_know_the_secret_starts_a_sync_of_what_changed(headers: dict[str, str]) -> None:
    queue = Queue()
    async with listening(queue) as http:
        assert (await http.post("/push/wiki", content=BODY, headers=headers)).status_code == 202
    (request,) = queue.requests
    assert (request.source, request.requested_by, request.scope) == ("wiki", "push", "7")


async def test_a_notification_that_names_nothing_starts_a_sync_of_all() -> None:
    queue = Queue()
    async with listening(queue) as http:
        assert (await http.post("/push/wiki", headers=BEARER)).status_code == 202
        assert (await http.post("/push/drive", content=BODY, headers=BEARER)).status_code == 202
    assert [(request.source, request.scope) for request in queue.requests] == [("wiki", None), ("drive", None)]


async def test_a_name_without_end_is_none() -> None:
    queue = Queue()
    async with listening(queue) as http:
        body = json.dumps({"page": "7" * 3000}).encode()
        assert (await http.post("/push/wiki", content=body, headers=BEARER)).status_code == 202
    assert [request.scope for request in queue.requests] == [None]


WRONG = {
    "nothing": {},
    "another secret": {"Authorization": "Bearer another secret of some length"},
    "the secret alone": {"Authorization": SECRET},
    "an empty secret": {"Authorization": "Bearer"},
    "a signature over another body": signed(b'{"page": 8}'),
    "a signature with another secret": signed(BODY, "another secret of some length"),
    "an empty signature": {"X-Hub-Signature": "sha256="},
    "a signature of another kind": {"X-Hub-Signature": "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()},
    "another channel's token": {"X-Goog-Channel-Token": "x", "X-Goog-Resource-State": "sync"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
async def test_without_a_proof_nothing_happens_and_no_source_is_betrayed(headers: dict[str, str]) -> None:
    queue = Queue()
    async with listening(queue) as http:
        for source in ("wiki", "nowhere"):
            assert (await http.post(f"/push/{source}", content=BODY, headers=headers)).status_code == 401
    assert queue.requests == []


async def test_a_header_that_is_no_text_is_no_proof() -> None:
    async with listening(Queue()) as http:
        headers = {b"Authorization": b"Bearer \xff\xfe", b"X-Goog-Channel-Token": "gehe\u00efm".encode()}
        assert (await http.post("/push/wiki", headers=headers)).status_code == 401


async def test_a_source_that_is_not_ours_is_not_found() -> None:
    async with listening(Queue()) as http:
        assert (await http.post("/push/nowhere", headers=BEARER)).status_code == 404


async def test_without_the_setting_there_is_no_such_address() -> None:
    async with listening(Queue(), secret=None) as http:
        assert (await http.post("/push/wiki", headers=BEARER)).status_code == 404


async def test_the_opening_of_a_channel_is_acknowledged_and_starts_nothing() -> None:
    queue = Queue()
    async with listening(queue) as http:
        opened = {"X-Goog-Channel-Token": SECRET, "X-Goog-Resource-State": "sync"}
        assert (await http.post("/push/drive", headers=opened)).status_code == 202
    assert queue.requests == []


async def test_more_than_a_megabyte_is_refused() -> None:
    async with listening(Queue()) as http:
        assert (await http.post("/push/wiki", content=b"x" * 1_100_000, headers=BEARER)).status_code == 413


async def test_without_a_queue_the_sender_is_told_to_come_again() -> None:
    queue = Queue()
    queue.away = True
    async with listening(queue) as http:
        answers = await asyncio.gather(*(http.post("/push/wiki", headers=BEARER) for _ in range(20)))
        assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {(503, "30")}
        queue.away = False
        assert (await http.post("/push/wiki", headers=BEARER)).status_code == 202
    assert len(queue.requests) == 1


async def test_a_burst_makes_one_request_at_once_and_one_for_the_rest() -> None:
    queue = Queue()
    async with listening(queue, pause=0.5) as http:
        bodies = [b'{"page": %d}' % number for number in range(40)]
        answers = [await http.post("/push/wiki", content=body, headers=BEARER) for body in bodies[:2]]
        answers += await asyncio.gather(*(http.post("/push/wiki", content=body, headers=BEARER) for body in bodies))
        assert {answer.status_code for answer in answers} == {202}
        await until(lambda: len(queue.requests) == 2)
    assert [request.scope for request in queue.requests] == ["0", None]


async def test_what_was_accepted_is_passed_on_when_the_queue_is_back() -> None:
    queue = Queue()
    async with listening(queue, pause=0.2) as http:
        await http.post("/push/wiki", content=BODY, headers=BEARER)
        queue.away = True
        assert (await http.post("/push/wiki", content=b'{"page": 8}', headers=BEARER)).status_code == 202
        await asyncio.sleep(0.5)
        queue.away = False
        await until(lambda: len(queue.requests) == 2)
    assert [request.scope for request in queue.requests] == ["7", "8"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
