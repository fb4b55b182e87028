"""PDF with pdfium: lines become paragraphs, and lines in a larger type become headings."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from core.errors import DocumentError
from core.indexing.blocks import Block

_HEADING_RATIO = 1.15
"""A line is a heading from this multiple of the body's type size on; body text varies by less."""
_HEADING_CHARS = 120
_HEADING_LEVELS = 3
_PARAGRAPH_GAP = 1.7
"""A distance between baselines above this multiple of the type size parts paragraphs."""
_WRAPPED = 0.6
"""A line that reaches this share of the longest one's length went on to the next line for want of room."""
_ITEM = re.compile(r"(?:\d{1,3}[.)]|[-–•*▪◦‣])\s")
_HYPHENS = "\x02\ufffe"
"""What pdfium gives for a hyphen at a line's end that only breaks a word."""


@dataclass(frozen=True)
class _Line:
    text: str
    size: float
    top: float


def read_pdf(body: bytes) -> list[Block]:
    """Text by page. Raises DocumentError for broken and protected files, and when no page has text (a scan)."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentError("is protected by a password: store an unprotected copy") from error
        raise DocumentError("is not a readable PDF file, it may be damaged: export or upload it again") from error
    try:
        pages = [list(_lines(document[number])) for number in range(len(document))]
    except pypdfium2.PdfiumError as error:
        raise DocumentError(f"has a page that cannot be read ({error}): export or upload it again") from error
    finally:
        document.close()
    if not any(pages):
        raise DocumentError(
            f"has no text on its {len(pages)} page(s), they are probably scanned images: store a copy with recognised text (OCR)"
        )
    return list(_blocks(pages))


def _lines(page: object) -> Iterator[_Line]:
    import pypdfium2.raw as pdfium

    text_page = page.get_textpage()  # type: ignore[attr-defined]  # pypdfium2 ships no types
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    letters: list[str] = []
    sizes: Counter[float] = Counter()
    first = 0.0
    try:
        for index in range(text_page.count_chars()):
            letter = chr(pdfium.FPDFText_GetUnicode(text_page, index) or 0x20)
            if letter in "\r\n":
                if line := _line(letters, sizes, first):
                    yield line
                letters, sizes = [], Counter()
                continue
            if not letter.isspace():
                if not sizes:
                    pdfium.FPDFText_GetCharBox(text_page, index, left, right, bottom, top)
                    first = bottom.value
                sizes[round(_size(pdfium, text_page, index), 1)] += 1
            letters.append(letter)
        if line := _line(letters, sizes, first):
            yield line
    finally:
        text_page.close()
        page.close()  # type: ignore[attr-defined]  # no types either


def _size(pdfium: object, text_page: object, index: int) -> float:
    size: float = pdfium.FPDFText_GetFontSize(text_page, index)  # type: ignore[attr-defined]  # no types either
    return size


def _line(letters: list[str], sizes: Counter[float], top: float) -> _Line | None:
    text = "".join(letters).encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
    return _Line(text, sizes.most_common(1)[0][0], top) if text and sizes else None


def _blocks(pages: list[list[_Line]]) -> Iterator[Block]:
    sizes: Counter[float] = Counter()
    for line in (line for lines in pages for line in lines):
        sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0]
    larger = sorted((size for size in sizes if size >= body * _HEADING_RATIO), reverse=True)
    levels = {size: min(rank, _HEADING_LEVELS) for rank, size in enumerate(larger, start=1)}
    paragraph: list[_Line] = []
    for line in (line for lines in pages for line in lines):
        heading = line.size in levels and len(line.text) <= _HEADING_CHARS and any(map(str.isalpha, line.text))
        if paragraph and (heading or not _continues(paragraph[-1], line)):
            yield _paragraph(paragraph)
            paragraph = []
        if heading:
            yield Block("heading", line.text.rstrip(_HYPHENS), levels[line.size])
        else:
            paragraph.append(line)
    if paragraph:
        yield _paragraph(paragraph)


def _continues(above: _Line, below: _Line) -> bool:
    gap = above.top - below.top
    if gap <= 0:
        # The next column or page: a sentence may run on.
        return not re.search(r"[.!?:。]\W*$", above.text)
    return gap <= _PARAGRAPH_GAP * max(above.size, below.size, 1.0) and abs(above.size - below.size) < 0.1 * above.size + 0.5


def _paragraph(lines: list[_Line]) -> Block:
    """Lines that were only wrapped are joined; an item of a list, and what follows a short line, begins a new one."""
    full = _WRAPPED * max(len(line.text) for line in lines)
    text = lines[0].text
    for above, line in pairwise(lines):
        if text.endswith(tuple(_HYPHENS)):
            text = text[:-1] + line.text
        else:
            wrapped = len(above.text) >= full and not _ITEM.match(line.text)
            text += (" " if wrapped else "\n") + line.text
    return Block("text", text.translate(dict.fromkeys(map(ord, _HYPHENS), "-")))
