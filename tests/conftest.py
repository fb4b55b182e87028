"""What every test may use: real engines in a folder of their own, and an environment without anybody's settings."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from redis.asyncio import Redis

from core.settings import Settings
from tests.counted import unresolved
from tests.golden import Golden
from tests.one_redis import empty_redis

if TYPE_CHECKING:
    from core.embedded.keeper import Engines

# A developer's tokens must not reach a test; a QDRANT_URL is an invitation to run the contract suites against it too.
SERVER_URL = os.environ.get("QDRANT_URL")
for _name in Settings.model_fields:
    os.environ.pop(_name.upper(), None)
    os.environ.pop(f"{_name.upper()}_FILE", None)

# The same examples every time and no clock: a change is not held up by what another one broke, nor by a busy machine.
# Who looks for new examples runs with --hypothesis-profile=search.
hypothesis.settings.register_profile("search", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("same", hypothesis.settings.get_profile("search"), derandomize=True, database=None)
hypothesis.settings.load_profile("same")


@pytest.fixture(autouse=True)
def _nothing_addressed_is_left_without_an_end() -> Iterator[None]:
    before = unresolved()
    yield
    assert unresolved() == before, "a message was addressed to the bot and did not end, or ended twice"


def pytest_xdist_auto_num_workers() -> int | None:
    """Two more than there are cores: most tests wait for somebody most of the time."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden payloads anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(update=bool(request.config.getoption("--update-golden")))


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A short path: unix sockets end at 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="fn-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture(scope="module")
def shared_engines() -> Iterator[Engines]:
    """One keeper for all tests of a module; its lease lives on a loop that runs only to attach and to release."""
    from core.embedded.keeper import attach

    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(prefix="fn-", ignore_cleanup_errors=True) as path:
        engines = loop.run_until_complete(attach(Path(path)))
        yield engines
        loop.run_until_complete(engines.release())
    loop.close()


@pytest.fixture
async def engines(data_dir: Path) -> AsyncIterator[Engines]:
    from core.embedded.keeper import attach

    engines = await attach(data_dir)
    yield engines
    await engines.release()


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    async with empty_redis() as redis:
        yield redis
