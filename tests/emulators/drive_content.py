"""What is in an emulated Drive file: bytes, or a Docs editor's content that is exported to other formats."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

APPS = "application/vnd.google-apps."
FOLDER, SHORTCUT = f"{APPS}folder", f"{APPS}shortcut"
DOCUMENT, SPREADSHEET, PRESENTATION, FORM = f"{APPS}document", f"{APPS}spreadsheet", f"{APPS}presentation", f"{APPS}form"
OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX, XLSX, PPTX = f"{OFFICE}wordprocessingml.document", f"{OFFICE}spreadsheetml.sheet", f"{OFFICE}presentationml.presentation"

_PIECE = 64 * 1024


@dataclass(frozen=True)
class Text:
    """A Google Doc, written as Markdown: headings, paragraphs, list items, tables."""

    markdown: str


@dataclass(frozen=True)
class Sheets:
    """A Google Sheet: rows of cells by the name of their sheet."""

    tables: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]

    @classmethod
    def of(cls, tables: Mapping[str, Sequence[Sequence[object]]]) -> Sheets:
        return cls(tuple((name, tuple(tuple(map(str, row)) for row in rows)) for name, rows in tables.items()))


@dataclass(frozen=True)
class Slides:
    """Google Slides: title and text of each."""

    slides: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Zeros:
    """A file of this many bytes that nobody keeps in memory."""

    size: int


Content = bytes | Zeros | Text | Sheets | Slides | None
"""None: there is nothing to read (folders, shortcuts, forms)."""


def size_of(content: bytes | Zeros) -> int:
    return content.size if isinstance(content, Zeros) else len(content)


def digest(content: bytes | Zeros, algorithm: str) -> str:
    hashed = hashlib.new(algorithm, usedforsecurity=False)
    hashed.update(content if isinstance(content, bytes) else f"{content.size} zeros".encode())
    return hashed.hexdigest()


def pieces(content: bytes | Zeros, start: int, stop: int) -> Iterator[bytes]:
    """The bytes from ``start`` up to ``stop``, little by little."""
    for at in range(start, stop, _PIECE):
        end = min(at + _PIECE, stop)
        yield content[at:end] if isinstance(content, bytes) else bytes(end - at)


def pdf(text: str) -> bytes:
    """A PDF of one page with these lines."""
    shown = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in text.splitlines()]
    page = (
        b"BT /F1 12 Tf 14 TL 72 760 Td " + b"".join(b"(%s) Tj T* " % line.encode("cp1252", "replace") for line in shown) + b"ET"
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    written, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % at for at in offsets)
    return written + table + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(written))


def export(mime_type: str, content: Content, target: str) -> bytes | None:
    """The content in another format; None when there is no such conversion. Equal content gives equal bytes."""
    convert = EXPORTS.get(mime_type, {}).get(target)
    return None if convert is None else _converted(convert, content)


@lru_cache(maxsize=64)
def _converted(convert: Callable[[Content], bytes], content: Content) -> bytes:
    return convert(content)


def _markdown(content: Content) -> bytes:
    assert isinstance(content, Text)
    return content.markdown.encode()


def _plain(content: Content) -> bytes:
    """As Google writes it: with a byte order mark and CRLF."""
    if isinstance(content, Slides):
        lines = [line for title, text in content.slides for line in (title, *text.splitlines(), "")]
    else:
        assert isinstance(content, Text)
        lines = [re.sub(r"^(#{1,6} |[-*] )", "", line) for line in content.markdown.splitlines()]
    return b"\xef\xbb\xbf" + "\r\n".join(lines).encode()


def _docx(content: Content) -> bytes:
    from docx import Document

    assert isinstance(content, Text)
    document, rows = Document(), list[list[str]]()

    def end_table() -> None:
        if rows:
            table = document.add_table(rows=0, cols=max(map(len, rows)))
            for row in rows:
                for cell, value in zip(table.add_row().cells, row, strict=False):
                    cell.text = value
            rows.clear()

    for line in content.markdown.splitlines():
        if line.startswith("|"):
            if not re.fullmatch(r"[|:\- ]+", line):
                rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        end_table()
        if heading := re.match(r"(#{1,6}) (.*)", line):
            document.add_heading(heading[2], level=len(heading[1]))
        elif item := re.match(r"[-*] (.*)", line):
            document.add_paragraph(item[1], style="List Bullet")
        elif line.strip():
            document.add_paragraph(line)
    end_table()
    return _saved(document.save)


def _xlsx(content: Content) -> bytes:
    from openpyxl import Workbook

    assert isinstance(content, Sheets)
    book = Workbook()
    book.remove(book.active)
    for name, rows in content.tables:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return _saved(book.save)


def _separated(delimiter: str) -> Callable[[Content], bytes]:
    def write(content: Content) -> bytes:
        # Google exports the first sheet only.
        assert isinstance(content, Sheets)
        written = io.StringIO()
        csv.writer(written, delimiter=delimiter).writerows(content.tables[0][1] if content.tables else ())
        return written.getvalue().encode()

    return write


def _pptx(content: Content) -> bytes:
    from pptx import Presentation

    assert isinstance(content, Slides)
    deck = Presentation()
    for title, text in content.slides:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
    return _saved(deck.save)


def _pdf(content: Content) -> bytes:
    return pdf(_plain(content).decode("utf-8-sig"))


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    """The package without the time at which it was written."""
    written, timeless = io.BytesIO(), io.BytesIO()
    save(written)
    with zipfile.ZipFile(written) as package, zipfile.ZipFile(timeless, "w") as copy:
        for name in package.namelist():
            part = package.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"(<dcterms:\w+[^>]*>)[^<]+", rb"\g<1>2026-01-01T00:00:00Z", part)
            copy.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return timeless.getvalue()


EXPORTS: dict[str, dict[str, Callable[[Content], bytes]]] = {
    DOCUMENT: {"text/markdown": _markdown, "text/plain": _plain, DOCX: _docx, "application/pdf": _pdf},
    SPREADSHEET: {XLSX: _xlsx, "text/csv": _separated(","), "text/tab-separated-values": _separated("\t")},
    PRESENTATION: {PPTX: _pptx, "text/plain": _plain, "application/pdf": _pdf},
}
