"""The words of mrkdwn, Slack's own markup.

Slack has no escape character: only ``&``, ``<`` and ``>`` are escaped. Where plain text would be taken for markup
(``*``, ``_``, ``~``, a backtick, ``@channel``), a zero-width space keeps it plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlsplit

ZERO_WIDTH = "\u200b"
FENCE = "```"
MARKS = "*_~"
"""Bold, italic, struck."""
WHOLE = 1000
"""Longest link or inline code that is kept whole; so that every section has room for several."""
_LABEL = str.maketrans("|`", "\u2502\u02cb")
"""A bar ends the address of a link and a backtick begins code, so that lookalikes stand for them in its label."""
_PINGS = re.compile(r"@(?=(?:channel|here|everyone)(?![^\W_]))", re.IGNORECASE)
_CUTTABLE = re.compile(r"&(?:amp|lt|gt);|.", re.DOTALL)


@dataclass(frozen=True)
class Span:
    """Escaped mrkdwn of one style, a set of ``MARKS``; a solid one (a link, code) is never cut."""

    text: str
    style: frozenset[str] = frozenset()
    solid: bool = False


@dataclass(frozen=True)
class Line:
    """``first`` stands before its spans, ``rest`` before what continues in the next section."""

    spans: tuple[Span, ...] = ()
    first: str = ""
    rest: str = ""
    code: bool = False


def size(text: str) -> int:
    """Length as Slack's clients and servers may count it: UTF-16 units, never fewer than characters."""
    return len(text) + sum(character > "\uffff" for character in text)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def literal(text: str) -> str:
    """Plain text as mrkdwn: escaped, with nothing in it that formats or pings."""
    text = _PINGS.sub(f"@{ZERO_WIDTH}", escape(text))

    def guard(found: re.Match[str]) -> str:
        before, after = text[: found.start()][-1:] or " ", text[found.end() :][:1] or " "
        opens = not before.isalnum() and not after.isspace()
        closes = not before.isspace() and not after.isalnum()
        return f"{ZERO_WIDTH if closes else ''}{found.group()}{ZERO_WIDTH if opens else ''}"

    return re.sub(r"[*_~`]", guard, text)


def link(url: str, label: str) -> str:
    """``<url|label>``; only the label where the URL is not http(s) or too long to keep whole."""
    label = " ".join(label.split())
    target = target_of(url)
    shown = _PINGS.sub(f"@{ZERO_WIDTH}", escape(label.translate(_LABEL)))
    whole = f"<{target}|{shown}>" if shown and target_of(label) != target else f"<{target}>"
    return whole if target and size(whole) <= WHOLE else literal(label)


def target_of(url: str) -> str:
    """The URL as it stands inside ``<…>``, or nothing unless it is http(s)."""
    if not host(url):
        return ""
    for character, code in (("|", "%7C"), ("<", "%3C"), (">", "%3E"), ('"', "%22"), ("`", "%60")):
        url = url.replace(character, code)
    return "%20".join(url.split()).replace("&", "&amp;")


def host(url: str) -> str:
    """The host of a http(s) URL; of anything else nothing."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme.lower() in {"http", "https"} else ""


def code_line(text: str) -> str:
    """A line of a code block: three backticks inside would end it."""
    return escape(re.sub("`(?=``)", f"`{ZERO_WIDTH}", text))


def inline_code(text: str, style: frozenset[str]) -> Iterator[Span]:
    shown = escape(text.replace("`", "\u02cb"))
    if shown.strip():
        for piece in cut(shown, WHOLE):
            yield Span(f"`{piece}`", style, solid=True)


def marked(spans: Iterable[Span], marks: str = MARKS) -> str:
    """Spans as mrkdwn. A mark works only at a word boundary, so where there is none a zero-width space makes one."""
    if not marks:
        return "".join(span.text for span in spans)
    mark, shown = marks[0], ""
    for styled, group in groupby(spans, key=lambda span: mark in span.style):
        text = marked(group, marks[1:])
        inner = text.strip()
        if styled and inner:
            lead, trail = text[: text.index(inner)], text[text.index(inner) + len(inner) :]
            text = f"{lead}{mark}{inner}{mark}{trail}"
        # At the edge of a mark, on its outer side, no letter and no other mark may stand.
        outer = shown[-1:] if styled else text[:1]
        edge = styled or shown[-1:] == mark
        shown += (ZERO_WIDTH if shown and edge and (outer.isalnum() or (outer and outer in MARKS)) else "") + text
    return shown


def cut(text: str, limit: int) -> Iterator[str]:
    """In pieces of at most ``limit`` characters, no entity cut."""
    piece, length = "", 0
    for atom in _CUTTABLE.findall(text):
        if length + size(atom) > limit:
            yield piece
            piece, length = "", 0
        piece += atom
        length += size(atom)
    if piece:
        yield piece
