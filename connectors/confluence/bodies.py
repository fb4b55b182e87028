"""Bodies, many at once, and one by one where Confluence cannot bear one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from connectors.confluence.listing import Comment, Page
from connectors.http import Rejected
from core.errors import DocumentError, TransientError

AT_ONCE = 100
OUTAGE = 5
"""Pages in a row that fail one by one: then it is not the pages."""

Content = TypeVar("Content", Page, Comment)


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """Storage format, with the version that it is of."""

    storage: str
    version: int


async def isolated(
    pages: Sequence[Content], ask: Callable[[Sequence[Content]], Awaitable[Mapping[str, Body]]]
) -> dict[str, Body | DocumentError]:
    """By id. What fails (5xx) or is too large as a whole is halved, down to the one that is the cause.

    Raises TransientError when one page after the other fails.
    """
    found: dict[str, Body | DocumentError] = {}
    pending, in_a_row = [pages] if pages else [], 0
    while pending:
        batch = pending.pop()
        try:
            found |= await ask(batch)
            in_a_row = 0
            continue
        except Rejected as error:
            if error.status < 500:
                raise
            failure: Exception = error
        except DocumentError as error:
            failure = error
        if len(batch) > 1:
            middle = len(batch) // 2
            pending += batch[middle:], batch[:middle]
            continue
        in_a_row += isinstance(failure, Rejected)
        if in_a_row == OUTAGE:
            raise TransientError(str(failure)) from failure
        found[batch[0].id] = DocumentError(f"{failure}: Confluence cannot show it; open it and save it again")
    return found
