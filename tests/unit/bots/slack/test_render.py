"""Answers as Slack messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bots.command import Button, retry
from bots.slack.render import (
    SlackMessage,
    render,
    render_call,
    render_card,
    render_error,
    render_settled,
    render_text,
)
from core.errors import UserError
from core.models import Answer, AnswerMode, Citation, Link
from tests.emulators.slack_rules import flaws, refusal, texts
from tests.fakes import answer


def citation(number: int, **fields: str) -> Citation:
    values = {"title": f"Page {number}", "url": f"https://wiki.acme.com/{number}", "quote": "…", "document_id": f"d{number}"}
    return Citation(number=number, updated_at=datetime(2026, 3, number % 28 + 1, tzinfo=UTC), **(values | fields))


def rendered(text: str, *citations: Citation, notice: str = "") -> list[SlackMessage]:
    messages = render(replace(answer(text), citations=citations, notice=notice))
    for message in messages:
        assert refusal(message.arguments()) is None
        assert flaws(message.arguments()) == []
    return messages


def section(text: str) -> dict[str, object]:
    return {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def context(text: str) -> dict[str, object]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def feedback(answer_id: str = "a1") -> dict[str, object]:
    def side(label: str, read_out: str, score: str) -> dict[str, object]:
        text = {"type": "plain_text", "text": label}
        return {"text": text, "accessibility_label": read_out, "value": f"rate {answer_id} {score}"}

    element = {
        "type": "feedback_buttons",
        "action_id": "footnote_rate",
        "positive_button": side("Good answer", "This answer helped", "good"),
        "negative_button": side("Bad answer", "Something is wrong with this answer", "bad"),
    }
    return {"type": "context_actions", "elements": [element]}


def labels(message: SlackMessage) -> list[str]:
    return [e["text"]["text"] for block in message.blocks if block["type"] == "actions" for e in block["elements"]]


def test_an_answer_with_two_footnotes() -> None:
    (message,) = rendered("Thirty **days** [1], five more after ten years [2].", citation(2), citation(1))
    assert message.arguments() == {
        "text": "Thirty *days* <https://wiki.acme.com/1|[1]>, five more after ten years <https://wiki.acme.com/2|[2]>.",
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            section("Thirty *days* <https://wiki.acme.com/1|[1]>, five more after ten years <https://wiki.acme.com/2|[2]>."),
            context(
                "1. <https://wiki.acme.com/1|Page 1> · 2026-03-02\n2. <https://wiki.acme.com/2|Page 2> · 2026-03-03",
            ),
            feedback(),
        ],
    }


def test_only_what_is_cited_is_linked() -> None:
    quoted = (
        "> [The form](https://wiki.acme.com/1), [another](https://wiki.acme.com/2), [log in](https://evil.example/?q=x) "
        "or [1](https://evil.example). [1]"
    )
    (message,) = rendered(quoted, citation(1))
    assert message.text == ("> <https://wiki.acme.com/1|The form>, another, log in or 1. <https://wiki.acme.com/1|[1]>")


def test_a_document_without_a_web_address_is_named_but_not_linked() -> None:
    (message,) = rendered("Thirty days [1].", citation(1, url="file:///srv/handbook/leave.md", title="Leave <2026>"))
    assert message.blocks == (section("Thirty days [1]."), context("1. Leave &lt;2026&gt; · 2026-03-02"), feedback())


def test_an_answer_in_quotes_says_so_before_the_quotes() -> None:
    (message,) = render(
        replace(answer("> Thirty days. [1]"), citations=(citation(1),), mode=AnswerMode.QUOTES, notice="These are *quotes*.")
    )
    assert message.blocks[:2] == (context("These are _quotes_."), section("> Thirty days. <https://wiki.acme.com/1|[1]>"))
    assert message.text.startswith("> Thirty days.")


def test_nothing_found_has_no_list_of_sources() -> None:
    (message,) = rendered("I did not find this in the documents.")
    assert message.blocks == (section("I did not find this in the documents."), feedback())


def test_titles_are_cut_and_cleaned() -> None:
    (message,) = rendered("x [1] [2]", citation(1, title="a" * 300), citation(2, title="two\nlines @channel *b*"))
    first, second = next(reversed(list(texts(message.blocks)))).split("\n")
    assert first == f"1. <https://wiki.acme.com/1|{'a' * 149}…> · 2026-03-02"
    assert second == "2. <https://wiki.acme.com/2|two lines @\u200bchannel *b*> · 2026-03-03"


def test_a_long_answer_becomes_several_messages_and_the_sources_come_last() -> None:
    text = "\n\n".join(f"Paragraph {number} [1]. " + "word " * 100 for number in range(60))
    messages = rendered(text, citation(1), notice="Beware.")
    assert len(messages) > 2
    assert [block["type"] for block in messages[0].blocks][:1] == ["context"]
    assert [message.blocks[-1]["type"] for message in messages] == ["section"] * (len(messages) - 1) + ["context_actions"]
    assert messages[-1].blocks[-2]["type"] == "context"
    assert all(message.text.startswith("Paragraph") for message in messages)


def test_two_hundred_footnotes_are_all_listed() -> None:
    citations = [citation(number) for number in range(1, 201)]
    messages = rendered("Much. " + " ".join(f"[{c.number}]" for c in citations), *citations)
    shown = "\n".join(text for message in messages for text in texts(message.blocks))
    assert all(f"|Page {number}> · 2026-03-" in shown for number in range(1, 201))


def test_an_empty_answer_says_so() -> None:
    assert rendered("")[0].text == "_There is no text in this answer._"
    assert render_text(" ")[0].text == "_There is no text in this answer._"


def test_a_card_stays_one_message_and_says_what_is_missing() -> None:
    card = render_card(
        "\n".join(f"- failed `document-{number}`: unreadable, and this is why, at length" for number in range(500))
    )
    assert refusal(card.arguments(), text_limit=4000) is None
    assert "does not fit" in list(texts(card.blocks))[-1]
    assert render_card("**handbook**: done").blocks == (section("*handbook*: done"),)


def test_answers_are_not_changed_by_rendering() -> None:
    given: Answer = answer("Thirty days.")
    assert render(given) == render(given)


def test_follow_up_questions_are_buttons_that_ask_them() -> None:
    questions = ("Who approves it?", " How many\ndays & nights? ", "x" * 300)
    (message,) = render(replace(answer(), follow_ups=questions))
    assert refusal(message.arguments()) is None
    assert flaws(message.arguments()) == []
    assert labels(message) == ["Who approves it?", "How many days & nights?", "x" * 74 + "…"]
    elements = message.blocks[-2]["elements"]
    assert [e["value"] for e in elements] == ["ask Who approves it?", "ask How many days & nights?", f"ask {'x' * 300}"]
    assert message.blocks[-1] == feedback()


def test_a_follow_up_that_no_button_can_hold_is_left_out_and_no_more_than_three_are_shown() -> None:
    questions = ("y" * 1997, " ", *(f"Question {number}?" for number in range(5)))
    (message,) = render(replace(answer(), follow_ups=questions))
    assert labels(message) == ["Question 0?", "Question 1?", "Question 2?"]


def test_without_follow_ups_there_is_feedback_alone() -> None:
    (plain,) = render(answer())
    (kept_to_oneself,) = render(replace(answer(), follow_ups=("Who approves it?",)), follow_ups=False)
    assert plain == kept_to_oneself
    assert [block["type"] for block in plain.blocks] == ["section", "context_actions"]


def test_a_person_can_be_called_only_where_somebody_is_named() -> None:
    (named,) = render(replace(answer(), escalates=True))
    assert named.blocks[-2]["elements"][0]["value"] == "escalate a1"
    assert labels(named) == ["Escalate"]
    assert labels(render(answer())[0]) == []


def test_the_id_of_an_error_stands_below_it_in_small_print() -> None:
    text = "Something went wrong on my side (error `12ab34cd`). If it happens again, give this id to your administrator."
    (card,) = render_error(text, retry("retry slack:T1:C1:1.2"))
    assert refusal(card.arguments()) is None
    assert card.text == "⚠️ Something went wrong on my side. If it happens again, give this id to your administrator."
    assert card.blocks[1] == context("Error `12ab34cd`")
    assert labels(card) == ["Try again"]
    (without,) = render_error("The model did not answer.", [])
    assert [block["type"] for block in without.blocks] == ["section"]


@pytest.mark.parametrize(
    ("who", "mention"), [("slack:U123", "<@U123>"), ("slack:W999", "<@W999>"), ("slack:S55", "<!subteam^S55>")]
)
def test_whoever_is_called_is_mentioned_and_nobody_else(who: str, mention: str) -> None:
    call = render_call(who, "Ana asks @channel and <@U999>: *now*", [Button(label="Mark resolved", command="resolved a1")])
    assert refusal(call.arguments()) is None
    assert flaws(call.arguments(), pings={who.removeprefix("slack:")}) == []
    assert flaws(call.arguments()) != []
    assert call.text.startswith(f"{mention} Ana asks")


@pytest.mark.parametrize("who", ["slack:U12> <!channel", "discord:role:7", "slack:", "channel", "slack:here"])
def test_what_is_no_person_and_no_group_is_never_called(who: str) -> None:
    with pytest.raises(UserError, match="neither a person nor a group"):
        render_call(who, "Ana asks", [])


def test_a_settled_call_keeps_what_it_said_and_loses_its_button() -> None:
    call = render_call("slack:U123", "Ana asks", [Button(label="Mark resolved", command="resolved a1")])
    settled = render_settled([block | {"block_id": f"x{n}"} for n, block in enumerate(call.blocks)], "Resolved by Ben")
    assert refusal(settled.arguments()) is None
    assert [block["type"] for block in settled.blocks] == ["section", "context"]
    assert settled.text == call.text
    assert settled.blocks[-1] == context("Resolved by Ben")


def test_a_source_in_two_places_has_a_second_link() -> None:
    also = (Link(document_id="drive:1", title="Leave (export)", url="https://drive.acme.com/1"),)
    (message,) = rendered("Thirty days [1].", replace(citation(1), also_at=also))
    assert any("· also at <https://drive.acme.com/1|Leave (export)>" in str(block) for block in message.blocks)


def test_a_refusal_links_the_nearest_pages_in_small_print() -> None:
    near = (
        Link(document_id="w:1", title="Travel <policy>", url="https://wiki/travel"),
        Link(document_id="w:2", title="Pets", url=""),
    )
    (message,) = render(replace(answer("I did not find this."), citations=(), near=near))
    assert flaws(message.arguments()) == []
    assert "Nearest pages:\n• <https://wiki/travel|Travel &lt;policy&gt;>\n• Pets" in texts(message.blocks)
