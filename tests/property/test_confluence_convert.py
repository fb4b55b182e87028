"""Whatever a page holds, it becomes Markdown: the same each time, with all its words, and none of those of its settings."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from connectors.confluence.convert import mentioned, to_markdown
from core.errors import DocumentError

WORDS = st.sampled_from(["granite", "basalt", "marble", "*slate*", "# chalk", "a_b_c", "1. flint", "|", "```", "<", "&"])
TAGS = st.sampled_from(
    [
        *(
            "p",
            "h2",
            "ul",
            "li",
            "ol",
            "table",
            "tr",
            "td",
            "th",
            "strong",
            "code",
            "pre",
            "blockquote",
            "div",
            "span",
            "ac:layout",
        ),
        *("ac:task-list", "ac:task", "ac:task-body", "ac:link", "ac:link-body", "ac:rich-text-body", "ac:structured-macro"),
    ]
)
MARKUP = st.recursive(
    st.one_of(
        WORDS.map(lambda word: word.replace("&", "&amp;").replace("<", "&lt;")),
        WORDS.map(lambda word: f"<![CDATA[{word}]]>"),
        st.sampled_from(["<br/>", "<p/>", "<ri:page ri:content-title='Title'/>", "&nbsp;", "<!-- x -->", "</p>", "<ac:image>"]),
        st.just('<ac:parameter ac:name="title">hiddensetting</ac:parameter>'),
    ),
    lambda parts: st.builds(lambda tag, inner: f"<{tag}>{''.join(inner)}</{tag}>", TAGS, st.lists(parts, max_size=4)),
    max_leaves=25,
)
BLOCKS = st.recursive(
    st.lists(st.sampled_from(["granite", "basalt", "marble"]), min_size=1, max_size=3).map(
        lambda words: f"<p>{' '.join(words)}</p>"
    ),
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map("".join),
        parts.map(lambda part: f"<ul><li>{part}</li></ul>"),
        parts.map(lambda part: f"<table><tr><th>chalk</th></tr><tr><td>{part}</td></tr></table>"),
        parts.map(lambda part: f"<blockquote>{part}</blockquote>"),
        parts.map(
            lambda part: f'<ac:structured-macro ac:name="x"><ac:rich-text-body>{part}</ac:rich-text-body></ac:structured-macro>'
        ),
    ),
    max_leaves=8,
)


@given(st.one_of(MARKUP, st.text(), st.binary().map(lambda data: data.decode("latin-1"))))
@example("<![CDATA[" * 50)
@example("<" * 5000)
@example('<a b="' * 1000)
def test_any_input_becomes_markdown_and_the_same_each_time(storage: str):
    try:
        markdown = to_markdown(storage, {})
    except DocumentError:
        return
    assert markdown == to_markdown(storage, {})
    markdown.encode()
    MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    assert all(isinstance(key, str) for key in mentioned(storage))


@given(BLOCKS)
def test_no_word_is_lost(storage: str):
    markdown = to_markdown(storage, {})
    for word in ("granite", "basalt", "marble"):
        assert markdown.count(word) == storage.count(word)
