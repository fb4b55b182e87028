"""The same content in two places is one source with two links."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from core.answering.citations import citation
from core.answering.evidence import collapse
from core.models import Hit
from tests.answering import LEAVE, LEAVE_HIT, TRAVEL_HIT, hit


def edited(item: Hit, *date: int) -> Hit:
    return replace(item, chunk=replace(item.chunk, updated_at=datetime(*date, tzinfo=UTC)))  # type: ignore[misc]


def test_two_copies_of_a_page_are_one_source_with_a_second_link() -> None:
    copy = hit("drive:leave", LEAVE.replace("Employees", "EMPLOYEES"), title="Leave (export)", score=0.95, source="drive")
    found = collapse([LEAVE_HIT, copy, TRAVEL_HIT])
    assert [item.document_ids for item in found] == [("wiki:leave", "drive:leave"), ("wiki:travel",)]
    cited = citation(found[0], 1, "Employees get 30 days of paid leave a year.")
    assert (cited.title, [link.title for link in cited.also_at]) == ("Leave", ["Leave (export)"])


def test_a_quote_that_stands_in_one_of_them_only_has_one_link() -> None:
    part = hit("drive:leave", "Employees get 30 days of paid leave a year.", title="Leave in short", score=0.9)
    (found,) = collapse([LEAVE_HIT, part])
    assert citation(found, 1, "| Germany | 11 |").also_at == ()
    assert [link.document_id for link in citation(found, 1, "Employees get 30 days of paid leave a year.").also_at] == [
        "drive:leave"
    ]


def test_pages_that_differ_in_a_number_or_a_not_are_no_copies() -> None:
    for text in (
        LEAVE.replace("30", "25"),
        TRAVEL_HIT.chunk.text.replace("needs", "does not need"),
        "It costs 5 €.",
        "-5 degrees",
    ):
        other = {"It costs 5 €.": "It costs 5 $.", "-5 degrees": "5 degrees"}.get(text)
        first = hit("wiki:one", other) if other else (LEAVE_HIT if "25" in text else TRAVEL_HIT)
        assert len(collapse([first, hit("wiki:two", text)])) == 2


def test_a_row_below_another_head_line_and_a_line_below_another_heading_are_no_copies() -> None:
    sick = LEAVE.replace("Public holidays", "Sick days")
    assert len(collapse([LEAVE_HIT, hit("wiki:sick", sick)])) == 2
    one, two = hit("wiki:a", "Eleven days.", headings=("Holidays",)), hit("wiki:b", "Eleven days.", headings=("Sickness",))
    assert len(collapse([one, two])) == 2


def test_a_copy_takes_no_place_from_another_document() -> None:
    copies = [hit(f"wiki:copy-{n}", score=0.99 - n / 1000) for n in range(10)]
    assert [item.document_id for item in collapse([LEAVE_HIT, *copies, TRAVEL_HIT])] == ["wiki:leave", "wiki:travel"]


def test_of_documents_as_good_as_equal_the_newer_comes_first_and_never_before_a_better_one() -> None:
    old = edited(hit("wiki:old", "Old text.", score=1.0), 2024, 1, 1)
    new = edited(hit("wiki:new", "New text.", score=0.99), 2026, 1, 1)
    newest = edited(hit("wiki:newest", "Newest text.", score=0.97), 2026, 6, 1)
    assert [item.document_id for item in collapse([old, new, newest])] == ["wiki:new", "wiki:old", "wiki:newest"]
