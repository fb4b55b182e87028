"""Slack's events as messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bots.slack.files import opened_by
from bots.slack.translate import Changed, Heard, Identity, changed, given, hear, pressed, readable, to_message

ME = Identity(team="T1", user="UBOT", bot="BBOT")
NAMES = {"UANA": "Ana", "UBEN": "Ben"}


def event(text: str = "<@UBOT> hello", **fields: Any) -> dict[str, Any]:
    base = {"type": "message", "user": "UANA", "channel": "C1", "ts": "1700000000.000100", "text": text, "client_msg_id": "g-1"}
    return {"type": "event_callback", "event_id": "Ev1", "event": {k: v for k, v in (base | fields).items() if v is not None}}


def heard(text: str = "<@UBOT> hello", **fields: Any) -> Heard:
    said = hear(event(text, **fields), ME)
    assert said is not None
    return said


def test_a_mention_becomes_a_message() -> None:
    message = to_message(heard(), ME, NAMES)
    assert message.id == "slack:T1:C1:1700000000.000100"
    assert message.conversation_id == message.id
    assert message.aliases == ("slack:event:Ev1", "slack:client_msg:g-1")
    assert (message.platform, message.channel_id, message.user, message.user_name) == ("slack", "C1", "slack:UANA", "Ana")
    assert message.text == "hello"
    assert message.sent_at == datetime(2023, 11, 14, 22, 13, 20, 100, tzinfo=UTC)
    assert not message.private


def test_among_several_workspaces_no_id_of_one_is_any_in_another() -> None:
    files = [{"id": "F1", "name": "a.pdf", "url_private": "https://files.slack.com/a.pdf"}]
    acme, bolt = (Identity(team=team, user="UBOT", bot="BBOT", realm=team) for team in ("T1", "T2"))
    first, second = (to_message(said, me, {}) for me in (acme, bolt) if (said := hear(event(files=files), me)) is not None)
    assert (first.channel_id, first.user, first.aliases[0]) == ("T1:C1", "slack:T1:UANA", "slack:T1:event:Ev1")
    assert first.files[0].place == "channel:slack:T1:C1"
    for what in ("id", "conversation_id", "channel_id", "user", "aliases", "files"):
        assert getattr(first, what) != getattr(second, what), what
    realm, file = opened_by(second.files[0])
    assert (realm, file.address) == ("T2", "https://files.slack.com/a.pdf"), "its own token opens it"
    assert (acme.bare("T1:UANA"), acme.bare("T2:UANA"), ME.bare("UANA")) == ("UANA", "T2:UANA", "UANA")


def test_both_events_of_a_mention_are_one_message() -> None:
    mention, twin = heard(type="app_mention"), heard(channel_type="channel")
    assert to_message(mention, ME, NAMES).id == to_message(twin, ME, NAMES).id


def test_a_reply_belongs_to_the_conversation_of_its_thread() -> None:
    said = heard("and then?", thread_ts="1690000000.000001")
    assert not said.mentioned
    assert to_message(said, ME, NAMES).conversation_id == "slack:T1:C1:1690000000.000001"


def test_a_direct_message_is_private_and_needs_no_mention() -> None:
    assert heard("hello", channel="D1", channel_type="im").private
    assert heard("hello", channel="D1").private


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "UBOT"},
        {"user": "USLACKBOT"},
        {"user": None},
        {"user": 7},
        {"bot_id": "B9"},
        {"bot_profile": {"id": "B9"}},
        {"subtype": "message_changed"},
        {"subtype": "thread_broadcast"},
        {"subtype": "channel_join"},
        {"hidden": True},
        {"edited": {"user": "UANA", "ts": "1.1"}},
        {"text": None},
        {"ts": "soon"},
        {"channel": None},
        {"text": "no mention"},
        {"text": "`<@UBOT>` hello"},
        {"text": "```\n<@UBOT>\n``` hello"},
        {"text": "&gt; <@UBOT> hello"},
        {"text": "<@UBEN> hello", "thread_ts": "1690000000.000001"},
        {"text": "no mention", "thread_ts": "1700000000.000100"},
        {"text": "It is thirty-two days now.", "thread_ts": "1690000000.000001"},
        {"text": "thanks!", "thread_ts": "1690000000.000001"},
    ],
    ids=str,
)
def test_what_is_not_meant_for_us_is_not_heard(fields: dict[str, Any]) -> None:
    assert hear(event(**fields), ME) is None


def test_a_body_without_an_event_is_not_heard() -> None:
    assert hear({}, ME) is None
    assert hear({"event": "message"}, ME) is None


def test_a_mention_beside_code_and_quotes_is_heard() -> None:
    assert heard("why does `f(<@UBOT>)` fail, <@UBOT>?").mentioned
    assert heard("&gt; she said\n<@UBOT> is that so?").mentioned
    assert heard("<@UBOT|footnote> hello").mentioned


def test_the_people_of_a_message_are_its_author_and_whom_it_mentions() -> None:
    assert heard("<@UBOT> does <@UBEN> know <@W1X|ann>?").people == {"UANA", "UBEN", "W1X"}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("<@UBOT> how?", "how?"),
        ("<@UBOT>: how?", "how?"),
        ("hey <@UBOT>, how?", "hey how?"),
        ("how? <@UBOT>", "how?"),
        ("<@UBOT|footnote> how?", "how?"),
        ("<@UBOT>", ""),
        ("ask <@UBEN> or <@UNEW> or <@UOLD|old>", "ask @Ben or @UNEW or @old"),
        ("in <#C1|general> or <#C2>", "in #general or #C2"),
        ("<!here> <!channel|channel> <!subteam^S1|@eng>", "@here channel @eng"),
        ("<!date^1700000000^{date}|14 Nov>", "14 Nov"),
        ("<https://a.b/c|our page> <https://a.b/c>", "our page https://a.b/c"),
        ("<mailto:a@b.c|a@b.c> <mailto:a@b.c>", "a@b.c a@b.c"),
        ("a &lt;b&gt; &amp;amp; &amp;lt;", "a <b> &amp; &lt;"),
        ("if x:\n    y = <@UBOT>\n    z", "if x:\n    y =\n    z".replace("=\n", "= \n")),
    ],
)
def test_slacks_markup_becomes_plain_text(raw: str, shown: str) -> None:
    assert readable(raw, ME, NAMES) == shown


@pytest.mark.parametrize(
    ("where", "thread"),
    [
        ({"container": {"is_ephemeral": True, "thread_ts": "1.1"}}, "1.1"),
        ({"container": {"is_ephemeral": False}, "message": {"ts": "1.2", "thread_ts": "1.1"}}, "1.1"),
        ({"container": {"is_ephemeral": True}}, None),
        ({}, None),
    ],
)
def test_a_button_is_a_command_in_the_thread_that_it_stands_in(where: dict[str, Any], thread: str | None) -> None:
    body = {"actions": [{"value": "private abc"}], "user": {"id": "UANA"}, "channel": {"id": "C1"}}
    command = pressed(body | where | {"response_url": "https://hooks.slack.com/actions/1", "trigger_id": "7"})
    assert (command.name, command.text, command.channel, command.thread) == ("private", "abc", "C1", thread)


def test_a_typed_command_stands_in_no_thread() -> None:
    body = {"command": "/footnote", "text": "status", "user_id": "UANA", "channel_id": "C1"}
    assert given(body | {"response_url": "https://hooks.slack.com/commands/1", "trigger_id": "7"}).thread is None


def test_a_question_at_the_top_of_a_channel_is_heard_as_said_to_nobody() -> None:
    said = heard("How many days of leave do I have?")
    assert (said.question, said.mentioned) == (True, False)
    assert not to_message(said, ME, NAMES, addressed=False).addressed
    assert not heard("<@UBOT> How many days of leave do I have?").question
    assert not heard("How many days of leave do I have?", thread_ts="1690000000.000001").question
    assert not heard("How many days of leave do I have?", channel="D1").question


@pytest.mark.parametrize(
    ("text", "thread", "farewell"),
    [
        ("<@UBOT> stop", "1690000000.000001", True),
        ("<@UBOT>, please leave!", "1690000000.000001", True),
        ("<@UBOT> stop", None, False),
        ("<@UBOT> stop the build", "1690000000.000001", False),
        ("stop", "1690000000.000001", True),
    ],
)
def test_in_a_thread_we_may_be_told_to_leave_it(text: str, thread: str | None, farewell: bool) -> None:
    assert heard(text, thread_ts=thread).farewell is farewell


def test_what_one_person_alone_is_told_is_a_conversation_of_its_own() -> None:
    together, alone = to_message(heard(), ME, NAMES), to_message(heard(), ME, NAMES, alone=True)
    assert alone.private
    assert alone.id == together.id
    assert alone.conversation_id == f"{together.conversation_id}:UANA"


def change(text: str = "<@UBOT> hi", subtype: str = "message_changed", **fields: Any) -> dict[str, Any]:
    before = {"type": "message", "user": "UANA", "text": "<@UBOT> hello", "ts": "1700000000.000100", "client_msg_id": "g-1"}
    after = before | {"text": text, "edited": {"user": "UANA", "ts": "1700000060.000200"}}
    event = {"type": "message", "subtype": subtype, "channel": "C1", "ts": "1700000060.000300", "hidden": True}
    return {"event_id": "Ev2", "event": event | {"message": after, "previous_message": before} | fields}


def was_changed(body: dict[str, Any]) -> Changed:
    found = changed(body, ME)
    assert found is not None
    return found


def test_an_edit_is_a_later_wording_of_the_same_message() -> None:
    found = was_changed(change())
    assert (found.gone, found.seconds) == (False, pytest.approx(60.0001))
    first, later = to_message(heard(), ME, NAMES), to_message(found.said, ME, NAMES)
    assert (later.id, later.replaces) == (f"{first.id}:1700000060.000200", first.id)
    assert (later.said_as, later.conversation_id) == (first.said_as, first.conversation_id)
    assert later.text == "hi"
    assert set(later.aliases).isdisjoint(first.aliases), "or it would be taken for a repetition"


def test_a_deletion_tells_what_was_said_last() -> None:
    assert was_changed(change(subtype="message_deleted", message=None)).gone
    tombstone = {"subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.", "ts": "1700000000.000100"}
    found = was_changed(change(message=tombstone))
    assert (found.gone, found.said.user, found.said.text) == (True, "UANA", "<@UBOT> hello")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": 7},
        event(),
        change(text="<@UBOT> hello"),
        change(text="no mention any more"),
        change(message=None),
        change(message={"text": "<@UBOT> hi"}),
        change(message={"user": "UBOT", "text": "hi", "ts": "1700000000.000100", "edited": {"ts": "1700000060.000200"}}),
        change(previous_message=None),
        change(channel=None),
        change(subtype="message_deleted", previous_message={"user": "UBOT", "text": "<@UBOT>", "ts": "1700000000.000100"}),
        change(subtype="message_deleted", previous_message={"user": "UANA", "text": "just talk", "ts": "1700000000.000100"}),
        change(subtype="message_replied"),
    ],
    ids=lambda body: str(body)[:60],
)
def test_what_is_no_change_of_anything_said_to_us_is_not_heard(body: dict[str, Any]) -> None:
    assert changed(body, ME) is None
