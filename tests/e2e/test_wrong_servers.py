"""Addresses and keys of servers that are wrong: what is said, with which setting, how soon."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.installation import Installation
from tests.redis_servers import PASSWORD, behind_password


@pytest.fixture
def installation(data_dir: Path) -> Installation:
    settings = {"FOOTNOTE_DATA_DIR": str(data_dir / "d"), "FOOTNOTE_HTTP_PORT": "0", "FOOTNOTE_LOG_FORMAT": "json"}
    return Installation(data_dir, settings)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Connections come about, and nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@asynccontextmanager
async def qdrant_with_another_key() -> AsyncIterator[str]:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=401, text="Invalid API key or JWT")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.slow
async def test_a_qdrant_that_is_not_there_stops_the_start_in_half_a_minute_and_is_named(installation: Installation) -> None:
    began = time.monotonic()
    ran = await installation.run("serve", QDRANT_URL="http://127.0.0.1:1")
    assert (ran.status, "QDRANT_URL http://127.0.0.1:1 does not answer" in ran.err) == (2, True), ran.err
    assert time.monotonic() - began < 30


@pytest.mark.slow
async def test_a_qdrant_that_never_answers_stops_the_start_in_half_a_minute_too(
    installation: Installation, silent_port: int
) -> None:
    began = time.monotonic()
    ran = await installation.run("serve", QDRANT_URL=f"http://127.0.0.1:{silent_port}")
    assert (ran.status, "QDRANT_URL" in ran.err) == (2, True), ran.err
    assert time.monotonic() - began < 40


@pytest.mark.slow
async def test_a_key_that_qdrant_refuses_is_named_at_once(installation: Installation) -> None:
    async with qdrant_with_another_key() as url:
        ran = await installation.run("serve", QDRANT_URL=url, QDRANT_API_KEY="geheim")
    assert (ran.status, "QDRANT_API_KEY" in ran.err, "geheim" in ran.err) == (2, True, False), ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.slow
async def test_a_password_that_redis_refuses_is_named_and_stops_the_start(installation: Installation) -> None:
    async with behind_password(installation.home / "r") as url:
        wrong = url.replace(url.split(":")[2].split("@")[0], "geheim")
        assert PASSWORD not in wrong
        checked = await installation.run("check", "--json", REDIS_URL=wrong)
        served = await installation.run("serve", REDIS_URL=wrong)
    [redis] = [row for row in checked.json if row["part"] == "redis"]
    assert (checked.status, redis["ok"], "REDIS_URL" in redis["detail"]) == (1, False, True)
    assert served.status == 2
    assert "REDIS_URL" in served.err.splitlines()[-1]
    assert "geheim" not in checked.out + checked.err + served.out + served.err


@pytest.mark.slow
@pytest.mark.parametrize("which", ["nobody", "silent"])
async def test_a_redis_that_is_not_there_is_named_and_stops_nothing(
    installation: Installation, silent_port: int, which: str
) -> None:
    url = "redis://127.0.0.1:1" if which == "nobody" else f"redis://127.0.0.1:{silent_port}"
    checked = await installation.run("check", "--json", REDIS_URL=url)
    [redis] = [row for row in checked.json if row["part"] == "redis"]
    assert (checked.status, redis["ok"], "REDIS_URL" in redis["detail"]) == (1, False, True)
    process = await installation.start("serve", REDIS_URL=url)
    try:
        assert process.stderr is not None
        lines, address = [], None
        async with asyncio.timeout(60):
            while address is None:
                lines.append(json.loads(await process.stderr.readline()))
                address = lines[-1].get("http")
        [warning] = [line for line in lines if line["event"] == "redis.away"]
        assert "REDIS_URL" in warning["error"]
        async with aiohttp.ClientSession() as session, session.get(f"{address}/readyz") as response:
            body = await response.json()
            assert (response.status, "REDIS_URL" in body["parts"]["redis"]) == (503, True)
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
