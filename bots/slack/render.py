"""An answer as Slack messages: sections of mrkdwn, small print, and the footnotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bots.command import Button
from bots.commands.escalate import ESCALATE
from bots.commands.feedback import RATE
from bots.slack.markup import cut, link, size
from bots.slack.mrkdwn import SECTION, sections
from core.errors import UserError
from core.models import Answer, Citation, Link

Block = dict[str, Any]

BLOCKS = 45
"""Blocks in one message; Slack refuses more than 50."""
MESSAGE = 8000
"""Characters in all blocks of one message. Slack refuses ``msg_blocks_too_long`` somewhere between 11,000 and
13,300, which it does not document and counts in a way of its own."""
_BUTTONS = 25
"""In one block of actions."""
LABEL = 75
"""Characters on a button."""
_VALUE = 2000
"""Characters in what a button gives."""
_FOLLOW_UPS = 3
ACTION = "footnote_command"
"""What the ``action_id`` of each of our buttons begins with; its ``value`` is the command."""
FEEDBACK = "footnote_rate"
"""The ``action_id`` of the two sides of the feedback buttons."""
FOLLOW_UP = "ask"
"""The command of follow-up questions, ``ask QUESTION``."""
_ERROR_ID = re.compile(r" \(error `([0-9a-f]+)`\)")
_CALLED = {"U": "<@{}>", "W": "<@{}>", "S": "<!subteam^{}>"}
"""By the first letter of the id: a person, one of Enterprise Grid, a group."""
_MENTION = 100
"""Characters, at most."""
_SMALL_PRINT = 2000
"""Characters in one element of a context block."""
_TITLE = 150
_EMPTY = "_There is no text in this answer._"


@dataclass(frozen=True)
class SlackMessage:
    """One message; ``text`` is what notifications and screen readers get."""

    text: str
    blocks: tuple[Block, ...]

    def arguments(self) -> dict[str, Any]:
        """For chat.postMessage and its like: nothing in it unfurls or pings."""
        return {"text": self.text, "blocks": list(self.blocks), "unfurl_links": False, "unfurl_media": False}


def render(answer: Answer, *, follow_ups: bool = True) -> list[SlackMessage]:
    """The answer with its footnotes, in as many messages as Slack's limits require, and what can be done with it below.

    Without ``follow_ups`` where what they say may not be for those who would see them asked.
    """
    urls = {citation.number: citation.url for citation in answer.citations}
    body = [section(text) for text in sections(answer.text, urls) or [_EMPTY]]
    notice = [context(text) for text in sections(answer.remarks, limit=_SMALL_PRINT)]
    *before, last = _messages([*notice, *body, *_small(_sources(answer.citations)), *_small(_near(answer.near))])
    return [*before, SlackMessage(last.text, (*last.blocks, *closing(answer, follow_ups=follow_ups)))]


def closing(answer: Answer, *, follow_ups: bool = True) -> list[Block]:
    """At most two blocks: follow-up questions with the button that calls a person, and feedback."""
    buttons = [Button(label=question, command=f"{FOLLOW_UP} {question}") for question in _askable(answer, follow_ups)]
    if answer.escalates:
        buttons.append(Button(label="Escalate", command=f"{ESCALATE} {answer.id}"))
    return [*([actions(buttons)] if buttons else []), _feedback(answer.id)]


def render_text(markdown: str) -> list[SlackMessage]:
    """A notice: a greeting, a refusal, a report."""
    return _messages([section(text) for text in sections(markdown) or [_EMPTY]])


def render_offer(markdown: str, buttons: Sequence[Button]) -> list[SlackMessage]:
    """A notice with buttons below its end."""
    *before, last = render_text(markdown)
    return [*before, SlackMessage(last.text, (*last.blocks, actions(buttons)))] if buttons else [*before, last]


def render_error(markdown: str, buttons: Sequence[Button]) -> list[SlackMessage]:
    """What went wrong, the id under which it was logged in small print, and how to try it again."""
    found = _ERROR_ID.search(markdown)
    *before, last = render_text(f"⚠️ {_ERROR_ID.sub('', markdown)}")
    small = [context(f"Error `{found[1]}`")] if found else []
    below = [actions(buttons)] if buttons else []
    return [*before, SlackMessage(last.text, (*last.blocks, *small, *below))]


def render_call(who: str, markdown: str, buttons: Sequence[Button]) -> SlackMessage:
    """A line that mentions ``slack:U123``, a person, or ``slack:S123``, a group. Raises UserError when it is neither."""
    id = who.removeprefix("slack:")
    if not re.fullmatch(r"[UWS][A-Z0-9]{2,40}", id):
        raise UserError(
            f"The settings of this channel name `{who}` to be called, which is neither a person nor a group of Slack. Name "
            "another with `/footnote config`."
        )
    (first, *rest) = sections(markdown, limit=SECTION - _MENTION) or [_EMPTY]
    # A quote begins a line.
    gap = "\n" if first.startswith(">") else " "
    shown = f"{_CALLED[id[0]].format(id)}{gap}{first}"
    return SlackMessage(shown, (*(section(text) for text in (shown, *rest)), actions(buttons)))


def render_settled(blocks: Sequence[Mapping[str, Any]], markdown: str) -> SlackMessage:
    """A message of ours as Slack has it, with this text below it in place of its buttons."""
    kept = [dict(block) for block in blocks if block.get("type") in {"section", "context"}]
    small = [context(text) for text in sections(markdown, limit=_SMALL_PRINT)]
    return _message([*kept[: BLOCKS - len(small)], *small])


def render_card(markdown: str) -> SlackMessage:
    """A text that is edited in place, so it has to stay one message: what does not fit is left out, and said to be."""
    first, *rest = render_text(markdown)
    if not rest:
        return first
    return SlackMessage(first.text, (*first.blocks, context("… and more, which does not fit into one message.")))


def _sources(citations: Sequence[Citation]) -> list[str]:
    return [_source(citation) for citation in sorted(citations, key=lambda citation: citation.number)]


def _near(pages: Sequence[Link]) -> list[str]:
    return ["Nearest pages:", *(f"• {_linked(page)}" for page in pages)] if pages else []


def _small(lines: Sequence[str]) -> Iterator[Block]:
    page: list[str] = []
    for line in lines:
        if page and size("\n".join([*page, line])) > _SMALL_PRINT:
            yield context("\n".join(page))
            page = []
        page.append(line)
    if page:
        yield context("\n".join(page))


def _source(citation: Citation) -> str:
    also = "".join(f" · also at {_linked(place)}" for place in citation.also_at)
    return f"{citation.number}. {_linked(citation)} · {citation.updated_at:%Y-%m-%d}{also}"


def _linked(document: Citation | Link) -> str:
    title = document.title.strip() or document.document_id
    return link(document.url, title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…")


def section(text: str) -> Block:
    # Verbatim: names and addresses in plain text stay plain text, so nothing but our own links is a link.
    return {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def actions(buttons: Sequence[Button]) -> Block:
    elements = [
        {
            "type": "button",
            "action_id": f"{ACTION}_{number}",
            "text": plain(button.label),
            "value": button.command,
            **({"style": "danger"} if button.danger else {}),
        }
        for number, button in enumerate(buttons[:_BUTTONS])
    ]
    return {"type": "actions", "elements": elements}


def _askable(answer: Answer, follow_ups: bool) -> list[str]:
    """The questions that fit into what a button gives, one line each."""
    lines = [" ".join(question.encode("utf-8", "replace").decode().split()) for question in answer.follow_ups]
    fitting = [line for line in lines if line and size(f"{FOLLOW_UP} {line}") <= _VALUE]
    return fitting[:_FOLLOW_UPS] if follow_ups else []


def _feedback(answer_id: str) -> Block:
    sides = {
        "positive_button": ("Good answer", "This answer helped", "good"),
        "negative_button": ("Bad answer", "Something is wrong with this answer", "bad"),
    }
    element = {"type": "feedback_buttons", "action_id": FEEDBACK} | {
        side: {"text": plain(label), "accessibility_label": read_out, "value": f"{RATE} {answer_id} {score}"}
        for side, (label, read_out, score) in sides.items()
    }
    return {"type": "context_actions", "elements": [element]}


def plain(label: str) -> Block:
    """What stands on a button, cut to what Slack takes."""
    return {"type": "plain_text", "text": label if size(label) <= LABEL else f"{next(cut(label, LABEL - 1))}…"}


def _messages(blocks: Sequence[Block]) -> list[SlackMessage]:
    messages: list[SlackMessage] = []
    page: list[Block] = []
    used = 0
    for block in blocks:
        length = size(_text(block))
        if page and (len(page) == BLOCKS or used + length > MESSAGE):
            messages.append(_message(page))
            page, used = [], 0
        page.append(block)
        used += length
    return [*messages, _message(page)]


def _message(blocks: Sequence[Block]) -> SlackMessage:
    texts = [_text(block) for block in blocks if block["type"] == "section"] or [_text(block) for block in blocks]
    return SlackMessage(texts[0], tuple(blocks))


def _text(block: Block) -> str:
    text: str = block["text"]["text"] if block["type"] == "section" else block["elements"][0]["text"]
    return text
