"""Connections to Redis: a server, a sentinel, a cluster, or the embedded one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel, UnixDomainSocketConnection

from core.errors import ConfigError

_CONNECTIONS = 50
"""Per process; whoever comes later waits for one. The library's own pool would refuse him instead."""
_UNBOUNDED = 10_000
"""Where the library has no pool that waits."""

_OPTIONS: dict[str, Any] = {
    # Our calls have time limits of their own. The client's is a wait_for around each command, which before Python 3.12
    # loses a cancellation that arrives together with the result: a stopping process would wait for ever.
    "socket_timeout": None,
}


def connect_redis(url: str | None, socket: Path | None = None) -> Redis:
    """A client for ``redis://``, ``rediss://``, ``unix://``, ``redis+sentinel://host:26379/mymaster`` or
    ``redis+cluster://host:6379``; without a URL for the embedded server at ``socket``. Nothing is connected yet.

    Raises ConfigError for any other URL.
    """
    if url is None:
        return Redis.from_pool(_pool(connection_class=UnixDomainSocketConnection, path=str(socket)))
    parts = urlsplit(url)
    match parts.scheme:
        case "redis" | "rediss" | "unix":
            try:
                return Redis.from_pool(
                    BlockingConnectionPool.from_url(url, max_connections=_CONNECTIONS, timeout=None, **_OPTIONS)
                )
            except ValueError as error:
                raise ConfigError(f"REDIS_URL cannot be understood: {error}") from error
        case "redis+sentinel":
            nodes = [(parts.hostname or "localhost", parts.port or 26379)]
            options = {"username": parts.username, "password": parts.password, "max_connections": _UNBOUNDED, **_OPTIONS}
            sentinel = Sentinel(nodes, sentinel_kwargs={"password": parts.password}, **options)  # type: ignore[no-untyped-call]
            master: Redis = sentinel.master_for(parts.path.strip("/") or "mymaster")
            return master
        case "redis+cluster":
            plain = "redis" + url.removeprefix("redis+cluster")
            # A cluster's client has the commands that are used here, but is no subclass.
            return RedisCluster.from_url(plain, max_connections=_UNBOUNDED, **_OPTIONS)  # type: ignore[return-value]
    raise ConfigError("REDIS_URL is not a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL")


def _pool(**options: Any) -> BlockingConnectionPool:
    return BlockingConnectionPool(max_connections=_CONNECTIONS, timeout=None, **options, **_OPTIONS)
