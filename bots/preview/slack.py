"""Slack's blocks as HTML, as its desktop app shows them: near enough to judge a layout by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape, unescape
from typing import Any

Block = Mapping[str, Any]

_FENCE = re.compile(r"```\n?(.*?)\n?```", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_REFERENCE = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_STYLES = (
    (re.compile(r"(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])"), "b"),
    (re.compile(r"(?<![\w_])_(\S(?:[^_\n]*\S)?)_(?![\w_])"), "i"),
    (re.compile(r"(?<![\w~])~(\S(?:[^~\n]*\S)?)~(?![\w~])"), "s"),
)


def message(blocks: Iterable[Block]) -> str:
    """The body of one message, or of a view."""
    return "\n".join(map(_block, blocks))


def _block(block: Block) -> str:
    match block["type"]:
        case "section":
            beside = f'<div class="accessory">{_element(block["accessory"])}</div>' if "accessory" in block else ""
            fields = "".join(f"<div>{_text(field)}</div>" for field in block.get("fields", ()))
            text = _text(block["text"]) if "text" in block else ""
            return f'<div class="section"><div>{text}{f"<div class=fields>{fields}</div>" if fields else ""}</div>{beside}</div>'
        case "header":
            return f'<div class="header">{_text(block["text"])}</div>'
        case "context":
            return f'<div class="context">{" ".join(_text(element) for element in block["elements"])}</div>'
        case "divider":
            return "<hr>"
        case "actions" | "context_actions":
            return f'<div class="actions">{"".join(map(_element, block["elements"]))}</div>'
        case "input":
            hint = f'<div class="context">{_text(block["hint"])}</div>' if "hint" in block else ""
            return f'<div class="input"><label>{_text(block["label"])}</label>{_element(block["element"])}{hint}</div>'
        case "markdown":
            return f'<div class="section"><pre>{escape(block["text"])}</pre></div>'
        case other:
            return f'<div class="unknown">{escape(other)}</div>'


def _element(element: Block) -> str:
    match element["type"]:
        case "button":
            return f'<button class="{element.get("style", "")}">{_text(element["text"])}</button>'
        case "feedback_buttons":
            sides = (("positive_button", "👍"), ("negative_button", "👎"))
            return "".join(
                f'<span class="thumb" title="{escape(element[side]["text"]["text"])}">{sign}</span>' for side, sign in sides
            )
        case "static_select" | "multi_static_select" | "overflow" | "radio_buttons" | "checkboxes":
            return _select(element)
        case "plain_text_input":
            tall = " tall" if element.get("multiline") else ""
            return f'<div class="field{tall}">{_entered(element.get("initial_value"), element)}</div>'
        case _:
            called = element.get("initial_user")
            return f'<div class="field">{_entered(called and f"@{called}", element)} <span class="arrow">▾</span></div>'


def _select(element: Block) -> str:
    initial = element.get("initial_option") or element.get("initial_options") or ()
    chosen: Sequence[Block] = [initial] if isinstance(initial, Mapping) else initial
    if element["type"] in {"radio_buttons", "checkboxes"}:
        marks = "◉○" if element["type"] == "radio_buttons" else "☑☐"
        return "".join(
            f"<div>{marks[0] if option in chosen else marks[1]} {_text(option['text'])}</div>" for option in element["options"]
        )
    shown = ", ".join(_plain(option["text"]) for option in chosen) or _plain(element.get("placeholder")) or "Choose…"
    return f'<div class="field">{escape(shown)} <span class="arrow">▾</span></div>'


def _entered(value: str | None, element: Block) -> str:
    """What stands in a field, or the hint at what may."""
    return escape(value) if value else f'<span class="hint">{escape(_plain(element.get("placeholder")) or "Choose…")}</span>'


def _plain(text: Block | None) -> str:
    return str(text["text"]) if text else ""


def _text(text: Block) -> str:
    return mrkdwn(text["text"]) if text["type"] == "mrkdwn" else escape(text["text"])


def mrkdwn(text: str) -> str:
    """Slack's markup as HTML. Its entities are decoded once, as Slack does."""
    parts = _FENCE.split(text)
    return "".join(
        f"<pre>{escape(unescape(part))}</pre>" if position % 2 else _lines(part) for position, part in enumerate(parts)
    )


def _lines(text: str) -> str:
    shown: list[str] = []
    # A code block ends its line by itself.
    for line in text.removeprefix("\n").removesuffix("\n").split("\n"):
        if line.startswith("&gt;"):
            shown.append(f"<blockquote>{_inline(line.removeprefix('&gt;').lstrip())}</blockquote>")
        elif line.startswith("> "):
            shown.append(f"<blockquote>{_inline(line[2:])}</blockquote>")
        else:
            shown.append(f"{_inline(line)}<br>")
    return re.sub(r"(<br>)+$", "", "".join(shown)).replace("</blockquote><blockquote>", "<br>")


def _inline(line: str) -> str:
    parts = _CODE.split(line)
    return "".join(
        f"<code>{escape(unescape(part))}</code>" if position % 2 else _styled(part) for position, part in enumerate(parts)
    )


def _styled(text: str) -> str:
    end, shown = 0, ""
    for found in _REFERENCE.finditer(text):
        shown += _emphasised(text[end : found.start()]) + _reference(found[1], found[2])
        end = found.end()
    return shown + _emphasised(text[end:])


def _reference(target: str, label: str | None) -> str:
    if target[0] in "@#!":
        return f'<span class="mention">@{escape(unescape(label or target[1:]))}</span>'
    return f'<a href="{escape(unescape(target))}">{escape(unescape(label or target))}</a>'


def _emphasised(text: str) -> str:
    text = escape(unescape(text), quote=False)
    for pattern, tag in _STYLES:
        text = pattern.sub(rf"<{tag}>\1</{tag}>", text)
    return text
