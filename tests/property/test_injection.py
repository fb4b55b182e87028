"""However markup is put around a foreign address, nothing leads or loads there: not in Slack, Discord, nor the terminal."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from core.answering.citations import citations
from core.answering.evidence import Evidence
from core.answering.footnotes import FootnoteFilter
from core.answering.quoting.quotes import quote
from tests.answering import evidence, hit
from tests.fakes import answer
from tests.harm import harms, seen

PAGE = "https://wiki.acme.com/leave"
QUESTION = "How many days of leave?"
FACT = "Thirty days of leave"
FRAGMENTS = [
    *("https://evil.example/x", "HTTPS://EVIL.EXAMPLE", "https://", "evil.example/x", "//evil.example", "www.evil.example"),
    *("http", "s", ":", "/", "&#58;", "&sol;", "&colon;", "&#x2f;", "&lt;", "\\:", "\\/", "%2F", "mailto:", "javascript:"),
    *("[", "]", "(", ")", "<", ">", "|", "!", "](", "![", "[leave](", "](<", ">)", "[x]: ", "[x]", "[1]", "[1](", "^1", "\\["),
    *("<a href='", "'>", "</a>", "<img src=", "<https:", "`", "``", "```", "\n```\n", "~~~\n", "*", "**", "_", "~~", "||", "\\"),
    *(" ", "\n", "\n\n", "\n> ", "\n- ", "\n# ", "\n| a | b |\n|---|---|\n| ", " | ", "    ", "\t"),
    *("\u200b", "\u2060", "\U000e0041", "\u202e", "\ufe0f", "@everyone", "@", "<@1>", "<!here>", "</forget:1>", "leave", PAGE),
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)


def page(text: str, title: str = "Leave") -> tuple[Evidence, ...]:
    return evidence(hit("wiki:leave", text, title=title))


@settings(max_examples=400)
@given(texts, st.integers(1, 9))
async def test_what_a_model_says(text: str, size: int) -> None:
    found = page(f"{FACT}.")
    said = f"{FACT} [1] {text}"
    footnotes = FootnoteFilter(found)
    shown = "".join(footnotes.feed(said[start : start + size]) for start in range(0, len(said), size)) + footnotes.close()
    given = replace(answer(shown), citations=citations(footnotes.cited, found, QUESTION))
    assert harms(await seen(given), {PAGE}) == []


@settings(max_examples=400)
@given(texts, texts)
async def test_what_a_page_is_quoted_with(text: str, title: str) -> None:
    quoted = await quote(QUESTION, page(f"{FACT} {text}", title=f"Leave {title}"))
    if quoted:
        assert harms(await seen(replace(answer(quoted.text), citations=quoted.citations)), {PAGE}) == []
