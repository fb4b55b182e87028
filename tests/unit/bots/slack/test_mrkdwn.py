"""Markdown to mrkdwn."""

from __future__ import annotations

import pytest

from bots.slack.markup import link, literal, size
from bots.slack.mrkdwn import sections
from tests.emulators.slack_rules import markup_flaws

Z = "\u200b"


CITED = dict(enumerate(["https://a.b", "https://a.b/c", "https://a.b/c_d_e", "https://a.b/c?d=1&e=2", "https://a.b|c"], 11))


def one(markdown: str, footnotes: dict[int, str] = CITED) -> str:
    (section,) = sections(markdown, footnotes)
    assert markup_flaws(section) == []
    return section


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("*italic* and _italic_", "_italic_ and _italic_"),
        ("~~gone~~", "~gone~"),
        ("***both***", "*_both_*"),
        ("**bold with _italic_ inside**", "*bold with _italic_ inside*"),
        ("in**side**word", f"in{Z}*side*{Z}word"),
        ("**太字**です", f"*太字*{Z}です"),
        ("**bold**, *italic*.", "*bold*, _italic_."),
        ("`code <b> & **x**`", "`code &lt;b&gt; &amp; **x**`"),
        ("`` a`b ``", "`a\u02cbb`"),
        ("# Heading *one*", "*Heading _one_*"),
        ("### Third", "*Third*"),
        ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
        ("&lt;!here&gt; &amp;amp;", "&lt;!here&gt; &amp;amp;"),
        ("[text](https://a.b/c?d=1&e=2)", "<https://a.b/c?d=1&amp;e=2|text>"),
        ("[**bold** text](https://a.b)", "<https://a.b|bold text>"),
        ("**[text](https://a.b)**", "*<https://a.b|text>*"),
        ("<https://a.b/c>", "<https://a.b/c>"),
        ("see https://a.b/c_d_e.", "see <https://a.b/c_d_e>."),
        ("[text](file:///etc/passwd)", "text"),
        ("[text](javascript:alert(1))", "text"),
        ("[](https://a.b)", "<https://a.b>"),
        ("[text](https://evil.example)", "text"),
        ("<https://evil.example> and https://evil.example", "`https://evil.example` and `https://evil.example`"),
        ("![chart](https://evil.example/c.png)", "chart"),
        ("x [](mailto:a@b.c)", "x"),
        ("[a | b `c`](https://a.b)", "<https://a.b|a \u2502 b c>"),
        ("<https://a.b|c>", "<https://a.b%7Cc>"),
        ("![chart](https://a.b/c)", "chart"),
        ("first\nsecond", "first\nsecond"),
        ("first\\\nsecond", "first\nsecond"),
        ("first\n\nsecond", "first\n\nsecond"),
        ("a\n\n---\n\nb", f"a\n\n{'─' * 12}\n\nb"),
        ("<b>html</b>", "&lt;b&gt;html&lt;/b&gt;"),
    ],
)
def test_inline_markup(markdown: str, mrkdwn: str) -> None:
    assert one(markdown) == mrkdwn


def test_lists_keep_their_markers_and_levels() -> None:
    markdown = "- one\n- two\n  - deep **bold**\n    more\n\n3. three\n4. four\n   > quoted"
    assert one(markdown) == "• one\n• two\n    • deep *bold*\n        more\n\n3. three\n4. four\n>     quoted"


def test_an_item_of_several_paragraphs_stays_one_item() -> None:
    assert one("- one\n\n  more\n\n- two") == "• one\n    more\n• two"


def test_quotes_are_marked_on_every_line() -> None:
    assert one("> one\n> two\n>\n> - three\n\nout") == "> one\n> two\n>\n> • three\n\nout"


def test_a_code_block_keeps_its_text_and_loses_its_language() -> None:
    assert one("```python\nif a < b && c:\n    *x*\n```") == "```\nif a &lt; b &amp;&amp; c:\n    *x*\n```"


def test_backticks_inside_a_code_block_do_not_end_it() -> None:
    assert one("````\n```\ninner\n```\n````") == f"```\n`{Z}``\ninner\n`{Z}``\n```"


def test_a_table_is_aligned_in_a_code_block() -> None:
    markdown = "| Plan | Days |\n|---|---|\n| **Full** time | 30 |\n| 日本 | `x` [1] |"
    assert one(markdown, {1: "https://a.b"}) == "```\nPlan       Days\n---------  -----\nFull time  30\n日本       x [1]\n```"


def test_text_that_looks_like_markup_stays_text() -> None:
    assert one("2 * 3 * 4 = 24 and snake_case_name and ~5") == f"2 * 3 * 4 = 24 and snake_case_name and ~{Z}5"
    assert one("\\*not bold\\*") == f"*{Z}not bold{Z}*"
    assert one("\\> not a quote") == f"{Z}&gt; not a quote"


@pytest.mark.parametrize("ping", ["@channel", "@here", "@everyone", "@Channel"])
def test_groups_are_not_pinged(ping: str) -> None:
    assert ping not in one(f"hello {ping}!")
    assert ping not in one(f"[{ping}](https://a.b)")
    assert ping not in literal(ping)


@pytest.mark.parametrize("mention", ["<!here>", "<!channel>", "<!subteam^S1|eng>", "<@U123>", "<#C123>", "<!date^1^{date}|x>"])
def test_mentions_are_shown_as_text(mention: str) -> None:
    assert one(f"hello {mention} there") == f"hello {mention.replace('<', '&lt;').replace('>', '&gt;')} there"


def test_markers_of_footnotes_are_links_except_where_none_is_known_and_in_code() -> None:
    known = {1: "https://a.b/1", 2: "file:///tmp/2.md"}
    assert one("A [1][2] **b [1]** `[1]` [3]", known) == ("A <https://a.b/1|[1]>[2] *b <https://a.b/1|[1]>* `[1]` [3]")


def test_generated_text_cannot_say_where_footnotes_lead() -> None:
    assert "evil.example|[1]" not in one("See [1].\n\n[1]: https://evil.example", {1: "https://a.b"})
    assert one("See [1].\n\n[1]: /x", {1: "https://a.b"}).startswith("See <https://a.b|[1]>.")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.b/c|d", "<https://a.b/c%7Cd|t>"),
        ("https://a.b/c d", "<https://a.b/c%20d|t>"),
        ("https://a.b/<c>", "<https://a.b/%3Cc%3E|t>"),
        ("HTTPS://A.B", "<HTTPS://A.B|t>"),
        ("https://", "t"),
        ("https://[broken", "t"),
        ("//a.b", "t"),
        ("file:///srv/handbook/leave.md", "t"),
        ("ftp://a.b", "t"),
        ("", "t"),
        ("https://a.b/" + "x" * 2000, "t"),
    ],
)
def test_only_what_slack_can_link_is_linked(url: str, shown: str) -> None:
    assert link(url, "t") == shown


def test_long_text_is_cut_between_words_and_marks_are_closed_and_opened_again() -> None:
    pieces = sections(f"**{' '.join(['word'] * 100)}**", limit=200)
    assert len(pieces) > 2
    for piece in pieces:
        assert size(piece) <= 200
        assert piece.startswith("*word")
        assert piece.endswith("word*")
    assert " ".join(piece.strip("*") for piece in pieces).split() == ["word"] * 100


def test_a_long_quote_stays_a_quote() -> None:
    assert all(piece.startswith("> ") for piece in sections("> " + "word " * 200, limit=300))


def test_a_long_code_block_is_closed_and_opened_again_between_lines() -> None:
    lines = [f"line {number} <" for number in range(100)]
    pieces = sections("```sh\n" + "\n".join(lines) + "\n```", limit=300)
    assert all(piece.startswith("```\n") and piece.endswith("\n```") and size(piece) <= 300 for piece in pieces)
    inside = [line for piece in pieces for line in piece.split("\n") if line != "```"]
    assert inside == [line.replace("<", "&lt;") for line in lines]


def test_neither_links_nor_entities_nor_surrogate_pairs_are_cut() -> None:
    urls = {number: f"https://a.b/{'x' * 40}/{number}" for number in range(30)}
    text = " ".join(f"[link {number}]({url})" for number, url in urls.items()) + " " + "<&>😀" * 300
    pieces = sections(text, urls, limit=250)
    assert all(size(piece) <= 250 and markup_flaws(piece) == [] for piece in pieces)
    shown = "".join(pieces)
    assert all(f"/{number}|link {number}>" in shown for number in range(30))
    assert shown.count("😀") == 300


@pytest.mark.parametrize("nothing", ["", " \n\t ", "\x00\x07", "```\n\n```", "[]()"])
def test_nothing_is_no_section(nothing: str) -> None:
    assert sections(nothing) == [] or all(section.strip() for section in sections(nothing))


def test_a_paragraph_of_a_hundred_thousand_characters_is_converted_whole() -> None:
    pieces = sections("**word** `code` [1] " * 5_000, {1: "https://a.b"})
    assert sum(piece.count("<https://a.b|[1]>") for piece in pieces) == 5_000
