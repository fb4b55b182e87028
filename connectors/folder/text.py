"""What is read from a file's text before any parser sees it: its characters, its front matter, its title."""

from __future__ import annotations

import codecs
import html
import re

from connectors.folder.front_matter import FrontMatter, split_front_matter
from core.errors import DocumentError

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_ATX = re.compile(r" {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_MARKUP = re.compile(r"[*`]|(?<!\w)_+|_+(?!\w)|<[^>]*>")
_HTML_TITLE = re.compile(r"<title[^>]*>(.*?)</title|<h1[^>]*>(.*?)</h1", re.IGNORECASE | re.DOTALL)
_TITLE_LENGTH = 200
_HEAD = 200_000


def split_title(data: bytes, media_type: str) -> tuple[FrontMatter, str, str | bytes]:
    """Front matter, title (empty when the text has none) and the body that is parsed.

    Markdown loses its front matter; HTML stays bytes, because it declares its own encoding, and so do binary formats.
    Raises DocumentError for bytes that are no text, AccessUnknown when it cannot be told who may read a page.
    """
    if media_type == "text/markdown":
        front, body = split_front_matter(decode(data))
        return front, _short(front.title or _markdown_title(body)), body
    if media_type in {"text/html", "application/xhtml+xml"}:
        return FrontMatter(), _short(_html_title(data)), data
    if media_type.startswith("text/"):
        return FrontMatter(), "", decode(data)
    return FrontMatter(), "", data


def decode(data: bytes) -> str:
    """UTF-8, UTF-16 with its mark, else Windows-1252, which most old text files are. Raises DocumentError for binary."""
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise DocumentError("it holds binary data and no text: if it is text, save it as UTF-8")
    return text


def _markdown_title(body: str) -> str:
    fence = ""
    previous = ""
    for line in body[:_HEAD].splitlines():
        if match := _FENCE.match(line):
            mark = match[1]
            if not fence:
                fence = mark
            elif mark.startswith(fence):
                fence = ""
            previous = ""
        elif not fence and (match := _ATX.fullmatch(line)):
            return _plain(match[1])
        elif not fence and previous.strip() and _SETEXT.fullmatch(line):
            return _plain(previous)
        else:
            previous = line
    return ""


def _html_title(data: bytes) -> str:
    match = _HTML_TITLE.search(data[:_HEAD].decode("utf-8", errors="replace"))
    return html.unescape(re.sub(r"<[^>]*>", "", match[1] or match[2] or "")) if match else ""


def _plain(markdown: str) -> str:
    return _MARKUP.sub("", _LINK.sub(r"\1", markdown))


def _short(title: str) -> str:
    words = " ".join("".join(char for char in title if char.isprintable() or char.isspace()).split())
    return words if len(words) <= _TITLE_LENGTH else words[: _TITLE_LENGTH - 1].rstrip() + "\u2026"
