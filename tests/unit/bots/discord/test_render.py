"""Answers as Discord messages: typical ones word for word."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bots.discord import render as discord
from bots.discord.cards import LIMIT, PLAIN_LIMIT, length
from core.models import Answer, AnswerMode, Citation, Link
from tests.fakes import NOON, answer


def cited(text: str, *urls: str, title: str = "Travel policy", notice: str = "") -> Answer:
    citations = tuple(
        Citation(number=number, document_id=f"folder:{number}.md", title=title, url=url, quote="", updated_at=NOON)
        for number, url in enumerate(urls, 1)
    )
    return replace(answer(text), citations=citations, notice=notice)


def render(answer: Answer) -> list[str]:
    """What people read in each message: the text, and below it the small print."""
    return ["\n\n".join(filter(None, (card.text, card.small))) for card in discord.render(answer)]


def notice(markdown: str) -> list[str]:
    cards = discord.notice(markdown)
    assert all(card.plain for card in cards)
    return [card.text for card in cards]


WIKI = "https://wiki.acme.example/travel"
SOURCE = "-# [1] [Travel policy](<https://wiki.acme.example/travel>) · updated <t:1793620800:d>"


def test_an_answer_links_its_footnotes_and_lists_its_sources() -> None:
    assert render(cited("Thirty days [1].", WIKI)) == [f"Thirty days [[1]](<{WIKI}>).\n\n{SOURCE}"]


def test_quotes_say_so_in_small_print() -> None:
    quotes = replace(
        cited("> Leave is thirty days. [1]", WIKI, notice="No model is configured, so these are quotes."), mode=AnswerMode.QUOTES
    )
    assert render(quotes) == [
        f"> Leave is thirty days. [[1]](<{WIKI}>)\n\n-# No model is configured, so these are quotes.\n{SOURCE}"
    ]


def test_a_file_or_an_odd_scheme_is_named_but_not_linked() -> None:
    [text] = render(cited("A [1] B [2] C [3].", "file:///etc/passwd", "javascript:alert(1)", ""))
    assert text.splitlines()[0] == "A [1] B [2] C [3]."
    assert "(<" not in text
    assert text.count("-# [") == 3


def test_an_address_cannot_break_out_of_its_brackets() -> None:
    [text] = render(cited("A [1].", "https://wiki.acme.example/a b(c)>\n[x](https://evil.example)"))
    assert text.startswith("A [[1]](<https://wiki.acme.example/a%20b%28c%29%3E%0A[x]%28https://evil.example%29>).")


def test_a_title_cannot_become_a_link_or_a_ping() -> None:
    [text] = render(cited("A [1].", WIKI, title="[Free](https://evil.example) @everyone **now**"))
    assert f"[(Free)(https:\u200b//evil.example) @\u200beveryone \\*\\*now\\*\\*](<{WIKI}>)" in text


@pytest.mark.parametrize("markdown", ["See [1](https://evil.example).", "See [\\[1\\]](https://evil.example)."])
def test_a_link_that_poses_as_a_footnote_leads_to_the_footnote(markdown: str) -> None:
    [text] = render(cited(markdown, WIKI))
    assert "evil" not in text
    assert f"[[1]](<{WIKI}>)" in text


def test_a_source_in_two_places_has_a_second_link() -> None:
    one = cited("Book early [1].", "https://acme.com/travel")
    also = (Link(document_id="drive:1", title="Travel (export)", url="https://drive.acme.com/1"),)
    (shown,) = render(replace(one, citations=(replace(one.citations[0], also_at=also),)))
    assert shown.endswith("\n-# also at [Travel (export)](<https://drive.acme.com/1>)")


def test_a_number_that_cites_nothing_stays_text() -> None:
    [text] = render(cited("See \\[7](https://evil.example) and a[1] b[0].", WIKI))
    assert text.startswith(f"See [7]\\(`https://evil.example`) and a[[1]](<{WIKI}>) b[0].")


def test_only_what_is_cited_is_linked() -> None:
    [text] = render(
        cited(f"[Book](https://evil.example/x), [go](https://wiki.acme.example/y), [read]({WIKI}), {WIKI} [1].", WIKI)
    )
    assert text.startswith(f"Book, go, [read](<{WIKI}>), <{WIKI}> [[1]](<{WIKI}>).")


def test_an_address_that_is_no_link_is_code_which_discord_leaves_alone() -> None:
    assert notice("**See https://evil.example/x.** HTTP://EVIL.EXAMPLE") == [
        "**See `https://evil.example/x`.** `HTTP://EVIL.EXAMPLE`"
    ]


def test_many_footnotes_are_plain_rather_than_spread_over_more_messages() -> None:
    text = "A fact [1]. " * 60
    assert len(render(cited(text, WIKI + "?" + "q" * 60))) == 1
    assert "A fact [1]. A fact [1]." in render(cited(text, WIKI + "?" + "q" * 60))[0]


def test_mentions_are_broken_in_text_and_kept_in_code() -> None:
    assert notice("@everyone @here <@1> <@!1> <@&1> <#1> </x y:1> <:a:1> <t:1:R> `@everyone <@1>`") == [
        "@\u200beveryone @\u200bhere <\u200b@1> <\u200b@!1> <\u200b@&1> <\u200b#1> <\u200b/x y:1> <\u200b:a:1> <\u200bt:1:R> "
        "`@everyone <@1>`"
    ]


def test_a_mention_is_not_assembled_over_a_seam() -> None:
    assert "@everyone" not in notice("@[everyone](https://x.example)")[0]
    assert "@everyone" not in notice("&#64;everyone")[0]
    assert "<@1>" not in notice("\\<@1>")[0]


def test_literal_characters_are_escaped_and_names_are_left_alone() -> None:
    assert notice(r"snake_case \_x\_ a__b__c \*no\* 3 \* 4 \~~no~~ ||no|| C:\Users") == [
        r"snake_case \_x\_ a\_\_b\_\_c \*no\* 3 \* 4 \~\~no\~\~ \|\|no\|\| C:\\Users"
    ]


def test_what_only_looks_like_a_heading_a_list_or_a_quote_is_text() -> None:
    assert notice("a\n\\# b\n\\- c\n1\\. d\n\\> e\n-# f") == ["a\n\\# b\n\\- c\n1\\. d\n\\> e\n\\-# f"]


def test_styles_nest_and_close_behind_words() -> None:
    assert notice("**bold *both* bold** ~~gone~~ ***all***") == ["**bold *both* bold** ~~gone~~ ***all***"]
    assert notice("__strong__ _em_") == ["**strong** *em*"]
    assert notice("**a**_b_") == ["**a**\u200b*b*"]


def test_lists_keep_their_numbers_and_their_depth() -> None:
    assert notice("3. three\n4. four\n   - deep\n\n     more") == ["3. three\n4. four\n  - deep\n    more"]


def test_deep_headings_become_bold() -> None:
    assert notice("# One\ntext\n\n##### Five\ntext") == ["# One\ntext\n\n**Five**\ntext"]


def test_a_small_table_is_aligned_and_a_wide_one_is_a_list() -> None:
    assert notice("| Country | Days |\n|---|---|\n| Spain | 30 |\n| 日本 | 20 |") == [
        "```\nCountry │ Days\n────────┼─────\nSpain   │ 30\n日本    │ 20\n```"
    ]
    wide = "| Country | Rule |\n|---|---|\n| Spain | " + "long " * 30 + "|"
    assert notice(wide) == ["- **Country**: Spain · **Rule**: " + ("long " * 30).strip()]


def test_footnotes_in_a_wide_table_link() -> None:
    [text] = render(cited("| Country | Rule |\n|---|---|\n| Spain | " + "long " * 30 + "[1] |", WIKI))
    assert f"[[1]](<{WIKI}>)" in text


def test_a_fence_inside_code_cannot_close_it() -> None:
    [text] = notice("````md\n```\n@everyone\n```\n````")
    assert text.count("```") == 2
    assert text.startswith("```md\n")


def test_long_code_is_closed_and_reopened_with_its_language() -> None:
    texts = notice("```python\n" + "\n".join(f"line_{number} = {number}" for number in range(300)) + "\n```")
    assert len(texts) > 1
    assert all(text.startswith("```python\nline_") and text.endswith("\n```") for text in texts)
    assert "\n".join(text.removeprefix("```python\n").removesuffix("\n```") for text in texts).count("line_") == 300


def test_a_heading_goes_with_its_paragraph_into_the_next_message() -> None:
    first, second = notice("x " * 800 + "\n\n## Spain\n" + "y " * 400)
    assert not first.endswith("Spain")
    assert second.startswith("## Spain\ny y")


def test_paragraphs_are_not_torn_apart_when_they_fit() -> None:
    paragraphs = [f"{number} " + "word " * 150 for number in range(6)]
    texts = notice("\n\n".join(paragraphs))
    assert [part for text in texts for part in text.split("\n\n")] == [paragraph.strip() for paragraph in paragraphs]


def test_a_long_paragraph_breaks_behind_a_sentence() -> None:
    texts = notice("This is a sentence of some length. " * 100)
    assert all(text.endswith(".") and length(text) <= PLAIN_LIMIT for text in texts)


def test_html_is_shown_as_it_was_written() -> None:
    assert notice("a <b>bold</b> <script>x</script>") == ["a <b>bold</b> <script>x</script>"]


def test_nothing_to_show_is_never_an_empty_message() -> None:
    for text in ("", " \n", "---", "[//]: # (comment)", "\u200b"):
        assert all(message.strip() for message in notice(text))


def test_text_that_no_encoder_takes_is_mended() -> None:
    [text] = notice("half a pair \ud800 and a bell \x07")
    assert text.encode() == b"half a pair ? and a bell "[:-1]


def test_an_answer_takes_as_few_messages_as_components_allow() -> None:
    cards = discord.render(answer("This is a sentence of some length. " * 300))
    assert len(cards) == 4
    assert all(length(card.text) + length(card.small) <= LIMIT for card in cards)


def _grown(markdown: str) -> list[str]:
    """What is seen while it is written, letter by letter."""
    cards = [discord.growing(markdown[:end]) for end in range(1, len(markdown) + 1)]
    return [card.text for card in cards if card is not None]


def test_what_grows_shows_no_half_mark() -> None:
    seen = _grown("You have **thirty days** of `paid` leave, ~~not~~ *never* less.")
    assert not any("\\" in text for text in seen)
    assert seen[-1] == "You have **thirty days** of `paid` leave, ~~not~~ *never* less."


def test_what_grows_shows_a_link_neither_half_nor_whole() -> None:
    seen = _grown("See [the page](https://evil.example/x) for more.")
    assert not any("evil" in text or "](" in text for text in seen)
    assert seen[-1] == "See the page for more."


def test_what_grows_shows_a_table_once_it_is_one_and_code_before_it_ends() -> None:
    seen = _grown("Days:\n\n| Country | Days |\n|---|---|\n| Spain | 30 |\n\n```py\ncode()\n```")
    assert not any("|" in text for text in seen)
    assert all(text.count("```") % 2 == 0 for text in seen)
    assert any(text.endswith("```py\ncode()\n```") for text in seen)


def test_what_grows_pings_nobody_at_any_moment() -> None:
    for text in _grown("Ask @everyone, @here, <@123456789>, <@&1> or <#1> at https://evil.example/?q=1."):
        assert not re.search(r"@everyone|@here|<@[!&]?\d|<#\d", text)
        assert not re.search(r"https?://", re.sub(r"`[^`]*`", "", text))


def test_what_grows_stays_one_message_and_says_that_there_is_more_to_come() -> None:
    card = discord.growing("word " * 3000)
    assert card is not None
    assert length(card.text) + length(card.small) <= LIMIT
    assert card.small == "-# Writing…"


def test_a_refusal_links_the_nearest_pages_in_small_print() -> None:
    near = (Link(document_id="w:1", title="Travel", url="https://wiki/travel"), Link(document_id="w:2", title="Pets", url=""))
    (card,) = discord.render(replace(answer("I did not find this."), citations=(), near=near))
    assert card.small.endswith("-# Nearest pages:\n-# [Travel](<https://wiki/travel>)\n-# Pets")
