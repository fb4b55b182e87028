"""What Slack refuses in a message, and what it would show wrongly. Limits as documented, or as reported where it is said."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

TEXT = 40_000
"""msg_too_long; 4,000 are advised."""
UPDATE_TEXT = 4_000
BLOCKS = 50
SECTION = 3_000
CONTEXT_ELEMENTS = 10
ACTIONS_ELEMENTS = 25
CONTEXT_ACTIONS_ELEMENTS = 5
BUTTON = 75
ACTION_ID = 255
VALUE = 2_000
HEADER = 150
ALL_BLOCKS = 11_300
"""msg_blocks_too_long. Not documented; the smallest sum that was reported to be refused."""
METADATA = 8_000

_KEYS = {
    "section": {"text", "fields", "accessory", "expand"},
    "context": {"elements"},
    "header": {"text"},
    "actions": {"elements"},
    "context_actions": {"elements"},
    "divider": set[str](),
}
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt);)")
_CONTROL = re.compile(r"<([^<>]*)>")
_MENTION = re.compile(r"(?:@|!subteam\^)([UWS][A-Z0-9]+)")
_LINK = re.compile(r"https?://[^\s|<>]+(\|[^|<>\n]+)?")


class Refused(Exception):
    """``ok: false`` with this error code."""


def refusal(message: Mapping[str, Any], *, text_limit: int = TEXT) -> str | None:
    """The error code with which Slack would refuse this message; None for a good one."""
    text, blocks = message.get("text"), message.get("blocks")
    if blocks is None and not (isinstance(text, str) and text.strip()):
        return "no_text"
    if text is not None and (not isinstance(text, str) or len(text) > text_limit):
        return "msg_too_long"
    metadata = message.get("metadata")
    if metadata is not None:
        if not (isinstance(metadata, dict) and isinstance(metadata.get("event_payload"), dict) and metadata.get("event_type")):
            return "invalid_metadata_format"
        if len(json.dumps(metadata)) > METADATA:
            return "metadata_too_large"
    return _blocks_refusal(blocks) if blocks is not None else None


def _blocks_refusal(blocks: object) -> str | None:
    if not isinstance(blocks, list) or not blocks or len(blocks) > BLOCKS:
        return "invalid_blocks"
    ids = [block.get("block_id") for block in blocks if isinstance(block, dict) and block.get("block_id")]
    if len(ids) != len(set(ids)) or not all(isinstance(block, dict) and good_block(block) for block in blocks):
        return "invalid_blocks"
    if sum(len(text) for block in blocks for text in texts([block])) > ALL_BLOCKS:
        return "msg_blocks_too_long"
    return None


def good_block(block: dict[str, Any]) -> bool:
    kind = block.get("type")
    if kind not in _KEYS or set(block) - _KEYS[kind] - {"type", "block_id"} or len(block.get("block_id", "")) > 255:
        return False
    if kind == "section" and not good_text(block.get("text"), SECTION):
        return False
    if kind == "header" and not (good_text(block.get("text"), HEADER) and block["text"]["type"] == "plain_text"):
        return False
    if kind == "context":
        elements = block.get("elements")
        if not isinstance(elements, list) or not 1 <= len(elements) <= CONTEXT_ELEMENTS:
            return False
        if not all(good_text(element, SECTION) for element in elements):
            return False
    if kind == "context_actions" and not good_feedback(block.get("elements")):
        return False
    if kind == "actions":
        elements = block.get("elements")
        if not isinstance(elements, list) or not 1 <= len(elements) <= ACTIONS_ELEMENTS:
            return False
        if not all(good_button(element) for element in elements):
            return False
        if len({element["action_id"] for element in elements}) < len(elements):
            return False
    try:
        parsed = Block.parse(block)
        if parsed is None:
            return False
        parsed.validate_json()
    except (SlackObjectFormationError, TypeError, ValueError):
        return False
    return True


def good_button(element: object) -> bool:
    if not isinstance(element, dict) or element.get("type") != "button":
        return False
    if set(element) - {"type", "action_id", "text", "value", "style"} or element.get("style", "danger") not in {
        "primary",
        "danger",
    }:
        return False
    if not good_text(element.get("text"), BUTTON) or element["text"]["type"] != "plain_text":
        return False
    return 0 < len(element.get("action_id", "")) <= ACTION_ID and len(element.get("value", "")) <= VALUE


def good_feedback(elements: object) -> bool:
    """The only elements of a context_actions block that are known here: two-sided feedback buttons."""
    if not isinstance(elements, list) or not 1 <= len(elements) <= CONTEXT_ACTIONS_ELEMENTS:
        return False
    for element in elements:
        if not isinstance(element, dict) or set(element) != {"type", "action_id", "positive_button", "negative_button"}:
            return False
        if element["type"] != "feedback_buttons" or not 0 < len(element["action_id"]) <= ACTION_ID:
            return False
        for side in (element["positive_button"], element["negative_button"]):
            if not isinstance(side, dict) or set(side) - {"text", "accessibility_label", "value"}:
                return False
            if not good_text(side.get("text"), BUTTON) or side["text"]["type"] != "plain_text":
                return False
            if len(side.get("accessibility_label", "")) > BUTTON or not 0 < len(side.get("value", "")) <= VALUE:
                return False
    return len({element["action_id"] for element in elements}) == len(elements)


def good_text(text: object, limit: int) -> bool:
    if not isinstance(text, dict) or not isinstance(text.get("text"), str):
        return False
    allowed = {"mrkdwn": {"type", "text", "verbatim"}, "plain_text": {"type", "text", "emoji"}}.get(str(text.get("type")))
    return allowed is not None and set(text) <= allowed and bool(text["text"].strip()) and len(text["text"]) <= limit


def texts(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """All that people read in these blocks, in their order."""
    for block in blocks:
        for part in [block.get("text"), *block.get("elements", []), *block.get("fields", [])]:
            if isinstance(part, dict) and "text" in part:
                yield part["text"]["text"] if part.get("type") == "button" else part["text"]


def flaws(message: Mapping[str, Any], pings: Collection[str] = ()) -> list[str]:
    """What people would see wrongly, or be pinged by, although Slack accepts it. ``pings`` are ids of those whom a channel's
    settings allow to be mentioned.
    """
    found = []
    if not str(message.get("text") or "").strip():
        found.append("no text for notifications")
    if message.get("unfurl_links") is not False or message.get("unfurl_media") is not False:
        found.append("links unfurl")
    for text in [str(message.get("text") or ""), *formatted(message.get("blocks") or [])]:
        found += markup_flaws(text, pings)
    return found


def formatted(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The texts that Slack takes for mrkdwn; the plain ones show as they are."""
    for block in blocks:
        for part in [block.get("text"), *block.get("elements", []), *block.get("fields", [])]:
            if isinstance(part, dict) and part.get("type") == "mrkdwn":
                yield part["text"]


def markup_flaws(text: str, pings: Collection[str] = ()) -> list[str]:
    """Open code blocks, cut links and entities, raw Markdown of links, and pings in one mrkdwn text."""
    found = []
    if text.count("```") % 2:
        found.append(f"a code block is not closed: {text[-80:]!r}")
    prose = re.sub(r"```.*?```|`[^`\n]+`|<https?://[^|>]*", "", text, flags=re.DOTALL)
    if _ENTITY.search(text):
        found.append(f"a raw or cut '&': {text!r}")
    for control in _CONTROL.findall(text):
        mentioned = _MENTION.fullmatch(control)
        if not _LINK.fullmatch(control) and not (mentioned and mentioned[1] in pings):
            found.append(f"not a link: <{control}>")
    rest = re.sub(r"^> ?", "", _CONTROL.sub("", text), flags=re.MULTILINE)
    if "<" in rest or ">" in rest:
        found.append(f"a raw or cut '<' or '>': {text!r}")
    if re.search(r"@(?:channel|here|everyone)\b", prose):
        found.append(f"pings everybody: {text!r}")
    return found
