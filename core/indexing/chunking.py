"""Blocks become chunks: along headings, then paragraphs, then sentences, and only at last inside them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from core.indexing.blocks import Block
from core.indexing.cleaning import one_line
from core.indexing.sentences import sentences
from core.models import Chunk, Document

TARGET = 128
"""Wordpieces of a chunk in all, title and headings included: measured as the start of a plateau that ends at 256."""
LIMIT = 254
"""Wordpieces that a chunk never exceeds: what the model reads (256) less its two marks. Code and rows may grow up to here."""
_TITLE_MAX = 48
_PATH_MAX = 64
"""Wordpieces of the heading path. What does not fit stays in the text, so that nothing is lost."""
_BODY_MIN = 48
_LONG_WORD = 100
"""Characters above which the tokenizer sees one unknown piece, however long the word is."""
_CHARS_PER_PIECE = 4

_FENCE = re.compile(r"(`{3,})[^\n`]*\n")
_WORD = re.compile(r"\s*\S+\s*")
_UNSPACED_ENDS = ("。", "！", "？", "」", "』", "）")
"""After these marks the next sentence follows without a space."""

Count = Callable[[str], int]


@dataclass(frozen=True)
class _Piece:
    """A run of text that stays together, and what it costs. ``glue`` is what joins it to the piece before."""

    text: str
    cost: int
    glue: str = "\n\n"


@dataclass(frozen=True)
class _Section:
    headings: tuple[str, ...]
    blocks: tuple[Block, ...]


def chunk(document: Document, blocks: Sequence[Block], count: Count) -> list[Chunk]:
    """The chunks of ``document``, in order and always the same for the same input.

    ``count`` gives the wordpieces of a text; it is assumed to add up over words, and is the larger part of the time:
    call this in a thread for long documents. The title and the headings stand in front of every chunk
    (:attr:`Chunk.indexed_text`); what lies above the title (:attr:`Document.path`) does not.
    """
    cost = _Costs(count)
    title = _shorten(one_line(document.title) or document.id, _TITLE_MAX, cost)
    found: list[Chunk] = []
    for section in _sections(blocks, title, cost):
        above = cost(" > ".join((title, *section.headings)))
        size = max(_BODY_MIN, TARGET - above)
        pieces = [piece for block in section.blocks for piece in _pieces(block, size, LIMIT - above, cost)]
        for text in _pack(pieces, size):
            found.append(
                Chunk(
                    document_id=document.id,
                    position=len(found),
                    source=document.source,
                    title=title,
                    url=document.url,
                    headings=section.headings,
                    text=text,
                    updated_at=document.updated_at,
                    access=document.access,
                )
            )
    return found


class _Costs:
    """``count``, remembered, and with long words at what they would cost if the tokenizer looked into them."""

    def __init__(self, count: Count) -> None:
        self._count = count

    def __call__(self, text: str) -> int:
        cost = self._count(text)
        if len(text) > _LONG_WORD:
            cost += sum(len(word) // _CHARS_PER_PIECE for word in text.split() if len(word) > _LONG_WORD)
        return cost


def _shorten(text: str, limit: int, cost: _Costs) -> str:
    if cost(text) <= limit:
        return text
    return next(_cut(text, limit - 1, cost)).rstrip() + "…"


def _sections(blocks: Sequence[Block], title: str, cost: _Costs) -> Iterator[_Section]:
    """Runs of blocks under the same headings. A heading without anything below it becomes text itself."""
    path: list[Block] = []
    held: list[Block] = []
    barren: Block | None = None

    def section() -> Iterator[_Section]:
        if held:
            yield _Section(tuple(heading.text for heading in path if heading.text), tuple(held))
            held.clear()

    for block in blocks:
        if block.kind != "heading":
            held.append(block)
            barren = None
            continue
        if barren and block.level <= barren.level:
            path.pop()
            held.append(replace(barren, kind="text"))
        yield from section()
        while path and path[-1].level >= block.level:
            path.pop()
        if block.text.casefold() == title.casefold():
            # It would stand twice in front of every chunk. The one above it may have no other text below.
            if barren:
                held.append(replace(barren, kind="text"))
                yield from section()
            path.append(replace(block, text=""))
            barren = None
        elif cost(" > ".join((*(heading.text for heading in path), block.text))) > _PATH_MAX:
            held.append(replace(block, kind="text"))
            barren = None
        else:
            path.append(block)
            barren = block
    if barren:
        path.pop()
        held.append(replace(barren, kind="text"))
    yield from section()


def _pack(pieces: Sequence[_Piece], size: int) -> Iterator[str]:
    """Neighbouring pieces together, as many as fit, in parts of about equal size."""
    total = sum(piece.cost for piece in pieces)
    share = total / max(1, math.ceil(total / size))
    text, used = "", 0
    for piece in pieces:
        if text and (used + piece.cost > size or used >= share):
            yield text.rstrip()
            text, used = "", 0
        text = text + piece.glue + piece.text if text else piece.text
        used += piece.cost
    if text:
        yield text.rstrip()


def _pieces(block: Block, size: int, limit: int, cost: _Costs) -> Iterator[_Piece]:
    """``size`` is what a chunk's text should cost at most, ``limit`` what it may."""
    whole = cost(block.text)
    if whole <= size:
        yield _Piece(block.text, whole)
    elif block.kind == "code":
        yield from _split_code(block.text, whole, limit, cost)
    elif block.kind == "table":
        yield from _split_table(block.text, size, limit, cost)
    elif block.kind == "list":
        yield from _glued(block.text.split("\n"), "\n", size, cost)
    else:
        yield from _glued(sentences(block.text), " ", size, cost)


def _glued(parts: Sequence[str], glue: str, size: int, cost: _Costs) -> Iterator[_Piece]:
    """The first piece starts a paragraph; the others follow with ``glue``. Parts above ``size`` are cut at words."""
    join = "\n\n"
    for part in parts:
        if not part.strip():
            continue
        whole = cost(part)
        if whole <= size:
            yield _Piece(part, whole, join)
        else:
            for cut in _cut(part, size, cost):
                yield _Piece(cut, cost(cut), join)
                join = ""
        join = "" if part.endswith(_UNSPACED_ENDS) else glue


def _split_code(text: str, whole: int, limit: int, cost: _Costs) -> Iterator[_Piece]:
    """Whole up to ``limit``; beyond it at lines, each part between fences again."""
    if whole <= limit:
        yield _Piece(text, whole)
        return
    fence = _FENCE.match(text)
    opening, closing = (fence.group().rstrip("\n"), fence.group(1)) if fence else ("", "")
    body = text[fence.end() :].removesuffix(closing) if fence else text
    room = max(1, limit - cost(opening) - cost(closing))
    held: list[str] = []
    used = 0
    for line in body.strip("\n").split("\n"):
        for part in [line] if cost(line) <= room else _cut(line, room, cost):
            price = cost(part)
            if held and used + price > room:
                yield _code(held, opening, closing, cost)
                held, used = [], 0
            held.append(part)
            used += price
    if any(line.strip() for line in held):
        yield _code(held, opening, closing, cost)


def _code(lines: Sequence[str], opening: str, closing: str, cost: _Costs) -> _Piece:
    text = "\n".join(line for line in (opening, *lines, closing) if line or not opening)
    return _Piece(text, cost(text))


def _split_table(text: str, size: int, limit: int, cost: _Costs) -> Iterator[_Piece]:
    """Groups of rows, each below the header again, unless the header alone would fill a chunk."""
    header, rule, *rows = text.split("\n")
    top = f"{header}\n{rule}"
    price = cost(top)
    if not rows or price > size // 2:
        yield from _glued([header, *rows], "\n", size, cost)
        return
    held: list[str] = []
    used = price
    for row in rows:
        row_price = cost(row)
        if held and used + row_price > size:
            yield _Piece("\n".join((top, *held)), used)
            held, used = [], price
        if price + row_price > limit:
            for cut in _cut(row, limit - price, cost):
                yield _Piece(f"{top}\n{cut}", price + cost(cut))
            continue
        held.append(row)
        used += row_price
    if held:
        yield _Piece("\n".join((top, *held)), used)


def _cut(text: str, limit: int, cost: _Costs) -> Iterator[str]:
    """Parts of at most ``limit``, between words where possible; joined they are ``text`` again."""
    part, used = "", 0
    for word in _WORD.findall(text):
        price = cost(word)
        for fragment in [word] if price <= limit else _fragments(word, limit, cost):
            fragment_price = price if fragment is word else cost(fragment)
            if part and used + fragment_price > limit:
                yield part
                part, used = "", 0
            part += fragment
            used += fragment_price
    if part.strip():
        yield part


def _fragments(word: str, limit: int, cost: _Costs) -> list[str]:
    """A single word cut by characters: a picture in base64, a language that writes no spaces."""
    length = min(len(word), max(1, limit))
    while length > 1 and any(cost(word[start : start + length]) > limit for start in range(0, len(word), length)):
        length //= 2
    return [word[start : start + length] for start in range(0, len(word), length)]
