"""The one way to a service, against a real server that says what a test wants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from connectors.http import Http, Rejected, is_public
from core.errors import AuthError, DocumentError, FootnoteError, TransientError
from core.limits import LocalLimiter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "canary-4f1d"


class Token:
    """A credential that may be renewed so many times."""

    def __init__(self, renewals: int = 0) -> None:
        self.number = 0
        self._renewals = renewals

    async def headers(self):
        return {"Authorization": f"Bearer {SECRET}{self.number}"}

    async def renew(self) -> bool:
        if self.number == self._renewals:
            return False
        self.number += 1
        return True


@asynccontextmanager
async def a_service(handler: Handler, credential: Token | None = None, **options: object) -> AsyncIterator[Http]:
    async with _listening(handler) as base:
        http = Http("Pages", base, credential or Token(), LocalLimiter(rate=1000, burst=1000), **options)
        yield http
        await http.close()


@asynccontextmanager
async def _listening(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def in_turn(*answers: web.StreamResponse | Callable[[], web.StreamResponse]) -> tuple[Handler, list[web.Request]]:
    """Answers one after the other, the last one for ever; and the requests that came."""
    came: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        came.append(request)
        answer = answers[min(len(came), len(answers)) - 1]
        return answer() if callable(answer) else answer

    return handler, came


def ok(**fields: object) -> Callable[[], web.Response]:
    return lambda: web.json_response(fields or {"ok": True})


def status(code: int, body: object = None, **headers: str) -> Callable[[], web.Response]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: web.json_response(body or {"message": "no"}, status=code, headers=sent)


async def test_an_answer_is_json_and_the_credential_is_sent_with_the_request():
    handler, came = in_turn(ok(pages=3))
    async with a_service(handler) as http:
        assert await http.json("/api/pages", {"limit": 250}) == {"pages": 3}
    assert came[0].headers["Authorization"] == f"Bearer {SECRET}0"
    assert came[0].rel_url.query == {"limit": "250"}


@pytest.mark.parametrize("code", [500, 502, 503, 504, 408, 429])
async def test_what_passes_is_asked_again(code: int):
    handler, came = in_turn(status(code), status(code), ok())
    async with a_service(handler) as http:
        assert await http.json("/x") == {"ok": True}
    assert len(came) == 3


async def test_a_service_that_asks_for_a_pause_gets_it_from_everybody_with_that_credential():
    times: list[float] = []

    async def handler(_request: web.Request) -> web.Response:
        times.append(time.monotonic())
        return status(429, Retry_After="1")() if len(times) == 1 else ok()()

    async with a_service(handler) as http:
        first = asyncio.create_task(http.json("/first"))
        while not times:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        await asyncio.gather(first, http.json("/second"), http.json("/third"))
    assert all(moment - times[0] >= 1.0 for moment in times[1:])


async def test_a_pause_longer_than_we_wait_is_given_up_at_once_and_says_so():
    handler, came = in_turn(status(429, Retry_After="3600"))
    async with a_service(handler) as http:
        with pytest.raises(TransientError, match="429") as refused:
            await http.json("/x")
    assert (len(came), refused.value.retry_after) == (1, 3600)


async def test_a_refusal_is_told_once_with_its_body():
    handler, came = in_turn(status(403, {"reason": "no licence"}))
    async with a_service(handler) as http:
        with pytest.raises(Rejected) as refused:
            await http.json("/x")
    assert (len(came), refused.value.status, refused.value.body) == (1, 403, {"reason": "no licence"})
    assert "licence" not in str(refused.value)


async def test_a_service_may_say_in_its_own_way_that_it_passes():
    handler, came = in_turn(status(403, {"reason": "rate"}), ok())
    async with a_service(handler, is_transient=lambda code, body: code == 403 and body == {"reason": "rate"}) as http:
        assert await http.json("/x") == {"ok": True}
    assert len(came) == 2


async def test_a_refused_credential_is_renewed_once_and_then_an_operator_must_act():
    handler, came = in_turn(status(401), ok())
    async with a_service(handler, Token(renewals=1)) as http:
        assert await http.json("/x") == {"ok": True}
    assert [request.headers["Authorization"][-1] for request in came] == ["0", "1"]
    handler, came = in_turn(status(401))
    async with a_service(handler, Token(renewals=1)) as http:
        with pytest.raises(AuthError, match="renew them"):
            await http.json("/x")
    assert len(came) == 2


async def test_a_page_where_json_should_be_is_an_error_that_names_the_address():
    handler, came = in_turn(lambda: web.Response(text="<html>Log in</html>", content_type="text/html"))
    async with a_service(handler) as http:
        with pytest.raises(TransientError, match="not JSON, as a login page"):
            await http.json("/api/x", attempts=2)
    assert len(came) == 2


async def test_half_an_answer_is_asked_for_again():
    came = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal came
        came += 1
        if came > 1:
            return ok()()
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b'{"half":')
        assert request.transport is not None
        request.transport.close()
        return answer

    async with a_service(handler) as http:
        assert await http.json("/x") == {"ok": True}
    assert came == 2


async def test_nobody_there_is_an_error_without_the_query():
    http = Http("Pages", "http://127.0.0.1:1", Token(), LocalLimiter())
    with pytest.raises(TransientError, match=r"Pages does not answer at 127\.0\.0\.1") as refused:
        await http.json(f"/x?token={SECRET}", attempts=1)
    assert SECRET not in str(refused.value)
    await http.close()


@pytest.mark.parametrize("declared", [True, False])
async def test_a_file_beyond_the_limit_is_not_read_to_its_end(declared: bool):
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse(headers={"Content-Length": str(300_000_000)} if declared else {})
        await answer.prepare(request)
        try:
            for _ in range(300):
                await answer.write(b"x" * 1_000_000)
                sent += 1_000_000
        except OSError:
            pass
        return answer

    async with a_service(handler) as http:
        with pytest.raises(DocumentError, match="more than the 10 MB"):
            await http.content("/file", limit=10_000_000)
    assert sent < 100_000_000


async def test_the_credential_stays_with_its_host_when_a_download_is_elsewhere():
    elsewhere, there = in_turn(lambda: web.Response(body=b"bytes"))
    async with _listening(elsewhere) as other:

        async def handler(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"{other}/signed?key=1")

        async with a_service(handler) as http:
            assert await http.content("/file", limit=100) == b"bytes"
    assert "Authorization" not in there[0].headers


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http://169.254.169.254/latest/",
            "https://169.254.169.254/",
            "https://127.0.0.1:9/",
            "https://10.0.0.1/",
            "https://0.0.0.0/",
        ),
        *("https://[::1]/", "https://[fd00::1]/", "https://[fe80::1]/", "https://224.0.0.1/", "https://100.64.0.1/"),
        *("https://[::ffff:10.0.0.1]/", "https://[2002:a00:1::]/", "https://[64:ff9b::a9fe:a9fe]/"),
        *("http://pages.example.com/", "file:///etc/passwd", "ftp://files.example.com/"),
    ],
)
async def test_nobody_sends_us_into_a_private_network(target: str):
    """The service is a public one here, by name; only where it points to is asked for."""

    class Answers:
        async def handle_async_request(self, request):
            import httpx

            return httpx.Response(302, headers={"location": target}, request=request)

        async def aclose(self) -> None:
            pass

    http = Http("Pages", "https://pages.example.com", Token(), LocalLimiter(), transport=Answers())
    with pytest.raises(FootnoteError, match="no public https host"):
        await http.content("/file", limit=100)


@pytest.mark.parametrize("name", ["localhost", "2130706433", "0x7f.1", "nowhere.invalid"])
async def test_a_name_that_leads_into_a_private_network_or_nowhere_is_no_public_one(name: str):
    assert not await is_public(f"https://{name}/", resolves=True)


async def test_an_answer_that_trickles_in_is_given_up():
    gone = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x")
                await asyncio.sleep(0.01)
        except (OSError, asyncio.CancelledError):
            gone.set()
            raise

    async with a_service(handler, whole=0.2) as http:
        with pytest.raises(TransientError, match="TimeoutError"):
            await http.json("/file", attempts=1)
        async with asyncio.timeout(10):
            await gone.wait()


async def test_a_link_to_another_host_in_an_answer_is_not_followed():
    handler, _ = in_turn(ok())
    async with a_service(handler) as http:
        with pytest.raises(FootnoteError, match="another host"):
            await http.json("https://evil.example/api?cursor=1")


async def test_redirects_in_circles_end():
    async def handler(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/x")

    async with a_service(handler) as http:
        with pytest.raises(FootnoteError, match="in circles"):
            await http.json("/x")


async def test_no_more_than_four_requests_are_in_flight():
    now = most = 0

    async def handler(_request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return ok()()

    async with a_service(handler) as http:
        await asyncio.gather(*(http.json(f"/{number}") for number in range(20)))
    assert most == 4
