"""What a Redis answers with, and raises when it is away, whether it is a server, a sentinel's primary or a cluster."""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisClusterException, RedisError

AWAY: Final = (RedisError, RedisClusterException, OSError)
"""To be caught at every wall to Redis: the library's errors of a cluster are none of its RedisErrors."""


def text(value: str | bytes) -> str:
    """Clients answer in bytes or text, as they were configured."""
    return value.decode() if isinstance(value, bytes) else value
