"""``pytest tests/benchmarks -m benchmark --full -s -n 0`` measures at full size; without ``--full`` in a short form."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="benchmarks at full size")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    # Only known when this folder was named on the command line.
    return bool(request.config.getoption("--full", default=False))
