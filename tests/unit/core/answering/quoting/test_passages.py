"""Where a quotation may begin and end."""

from __future__ import annotations

import pytest

from core.answering.quoting.passages import Kind, passages, sentences
from core.answering.terms import content_words, terms
from core.answering.visible import visible


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One thing. Another one! A third?", ["One thing.", "Another one!", "A third?"]),
        ("See e.g. Dr. Smith at 3.5 percent. Then go.", ["See e.g. Dr. Smith at 3.5 percent.", "Then go."]),
        ("1. Open the door. 2. Close it.", ["1. Open the door.", "2. Close it."]),
        ("年休は二十日です。申請は人事へ。", ["年休は二十日です。", "申請は人事へ。"]),
        ("Visit https://acme.com/a.b for it", ["Visit https://acme.com/a.b for it"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_a_table_is_quoted_by_rows_with_its_head_line() -> None:
    rows = passages("Days:\n\n| Country | Days |\n| --- | --- |\n| Germany | 11 |\n| France | 10 |")
    assert [(row.kind, row.text, row.header) for row in rows[1:]] == [
        (Kind.ROW, "| Germany | 11 |", "| Country | Days |"),
        (Kind.ROW, "| France | 10 |", "| Country | Days |"),
    ]


def test_a_table_that_was_cut_from_its_head_line_still_gives_rows() -> None:
    assert [row.header for row in passages("| Germany | 11 |\n| France | 10 |")] == ["", ""]


def test_a_code_block_is_quoted_whole_even_when_its_end_is_missing() -> None:
    code = "```sh\nmake all\n\nmake test. Now.\n```"
    assert [part.text for part in passages(f"Run it.\n{code}\nDone.")] == ["Run it.", code, "Done."]
    assert [part.text for part in passages("~~~\na. b.")] == ["~~~\na. b."]


def test_list_items_are_quoted_one_by_one_with_their_continuation() -> None:
    items = passages("You need:\n- a laptop\n  with a charger\n- a badge\n10) a desk")
    assert [item.text for item in items] == ["You need:", "- a laptop\n  with a charger", "- a badge", "10) a desk"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("policies", "policy"),
        ("booking", "book"),
        ("approved", "approval"),
        ("employees", "employee"),
        ("Reisekosten", "reisekosten"),
        ("days", "day"),
    ],
)
def test_inflections_meet(one: str, other: str) -> None:
    assert terms(one) == terms(other)


def test_function_words_carry_nothing_and_languages_without_spaces_have_pairs() -> None:
    assert content_words("How many days of leave do I have?") == ["days", "leave"]
    assert content_words("Wie viele Tage Urlaub habe ich?") == ["Tage", "Urlaub"]
    assert content_words("年休は") == ["年休", "休は"]


def test_invisible_characters_go_and_emoji_and_persian_stay() -> None:
    emoji, persian = "\U0001f469\u200d\U0001f4bb \u2764\ufe0f", "می\u200cخواهم"
    assert visible(f"a\u200bb\u202e {emoji} {persian}\U000e0041") == f"ab {emoji} {persian}"
    assert visible("a\u200d\u200d\u200db") == "ab"
