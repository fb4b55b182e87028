"""Forms: what was wrong with an answer, and how the bot behaves in a channel. What is entered becomes a command.

All that has to be known when a form comes back stands in it, so that it works after any restart.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bots.command import Button
from bots.commands.config import CONFIG
from bots.commands.feedback import LABELS, RATE
from bots.slack.mrkdwn import sections
from bots.slack.render import BLOCKS, Block, actions, context, plain, section
from core.answering.style import LONGEST_LANGUAGE, LONGEST_TONE
from core.channels import ChannelConfig, Policy
from core.models import Reason

View = dict[str, Any]

REASON_FORM, CONFIG_FORM, TOLD = "footnote_reason", "footnote_config", "footnote_told"
"""The ``callback_id`` of each form."""
_COMMENT = 1000
"""Characters."""
_WHAT_ELSE = "What would have been right, and where does it stand?"
_ID = 40
_QUOTES = str.maketrans("“”„‟’‘", '""""\'\'')
"""As phones write them: where a command is read they hold words together, too."""
_NAME = 150
"""Characters in what an option stands for."""
_OPTIONS = 100
"""In one menu; Slack refuses more."""
_POLICIES = {
    Policy.MENTION: ("When I am mentioned", "And never otherwise"),
    Policy.STICKY: ("Also in threads that I am in", "Further questions there need no mention"),
    Policy.QUESTIONS: ("Also to whatever is a question", "If I find something on it"),
}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the button or the command was given that opened a form, and so where its reply goes."""

    channel: str
    response_url: str = ""
    """Empty where there is none: in a view of ours."""
    thread: str | None = None
    answer: str = ""

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> Origin:
        """Raises ValueError or TypeError when the form was not made here."""
        return cls(**json.loads(view.get("private_metadata") or "null"))

    def kept(self) -> str:
        return json.dumps(asdict(self))


def reason_form(origin: Origin) -> View:
    """Asks why an answer is bad. Closing it is a bad rating, too."""
    options = [{"text": plain(LABELS[reason]), "value": reason.value} for reason in Reason]
    return _form(
        REASON_FORM,
        origin,
        "What was wrong?",
        "Send",
        "Skip",
        [
            _input("reason", "Reason", {"type": "radio_buttons", "options": options}),
            _input(
                "comment",
                "Comment",
                _text_input(
                    placeholder="What would have been right, and where does it stand?", max_length=_COMMENT, multiline=True
                ),
                optional=True,
            ),
            context("Those who look after Footnote read it."),
        ],
    ) | {"notify_on_close": True}


def rated(view: Mapping[str, Any]) -> str:
    """The command that a submitted form gives."""
    values = _values(view)
    reason = (values["reason"].get("selected_option") or {}).get("value", Reason.OTHER.value)
    comment = (values["comment"].get("value") or "").strip()
    return f"{RATE} {Origin.of(view).answer} bad {reason} {comment}".rstrip()


def unexplained(view: Mapping[str, Any]) -> str:
    """The command of a form that was closed: the thumb was down all the same."""
    return f"{RATE} {Origin.of(view).answer} bad {Reason.OTHER}"


def config_form(config: ChannelConfig, sources: Collection[str], origin: Origin) -> View:
    """``sources`` are those that whoever opens it may know of; those that are in scope already stay choosable."""
    policies = [
        {"text": plain(label), "description": plain(description), "value": policy.value}
        for policy, (label, description) in _POLICIES.items()
    ]
    chosen = next(option for option in policies if option["value"] == config.policy.value)
    alone = {"text": plain("Answer each person alone, from what they may read"), "value": "yes"}
    names = sorted(name for name in {*sources, *config.sources} if 0 < len(name) <= _NAME)[:_OPTIONS]
    options = [{"text": plain(name), "value": name} for name in names]
    in_scope = [option for option in options if option["value"] in config.sources]
    person, group = _called(config.escalate_to)
    return _form(
        CONFIG_FORM,
        origin,
        "Footnote in this channel",
        "Save",
        "Cancel",
        [
            _input("policy", "I reply", {"type": "radio_buttons", "options": policies, "initial_option": chosen}),
            *([_sources(options, in_scope)] if options else []),
            _input(
                "language",
                "Language of my answers",
                _text_input(config.language, "That of the question", max_length=LONGEST_LANGUAGE),
                optional=True,
            ),
            _input("tone", "Tone", _text_input(config.tone, "Brief, for engineers", max_length=LONGEST_TONE), optional=True),
            _input(
                "person",
                "Who is called when somebody presses Escalate",
                {"type": "users_select"} | ({"initial_user": person} if person else {}),
                optional=True,
            ),
            _input("group", "Or a user group, by its id", _text_input(group, "S0123ABCD", max_length=_ID), optional=True),
            _input(
                "private",
                "Privacy",
                {"type": "checkboxes", "options": [alone]} | ({"initial_options": [alone]} if config.private else {}),
                optional=True,
            ),
        ],
    )


def configured(view: Mapping[str, Any]) -> str:
    """The command that a submitted form gives: ``config policy=mention tone='brief, for engineers' ...``."""
    values = _values(view)
    sources = [option["value"] for option in values.get("sources", {}).get("selected_options") or []]
    called = values["person"].get("selected_user") or (values["group"].get("value") or "").strip().upper()
    settings = {
        "policy": values["policy"]["selected_option"]["value"],
        **({"sources": ",".join(sources)} if "sources" in values else {}),
        "language": (values["language"].get("value") or "").strip(),
        "tone": " ".join((values["tone"].get("value") or "").split()),
        "escalate": f"slack:{called}" if called else "",
        "private": "yes" if values["private"].get("selected_options") else "no",
    }
    line = " ".join(shlex.quote(f"{key}={value.translate(_QUOTES)}") for key, value in settings.items())
    return f"{CONFIG} {line}"


def told(origin: Origin, markdown: str, buttons: Sequence[Button] = ()) -> View:
    """What is said to a person who pressed a button where there is no conversation."""
    blocks = [section(text) for text in sections(markdown)][: BLOCKS - 1] or [section("…")]
    below = [actions(buttons)] if buttons else []
    return {
        "type": "modal",
        "callback_id": TOLD,
        "private_metadata": origin.kept(),
        "title": plain("Footnote"),
        "close": plain("Close"),
        "blocks": [*blocks, *below],
    }


def _form(callback: str, origin: Origin, title: str, submit: str, close: str, blocks: list[Block]) -> View:
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": origin.kept(),
        "title": plain(title),
        "submit": plain(submit),
        "close": plain(close),
        "blocks": blocks,
    }


def _input(name: str, label: str, element: Block, *, optional: bool = False) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "label": plain(label),
        "element": element | {"action_id": name},
        "optional": optional,
    }


def _sources(options: list[Block], in_scope: list[Block]) -> Block:
    menu: Block = {"type": "multi_static_select", "options": options, "placeholder": plain("All sources")}
    return _input(
        "sources", "Sources that answers come from", menu | ({"initial_options": in_scope} if in_scope else {}), optional=True
    )


def _text_input(value: str = "", placeholder: str = "", *, max_length: int, multiline: bool = False) -> Block:
    return {
        "type": "plain_text_input",
        "multiline": multiline,
        "max_length": max_length,
        **({"initial_value": value[:max_length]} if value else {}),
        **({"placeholder": plain(placeholder)} if placeholder else {}),
    }


def _called(who: str) -> tuple[str, str]:
    """A person's id and a group's, one of them empty."""
    id = who.removeprefix("slack:")
    return (id, "") if id.startswith(("U", "W")) else ("", id)


def _values(view: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What was entered, by the name of the input."""
    state: Mapping[str, Mapping[str, Any]] = view["state"]["values"]
    return {name: dict(entered.get(name) or {}) for name, entered in state.items()}
