"""Which reader reads what, after a look at the content itself."""

from __future__ import annotations

from core.errors import DocumentError
from core.indexing.blocks import Block
from core.indexing.cleaning import clean, one_line
from core.indexing.readers.plain import decode, read_csv, read_text

MAX_CHARS = 10_000_000
"""Characters of text in one document. 200 MB can unpack from 2 MB; nobody can be answered from such a file."""

_OFFICE = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_MARKDOWN = {"text/markdown", "text/x-markdown"}
_HTML = {"text/html", "application/xhtml+xml"}
_TABLES = {"text/csv": None, "application/csv": None, "text/tab-separated-values": "\t"}
_BINARY = ((b"%PDF-", "a PDF"), (b"PK\x03\x04", "a ZIP or Office file"), (b"\xd0\xcf\x11\xe0", "an old or protected Office file"))


def read(body: bytes, media_type: str) -> list[Block]:
    """The blocks of a document, cleaned. Raises DocumentError, whose text goes on from the document's name."""
    media_type = media_type.partition(";")[0].strip().lower()
    if not body.strip():
        raise DocumentError("is empty: there is nothing to index")
    blocks = [clean_block for block in _read(body, media_type) if (clean_block := _clean(block)).text]
    if not any(any(map(str.isalnum, block.text)) for block in blocks):
        raise DocumentError("contains no text: there is nothing to index")
    if (chars := sum(len(block.text) for block in blocks)) > MAX_CHARS:
        raise DocumentError(f"contains {chars:,} characters, more than the {MAX_CHARS:,} that are accepted: split it")
    return blocks


def _read(body: bytes, media_type: str) -> list[Block]:
    if family := _OFFICE.get(media_type):
        _expect(body, b"PK\x03\x04", family.upper())
        from core.indexing.readers.office import read_office

        return read_office(body, family)
    if media_type == "application/pdf":
        # The mark may stand anywhere in the first kilobyte.
        _expect(body[max(0, body[:1024].find(b"%PDF-")) :], b"%PDF-", "PDF")
        from core.indexing.readers.pdf import read_pdf

        return read_pdf(body)
    if not media_type.startswith("text/") and media_type not in _HTML | _TABLES.keys():
        raise DocumentError(
            f"has the type {media_type or 'unknown'}, which cannot be read: store it as PDF, DOCX, HTML, Markdown or text"
        )
    if found := _binary(body):
        raise DocumentError(
            f"is declared as {media_type}, but its content is {found}: give it the extension that matches its content"
        )
    text = decode(body)
    if media_type in _MARKDOWN | _HTML:
        from core.indexing.readers.markup import read_html, read_markdown

        return read_markdown(clean(text)) if media_type in _MARKDOWN else read_html(text)
    if media_type in _TABLES:
        return read_csv(text, _TABLES[media_type])
    return read_text(text)


def _expect(body: bytes, mark: bytes, name: str) -> None:
    if body.startswith(mark):
        return
    found = _binary(body)
    if found == "an old or protected Office file" and name != "PDF":
        raise DocumentError(f"is protected by a password or in the format before {name}: store an unprotected copy as {name}")
    raise DocumentError(
        f"is declared as {name}, but its content is {found or 'something else'}: give it the extension that matches its content"
    )


def _binary(body: bytes) -> str | None:
    return next((name for mark, name in _BINARY if body.startswith(mark)), None)


def _clean(block: Block) -> Block:
    text = one_line(block.text) if block.kind == "heading" else clean(block.text).strip("\n").rstrip()
    return Block(block.kind, text, block.level)
