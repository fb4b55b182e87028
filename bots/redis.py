"""Connections to Redis: a server, a sentinel, a cluster, or the embedded one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, RedisClusterException

from core.errors import ConfigError, TransientError
from core.redis import AWAY

_CONNECTIONS = 50
"""Per process; whoever comes later waits for one. The library's own pool would refuse him instead."""
_UNBOUNDED = 10_000
"""Where the library has no pool that waits."""
_PROBE_SECONDS = 2.5
"""Less than readiness waits, so that it can say what is wrong."""
_SENTINEL_PORT, _PORT = 26379, 6379
_RETRY = Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), 4)
"""Half a second at most: a connection that broke is made anew, and who waits for an answer is not kept by a longer outage."""

_OPTIONS: dict[str, Any] = {
    # Our calls have time limits of their own. The client's is a wait_for around each command, which before Python 3.12
    # loses a cancellation that arrives together with the result: a stopping process would wait for ever.
    "socket_timeout": None,
}


def connect_redis(url: str | None, socket: Path | None = None) -> Redis:
    """A client for ``redis://``, ``unix://``, ``redis+sentinel://host:26379,host2/mymaster`` or
    ``redis+cluster://host:6379,host2``, with ``rediss`` over TLS; without a URL for the embedded server at ``socket``.
    Nothing is connected yet.

    A user, a password and options of the client (``?ssl_ca_certs=/path``) are those of ``redis://``. Sentinels are asked
    with the same password. Raises ConfigError for any other URL.
    """
    if url is None:
        return Redis.from_pool(_pool(connection_class=UnixDomainSocketConnection, path=str(socket)))
    try:
        parts = urlsplit(url)
        match parts.scheme:
            case "redis" | "rediss" | "unix":
                return Redis.from_pool(_pool(**parse_url(url)))
            case "redis+sentinel" | "rediss+sentinel":
                return _sentinel(parts)
            case "redis+cluster" | "rediss+cluster":
                return _cluster(parts)
    except ValueError:
        # Its text may hold a piece of the password.
        raise ConfigError(
            "REDIS_URL cannot be understood: write redis://USER:PASSWORD@HOST:PORT/DATABASE, with / @ : and other marks in the "
            "password percent-encoded"
        ) from None
    raise ConfigError("REDIS_URL is not a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL")


async def probe_redis(redis: Redis) -> None:
    """Raises ConfigError when Redis refuses us, TransientError when it does not answer."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await redis.ping()
    except AWAY as error:
        cause = error.__cause__ if isinstance(error, RedisClusterException) else error
        if isinstance(cause, AuthenticationError | AuthorizationError):
            raise ConfigError("Redis refused us: set REDIS_URL to one with the right user and password") from error
        # The text of these names hosts, and never a password.
        raise TransientError(f"Redis does not answer ({str(error) or type(error).__name__}). Check REDIS_URL") from error


def _pool(**options: Any) -> BlockingConnectionPool:
    return BlockingConnectionPool(**{"max_connections": _CONNECTIONS, "timeout": None, "retry": _RETRY, **_OPTIONS, **options})


def _sentinel(parts: SplitResult) -> Redis:
    options = {"retry": _RETRY, **_options(parts)}
    name, _, database = parts.path.strip("/").partition("/")
    to_sentinels = {key: value for key, value in options.items() if key not in {"username", "db"}}
    if database:
        options["db"] = int(database)
    sentinel = Sentinel(_nodes(parts, _SENTINEL_PORT), sentinel_kwargs=to_sentinels, **options)  # type: ignore[no-untyped-call]
    primary: Redis = sentinel.master_for(name or "mymaster")
    return primary


def _cluster(parts: SplitResult) -> Redis:
    nodes = [ClusterNode(host, port) for host, port in _nodes(parts, _PORT)]
    # A cluster's client has the commands that are used here, but is no subclass.
    return RedisCluster(startup_nodes=nodes, **_options(parts))  # type: ignore[return-value]


def _options(parts: SplitResult) -> dict[str, Any]:
    """User, password and the query of the URL, as keyword arguments of a client."""
    user, at, _ = parts.netloc.rpartition("@")
    options: dict[str, Any] = dict(parse_url(f"{parts.scheme.partition('+')[0]}://{user}{at}?{parts.query}"))
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    return {"max_connections": _UNBOUNDED, **_OPTIONS, **options}


def _nodes(parts: SplitResult, port: int) -> list[tuple[str, int]]:
    hosts = (urlsplit(f"//{host}") for host in parts.netloc.rpartition("@")[2].split(","))
    return [(host.hostname or "localhost", host.port or port) for host in hosts]
