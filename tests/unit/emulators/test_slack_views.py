"""The emulated Slack refuses the views that Slack refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulators import slack_views
from tests.emulators.slack_rules import Refused
from tests.emulators.slack_views import OpenView, Views, action_on, missing, view_refusal
from tests.emulators.slack_workspace import Channel, User, Workspace

TEXT = {"type": "section", "text": {"type": "mrkdwn", "text": "Hello"}}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def modal(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "modal", "title": plain("A form"), "submit": plain("Send"), "blocks": list(blocks) or [TEXT]} | fields


def typed(name: str = "name", **fields: Any) -> dict[str, Any]:
    element = {"type": "plain_text_input", "action_id": name} | fields
    return {"type": "input", "block_id": name, "label": plain("Name"), "element": element}


def chosen(**fields: Any) -> dict[str, Any]:
    options = [{"text": plain("One"), "value": "1"}, {"text": plain("Two"), "value": "2"}]
    element = {"type": "radio_buttons", "action_id": "pick", "options": options} | fields
    return {"type": "input", "block_id": "pick", "label": plain("Pick"), "element": element}


def button(**fields: Any) -> dict[str, Any]:
    element = {"type": "button", "action_id": "a", "text": plain("Press"), "value": "x"} | fields
    return {"type": "actions", "elements": [element]}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def views(clock: Clock) -> Views:
    workspace = Workspace()
    workspace.users["U1"] = User("U1", "Ana", None, {})
    workspace.channels |= {"DU1": Channel("DU1", "im"), "C1": Channel("C1", "channel")}
    return Views(workspace, clock=clock)


@pytest.mark.parametrize(
    "view",
    [
        modal(title=plain("x" * 25)),
        modal(title={"type": "mrkdwn", "text": "x"}),
        {"type": "modal", "blocks": [TEXT]},
        modal(*[TEXT] * 101),
        modal(blocks=[]),
        modal(private_metadata="x" * 3001),
        modal(callback_id="x" * 256),
        modal(submit=plain("x" * 25)),
        modal(unheard="of"),
        {"type": "modal", "title": plain("No submit"), "blocks": [typed()]},
        modal(typed(), typed()),
        modal(typed(max_length=3001)),
        modal(typed(max_length=3, initial_value="four")),
        modal(typed(unheard="of")),
        modal(chosen(options=[])),
        modal(chosen(options=[{"text": plain("x" * 76), "value": "1"}])),
        modal(chosen(options=[{"text": plain("One"), "value": "x" * 151}])),
        modal(chosen(options=[{"text": plain(str(n)), "value": str(n)} for n in range(11)])),
        modal(chosen(initial_option={"text": plain("Other"), "value": "9"})),
        modal({"type": "context_actions", "elements": []}),
        modal({"type": "unheard_of"}),
        modal(button(confirm={"title": plain("Sure?")})),
        modal(button(confirm={name: plain("x" * 101) for name in ("title", "text", "confirm", "deny")})),
        {"type": "home", "title": plain("Home"), "blocks": [TEXT]},
        {"type": "home", "blocks": [TEXT], "submit": plain("Send")},
        {"type": "message", "blocks": [TEXT]},
    ],
)
def test_a_view_that_slack_refuses_is_refused(view: dict[str, Any]) -> None:
    assert view_refusal(view) is not None


@pytest.mark.parametrize(
    "view",
    [
        modal(),
        modal(typed(max_length=10, initial_value="Ana"), chosen(), TEXT, button()),
        modal(button(confirm={name: plain("Sure") for name in ("title", "text", "confirm", "deny")})),
        {"type": "home", "blocks": [TEXT] * 100},
    ],
)
def test_a_good_view_is_taken(view: dict[str, Any]) -> None:
    assert view_refusal(view) is None


def test_a_trigger_opens_one_window_and_only_for_three_seconds(views: Views, clock: Clock) -> None:
    trigger = views.trigger("U1")
    views.open({"trigger_id": trigger, "view": modal()})
    with pytest.raises(Refused, match="exchanged_trigger_id"):
        views.open({"trigger_id": trigger, "view": modal()})
    with pytest.raises(Refused, match="invalid_trigger_id"):
        views.open({"trigger_id": "1.2", "view": modal()})
    late = views.trigger("U1")
    clock.now += slack_views.TRIGGER_SECONDS + 0.1
    with pytest.raises(Refused, match="expired_trigger_id"):
        views.open({"trigger_id": late, "view": modal()})


def test_windows_stack_three_high_and_can_be_written_anew(views: Views) -> None:
    id = views.open({"trigger_id": views.trigger("U1"), "view": modal()})["view"]["id"]
    for _ in range(2):
        id = views.push({"trigger_id": views.trigger("U1", id), "view": modal()})["view"]["id"]
    with pytest.raises(Refused, match="push_limit_reached"):
        views.push({"trigger_id": views.trigger("U1", id), "view": modal()})
    with pytest.raises(Refused, match="not_found"):
        views.push({"trigger_id": views.trigger("U1"), "view": modal()})
    assert views.modal_of("U1") is views.modals[id]
    old = views.modals[id].hash
    views.update({"view_id": id, "view": modal(title=plain("Other"))})
    assert views.modals[id].title == "Other"
    with pytest.raises(Refused, match="hash_conflict"):
        views.update({"view_id": id, "view": modal(), "hash": old})
    with pytest.raises(Refused, match="not_found"):
        views.update({"view_id": "V404", "view": modal()})


def test_a_home_is_of_somebody_and_is_no_modal(views: Views) -> None:
    with pytest.raises(Refused, match="user_not_found"):
        views.publish({"user_id": "U404", "view": {"type": "home", "blocks": [TEXT]}})
    with pytest.raises(Refused, match="invalid_arguments"):
        views.publish({"user_id": "U1", "view": modal()})
    with pytest.raises(Refused, match="missing_argument"):
        views.publish({"user_id": "U1"})
    views.publish({"user_id": "U1", "view": {"type": "home", "blocks": [TEXT]}})
    assert views.homes["U1"].shown == "Hello"


def test_suggested_questions_are_one_to_four_in_a_direct_message_and_in_no_thread(views: Views) -> None:
    good = {"title": "Ask", "message": "What?"}
    for wrong in ([], [good] * 5, [{"title": "Ask"}], [{"title": "", "message": "x"}]):
        with pytest.raises(Refused):
            views.set_suggested_prompts({"channel_id": "DU1", "prompts": wrong})
    with pytest.raises(Refused, match="channel_not_found"):
        views.set_suggested_prompts({"channel_id": "C1", "prompts": [good]})
    views.set_suggested_prompts({"channel_id": "DU1", "prompts": [good], "thread_ts": "1.2"})
    assert views.prompts == {}
    assert len(views.flaws) == 1
    views.set_suggested_prompts({"channel_id": "DU1", "prompts": [good]})
    assert views.prompts == {"DU1": [good]}


def test_slacks_client_sends_no_form_without_what_is_required() -> None:
    view = OpenView("V1", "U1", modal(typed(), typed("more") | {"optional": True}, chosen()))
    assert missing(view, {}) == ["name", "pick"]
    assert missing(view, {"name": "Ana", "pick": "1"}) == []
    state = view.payload({"name": "Ana", "pick": "2"})["state"]["values"]
    assert state["name"]["name"] == {"type": "plain_text_input", "value": "Ana"}
    assert state["more"]["more"]["value"] is None
    assert state["pick"]["pick"]["selected_option"]["value"] == "2"


def test_only_what_is_there_can_be_pressed() -> None:
    assert action_on([TEXT, button()], "Press")["value"] == "x"
    with pytest.raises(ValueError, match="not enough values"):
        action_on([TEXT, button()], "Other")
