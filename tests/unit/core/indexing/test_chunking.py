from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.indexing.blocks import Block
from core.indexing.chunking import LIMIT, TARGET, chunk
from core.indexing.embedding import LocalEmbedder
from core.models import PUBLIC, Document

COUNT = LocalEmbedder().count


def chunks(*blocks: Block, title: str = "Travel policy"):
    document = Document(
        id="wiki:travel",
        source="wiki",
        title=title,
        url="https://wiki.acme.com/travel",
        body="",
        media_type="text/plain",
        updated_at=datetime(2026, 11, 2, tzinfo=UTC),
        access=PUBLIC,
        path=("Handbook", "People"),
    )
    return chunk(document, blocks, COUNT)


def heading(text: str, level: int = 1) -> Block:
    return Block("heading", text, level)


def text(text: str) -> Block:
    return Block("text", text)


SENTENCE = "Everybody who travels for work books through the portal and keeps every receipt. "


def test_a_chunk_stands_under_its_title_and_headings():
    (only,) = chunks(heading("Trains"), heading("First class", 2), text("Only above four hours."))
    assert only.indexed_text == "Travel policy > Trains > First class\nOnly above four hours."
    assert (only.document_id, only.position, only.source, only.url) == ("wiki:travel", 0, "wiki", "https://wiki.acme.com/travel")


def test_small_paragraphs_under_one_heading_come_together_and_others_do_not():
    found = chunks(heading("Trains"), text("One."), text("Two."), heading("Planes"), text("Three."))
    assert [(c.headings, c.text) for c in found] == [(("Trains",), "One.\n\nTwo."), (("Planes",), "Three.")]


def test_a_heading_goes_when_one_of_its_level_or_above_comes():
    found = chunks(
        heading("A"), heading("B", 2), text("b"), heading("C", 3), text("c"), heading("D", 2), text("d"), heading("E"), text("e")
    )
    assert [c.headings for c in found] == [("A", "B"), ("A", "B", "C"), ("A", "D"), ("E",)]


def test_the_title_is_not_said_twice():
    found = chunks(heading("Travel Policy"), text("Intro."), heading("Trains", 2), text("Second class."))
    assert [c.indexed_text for c in found] == ["Travel policy\nIntro.", "Travel policy > Trains\nSecond class."]


def test_headings_with_nothing_below_become_text():
    found = chunks(heading("A"), heading("B", 2), heading("C", 2), text("c"), heading("D"), heading("Z", 2))
    assert [(c.headings, c.text) for c in found] == [(("A",), "B"), (("A", "C"), "c"), (("D",), "Z")]
    assert [c.text for c in chunks(heading("Alone"))] == ["Alone"]


def test_long_text_is_parted_between_sentences_into_equal_parts():
    found = chunks(text(SENTENCE * 20))
    assert len(found) > 2
    assert all(c.text.endswith("receipt.") for c in found)
    sizes = [COUNT(c.indexed_text) for c in found]
    assert max(sizes) <= TARGET
    assert min(sizes) > max(sizes) / 2


def test_a_sentence_without_end_is_parted_between_words():
    words = [f"word{number}" for number in range(400)]
    found = chunks(text(" ".join(words)))
    assert " ".join(c.text for c in found).split() == words
    assert all(COUNT(c.indexed_text) <= TARGET for c in found)


def test_a_word_without_end_is_cut_and_nothing_of_it_is_lost():
    blob = "QUJDREVG" * 2000
    found = chunks(text(f"Picture: {blob} end."))
    assert "".join("".join(c.text for c in found).split()) == f"Picture:{blob}end."
    assert max(len(c.text) for c in found) < 1500


def test_code_stays_whole_up_to_the_limit():
    code = "```python\n" + "\n".join(f"step_{number} = run({number})" for number in range(16)) + "\n```"
    assert TARGET < COUNT(code) < LIMIT - 10
    found = chunks(text("Before."), Block("code", code), text("After."))
    assert code in [c.text for c in found]


def test_longer_code_is_parted_between_lines_and_fenced_again():
    lines = [f"    step_{number} = run({number})" for number in range(80)]
    found = chunks(Block("code", "```python\n" + "\n".join(lines) + "\n```"))
    assert len(found) > 2
    assert all(c.text.startswith("```python\n    step_") and c.text.endswith("\n```") for c in found)
    assert [line for c in found for line in c.text.split("\n") if not line.startswith("```")] == lines
    assert all(COUNT(c.indexed_text) <= LIMIT for c in found)


def test_a_long_table_repeats_its_header_above_every_part():
    rows = [f"| city {number} | {number * 10} euros a night |" for number in range(60)]
    found = chunks(Block("table", "\n".join(("| City | Limit |", "|-|-|", *rows))))
    assert len(found) > 3
    assert all(c.text.startswith("| City | Limit |\n|-|-|\n| city") for c in found)
    assert [line for c in found for line in c.text.split("\n")[2:]] == rows


def test_a_row_longer_than_a_chunk_is_cut_below_the_header():
    row = "| notes | " + SENTENCE * 30 + "|"
    found = chunks(Block("table", f"| City | Limit |\n|-|-|\n| a | b |\n{row}\n| c | d |"))
    assert all(COUNT(c.indexed_text) <= LIMIT for c in found)
    assert all(c.text.startswith("| City | Limit |\n|-|-|\n") for c in found)
    assert (
        " ".join(c.text.removeprefix("| City | Limit |\n|-|-|\n") for c in found).split() == f"| a | b | {row} | c | d |".split()
    )


def test_a_table_whose_header_fills_a_chunk_is_not_repeated():
    header = "| " + " | ".join(f"column {number}" for number in range(40)) + " |"
    found = chunks(Block("table", f"{header}\n{'|-' * 40}|\n" + "\n".join("| x " * 40 + "|" for _ in range(5))))
    assert sum("column 39" in c.text for c in found) == 1


def test_a_list_is_parted_between_its_items():
    items = [f"- Item {number} is about trains and planes and receipts" for number in range(40)]
    found = chunks(Block("list", "\n".join(items)))
    assert len(found) > 2
    assert [line for c in found for line in c.text.split("\n")] == items


def test_a_title_or_heading_without_end_leaves_room_for_text():
    long = "word " * 300
    found = chunks(heading(long.strip()), text("Short."), title=long)
    assert all(COUNT(c.indexed_text) <= TARGET for c in found)
    assert sum(c.text.split().count("word") for c in found) == 300
    assert found[0].title.endswith("…")


def test_hidden_characters_in_a_title_go_away():
    (only,) = chunks(text("x"), title="Tra\u200bvel \u202epolicy\n")
    assert only.title == "Travel policy"


def test_a_document_without_title_goes_by_its_id():
    assert chunks(text("x"), title=" ")[0].title == "wiki:travel"


def test_nothing_gives_no_chunks():
    assert chunks() == []


@pytest.mark.parametrize("language", ["日本語の文章です。", "これは句読点のない長い文章ですが"])
def test_unspaced_scripts_are_parted_within_the_limit(language):
    found = chunks(text(language * 200))
    assert "".join(c.text for c in found) == language * 200
    assert all(COUNT(c.indexed_text) <= LIMIT for c in found)
