"""What a person means by ``wiki ENG``, ``https://…/pages/7`` or ``failed``: which sources, and which part of them."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import takewhile
from typing import cast

from core.errors import FootnoteError, TransientError, UserError
from core.models import FAILED
from core.ports import Source

_ANSWER_SECONDS = 15.0
_DASH = re.compile(r"(?<!\S)[\u2013\u2014]")
_LINK = re.compile(r"<(https?://[^\s|<>]+)(?:\|[^<>]*)?>")


@dataclass(frozen=True, kw_only=True)
class Selection:
    source: str
    scope: str | None = None
    """A space, a folder, a document's address or id, or ``failed``; None is all of it."""


def words(text: str) -> list[str]:
    """What was typed, word by word; quotes hold words together. Raises UserError."""
    # Phones turn two hyphens into a dash, and Slack writes an address as <https://...|label> where it was asked to.
    text = _LINK.sub(r"\1", _DASH.sub("--", text))
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"`{text}` has an open quote: close it and try again.") from error


async def selections(said: Sequence[str], sources: Mapping[str, Source]) -> list[Selection]:
    """``[source]… [scope]``: without a source, those that know the scope; without anything, all of them.

    Raises UserError, which says what is wrong and what there is.
    """
    if not sources:
        raise UserError("There is nothing to read: set FOOTNOTE_FOLDER, CONFLUENCE_URL or GOOGLE_DRIVE_FOLDERS.")
    names = list(takewhile(sources.__contains__, said))
    scopes = said[len(names) :]
    if len(scopes) > 1:
        raise UserError(
            f"I understand one space, folder or address at a time, and `{scopes[0]}` is none of the sources "
            f"({_listed(sources)}). Put quotes around what has spaces in it."
        )
    asked = names or list(sources)
    if not scopes or scopes[0] == FAILED:
        return [Selection(source=name, scope=FAILED if scopes else None) for name in asked]
    (scope,) = scopes
    refusals = await asyncio.gather(*(_refusal(sources[name], scope) for name in asked))
    found = [Selection(source=name, scope=scope) for name, refusal in zip(asked, refusals, strict=True) if refusal is None]
    if found:
        return found
    why = "\n".join(f"- {refusal}" for refusal in refusals)
    if names:
        raise UserError(f"`{scope}` was not found.\n{why}")
    raise UserError(f"There is no source `{scope}` (there is {_listed(sources)}), and none that knows it:\n{why}")


async def named(source: Source, scope: str, most: int) -> list[str]:
    """The ids of the first documents that are meant. Raises FootnoteError, which says why there are none."""
    selected = cast("AsyncGenerator[str, None]", source.select(scope))
    found: list[str] = []
    try:
        async with asyncio.timeout(_ANSWER_SECONDS), aclosing(selected):
            async for document_id in selected:
                found.append(document_id)
                if len(found) == most:
                    break
    except TimeoutError as error:
        raise TransientError(f"{source.name} did not answer within {_ANSWER_SECONDS:.0f} s.") from error
    if not found:
        raise UserError(f"{source.name} has nothing there.")
    return found


async def _refusal(source: Source, scope: str) -> str | None:
    """Why a source cannot tell which documents are meant; None when it can."""
    try:
        await named(source, scope, 1)
    except FootnoteError as error:
        return str(error)
    return None


def _listed(sources: Mapping[str, Source]) -> str:
    return ", ".join(f"`{name}`" for name in sources)
