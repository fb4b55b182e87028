"""Plain text and comma-separated values."""

from __future__ import annotations

import codecs
import csv
import io
import re

from core.errors import DocumentError
from core.indexing.blocks import Block
from core.indexing.readers.tables import markdown_table

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w.:-]+)|<\?xml[^>]+encoding=[\"']([\w.:-]+)", re.IGNORECASE)
_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s")


def decode(body: bytes) -> str:
    """Text in UTF-8, in UTF-16 or -32 with a mark, as an HTML page declares, otherwise in Windows-1252.

    Raises DocumentError for binary data.
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            text = body.decode(encoding, errors="replace").removeprefix("\ufeff")
            break
    else:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = body.decode(_declared(body) or "cp1252", errors="replace")
    controls = sum(text.count(mark) for mark in "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f")
    if controls > len(text) // 200:
        raise DocumentError("is declared as text, but its content is binary: give it the extension that matches its content")
    return text


def _declared(body: bytes) -> str | None:
    match = _CHARSET.search(body[:2048])
    try:
        return codecs.lookup(match[match.lastindex or 1].decode()).name if match else None
    except LookupError:
        return None


def read_text(text: str) -> list[Block]:
    """Paragraphs are what blank lines part; a paragraph of bullets is a list."""
    blocks = []
    for paragraph in _BLANK.split(text.replace("\r\n", "\n")):
        lines = [line for line in paragraph.splitlines() if line.strip()]
        if lines:
            bulleted = len(lines) > 1 and all(_BULLET.match(line) for line in lines)
            blocks.append(Block("list" if bulleted else "text", "\n".join(lines)))
    return blocks


def read_csv(text: str, delimiter: str | None = None) -> list[Block]:
    """One table. The delimiter is guessed from the first lines unless given."""
    if delimiter is None:
        try:
            delimiter = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|").delimiter
        except csv.Error:
            delimiter = ","
    csv.field_size_limit(1_000_000)
    try:
        table = markdown_table(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DocumentError(f"is not a readable table of comma-separated values ({error}): export it again") from error
    return [Block("table", table)] if table else []
