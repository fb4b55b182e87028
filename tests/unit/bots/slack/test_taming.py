"""Markdown on its way into a stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bots.slack.markup import ZERO_WIDTH
from bots.slack.taming import Tamed

_PIECES = [
    *"<>()[]!@#&:/.\\`*_|\n\"' ax1",
    "<@U1>",
    "<!channel>",
    "@here",
    "](",
    "![a](https://e.x/p.png)",
    "[a](<https://e.x> 't')",
    "[a]: https://e.x",
    "https://e.x/?q=1",
    "www.e.x",
    "e.example",
    "a@e.x",
    "&lt;!here&gt;",
    "&#64;channel",
    "```\n",
    "[1]",
]
MARKDOWN = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)


def tamed(*pieces: str) -> str:
    taming = Tamed()
    return "".join(taming.feed(piece) for piece in pieces)


@given(MARKDOWN, st.lists(st.integers(0, 60), max_size=6))
def test_it_does_not_matter_how_the_text_is_cut(text: str, cuts: list[int]) -> None:
    ends = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    assert tamed(*(text[start:end] for start, end in itertools.pairwise(ends))) == tamed(text)


@given(MARKDOWN)
def test_nothing_that_comes_out_links_loads_or_pings(text: str) -> None:
    shown = tamed(text)
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(shown):
        assert not {child.type for child in token.children or []} & {"link_open", "image", "html_inline"}
        assert token.type != "html_block" or "<" + ZERO_WIDTH in shown
    for mark in ("<@", "<!", "<#", "://", "@here", "@channel", "www.e", "e.example", "&lt;", "&#64;"):
        assert mark not in shown


@given(st.text(alphabet="abc äß漢🎉 ,;?*_~`#>-|123\n"))
def test_plain_text_and_its_formatting_are_left_alone(text: str) -> None:
    assert tamed(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see [Leave](https://wiki.acme.com/leave) [1]", "see [Leave] [1]"),
        ("thirty days [1][2].", "thirty days [1][2]."),
        ("at 10:30, e.g. in v1.2", "at 10:30, e.g. in v1.2"),
        ("[a](unclosed and more", "[a] and more"),
    ],
)
def test_what_is_read_is_what_was_written(text: str, shown: str) -> None:
    assert tamed(text).replace(ZERO_WIDTH, "") == shown
