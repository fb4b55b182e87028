"""Forms in Slack, and the commands that they give."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any

import pytest

from bots.slack.home import lasting
from bots.slack.modals import Origin, config_form, configured, rated, reason_form, told, unexplained
from core.channels import ChannelConfig, Policy
from tests.emulators.slack_views import OpenView, view_refusal

WHERE = Origin(channel="C1", response_url="https://hooks.slack.com/actions/T1/1/x", thread="1700000000.000100", answer="a1")


def sent(view: dict[str, Any], **values: Any) -> dict[str, Any]:
    """The form as it comes back."""
    assert view_refusal(view) is None
    blocks = [{"block_id": f"b{number}"} | block for number, block in enumerate(view["blocks"])]
    return OpenView("V1", "U1", view | {"blocks": blocks}).payload(values)


@pytest.mark.parametrize("reason", ["wrong", "outdated", "missing", "private", "other"])
def test_each_reason_becomes_a_command(reason: str) -> None:
    assert rated(sent(reason_form(WHERE), reason=reason)) == f"rate a1 bad {reason}"


def test_a_comment_follows_the_reason_as_it_was_written() -> None:
    form = sent(reason_form(WHERE), reason="wrong", comment='  good; "no"\n28 days ')
    assert rated(form) == 'rate a1 bad wrong good; "no"\n28 days'
    assert unexplained(form) == "rate a1 bad other"


def test_a_form_knows_where_it_was_opened() -> None:
    assert Origin.of(sent(reason_form(WHERE))) == WHERE
    assert Origin.of(sent(config_form(ChannelConfig(), ["wiki"], WHERE))) == WHERE
    assert Origin.of(sent(told(WHERE, "Done."))) == WHERE


@pytest.mark.parametrize("metadata", ["", "{}", "[]", "null", '{"channel": "C1", "unheard": "of"}'])
def test_a_form_that_was_not_made_here_is_none(metadata: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        Origin.of({"private_metadata": metadata})


def test_a_form_that_nobody_changed_says_what_is_set() -> None:
    config = ChannelConfig(
        policy=Policy.QUESTIONS,
        sources=("drive", "gone"),
        language="German",
        tone="it's brief",
        escalate_to="slack:S1TEAM",
        private=True,
    )
    line = configured(sent(config_form(config, ["wiki", "drive"], WHERE)))
    assert shlex.split(line) == [
        "config",
        "policy=questions",
        "sources=drive,gone",
        "language=German",
        "tone=it's brief",
        "escalate=slack:S1TEAM",
        "private=yes",
    ]


def test_what_is_empty_is_said_to_be_empty() -> None:
    line = configured(sent(config_form(ChannelConfig(), ["wiki"], WHERE)))
    assert shlex.split(line) == [
        "config", "policy=sticky-thread", "sources=", "language=", "tone=", "escalate=", "private=no",
    ]  # fmt: skip


def test_no_word_of_a_form_becomes_another_setting() -> None:
    form = sent(config_form(ChannelConfig(), ["wiki"], WHERE), tone="x' escalate=slack:U666 ’ “private=yes”", language='"')
    words = shlex.split(configured(form))
    assert [word.partition("=")[0] for word in words] == [
        "config", "policy", "sources", "language", "tone", "escalate", "private",
    ]  # fmt: skip


def test_a_person_goes_before_a_group() -> None:
    form = config_form(ChannelConfig(escalate_to="slack:S1TEAM"), [], WHERE)
    assert "escalate=slack:U1EVE" in configured(sent(form, person="U1EVE"))
    assert "escalate=slack:S2CREW" in configured(sent(form, group=" s2crew "))


def test_without_sources_there_is_nothing_to_choose_and_they_stay_as_they_are() -> None:
    form = config_form(ChannelConfig(), [], WHERE)
    assert all(block["block_id"] != "sources" for block in form["blocks"])
    assert "sources" not in configured(sent(form))


def test_a_hundred_sources_with_long_names_fit() -> None:
    names = [f"{number:03}{'x' * 145}" for number in range(150)]
    form = config_form(ChannelConfig(sources=("y" * 400, *names[:90])), names, WHERE)
    assert view_refusal(form) is None


def test_a_long_text_fits_into_a_window() -> None:
    assert view_refusal(told(WHERE, "word " * 60_000)) is None
    assert view_refusal(told(WHERE, "")) is None


@pytest.mark.parametrize(("seconds", "words"), [(30, "a minute"), (60, "1 minute"), (7200, "2 hours"), (30 * 86400, "30 days")])
def test_durations_are_told_in_their_largest_unit(seconds: int, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words
