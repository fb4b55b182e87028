"""The model's text on its way to the reader: only markers, links and characters that may be shown come out.

The text arrives in any pieces. What is decided about a piece never depends on where the stream was cut, so the
pieces that come out are, joined, what the whole text would have given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.answering.evidence import Evidence
from core.answering.prompts import SENTINEL
from core.answering.shown import ShownText
from core.answering.visible import visible

_LINK_REMOVED = "(link removed)"
_LONGEST_URL = 2048
_LONGEST_LABEL = 400
_LONGEST_CODE = 1000

_NUMBERS = r"(?:(?i:sources?|documents?)\s*)?\^?\d+(?:\s*[,;–-]\s*\^?\d+)*"
_MARKER = re.compile(rf"[\[【［]\s*({_NUMBERS})\s*\\?[\]】］]")
_TARGET = re.compile(
    r"""\([ \t]*(<[^<>\n]*>|(?:[^\s()<>]|\([^\s()]*\))*)(?:[ \t]+(?:"[^"\n]*"|'[^'\n]*'|\([^)\n]*\)))?[ \t]*\)"""
)
_OPENS_FENCE = re.compile(r"[ \t]*(`{3,}(?=[^`\n]*\n)|~{3,})[^\n]*\n")
_MAY_OPEN_FENCE = re.compile(r"[ \t]*(?:`{0,2}|~{0,2}|`{3,}[^`\n]*|~{3,}[^\n]*)\Z")
_WORD = re.compile(r"\w[\w+.-]{0,63}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_WITHOUT_HOST = re.compile(r"(?<![A-Za-z0-9])(?:blob|data|javascript|mailto|sms|tel|vbscript)\Z", re.IGNORECASE)
"""Schemes of addresses that have no slashes behind the colon."""
_WWW = re.compile(r"(?i:www)\.[A-Za-z0-9]")
_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?!(?:js|ts|json|ya?ml|html?|css|txt|csv|xml|net)\Z)[A-Za-z]{2,}\Z", re.I)
_URL_END = re.compile(r"[\s<>\"`|\\]")
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]*:[^\s<>|]*)(?:\|([^<>\n]*))?>")
_TAG = re.compile(
    r"</?(?:a|audio|base|button|embed|form|iframe|img|input|link|meta|object|script|source|style|svg|video)\b[^<>\n]*>", re.I
)
_MAY_OPEN_TAG = re.compile(r"</?(?:[A-Za-z][A-Za-z0-9+.-]*(?:[:/\s][^<>\n]*)?)?\Z")


class FootnoteFilter:
    """Feed it the model's text; it gives back what may be shown, with footnotes numbered as they appear.

    - a marker that names none of the sources is dropped; ``[1, 7]`` keeps what holds; code is left alone
    - images and HTML that loads or links are dropped; a link to anything but a source is reduced to its text
    - invisible characters are dropped, an open code fence is closed

    Without sources nothing can be cited: then a marker is the text's own, and stands in round brackets.
    """

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self._known = {item.number for item in evidence}
        self._by_url = {_same(item.url): item for item in evidence if item.url}
        self.cited: dict[int, list[str]] = {}
        """Number of the source to the statements that cite it, in order of appearance: the first is footnote 1."""
        self.refused = False
        """True when the model said that the sources do not answer."""
        self._buffer = ""
        self._last_read = ""
        self._fence = ""
        self._shown = ShownText()
        self._statement = ""
        self._just_cited: set[int] = set()

    def feed(self, text: str) -> str:
        """What can be shown for certain after reading ``text``: possibly nothing yet."""
        shown = visible(text, self._last_read)
        self._last_read = shown[-1:] or self._last_read
        self._buffer += shown
        return self._drain(final=False)

    def close(self) -> str:
        """The rest: nothing more will be read."""
        rest = self._drain(final=True)
        if self._fence:
            rest += f"\n{self._fence}"
            self._fence = ""
        return rest

    def _drain(self, *, final: bool) -> str:
        while self._buffer and (self._code(final) if self._fence else self._token(final)):
            pass
        return self._shown.take()

    # Each reader takes something off the front of the buffer and returns True, or returns False: not decidable yet.

    def _token(self, final: bool) -> bool:
        buffer = self._buffer
        if self._shown.at_line_start:
            if fence := _OPENS_FENCE.match(buffer):
                self._fence = fence.group(1)
                self._emit(fence.group().rstrip("\n"))
                self._shown.space("\n")
                return self._take(fence.end())
            if _MAY_OPEN_FENCE.match(buffer):
                if not final:
                    return False
                if buffer.strip()[:3] in {"```", "~~~"}:
                    return self._take(len(buffer))
        first = buffer[0]
        if first.isspace():
            self._shown.space(first)
            return self._take(1)
        if first == "`":
            return self._inline_code(final)
        if first in "[【［":
            return self._bracket(final, image=False)
        if first == "!":
            if len(buffer) == 1 and not final:
                return False
            return self._bracket(final, image=True) if buffer[1:2] == "[" else self._plain(1)
        if first == "\\":
            if len(buffer) == 1 and not final:
                return False
            # What an escaped bracket or backtick is depends on the reader: it is read as if it were not escaped.
            return (
                self._take(1)
                if buffer[1:2] in {"[", "]", "<", "`"}
                else self._plain(1 if buffer[1:2].isalnum() else min(2, len(buffer)))
            )
        if first == "<":
            return self._angle(final)
        if word := _WORD.match(buffer):
            return self._word(word.group(), final)
        return self._plain(1)

    def _code(self, final: bool) -> bool:
        line, newline, _ = self._buffer.partition("\n")
        if not newline and not final:
            return False
        if line:
            self._emit(line)
        if newline:
            self._shown.space("\n")
        self._take(len(line) + len(newline))
        closing = line.strip()
        if closing.startswith(self._fence) and not closing.strip(self._fence[0]):
            self._fence = ""
        return True

    def _inline_code(self, final: bool) -> bool:
        buffer = self._buffer
        run = len(buffer) - len(buffer.lstrip("`"))
        if run == len(buffer) and not final:
            return False
        line = buffer[:_LONGEST_CODE].partition("\n")[0]
        closing = re.compile(rf"(?<!`)`{{{run}}}(?!`)").search(line, run)
        if closing is None:
            if len(line) == len(buffer) and not final:
                return False
            # Readers differ in what an unpaired one pairs with; code must be code for all of them.
            self._emit("'" * run)
            return self._take(run)
        if closing.end() == len(buffer) and not final:
            return False
        return self._plain(closing.end())

    def _bracket(self, final: bool, *, image: bool) -> bool:
        """A marker ``[1]``, a link ``[text](url)``, an image, or just a bracket."""
        start = 1 if image else 0
        buffer = self._buffer[start:]
        end = _closing(buffer)
        if end < 0:
            undecided = "\n" not in buffer and len(buffer) < _LONGEST_LABEL and not final
            return False if undecided else self._plain(start + 1)
        if end == len(buffer) and not final:
            return False
        if buffer[end : end + 1] == "(":
            target = _TARGET.match(buffer, end, end + _LONGEST_URL)
            if target:
                return self._link(buffer[1 : end - 1], target.group(1).strip("<>"), start + target.end(), image=image)
            rest = buffer[end:]
            if "\n" not in rest and len(rest) < _LONGEST_URL and not final:
                return False
        if image:
            return self._plain(1)
        if marker := _MARKER.match(buffer):
            self._take(marker.end())
            return self._mark(marker.group(1))
        return self._plain(1)

    def _link(self, label: str, url: str, length: int, *, image: bool) -> bool:
        self._take(length)
        if image:
            return self._drop()
        if _MARKER.fullmatch(f"[{label.strip()}]"):
            return self._mark(label)
        if marker := _MARKER.fullmatch(label.strip()):
            return self._mark(marker.group(1))
        if item := self._by_url.get(_same(url)):
            text = re.sub(r"[\[\]<>\\`]", "", plain(label)).strip()
            return self._cite_link(item, text if not text.isdigit() else "")
        self._buffer = label + self._buffer
        return self._drop()

    def _angle(self, final: bool) -> bool:
        buffer = self._buffer
        if link := _AUTOLINK.match(buffer, 0, _LONGEST_URL):
            self._take(link.end())
            if item := self._by_url.get(_same(link.group(1))):
                return self._cite_link(item)
            if link.group(2):
                self._buffer = link.group(2) + self._buffer
                return self._drop()
            self._emit(_LINK_REMOVED)
            return True
        if tag := _TAG.match(buffer, 0, _LONGEST_URL):
            self._take(tag.end())
            return self._drop()
        if not final and len(buffer) < _LONGEST_URL and _MAY_OPEN_TAG.match(buffer):
            return False
        return self._plain(1)

    def _word(self, word: str, final: bool) -> bool:
        rest = self._buffer[len(word) :]
        if not rest and not final:
            return False
        if rest in {":", ":/"} and not final:
            return False
        if rest.startswith("://") and (scheme := _SCHEME.search(word)):
            return self._url(scheme.start(), final)
        if rest.startswith(":") and rest[1:2].strip() and (scheme := _WITHOUT_HOST.search(word)):
            return self._url(scheme.start(), final)
        if www := _WWW.search(word):
            return self._url(www.start(), final)
        if rest.startswith("/") and (host := _HOST.search(word)):
            return self._url(host.start(), final)
        if word.strip("._-+") == SENTINEL:
            self.refused = True
            self._take(len(word))
            return self._drop()
        return self._plain(len(word))

    def _url(self, start: int, final: bool) -> bool:
        if start:
            return self._plain(start)
        end = _URL_END.search(self._buffer, 0, _LONGEST_URL)
        if end is None and len(self._buffer) < _LONGEST_URL and not final:
            return False
        url = self._buffer[: end.start() if end else _LONGEST_URL]
        item = self._by_url.get(_same(url))
        if item is None:
            url = _without_closing(url)
            item = self._by_url.get(_same(url))
        self._take(len(url))
        if item:
            return self._cite_link(item)
        self._emit(_LINK_REMOVED)
        return True

    # Writing.

    def _take(self, length: int) -> bool:
        self._buffer = self._buffer[length:]
        return True

    def _plain(self, length: int) -> bool:
        self._emit(self._buffer[:length])
        return self._take(length)

    def _emit(self, text: str) -> None:
        self._shown.add(text)
        self._just_cited.clear()

    def _drop(self) -> bool:
        self._shown.drop()
        return True

    def _mark(self, numbers: str) -> bool:
        """Show the footnotes that hold and are not shown just before; a reader never sees the others."""
        if not self._known:
            self._emit(f"({numbers})")
            return True
        fresh = [number for number in _numbers(numbers) if number in self._known and number not in self._just_cited]
        if not fresh:
            return self._drop()
        cited_before = self._just_cited.copy()
        self._statement = self._shown.statement() or self._statement
        for number in fresh:
            self.cited.setdefault(number, []).append(self._statement)
        order = list(self.cited)
        self._emit("".join(f"[{order.index(number) + 1}]" for number in fresh))
        self._just_cited = cited_before.union(fresh)
        self._shown.statement()
        return True

    def _cite_link(self, item: Evidence, label: str = "") -> bool:
        """A link to a source cites it. It is written as the source has it, so that it can be told from any other."""
        self._emit(f"[{label}]({item.url})" if label else item.url)
        self._shown.space(" ", only_if_none=True)
        return self._mark(str(item.number))


def plain(text: str) -> str:
    """The words of a document or a person, as they may be shown: nothing in them links, loads, or is a footnote of ours."""
    footnotes = FootnoteFilter(())
    return footnotes.feed(text) + footnotes.close()


def _closing(text: str) -> int:
    """Position after the bracket that closes the one at the start, on the same line; -1 without one."""
    depth = 0
    for position, character in enumerate(text[:_LONGEST_LABEL]):
        if character in "[【［":
            depth += 1
        elif character in "]】］":
            depth -= 1
            if not depth:
                return position + 1
        elif character == "\n":
            break
    return -1


def _numbers(text: str) -> list[int]:
    """``1, 3-5`` is 1, 3, 4, 5, each once; a range is followed for ten numbers at most."""
    found: list[int] = []
    for part in re.split(r"[,;]", text):
        ends = [int(digits[:9]) for digits in re.findall(r"\d+", part)]
        if len(ends) == 2 and re.search(r"[–-]", part):
            found += range(ends[0], min(ends[1], ends[0] + 9) + 1)
        else:
            found += ends
    return list(dict.fromkeys(found))


def _without_closing(url: str) -> str:
    """Without the punctuation that belongs to the sentence around it."""
    while url and (url[-1] in ".,;:!?'*_~" or (url[-1] in ")]}" and url.count(url[-1]) > url.count("([{"[")]}".index(url[-1])]))):
        url = url[:-1]
    return url


def _same(url: str) -> str:
    """Two addresses are the same but for a slash at the end."""
    return url.rstrip("/")
