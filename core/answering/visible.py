"""Text without what a reader cannot see: hidden instructions come in, and secrets go out, in such characters."""

from __future__ import annotations

import re

# Tags, variation selectors, zero-width and bidi controls, soft hyphens, halves of surrogate pairs, and control
# characters but tab and newline.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
)
# Joiners that emoji, Persian and Indic scripts need: kept singly after a visible character that is not ASCII.
_JOINERS = frozenset("\u200c\u200d\ufe0f")


def visible(text: str, before: str = "") -> str:
    """``text`` without invisible characters. ``before`` is the character that precedes it, for text that comes in pieces."""
    if not _HIDDEN.search(text):
        return text
    kept: list[str] = []
    previous = before
    for character in text:
        if _HIDDEN.match(character):
            follows_emoji_style = previous == "\ufe0f" and character == "\u200d"
            if character not in _JOINERS or not (follows_emoji_style or (previous > "\x7f" and previous not in _JOINERS)):
                continue
        kept.append(character)
        previous = character
    return "".join(kept)
