"""Whatever the blocks are: nothing gets lost, the limits hold, and the same document gives the same chunks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.indexing.blocks import Block, fenced
from core.indexing.chunking import LIMIT, chunk
from core.indexing.embedding import LocalEmbedder
from core.indexing.readers.tables import markdown_table
from core.models import PUBLIC, Document

COUNT = LocalEmbedder().count

words = st.one_of(
    st.text(alphabet="abcdefgh", min_size=1, max_size=12),
    st.sampled_from(
        ["(x)", "e.g.", "Stop.", "Why?", "日本語の文", "don't", "https://acme.com/a/b?c=d", "🙂", "a" * 150, "Zm9v" * 90]
    ),
)
prose = st.lists(words, min_size=1, max_size=60).map(" ".join)
lines = st.lists(st.lists(words, min_size=1, max_size=8).map(" ".join), min_size=1, max_size=40)
blocks = st.one_of(
    st.builds(Block, st.just("heading"), st.lists(words, min_size=1, max_size=30).map(" ".join), st.integers(1, 6)),
    st.builds(Block, st.just("text"), prose),
    st.builds(Block, st.just("list"), lines.map(lambda items: "\n".join(f"- {item}" for item in items))),
    st.builds(Block, st.just("code"), lines.map(lambda code: fenced("\n".join(code), "python"))),
    st.builds(
        Block, st.just("table"), st.lists(st.lists(words, min_size=2, max_size=2), min_size=2, max_size=30).map(markdown_table)
    ),
)
TITLED = Document(
    id="wiki:1",
    source="wiki",
    title="",
    url="",
    body="",
    media_type="text/plain",
    updated_at=datetime(2026, 11, 2, tzinfo=UTC),
    access=PUBLIC,
)
documents = prose.map(lambda title: replace(TITLED, title=title))


def letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum() or ord(letter) > 0x2000)


@settings(max_examples=80)
@example(replace(TITLED, title="Leave"), [Block("heading", "People", 1), Block("heading", "Leave", 2)])
@given(documents, st.lists(blocks, max_size=8))
def test_no_text_is_lost_and_limits_hold(document, blocks):
    found = chunk(document, blocks, COUNT)
    remaining = letters("".join(f"{' '.join(c.headings)} {c.text}" for c in found)) + letters(document.title)
    for block in blocks:
        # Tables repeat their header and code its fence, so each line is looked for by itself, in small pieces.
        for line in block.text.split("\n"):
            for word in line.split():
                for start in range(0, len(word), 20):
                    assert letters(word[start : start + 20]) in remaining
    for c in found:
        assert COUNT(c.indexed_text) <= LIMIT
        assert len(c.indexed_text) < 8_000
        assert c.text.strip()


@settings(max_examples=50)
@given(documents, st.lists(blocks, max_size=6))
def test_the_same_document_gives_the_same_chunks_with_ids_of_their_own(document, blocks):
    found = chunk(document, blocks, COUNT)
    assert found == chunk(document, blocks, COUNT)
    assert [c.position for c in found] == list(range(len(found)))
    assert len({c.id for c in found}) == len(found)


@settings(max_examples=100)
@given(documents, prose)
def test_prose_alone_comes_back_in_order_and_once(document, text):
    found = chunk(document, [Block("text", text)], COUNT)
    assert "".join("".join(c.text for c in found).split()) == "".join(text.split())
