"""What a model thinks before it answers, which some servers send as text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

_OPENING, _CLOSING = "<think>", "</think>"


async def without_thoughts(pieces: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """``pieces`` from where the answer begins. Thoughts that never end have none."""
    waiting, begun = "", False
    async for piece in pieces:
        if begun:
            yield piece
            continue
        waiting += piece
        head = waiting.lstrip()
        if _OPENING.startswith(head[: len(_OPENING)]):
            _, closing, rest = head.partition(_CLOSING)
            if not closing:
                continue
            waiting = rest.lstrip()
        begun = True
        yield waiting
    if not begun and not waiting.lstrip().startswith(_OPENING):
        yield waiting
