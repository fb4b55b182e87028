"""Whatever a model says, in whatever pieces it comes."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from core.answering.footnotes import FootnoteFilter
from tests.answering import five_documents
from tests.harm import OPENING
from tests.harm import without_markdown_code as without_code

SOURCES = five_documents()

# Pieces from which a hostile text would be built, so that they meet more often than in random text.
scraps = st.sampled_from(
    [
        *"[]()<>!`~\\/:.,;1259^ \n|a",
        *("[1]", "[9]", "[1, 7]", "[2-4]", "【3】", "[^1]", "](", "![", "\\["),
        *("```", "~~~", "\n```py\n", "`x[9]`", "\n\n", "word ", "NOT_IN_SOURCES"),
        *("https://evil.example/x", "https://wiki.acme.com/page-1", "http", "://", "www.", "<img src=x>", "<a>", "<x:y|1>"),
        *("[a](https://evil.example)", "[b](https://wiki.acme.com/page-2)", "![c](x)"),
        *("\u200b", "\U000e0041", "Größe ", "日本語", "\U0001f469\u200d\U0001f4bb"),
    ]
)
texts = st.lists(scraps, max_size=40).map("".join) | st.text(max_size=80)


def whole(text: str) -> tuple[str, FootnoteFilter]:
    footnotes = FootnoteFilter(SOURCES)
    return footnotes.feed(text) + footnotes.close(), footnotes


@given(texts, st.lists(st.integers(min_value=0, max_value=400), max_size=30))
@example("[[9]1] x [1[9]] ![](y)1]", [1, 2, 3])
def test_a_stream_cut_anywhere_shows_what_the_whole_text_shows(text: str, cuts: list[int]) -> None:
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    footnotes = FootnoteFilter(SOURCES)
    pieces = [footnotes.feed(text[start:end]) for start, end in pairwise(bounds)]
    together = "".join(pieces) + footnotes.close()
    expected, reference = whole(text)
    assert together == expected
    assert footnotes.cited == reference.cited
    assert footnotes.refused == reference.refused


@given(texts)
def test_no_marker_survives_that_no_source_supports(text: str) -> None:
    shown, footnotes = whole(text)
    markers = {int(number) for number in re.findall(r"\[(\d+)\]", without_code(shown))}
    assert markers <= set(range(1, len(footnotes.cited) + 1))
    assert set(footnotes.cited) <= {source.number for source in SOURCES}


@given(texts)
def test_footnotes_are_numbered_in_the_order_in_which_they_appear(text: str) -> None:
    shown, _ = whole(text)
    markers = [int(number) for number in re.findall(r"\[(\d+)\]", without_code(shown))]
    firsts = list(dict.fromkeys(markers))
    assert firsts == sorted(firsts)


@given(texts)
def test_no_foreign_address_survives_outside_code(text: str) -> None:
    shown, _ = whole(text)
    assert "evil.example/" not in without_code(shown)
    assert not re.search(r"\]\((?!https://wiki\.acme\.com/)\S*evil", without_code(shown))


@given(texts)
def test_nothing_invisible_survives(text: str) -> None:
    shown, _ = whole(text)
    assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f\ud800-\udfff]", shown)


@given(texts)
def test_fences_are_closed(text: str) -> None:
    shown, _ = whole(text)
    fence = ""
    for line in shown.split("\n"):
        opening = OPENING.match(line)
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opening:
            fence = opening.group(1)
    assert not fence
