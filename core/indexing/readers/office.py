"""DOCX, PPTX and XLSX with unstructured."""

from __future__ import annotations

import io
from typing import Any

from core.errors import DocumentError
from core.indexing.blocks import Block
from core.indexing.readers.archive import check_archive
from core.indexing.readers.elements import blocks_of

_MAIN_PARTS = {"docx": "word/", "pptx": "ppt/", "xlsx": "xl/"}


def read_office(body: bytes, family: str) -> list[Block]:
    """``family`` is docx, pptx or xlsx. Raises DocumentError if the file is not one, damaged or dangerous."""
    names = check_archive(body)
    if not any(name.startswith(_MAIN_PARTS[family]) for name in names):
        found = next(
            (kind for kind, part in _MAIN_PARTS.items() if any(name.startswith(part) for name in names)), "another archive"
        )
        raise DocumentError(
            f"is declared as {family.upper()}, but its content is {found}: give it the extension that matches its content"
        )
    try:
        return list(blocks_of(_partition(io.BytesIO(body), family)))
    except (DocumentError, MemoryError):
        raise
    except Exception as error:  # the libraries let anything through that a damaged part provokes
        raise DocumentError(f"is not a readable {family.upper()} file, it may be damaged: export or upload it again") from error


def _partition(file: io.BytesIO, family: str) -> list[Any]:
    from core.indexing.readers.offline import take_offline

    take_offline()
    elements: list[Any]
    if family == "docx":
        from unstructured.partition.docx import partition_docx

        elements = partition_docx(file=file, languages=["eng"], include_page_breaks=False)
    elif family == "pptx":
        from unstructured.partition.pptx import partition_pptx

        elements = partition_pptx(file=file, languages=["eng"], include_page_breaks=False, include_slide_notes=True)
    else:
        from unstructured.partition.xlsx import partition_xlsx

        elements = partition_xlsx(file=file, languages=["eng"], include_header=False)
    return elements
