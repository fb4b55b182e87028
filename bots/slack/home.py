"""The App Home: what I know that you may read, what I keep of you, and what you can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bots.command import Button
from bots.commands.memory import MEMORY
from bots.overview import Shelf
from bots.slack.modals import Origin
from bots.slack.mrkdwn import sections
from bots.slack.render import FOLLOW_UP, Block, actions, context, section

_SHELVES = 40
"""Sources that are named; more than anybody has."""
_FORGET = {
    "title": {"type": "plain_text", "text": "Forget all of it?"},
    "text": {
        "type": "plain_text",
        "text": "I delete your questions and my answers to them, everywhere. Messages in Slack stay as they are.",
    },
    "confirm": {"type": "plain_text", "text": "Forget"},
    "deny": {"type": "plain_text", "text": "Keep"},
    "style": "danger",
}


@dataclass(frozen=True, kw_only=True)
class Home:
    """What one person is shown. ``channel`` is the id of their direct messages with us, where example questions are asked."""

    user_name: str
    channel: str
    shelves: Sequence[Shelf] | None
    """None while nobody knows."""
    questions: Sequence[str]
    remembered_for: timedelta
    at: datetime


def render_home(home: Home) -> dict[str, Any]:
    """The view of ``views.publish``."""
    blocks = [
        *_text(
            f"**Hello {home.user_name}.** Ask me here in *Messages*, or mention me in any channel. I answer from your team's "
            "pages, from those alone that everybody may read who sees the answer, with a footnote for every statement."
        ),
        _header("What I know"),
        *_text(_shelves(home)),
    ]
    if home.questions:
        blocks += [
            _header("Try one of these"),
            actions([Button(label=question, command=f"{FOLLOW_UP} {question}") for question in home.questions]),
        ]
    blocks += [
        _header("Your privacy"),
        *_text(
            f"- Your questions and my answers are remembered for {lasting(home.remembered_for)} after the last one in a thread, "
            "so that you can ask on\n"
            "- Nobody is shown what was answered from pages that they may not read, and neither is the channel\n"
            "- *Forget* deletes at once what I remember of you"
        ),
        _privacy(),
        context(f"As of {home.at:%Y-%m-%d %H:%M} UTC"),
    ]
    return {"type": "home", "private_metadata": Origin(channel=home.channel).kept(), "blocks": blocks}


def lasting(duration: timedelta) -> str:
    """``7 days``, ``12 hours``; in the largest unit that fits."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if (count := round(duration.total_seconds() / size)) >= 1:
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return "a minute"


def _shelves(home: Home) -> str:
    if home.shelves is None:
        return "I cannot look it up right now. Please come back in a minute."
    if not home.shelves:
        return "There is nothing yet that you may read."
    lines = [f"- {shelf.told(home.at)}" for shelf in home.shelves[:_SHELVES]]
    if more := len(home.shelves) - _SHELVES:
        lines += [f"- and {more} more"] if more > 0 else []
    return "\n".join(lines)


def _privacy() -> Block:
    block = actions(
        [
            Button(label="What you remember", command=MEMORY),
            Button(label="Forget", command="forget me", danger=True),
            Button(label="Help", command="help"),
        ]
    )
    seen, forget, helped = block["elements"]
    return block | {"elements": [seen, forget | {"confirm": _FORGET}, helped]}


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def _text(markdown: str) -> list[Block]:
    return [section(text) for text in sections(markdown)]
