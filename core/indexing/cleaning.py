"""Unicode as people see it: what is indexed is composed, and free of characters that nobody can see."""

from __future__ import annotations

import re
import unicodedata

# Controls, soft hyphen, zero-width and bidirectional marks, interlinear and tag characters, variation selectors that only
# ever carry hidden bytes, surrogates and noncharacters. Joiners come below: Persian, Indic scripts and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufdd0-\ufdef\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINER = re.compile("(?<![^\x00-\u02ff])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u02ff\u200c\u200d])")
_SPACES = re.compile("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029]")


def clean(text: str) -> str:
    """``text`` in NFC, with plain spaces and newlines and without invisible and control characters.

    They serve to hide instructions from people and to make equal words unequal. Tabs become four spaces,
    so that code keeps its shape.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _BREAKS.sub("\n", text)
    text = _SPACES.sub(lambda space: "    " if space.group() == "\t" else " ", text)
    text = _INVISIBLE.sub("", text)
    return unicodedata.normalize("NFC", _JOINER.sub("", text))


def one_line(text: str) -> str:
    """:func:`clean`, with every run of white space made one space."""
    return " ".join(clean(text).split())
