"""An answer as Slack messages: sections of mrkdwn, small print, and the footnotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bots.command import Button
from bots.slack.markup import link, size
from bots.slack.mrkdwn import sections
from core.models import Answer, Citation

Block = dict[str, Any]

BLOCKS = 45
"""Blocks in one message; Slack refuses more than 50."""
MESSAGE = 8000
"""Characters in all blocks of one message. Slack refuses ``msg_blocks_too_long`` somewhere between 11,000 and
13,300, which it does not document and counts in a way of its own."""
_BUTTONS = 25
"""In one block of actions."""
_LABEL = 75
ACTION = "footnote_command"
"""What the ``action_id`` of each of our buttons begins with; its ``value`` is the command."""
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


def render(answer: Answer) -> list[SlackMessage]:
    """The answer with its footnotes, in as many messages as Slack's limits require."""
    urls = {citation.number: citation.url for citation in answer.citations}
    body = [_section(text) for text in sections(answer.text, urls) or [_EMPTY]]
    notice = [_context(text) for text in sections(answer.notice, limit=_SMALL_PRINT)]
    return _messages([*notice, *body, *_sources(answer.citations)])


def render_text(markdown: str) -> list[SlackMessage]:
    """A notice: a greeting, a refusal, a report."""
    return _messages([_section(text) for text in sections(markdown) or [_EMPTY]])


def render_offer(markdown: str, buttons: Sequence[Button]) -> list[SlackMessage]:
    """A notice with buttons below its end."""
    *before, last = render_text(markdown)
    return [*before, SlackMessage(last.text, (*last.blocks, _actions(buttons)))] if buttons else [*before, last]


def render_card(markdown: str) -> SlackMessage:
    """A text that is edited in place, so it has to stay one message: what does not fit is left out, and said to be."""
    first, *rest = render_text(markdown)
    if not rest:
        return first
    return SlackMessage(first.text, (*first.blocks, _context("… and more, which does not fit into one message.")))


def _sources(citations: Sequence[Citation]) -> Iterator[Block]:
    lines = [_source(citation) for citation in sorted(citations, key=lambda citation: citation.number)]
    page: list[str] = []
    for line in lines:
        if page and size("\n".join([*page, line])) > _SMALL_PRINT:
            yield _context("\n".join(page))
            page = []
        page.append(line)
    if page:
        yield _context("\n".join(page))


def _source(citation: Citation) -> str:
    title = citation.title.strip() or citation.document_id
    title = title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"
    return f"{citation.number}. {link(citation.url, title)} · {citation.updated_at:%Y-%m-%d}"


def _section(text: str) -> Block:
    # Verbatim: names and addresses in plain text stay plain text, so nothing but our own links is a link.
    return {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def _actions(buttons: Sequence[Button]) -> Block:
    elements = [
        {
            "type": "button",
            "action_id": f"{ACTION}_{number}",
            "text": {"type": "plain_text", "text": button.label[:_LABEL]},
            "value": button.command,
            **({"style": "danger"} if button.danger else {}),
        }
        for number, button in enumerate(buttons[:_BUTTONS])
    ]
    return {"type": "actions", "elements": elements}


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
