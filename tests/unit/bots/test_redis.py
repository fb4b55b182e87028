"""What REDIS_URL may say, and what is said when it is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from redis.asyncio import Redis, RedisCluster, SSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedSSLConnection

from bots.redis import connect_redis, probe_redis
from core.errors import ConfigError, TransientError


def options(redis: Redis) -> dict[str, Any]:
    return dict(redis.connection_pool.connection_kwargs)


def nodes(redis: Redis) -> list[tuple[str, int]]:
    pool = cast("SentinelConnectionPool", redis.connection_pool)
    return [(options(sentinel)["host"], options(sentinel)["port"]) for sentinel in pool.sentinel_manager.sentinels]


def test_a_server_may_have_a_user_a_password_with_marks_and_a_database() -> None:
    found = options(connect_redis("redis://ana:p%40ss%2Fw@cache.acme.com:6380/2"))
    expected = {"host": "cache.acme.com", "port": 6380, "username": "ana", "password": "p@ss/w", "db": 2}
    assert {key: found[key] for key in expected} == expected


def test_sentinels_are_asked_with_the_password_and_lead_to_the_database() -> None:
    redis = connect_redis("redis+sentinel://:p%40ss@one.acme.com,two.acme.com:26380,[::1]:26381/primary/2")
    assert nodes(redis) == [("one.acme.com", 26379), ("two.acme.com", 26380), ("::1", 26381)]
    pool = cast("SentinelConnectionPool", redis.connection_pool)
    assert (pool.service_name, options(redis)["password"], options(redis)["db"]) == ("primary", "p@ss", 2)
    assert {(options(one)["password"], options(one)["db"]) for one in pool.sentinel_manager.sentinels} == {("p@ss", 0)}


def test_a_cluster_may_be_entered_at_several_nodes() -> None:
    cluster = cast("RedisCluster", connect_redis("redis+cluster://ana:p%40ss@one.acme.com,two.acme.com:6380"))
    assert [(node.host, node.port) for node in cluster.startup_nodes] == [("one.acme.com", 6379), ("two.acme.com", 6380)]
    assert (cluster.connection_kwargs["username"], cluster.connection_kwargs["password"]) == ("ana", "p@ss")


def test_every_setup_can_be_spoken_to_over_tls() -> None:
    assert connect_redis("rediss://cache.acme.com").connection_pool.connection_class is SSLConnection
    assert options(connect_redis("rediss://cache.acme.com?ssl_ca_certs=/etc/ca.pem"))["ssl_ca_certs"] == "/etc/ca.pem"
    sentinel = connect_redis("rediss+sentinel://one.acme.com/primary")
    pool = cast("SentinelConnectionPool", sentinel.connection_pool)
    assert pool.connection_class is SentinelManagedSSLConnection
    assert pool.sentinel_manager.sentinels[0].connection_pool.connection_class is SSLConnection
    cluster = cast("RedisCluster", connect_redis("rediss+cluster://one.acme.com?ssl_ca_certs=/etc/ca.pem"))
    assert cluster.connection_kwargs["connection_class"] is SSLConnection
    assert cluster.connection_kwargs["ssl_ca_certs"] == "/etc/ca.pem"
    assert cluster.startup_nodes[0].connection_class is SSLConnection


@pytest.mark.parametrize("url", ["http://cache.acme.com", "redis://:geh/eim@cache.acme.com", "redis+cluster://:geh/eim@cache"])
def test_a_wrong_url_is_named_and_no_piece_of_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="REDIS_URL") as raised:
        connect_redis(url)
    assert "geh" not in str(raised.value)


@pytest.fixture
async def website() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster", "redis+sentinel", "rediss", "rediss+cluster"])
async def test_whatever_listens_there_instead_is_an_answer_that_names_the_setting(scheme: str, website: int) -> None:
    for port in (website, 1):
        redis = connect_redis(f"{scheme}://:geheim@127.0.0.1:{port}")
        with pytest.raises(TransientError, match="REDIS_URL") as raised:
            await probe_redis(redis)
        assert "geheim" not in str(raised.value)
        await redis.aclose()
