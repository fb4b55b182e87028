"""Whatever Markdown an answer is made of, Slack accepts it and people see it right."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.command import Button
from bots.slack.markup import size
from bots.slack.mrkdwn import sections
from bots.slack.render import (
    SlackMessage,
    render,
    render_call,
    render_card,
    render_error,
    render_offer,
    render_settled,
    render_text,
)
from core.models import Answer, Citation
from tests.emulators.slack_rules import UPDATE_TEXT, flaws, markup_flaws, refusal, texts
from tests.fakes import answer
from tests.property.answers import LONGEST, generated

MARKUP = [
    *("**", "*", "_", "~~", "`", "``", "```", "```py\n", "\n", "\n\n", "# ", "- ", "1. ", "> ", "    ", "---\n", "\\"),
    *("| a | b |\n|---|---|\n", "| ", " |\n", "[1]", "[2]", "[text](https://a.b/c?d&e)", "[x](file:///y)", "](", "["),
    *("![i](https://a.b)", "<https://a.b|c>", "https://a.b/_c_", "&", "<", ">", "&amp;", "<!here>", "<@U1>"),
    *("@channel", "@everyone", "\u200b", "日本語", "😀"),
]
fragments = st.one_of(st.sampled_from(MARKUP), st.text(max_size=12), st.sampled_from(["word ", "Word", "x" * 700, "y " * 400]))
markdowns = st.one_of(st.lists(fragments, max_size=60).map("".join), st.text(max_size=300))
urls = st.one_of(
    st.sampled_from(["https://a.b/c?d=1&e=2", "file:///x", "https://a.b/|<>", "", "https://[", "x" * 3000]), st.text(max_size=40)
)


@st.composite
def citations(draw: st.DrawFn) -> tuple[Citation, ...]:
    return tuple(
        Citation(
            number=number,
            document_id=f"d{number}",
            title=draw(st.one_of(markdowns, st.text(max_size=20))),
            url=draw(urls),
            quote="",
            updated_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number in range(1, draw(st.integers(1, 8)))
    )


@given(markdowns, citations(), markdowns)
def test_every_answer_is_accepted_and_shown_without_a_flaw(text: str, cited: tuple[Citation, ...], notice: str) -> None:
    for message in render(replace(answer(text), citations=cited, notice=notice)):
        assert refusal(message.arguments()) is None
        assert flaws(message.arguments()) == []


@given(markdowns)
def test_every_notice_and_every_card_is_accepted(text: str) -> None:
    for message in render_text(text):
        assert refusal(message.arguments()) is None
        assert flaws(message.arguments()) == []
    assert refusal(render_card(text).arguments(), text_limit=UPDATE_TEXT) is None


@given(markdowns, st.integers(1200, 3000))
def test_no_section_is_longer_than_its_limit_or_cuts_markup(text: str, limit: int) -> None:
    for section in sections(text, {1: "https://a.b/1"}, limit):
        assert size(section) <= limit
        assert markup_flaws(section) == []


@given(
    st.lists(
        st.sampled_from(["alpha", "beta", "**gamma**", "`delta`", "[eps](https://a.b)", "\n\n", "\n- ", "\n> "]), max_size=400
    )
)
def test_no_word_is_lost_or_doubled_by_splitting(words: list[str]) -> None:
    markdown = " ".join(words)
    shown = " ".join(text for message in render(answer(markdown)) for text in texts(message.blocks))
    for word in ("alpha", "beta", "gamma", "delta", "eps"):
        assert len(re.findall(word, shown)) == sum(word in each for each in words)


def _accepted(message: SlackMessage, *, pings: tuple[str, ...] = ()) -> None:
    """As it is posted, and as it takes the place of what streamed."""
    assert refusal(message.arguments(), text_limit=UPDATE_TEXT) is None
    assert flaws(message.arguments(), pings) == []


def _offered(answer: Answer) -> list[str]:
    return [f"ask {' '.join(question.split())}" for question in answer.follow_ups]


def _all_accepted(numbers: range) -> int:
    """How many messages these answers are."""
    messages = 0
    for number in numbers:
        made = generated(number)
        rendered = render(made)
        for message in rendered:
            _accepted(message)
        buttons = [e for block in rendered[-1].blocks if block["type"] == "actions" for e in block["elements"]]
        assert [button["value"] for button in buttons if button["value"].startswith("ask ")] == [
            command for command in _offered(made) if size(command) <= 2000
        ]
        assert rendered[-1].blocks[-1]["type"] == "context_actions"
        assert all(block["type"] in {"section", "context"} for message in rendered[:-1] for block in message.blocks)
        messages += len(rendered)
    return messages


def test_no_payload_of_five_hundred_generated_answers_is_refused() -> None:
    assert _all_accepted(range(500)) > 500


@pytest.mark.slow
@pytest.mark.long
def test_no_payload_of_two_thousand_generated_answers_is_refused() -> None:
    assert _all_accepted(range(500, 2_500)) > 2_000


def test_the_generated_answers_are_as_long_as_answers_get() -> None:
    lengths = [len(generated(number).text) for number in range(0, 500, 10)]
    assert max(lengths) == LONGEST
    assert min(lengths) < 1_000


@given(markdowns, st.lists(st.text(max_size=90), max_size=30))
def test_every_error_every_offer_and_every_call_is_accepted(text: str, labels: list[str]) -> None:
    buttons = [Button(label=label.strip() or "x", command="status") for label in labels]
    for message in [*render_error(text, buttons), *render_offer(text, buttons)]:
        _accepted(message)
    call = render_call("slack:U123ABC", text, buttons or [Button(label="Done", command="resolved a1")])
    _accepted(call, pings=("U123ABC",))
    _accepted(render_settled(call.blocks, text), pings=("U123ABC",))
