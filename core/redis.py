"""What a Redis that is away raises, whether it is a server, a sentinel's primary or a cluster."""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisClusterException, RedisError

AWAY: Final = (RedisError, RedisClusterException, OSError)
"""To be caught at every wall to Redis: the library's errors of a cluster are none of its RedisErrors."""
