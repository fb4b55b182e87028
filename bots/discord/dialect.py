"""Styled spans as Discord's own Markdown.

Nothing written here can ping, unfurl or mean something else than it says: text is escaped, mentions are broken with a
zero-width space, a link stands in ``<>``, because the edit of an interaction's answer cannot suppress embeds, and any other
URL is code, because Discord would link it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from bots.discord.markdown import Span

_URL_LIMIT = 700
"""Characters; a longer link would leave no room for the text that it belongs to."""

_BREAK = "\u200b"
_MENTION = re.compile(r"@(?=everyone|here)|<(?=@[!&]?\d|#\d|/(?![a-z]+\d*>)|a?:\w+:|t:-?\d|id:)", re.IGNORECASE)
"""Also channels, custom emoji, dates and the ``</command:1>`` that runs when it is clicked, but not a closing HTML tag."""
_FORMATTING = re.compile(r"[\\*`]|~~|\|\||__+|(?<![^\W_])_|_(?![^\W_])|(?<=\])\(")
_LINE_START = re.compile(r"(-#|#{1,3}|>{1,3}|[-+])$|(\d+)(\.)$")
_URL = re.compile(r"(?<![\w+.%-])[\w+.%-]+://[^\s<>\"'`|\\]+", re.IGNORECASE)
_SCHEME = re.compile(r"(?<=http:)(?=//)|(?<=https:)(?=//)", re.IGNORECASE)
_UNSAFE_IN_URL = re.compile(r"[\s<>()\"'`\\|\x00-\x1f]")
_FOOTNOTE = re.compile(r"\[\d+\]")


def inline(words: Sequence[Span], links: Collection[str]) -> str:
    """Words, links and the white space between them as one text.

    Nothing but ``links``, the URLs of the documents that are cited as :func:`safe_url` gives them, is linked: of any other
    link only the text is shown.
    """
    text = end = ""
    for piece, closing in pieces(words, links):
        text += piece
        end = closing
    return text + end


def pieces(words: Iterable[Span], links: Collection[str]) -> Iterator[tuple[str, str]]:
    """For each word what it adds to the text, and what would close the marks if the text ended with it."""
    before = space = ""
    opened: list[str] = []
    for word in words:
        if word.text.isspace():
            space += word.text if before else ""
            yield "", "".join(reversed(opened))
            continue
        marks = _marks(word)
        kept = 0
        while kept < min(len(marks), len(opened)) and marks[kept] == opened[kept]:
            kept += 1
        # A mark closes right behind a word and opens right before one, or it is not a mark.
        closing, opening = "".join(reversed(opened[kept:])), "".join(marks[kept:])
        if not space and (closing or before).endswith(("*", "~", "@", "<") if opening else ("@", "<")):
            space = _BREAK
        at_line_start = not opening and (not before or "\n" in space)
        before = closing + space + opening + _shown(word, links, at_line_start=at_line_start)
        space, opened = "", marks
        yield before, "".join(reversed(opened))


def literal(text: str, links: Collection[str] = ()) -> str:
    """Text that shows as it is: escaped, without pings, any URL but ``links`` as code."""
    shown = ""
    position = 0
    for match in _URL.finditer(text):
        url = _without_punctuation(match[0])
        link = f"<{safe}>" if (safe := safe_url(url)) in links else _code(url)
        shown += _escaped(text[position : match.start()]) + link
        position = match.start() + len(url)
    return shown + _escaped(text[position:])


def masked(label: str, url: str) -> str:
    """``label`` leading to ``url``, which :func:`safe_url` gave."""
    return f"[{_escaped(label.replace('[', '(').replace(']', ')'))}](<{url}>)"


def safe_url(url: str) -> str:
    """A http(s) URL that cannot break out of ``<>``, or an empty text."""
    url = _UNSAFE_IN_URL.sub(_percent, url.strip())
    return url if host(url) and len(url) <= _URL_LIMIT else ""


def host(url: str) -> str:
    """The host of a http(s) URL; of anything else nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme.lower() in {"http", "https"} else ""


def _marks(span: Span) -> list[str]:
    return [mark for wanted, mark in ((span.bold, "**"), (span.strike, "~~"), (span.italic, "*")) if wanted]


def _shown(word: Span, links: Collection[str], *, at_line_start: bool) -> str:
    if (url := safe_url(word.url)) in links:
        return _link(word, url)
    if word.code:
        return _code(word.text)
    if at_line_start and _LINE_START.match(word.text):
        return _LINE_START.sub(r"\2\\\1\3", word.text)
    return literal(word.text, links)


def _link(word: Span, url: str) -> str:
    label = word.text.strip().replace("\n", " ")
    if not label or label in (word.url, url):
        return f"<{url}>"
    return f"[{label}](<{url}>)" if _FOOTNOTE.fullmatch(label) else masked(label, url)


def _code(text: str) -> str:
    text = text.replace("\n", " ")
    if "`" not in text:
        return f"`{text}`"
    return f"`` {text} ``" if "``" not in text else f"`{text.replace('`', 'ˋ')}`"


def _escaped(text: str) -> str:
    text = _SCHEME.sub(_BREAK, text)
    text = _MENTION.sub(lambda match: match[0] + _BREAK, text)
    return _FORMATTING.sub(lambda match: "".join("\\" + character for character in match[0]), text)


def _without_punctuation(url: str) -> str:
    """What a sentence puts behind a URL does not belong to it; a bracket does that opens inside."""
    while url.endswith(tuple(".,;:!?)]}*_~")) and not (url.endswith(")") and url.count("(") >= url.count(")")):
        url = url[:-1]
    return url


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))
