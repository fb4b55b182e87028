"""An empty index over the embedded engine, Qdrant's own reference in memory, and a real server when QDRANT_URL is set."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from qdrant_client import AsyncQdrantClient

from core.indexing.qdrant import connect
from tests.conftest import SERVER_URL


@pytest.fixture(params=["engine", "memory", *(["server"] if SERVER_URL else [])])
def client_of(request: pytest.FixtureRequest) -> Callable[[], AsyncQdrantClient]:
    if request.param == "engine":
        return partial(connect, socket=request.getfixturevalue("shared_engines").qdrant_socket)
    if request.param == "server":
        return partial(connect, url=SERVER_URL, api_key=os.environ.get("QDRANT_API_KEY"))
    return partial(AsyncQdrantClient, ":memory:")


@pytest.fixture
async def client(client_of: Callable[[], AsyncQdrantClient]) -> AsyncIterator[AsyncQdrantClient]:
    client = client_of()
    yield client
    await client.close()


@pytest.fixture
async def name(client: AsyncQdrantClient) -> AsyncIterator[str]:
    """An alias that nobody has used."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    for collection in (await client.get_collections()).collections:
        if collection.name.startswith(name):
            await client.delete_collection(collection.name)
