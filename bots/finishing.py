"""Looking after the questions that another process left behind."""

from __future__ import annotations

import asyncio

import structlog

from bots.pending import Pending
from bots.platform import Platform
from core.errors import TransientError

_LOOK_SECONDS = 0.5

log = structlog.get_logger(__name__)


async def finish_left_behind(pending: Pending, platform: Platform) -> None:
    """Look after a platform's questions until cancelled: those whose process died, and those that are tried again."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if not platform.connected:
            continue
        try:
            found = await pending.left_behind(platform.name)
        except TransientError:
            # Leases ran out while Redis was away. Whoever is alive has time to renew theirs.
            await asyncio.sleep(pending.lease)
            continue
        for left in found:
            try:
                await platform.resume(left)
            except Exception:
                # The outermost loop: one question that cannot be resumed must not keep all others waiting.
                log.exception("message.not_resumed", platform=platform.name, message=left.question.message.id)
