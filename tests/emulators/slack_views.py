"""Views of the emulated Slack, modals and the App Home, and what people press and enter in them."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.views import View

from tests.emulators.slack_rules import Refused, formatted, good_block, good_text, markup_flaws, texts
from tests.emulators.slack_workspace import APP, Home, Post, Whisper, Workspace

TRIGGER_SECONDS = 3.0
STACK = 3
BLOCKS = 100
TITLE = 24
METADATA = 3_000
LABEL = 2_000
OPTION, OPTION_VALUE = 75, 150
PLACEHOLDER = 150
OPTIONS = {"radio_buttons": 10, "checkboxes": 10, "static_select": 100, "multi_static_select": 100}
TYPED = 3_000
CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
PROMPTS = 4

_COMMON = {"type", "blocks", "private_metadata", "callback_id", "external_id"}
_KEYS = {
    "home": _COMMON,
    "modal": _COMMON | {"title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled"},
}
_INPUT_KEYS = {
    "plain_text_input": {"initial_value", "multiline", "min_length", "max_length", "placeholder", "focus_on_load"},
    "radio_buttons": {"options", "initial_option", "focus_on_load"},
    "checkboxes": {"options", "initial_options", "focus_on_load"},
    "static_select": {"options", "initial_option", "placeholder", "focus_on_load"},
    "multi_static_select": {"options", "initial_options", "placeholder", "max_selected_items", "focus_on_load"},
    "users_select": {"initial_user", "placeholder", "focus_on_load"},
}


@dataclass
class OpenView:
    """A modal that somebody has before them, or their home."""

    id: str
    user: str
    view: dict[str, Any]
    stack: tuple[str, ...] = ()
    """Ids of the modals under it, the root first."""
    hash: str = field(default_factory=lambda: secrets.token_hex(8))
    home: Home = field(default_factory=Home)

    @property
    def title(self) -> str:
        return str(self.view.get("title", {}).get("text", ""))

    @property
    def shown(self) -> str:
        """What people read."""
        return "\n".join(_shown(self.view["blocks"]))

    @property
    def buttons(self) -> list[str]:
        return [element["text"]["text"] for element in _pressable(self.view["blocks"])]

    @property
    def initial(self) -> dict[str, Any]:
        """What the inputs hold before anybody enters anything, by block."""
        return {block["block_id"]: _initial(block["element"]) for block in self.view["blocks"] if block["type"] == "input"}

    def payload(self, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        state = {"state": {"values": _state(self, values or {})}}
        home = self.home
        ours = {"id": self.id, "team_id": home.team, "app_id": APP, "bot_id": home.bot, "hash": self.hash}
        ours["app_installed_team_id"] = str(home.org if home.org_wide else home.team)
        stack = {"root_view_id": (self.stack or (self.id,))[0], "previous_view_id": self.stack[-1] if self.stack else None}
        return {"private_metadata": "", "callback_id": ""} | self.view | ours | stack | state


@dataclass
class _Trigger:
    user: str
    made: float
    view: str | None
    used: bool = False


class Views:
    def __init__(self, workspace: Workspace, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.modals: dict[str, OpenView] = {}
        """By id; those that are open."""
        self.homes: dict[str, OpenView] = {}
        """By user."""
        self.prompts: dict[str, list[dict[str, str]]] = {}
        """By direct message."""
        self.flaws: list[str] = []
        self._workspace = workspace
        self.triggers: dict[str, _Trigger] = {}
        self._ids = itertools.count(1)

    def trigger(self, user: str, view: str | None = None) -> str:
        """Good for one modal, for three seconds; ``view`` is the modal in which something was pressed."""
        id = f"{time.time_ns()}.{secrets.token_hex(6)}"
        self.triggers[id] = _Trigger(user, self._clock(), view)
        return id

    def modal_of(self, user: str) -> OpenView | None:
        """The topmost one that a person has before them."""
        return next((view for view in reversed(self.modals.values()) if view.user == user), None)

    # The methods.

    def open(self, arguments: dict[str, Any]) -> dict[str, Any]:
        trigger = self._exchange(arguments)
        return self._add(trigger.user, self._checked(arguments, "modal"), ())

    def push(self, arguments: dict[str, Any]) -> dict[str, Any]:
        trigger = self._exchange(arguments)
        below = self.modals.get(trigger.view or "")
        if below is None:
            raise Refused("not_found")
        if len(below.stack) + 1 >= STACK:
            raise Refused("push_limit_reached")
        return self._add(trigger.user, self._checked(arguments, "modal"), (*below.stack, below.id))

    def update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        open_view = self.modals.get(str(arguments.get("view_id")))
        if open_view is None:
            raise Refused("not_found")
        if arguments.get("hash") not in {None, open_view.hash}:
            raise Refused("hash_conflict")
        open_view.view, open_view.hash = self._checked(arguments, "modal"), secrets.token_hex(8)
        return {"view": open_view.payload()}

    def publish(self, arguments: dict[str, Any]) -> dict[str, Any]:
        user = arguments.get("user_id")
        if user not in self._workspace.users:
            raise Refused("user_not_found")
        known = self.homes.get(str(user))
        if known and arguments.get("hash") not in {None, known.hash}:
            raise Refused("hash_conflict")
        home = OpenView(f"V{next(self._ids):09d}", str(user), self._checked(arguments, "home"), home=self._workspace.home)
        self.homes[str(user)] = home
        return {"view": home.payload()}

    def set_suggested_prompts(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._workspace.channels.get(str(arguments.get("channel_id")))
        if channel is None or channel.kind != "im":
            raise Refused("channel_not_found")
        prompts = arguments.get("prompts")
        if not isinstance(prompts, list) or not 1 <= len(prompts) <= PROMPTS:
            raise Refused("invalid_arguments")
        if not all(
            isinstance(prompt, dict) and set(prompt) == {"title", "message"} and all(prompt.values()) for prompt in prompts
        ):
            raise Refused("invalid_arguments")
        if "thread_ts" in arguments:
            # In the agent view Slack says ok and does nothing.
            self.flaws.append("assistant.threads.setSuggestedPrompts: thread_ts")
            return {}
        self.prompts[channel.id] = prompts
        return {}

    def _exchange(self, arguments: Mapping[str, Any]) -> _Trigger:
        trigger = self.triggers.get(str(arguments.get("trigger_id")))
        if trigger is None:
            raise Refused("invalid_trigger_id")
        if trigger.used:
            raise Refused("exchanged_trigger_id")
        if self._clock() - trigger.made > TRIGGER_SECONDS:
            raise Refused("expired_trigger_id")
        trigger.used = True
        return trigger

    def _checked(self, arguments: Mapping[str, Any], kind: str) -> dict[str, Any]:
        view = arguments.get("view")
        if not isinstance(view, dict) or view.get("type") != kind or view_refusal(view):
            raise Refused("invalid_arguments" if isinstance(view, dict) else "missing_argument")
        for text in formatted(view["blocks"]):
            self.flaws += markup_flaws(text)
        # Slack gives a name to what has none.
        blocks = [{"block_id": f"b{number}"} | block for number, block in enumerate(view["blocks"])]
        return view | {"blocks": blocks}

    def _add(self, user: str, view: dict[str, Any], stack: tuple[str, ...]) -> dict[str, Any]:
        open_view = OpenView(f"V{next(self._ids):09d}", user, view, stack, home=self._workspace.home)
        self.modals[open_view.id] = open_view
        return {"view": open_view.payload()}


def view_refusal(view: Mapping[str, Any]) -> str | None:
    """What Slack would refuse in a view; None for a good one."""
    kind = view.get("type")
    if kind not in _KEYS or set(view) - _KEYS[kind]:
        return f"not a view, or not with {sorted(set(view) - _KEYS.get(str(kind), set()))}"
    blocks = view.get("blocks")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= BLOCKS:
        return "blocks"
    if len(view.get("private_metadata", "")) > METADATA or len(view.get("callback_id", "")) > 255:
        return "private_metadata or callback_id"
    for name in ("title", "submit", "close"):
        if name in view and not (good_text(view[name], TITLE) and view[name]["type"] == "plain_text"):
            return name
    inputs = [block for block in blocks if block.get("type") == "input"]
    if kind == "modal" and "title" not in view:
        return "title"
    if inputs and kind == "modal" and "submit" not in view:
        return "inputs and no submit"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        return "the same block_id twice"
    for block in blocks:
        if block.get("type") == "context_actions" or not (_good_input(block) if block in inputs else good_block(_plain(block))):
            return f"a block: {block}"
    try:
        View(**view).validate_json()
    except (SlackObjectFormationError, TypeError, ValueError) as error:
        return str(error)
    return None


def _plain(block: dict[str, Any]) -> dict[str, Any]:
    """Without the confirmations of its buttons, if they are good."""
    if block.get("type") != "actions":
        return block
    elements = [
        {key: value for key, value in element.items() if key != "confirm" or not _good_confirm(value)}
        for element in block["elements"]
    ]
    return block | {"elements": elements}


def _good_confirm(confirm: object) -> bool:
    if not isinstance(confirm, dict) or set(confirm) - {*CONFIRM, "style"} or not {*CONFIRM} <= set(confirm):
        return False
    style = confirm.get("style", "primary") in {"primary", "danger"}
    return style and all(good_text(confirm[name], limit) for name, limit in CONFIRM.items())


def _good_input(block: Mapping[str, Any]) -> bool:
    if set(block) - {"type", "block_id", "label", "element", "optional", "hint", "dispatch_action"}:
        return False
    element = block.get("element")
    if not good_text(block.get("label"), LABEL) or block["label"]["type"] != "plain_text" or not isinstance(element, dict):
        return False
    kind = str(element.get("type"))
    if kind not in _INPUT_KEYS or set(element) - _INPUT_KEYS[kind] - {"type", "action_id"} or not element.get("action_id"):
        return False
    if "placeholder" in element and not good_text(element["placeholder"], PLACEHOLDER):
        return False
    if kind == "plain_text_input":
        most = int(element.get("max_length", TYPED))
        return 0 < most <= TYPED and len(element.get("initial_value", "")) <= most
    if kind in OPTIONS:
        options = element.get("options")
        if not isinstance(options, list) or not 1 <= len(options) <= OPTIONS[kind] or not all(map(_good_option, options)):
            return False
        chosen = [*element.get("initial_options", []), *([element["initial_option"]] if "initial_option" in element else [])]
        return all(option in options for option in chosen) and bool(element.get("initial_options", True))
    return True


def _good_option(option: Mapping[str, Any]) -> bool:
    described = "description" not in option or good_text(option["description"], OPTION)
    valued = 0 < len(option.get("value", "")) <= OPTION_VALUE
    return described and valued and good_text(option.get("text"), OPTION) and not set(option) - {"text", "value", "description"}


def _shown(blocks: list[dict[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if block["type"] == "input":
            yield block["label"]["text"]
            yield from (option["text"]["text"] for option in block["element"].get("options", []))
        else:
            yield from texts([block])


def _pressable(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [element for block in blocks if block["type"] == "actions" for element in block["elements"]]


def _initial(element: Mapping[str, Any]) -> Any:
    if "initial_option" in element:
        return element["initial_option"]["value"]
    if "initial_options" in element:
        return [option["value"] for option in element["initial_options"]]
    return element.get("initial_value", element.get("initial_user"))


def _state(view: OpenView, values: Mapping[str, Any]) -> dict[str, Any]:
    entered = {name: values.get(name, initial) for name, initial in view.initial.items()}
    assert set(values) <= set(entered), f"there is no input {set(values) - set(entered)}"
    elements = {block["block_id"]: block["element"] for block in view.view["blocks"] if block["type"] == "input"}
    return {name: {elements[name]["action_id"]: _entered(elements[name], value)} for name, value in entered.items()}


def _entered(element: Mapping[str, Any], value: Any) -> dict[str, Any]:
    kind = element["type"]
    options = {option["value"]: option for option in element.get("options", [])}
    match kind:
        case "plain_text_input":
            return {"type": kind, "value": value or None}
        case "users_select":
            return {"type": kind, "selected_user": value}
        case "radio_buttons" | "static_select":
            return {"type": kind, "selected_option": options[value] if value else None}
        case _:
            return {"type": kind, "selected_options": [options[one] for one in value or []]}


def missing(view: OpenView, values: Mapping[str, Any]) -> list[str]:
    """The inputs without which Slack's client does not send the form."""
    entered = view.initial | dict(values)
    required = [block["block_id"] for block in view.view["blocks"] if block["type"] == "input" and not block.get("optional")]
    return [name for name in required if not entered[name]]


def action_on(blocks: list[dict[str, Any]], label: str) -> dict[str, Any]:
    """What a press of the button with this label, or of this side of feedback buttons, tells of it."""
    found: list[dict[str, Any]] = []
    for number, block in enumerate(blocks):
        place = {"block_id": block.get("block_id", f"b{number}")}
        for element in block.get("elements", []) if block["type"] in {"actions", "context_actions"} else []:
            if element["type"] == "feedback_buttons":
                sides = (element["positive_button"], element["negative_button"])
                pressed = [{"type": "feedback_buttons", "action_id": element["action_id"]} | side for side in sides]
                found += [side | place for side in pressed if side["text"]["text"] == label]
            elif element["text"]["text"] == label:
                found.append(element | place)
    (action,) = found
    return action


def container_of(where: Post | Whisper, ts: str) -> dict[str, Any]:
    """In what Slack says that a button stands; only of what everybody sees it tells the message."""
    thread = {"thread_ts": where.thread_ts} if where.thread_ts else {}
    base = {"type": "message", "channel_id": where.channel} | thread
    if isinstance(where, Whisper):
        return {"container": base | {"message_ts": ts, "is_ephemeral": True}}
    return {"container": base | {"message_ts": where.ts, "is_ephemeral": False}, "message": where.payload()}
