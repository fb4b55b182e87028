from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.folder.names import document_id, parts_of, printable

FILE_NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."}
)
PATHS = st.lists(FILE_NAMES.map(os.fsdecode), min_size=1, max_size=4).map(tuple)


@given(PATHS)
def test_every_path_comes_back_from_its_id(parts: tuple[str, ...]):
    assert parts_of("docs", document_id("docs", parts)) == parts


@given(PATHS)
def test_an_id_is_one_line_of_valid_text(parts: tuple[str, ...]):
    id = document_id("docs", parts)
    assert id.encode("utf-8").decode() == id
    assert len(id.splitlines()) == 1


def test_ordinary_names_are_readable_in_their_ids():
    assert document_id("handbook", ("Büro & Café", "Reise 🚄 #1.md")) == "handbook:Büro & Café/Reise 🚄 #1.md"


@pytest.mark.parametrize(
    "id",
    [
        "docs:",
        "other:a.md",
        "docs:../a.md",
        "docs:a/../b.md",
        "docs:/etc/passwd",
        "docs:a//b.md",
        "docs:./a.md",
        "docs:a\0.md",
        "a.md",
    ],
)
def test_an_id_that_leads_elsewhere_is_no_file_of_the_folder(id: str):
    assert parts_of("docs", id) is None


def test_another_spelling_of_an_id_is_refused():
    assert parts_of("docs", "docs:\\u0061.md") is None


def test_names_are_shown_without_control_characters():
    assert printable("two\nlines\udcff") == "two lines\ufffd"
