"""Whatever a model or a document writes, Discord accepts it, nobody is pinged, and no word is lost."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bots.discord.cards import LIMIT, Card, length
from bots.discord.render import growing, notice, render
from core.models import Citation
from tests.fakes import NOON, answer

_SNIPPETS = [
    "# Heading", "plain words", "**bold**", "*it", "~~gone~~", "`code`", "``` ", "```py\ncode()\n```", "~~~", "- item",
    "  - deep", "1. one", "> quote", "| a | b |\n|---|---|\n| 1 | 2 |", "[label](https://wiki.acme.example/a_(b))",
    "[1]", "[2]", "[9]", "[1](https://evil.example)", "https://evil.example/x?y=(z).", "![alt](https://img.example/x.png)",
    "@everyone", "<@123456789012345678>", "<@&1>", "<#1>", "<:a:1>", "&#64;here", "<https://a.example>", "http://",
    "\\", "\\*", "||", "__", "***", "---", "-#", "[", "](", ")", "<", ">", "@", "snake_case", "   ", "\n\n",
    "word" * 700, "😀" * 1200, "\u200b", "\x00", "\ud800",
]  # fmt: skip
_MARKDOWN = st.lists(st.one_of(st.sampled_from(_SNIPPETS), st.text(max_size=40)), max_size=25).flatmap(
    lambda parts: st.lists(st.sampled_from(["", " ", "\n", "\n\n"]), min_size=len(parts), max_size=len(parts)).map(
        lambda gaps: "".join(part + gap for part, gap in zip(parts, gaps, strict=True))
    )
)
_WORDS = ["alpha", "beta", "**gamma**", "`delta`", "\n\n", "- epsilon\n", "> zeta\n\n", "eta."]
_CODE = re.compile(r"```.*?```|``.+?``|(?<!\\)`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"<https?://[^\s<>]+>", re.IGNORECASE)
_CITATIONS = tuple(
    Citation(number=number, document_id=f"d{number}", title=f"Title {number}", url=url, quote="", updated_at=NOON)
    for number, url in ((1, "https://wiki.acme.example/one"), (2, "file:///two.md"))
)


def _outside_code(text: str) -> str:
    return _CODE.sub("", text)


def _shown(card: Card) -> str:
    return "\n\n".join(filter(None, (card.text, card.small)))


@settings(max_examples=200)
@given(_MARKDOWN)
def test_discord_accepts_every_message(markdown: str) -> None:
    notices = notice(markdown)
    assert all(card.plain for card in notices)
    for card in (*notices, *render(replace(answer(markdown), citations=_CITATIONS))):
        text = _shown(card)
        assert length(text.strip()) > 0
        assert length(card.text) + length(card.small) <= LIMIT
        assert text.encode("utf-8")
        assert len(re.findall(r"(?m)^(?:> )?```", text)) % 2 == 0


@settings(max_examples=200)
@given(_MARKDOWN)
def test_nothing_pings_and_nothing_unfurls(markdown: str) -> None:
    for card in render(replace(answer(markdown), citations=_CITATIONS)):
        outside = _outside_code(_shown(card))
        assert not re.search(r"@everyone|@here|<@[!&]?\d+>|<#\d+>|<a?:\w+:\d+>", outside)
        assert not re.search(r"https?://", _LINK.sub("", outside), re.IGNORECASE)
        masked = re.findall(r"\]\(<([^>]*)>\)", outside)
        assert all(url.startswith("https://wiki.acme.example/") for url in masked)


@settings(max_examples=100)
@given(_MARKDOWN, st.floats(0, 1))
def test_what_is_streamed_breaks_off_anywhere_and_is_as_harmless(markdown: str, share: float) -> None:
    card = growing(markdown[: int(len(markdown) * share)])
    if card is None:
        return
    assert 0 < length(card.text.strip()) <= length(card.text) + length(card.small) <= LIMIT
    assert len(re.findall(r"(?m)^(?:> )?```", card.text)) % 2 == 0
    outside = _outside_code(card.text)
    assert not re.search(r"@everyone|@here|<@[!&]?\d+>|<#\d+>|<a?:\w+:\d+>", outside)
    assert not re.search(r"https?://|\]\(<", outside, re.IGNORECASE)


@settings(max_examples=100)
@given(
    st.lists(
        st.sampled_from(["alpha", "beta", "**gamma**", "`delta`", "\n\n", "- epsilon\n", "> zeta\n\n", "eta."]), max_size=900
    )
)
def test_no_word_is_lost_or_moved(words: list[str]) -> None:
    markdown = " ".join(words)
    shown = re.findall(r"[a-z]+", " ".join(card.text for card in notice(markdown)))
    assert shown == re.findall(r"[a-z]+", markdown)
