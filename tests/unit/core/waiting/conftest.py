"""What waits for its turn, on a clock that jumps."""

from __future__ import annotations

from tests.virtual_time import LOOPS


def pytest_asyncio_loop_factories(config, item):
    return LOOPS
