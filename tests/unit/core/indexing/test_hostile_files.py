"""Files that are made to do harm: what they reach for, what they would unpack to, what they are not."""

from __future__ import annotations

import io
import socket
import struct
import zipfile
import zlib
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest

from core.errors import DocumentError
from core.indexing.parsing import MEDIA_TYPES
from core.indexing.readers.dispatch import read

DOCX, PPTX, XLSX, HTML, CSV = (MEDIA_TYPES[suffix] for suffix in (".docx", ".pptx", ".xlsx", ".html", ".csv"))
SECRET = "canary-of-another-file"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def text_of(body: bytes, media_type: str) -> str:
    """Read in this process, where nothing but the readers themselves would hold back."""
    return "\n".join(block.text for block in read(body, media_type))


def saved(made: object) -> bytes:
    file = io.BytesIO()
    made.save(file)  # type: ignore[attr-defined]
    return file.getvalue()


def changed(body: bytes, **parts: bytes) -> bytes:
    """An Office file with other parts; ``__`` in a name stands for a slash."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content |= {name.replace("__", "/").replace("_xml", ".xml"): part for name, part in parts.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    return file.getvalue()


def declared(entity: str, xml: str) -> bytes:
    return f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e {entity}>]>{xml}'.encode()


def test_no_file_of_this_machine_is_read_through_an_entity(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(SECRET)
    entity = f'SYSTEM "file://{tmp_path}/other"'
    word = f'<w:document xmlns:w="{W}"><w:body><w:p><w:r><w:t>Hi &e;</w:t></w:r></w:p></w:body></w:document>'
    sheet = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="1"><si><t>Hi &e;</t></si></sst>'
    book = openpyxl.Workbook()
    book.active["A1"] = "Hi"
    slides = pptx.Presentation()
    slides.slides.add_slide(slides.slide_layouts[1]).shapes.title.text = "Hi"
    slide = (
        '<p:sld xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><p:cSld><p:spTree><p:nvGrpSpPr/><p:grpSpPr/>'
        "<p:sp><p:nvSpPr/><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>Hi &e;</a:t></a:r></a:p></p:txBody></p:sp>"
        "</p:spTree></p:cSld></p:sld>"
    )
    page = "<!DOCTYPE html [<!ENTITY e " + entity + ">]><p>Hi &e; there</p><iframe src='file:///etc/passwd'></iframe>"
    for body, media_type in (
        (changed(saved(docx.Document()), word__document_xml=declared(entity, word)), DOCX),
        (changed(saved(book), xl__sharedStrings_xml=declared(entity, sheet)), XLSX),
        (changed(saved(slides), ppt__slides__slide1_xml=declared(entity, slide)), PPTX),
        (page.encode(), HTML),
    ):
        try:
            found = text_of(body, media_type)
        except DocumentError as refused:
            found = str(refused)
        assert SECRET not in found
        assert "root:" not in found


def test_nobody_is_asked_for_what_a_document_points_to() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    document = docx.Document()
    document.add_paragraph("A paragraph with a picture.")
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    for target in ("image", "attachedTemplate", "hyperlink", "oleObject"):
        document.part.rels.get_or_add_ext_rel(f"{kind}/{target}", f"{url}/{target}")
    page = (
        f'<!DOCTYPE html SYSTEM "{url}/dtd"><link rel=stylesheet href="{url}/css"><base href="{url}/"><p>A paragraph '
        f'<img src="{url}/img" alt="with a picture"><object data="{url}/o"></object><script src="{url}/js"></script>.</p>'
    )
    drawing = f'<svg xmlns:xlink="x"><image xlink:href="{url}/svg"/><text>drawn</text></svg><p>A paragraph</p>'
    with server:
        for body, media_type in ((saved(document), DOCX), (page.encode(), HTML), (drawing.encode(), HTML)):
            assert "A paragraph" in text_of(body, media_type)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def picture(width: int, height: int) -> bytes:
    """A PNG of that many white pixels, in next to no bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))

    head = struct.pack("!IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_a_picture_of_billions_of_pixels_is_not_unpacked() -> None:
    document = docx.Document()
    document.add_paragraph("The plan of the building.")
    document.add_picture(io.BytesIO(picture(1, 1)))
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    slide.shapes.add_textbox(0, 0, 100, 100).text_frame.text = "The plan of the building."
    slide.shapes.add_picture(io.BytesIO(picture(1, 1)), 0, 0)

    huge = picture(60_000, 60_000)
    for body, media_type in (
        (changed(saved(document), **{"word/media/image1.png": huge}), DOCX),
        (changed(saved(deck), **{"ppt/media/image1.png": huge}), PPTX),
    ):
        assert "The plan of the building." in text_of(body, media_type)
    with pytest.raises(DocumentError, match="cannot be read"):
        text_of(huge, "image/png")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><text>Hi</text></svg>', "image/svg+xml"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "application/vnd.ms-outlook"),
        (b"PK\x03\x04", "application/zip"),
        (b"#!/bin/sh\nrm -rf ~", "application/x-sh"),
    ],
)
def test_what_may_carry_programs_or_other_files_is_not_opened(body: bytes, media_type: str) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        text_of(body, media_type)


def test_an_attachment_of_a_message_is_written_nowhere(tmp_path: Path) -> None:
    message = EmailMessage()
    message.set_content("See the attachment.")
    message.add_attachment(b"content", maintype="application", subtype="octet-stream", filename=f"../..{tmp_path}/dropped")

    with pytest.raises(DocumentError, match="cannot be read"):
        text_of(bytes(message), "message/rfc822")
    assert list(tmp_path.iterdir()) == []


def test_many_small_bombs_are_one() -> None:
    parts = {f"word__part{number}_xml": b"<x/>" + b" " * 900_000 for number in range(40)}
    with pytest.raises(DocumentError, match="unpacks to more"):
        text_of(changed(saved(docx.Document()), **parts), DOCX)


@pytest.mark.parametrize("name", ["word\\..\\..\\x", "\\\\server\\share", "word/../x", "D:x"])
def test_names_that_lead_outside_on_any_system_are_refused(name: str) -> None:
    with pytest.raises(DocumentError, match="unsafe name"):
        text_of(changed(saved(docx.Document()), **{name: b"x"}), DOCX)


def test_a_script_in_a_page_is_no_text_of_it() -> None:
    page = (
        b'<p onclick="steal()">Hello <a href="javascript:steal()">there</a></p><script>steal()</script><style>@import "x"</style>'
    )
    found = text_of(page, HTML)
    assert "Hello there" in found
    assert "steal" not in found
    assert "import" not in found


def test_a_formula_is_data() -> None:
    assert "=HYPERLINK(1)" in text_of(b"Name,Link\nAna,=HYPERLINK(1)\n", CSV)
