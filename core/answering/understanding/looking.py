"""A question that was understood is looked up: its parts beside it, within its limits, or everywhere if nothing lies within."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from core.answering.understanding.subquestions import joined
from core.answering.understanding.understanding import Understood, limited_to
from core.models import Query, Retrieved

Find = Callable[[Query], Awaitable[Retrieved]]


async def look_up(find: Find, understood: Understood) -> tuple[Retrieved, str]:
    """What was found, and what a reader should know of the limits of the search."""
    found = await _together(find, understood.query, understood.parts)
    if understood.without is None:
        return found, ""
    said = limited_to(understood.limits, len(found.hits))
    return (found if found.hits else await _together(find, understood.without, understood.parts)), said


async def _together(find: Find, query: Query, parts: tuple[str, ...]) -> Retrieved:
    """The signals are those of the whole question."""
    beside = [Query(text=part, sources=query.sources, scope=query.scope) for part in parts]
    whole, *others = await asyncio.gather(*map(find, (query, *beside)))
    return replace(whole, hits=joined(whole.hits, [other.hits for other in others])) if others else whole
