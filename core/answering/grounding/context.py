"""What of the documents the model is told: the hits, best documents first, then what stands around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from core.answering.evidence import Evidence
from core.errors import TransientError
from core.models import Audience, Hit
from core.ports import Neighbours

log = structlog.get_logger(__name__)

TOKENS = 3_000
"""Of all sources together: some twelve chunks."""
_CHARACTERS = 4
"""A token has about so many letters of a script with spaces, and one of any other."""
_LEAST = 40
"""Tokens; less of a chunk is not worth its header."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the model is told to answer from, within a budget. ``neighbours`` fetches what stands around a hit."""

    neighbours: Neighbours | None = None
    tokens: int = TOKENS

    async def around(self, evidence: Sequence[Evidence], audience: Audience) -> tuple[Evidence, ...]:
        """The evidence with the chunks before and after its hits, as far as the budget goes: first the hits of the best
        document, then of the others, then the neighbours in the same order. What does not fit is cut at the end of a line,
        never in a row or a block of code, or left out; a document that gets nothing keeps its number and its first lines.

        Neighbours that cannot be fetched are left out.
        """
        hits = [hit for item in evidence for hit in sorted(item.hits, key=lambda hit: -hit.score)]
        near: list[Hit] = []
        if self.neighbours is not None and sum(tokens(hit.chunk.text) for hit in hits) < self.tokens:
            try:
                near = _around(hits, await self.neighbours(hits, audience))
            except TransientError as error:
                log.warning("context.no_neighbours", reason=str(error) or type(error).__name__)
        left = self.tokens
        kept: dict[str, list[Hit]] = {item.document_id: [] for item in evidence}
        for hit in (*hits, *near):
            mine = kept[hit.chunk.document_id]
            size = tokens(hit.chunk.text)
            if size > left:
                # Half of a neighbour says less than its beginning suggests; of a hit every line may be the answer.
                room = max(left, 0 if mine else _LEAST) if hit in hits else 0
                hit = replace(hit, chunk=replace(hit.chunk, text=cut(hit.chunk.text, room)))
                size = tokens(hit.chunk.text)
            if hit.chunk.text:
                mine.append(hit)
                left -= size
        return tuple(
            replace(item, hits=tuple(sorted(kept[item.document_id], key=lambda hit: hit.chunk.position)))
            for item in evidence
            if kept[item.document_id]
        )


def tokens(text: str) -> int:
    """About so many, for any model."""
    wide = sum(character > "\u2e7f" for character in text)
    return wide + (len(text) - wide) // _CHARACTERS + 1


def cut(text: str, most: int) -> str:
    """The first lines, at most so many tokens; a block of code as a whole or not at all. The first line is cut at a word."""
    kept: list[str] = []
    block: list[str] = []
    fence = ""
    size = 0
    for line in text.splitlines():
        block.append(line)
        mark = line.strip()[:3]
        if mark in {"```", "~~~"} and (not fence or mark == fence):
            fence = "" if fence else mark
        if fence:
            continue
        size += sum(map(tokens, block))
        if size > most:
            break
        kept += block
        block = []
    if kept or most < _LEAST or text.lstrip().startswith(("|", "```", "~~~")):
        return "\n".join(kept).rstrip()
    return text[: most * _CHARACTERS].rsplit(maxsplit=1)[0]


def _around(hits: Sequence[Hit], found: Sequence[Hit]) -> list[Hit]:
    """Those beside a hit that are none themselves, in the order of the hits, and with what is known to be right of theirs."""
    known = {hit.chunk.id for hit in hits}
    beside: list[Hit] = []
    for hit in hits:
        for near in found:
            chunk = near.chunk
            same = chunk.document_id == hit.chunk.document_id and chunk.access == hit.chunk.access
            if same and abs(chunk.position - hit.chunk.position) == 1 and chunk.id not in known:
                known.add(chunk.id)
                chunk = replace(chunk, url=hit.chunk.url, title=hit.chunk.title)
                beside.append(Hit(chunk=chunk, score=0.0))
    return beside
