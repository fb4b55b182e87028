"""An answer's text as it is written, cut into what can be checked by itself: a sentence, a table row, a block of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from core.answering.grounding.facts import MONTHS
from core.answering.quoting.passages import sentences

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[^\n]*")
_MAY_BE_FENCE = re.compile(r"[ \t]*(?:`{0,2}|~{0,2})\Z")
_PREFIX = re.compile(r"[ \t]*(?:>[ \t]*)*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+)?(?:\[[ xX]\][ \t]+)?(?:#{1,6}[ \t]+)?")
_MAY_BE_PREFIX = re.compile(r"[ \t>]*(?:[-*+•#]+|\d{1,3}[.)]?)?[ \t]*(?:\[[ xX]?\]?)?[ \t]*#*\Z")
_END = re.compile(
    r"(?:[.!?…][\"'”’»)*_]*(?:[ \t]*\[\d+\])*([ \t]+)|[。！？][」』）]*(?:[ \t]*\[\d+\])*([ \t]*))(?=[^\s\[]|\[(?!\d+\]|\d*\Z))"
)
_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_ORDINAL = re.compile(r"\b\d{1,2}\.\Z")
_WORD = re.compile(r"[^\W\d_]+(?=[\W\d_])")
_MARKER = re.compile(r"\[(\d+)\]")
_RULE = re.compile(r"[\s|:+=-]+")


class Shape(StrEnum):
    SENTENCE = "sentence"
    HEADING = "heading"
    ROW = "row"
    RULE = "rule"
    """The line under the head of a table."""
    CODE = "code"


@dataclass(frozen=True, kw_only=True)
class Unit:
    text: str
    shape: Shape
    line: int
    """Number of the line in which it begins."""
    before: str
    """White space between it and the unit before."""
    prefix: str = ""
    """What makes its line an item, a quotation or a heading; only of the first unit of a line."""


class Units:
    """Feed it text in any pieces; it gives back the units that are complete. Joined they are the text again."""

    def __init__(self) -> None:
        self._buffer = ""
        self._line = 0
        self._before = ""
        self._prefix = ""
        self._in_line = False
        self._fence = ""
        self._code: list[str] = []

    def feed(self, text: str) -> list[Unit]:
        self._buffer += text
        return self._read(final=False)

    def close(self) -> list[Unit]:
        """The rest: nothing more will be read."""
        found = self._read(final=True)
        if self._code:
            found.append(self._unit("\n".join(self._code), Shape.CODE))
            self._code = []
        return found

    def _read(self, *, final: bool) -> list[Unit]:
        found: list[Unit] = []
        while self._buffer and self._step(found, final):
            pass
        return found

    def _step(self, found: list[Unit], final: bool) -> bool:
        """Take something off the front of the buffer; False when that is not decidable yet."""
        line, newline, rest = self._buffer.partition("\n")
        whole = bool(newline) or final
        if self._fence:
            if not whole:
                return False
            self._code.append(line)
            self._buffer = rest
            if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
                found.append(self._unit("\n".join(self._code), Shape.CODE))
                self._fence, self._code = "", []
                self._end_line(newline)
            return True
        if not self._in_line:
            if not line.strip() and newline:
                self._before += line + newline
                self._buffer = rest
                self._line += 1
                return True
            if not whole and (_MAY_BE_FENCE.match(line) or _FENCE.match(line) or line.lstrip().startswith("|")):
                return False
            if fence := _FENCE.match(line):
                self._fence, self._code = fence.group(1), [line]
                self._buffer = rest
                return bool(rest) or not final
            if line.lstrip().startswith("|"):
                found.append(self._unit(line, Shape.RULE if _RULE.fullmatch(line) else Shape.ROW))
                self._buffer = rest
                self._end_line(newline)
                return True
            if not whole and _MAY_BE_PREFIX.match(line):
                return False
            prefix = _PREFIX.match(line)
            self._prefix = prefix.group() if prefix else ""
            self._buffer = self._buffer[len(self._prefix) :]
            self._in_line = True
            return True
        return self._sentence(found, line, newline, rest, whole)

    def _sentence(self, found: list[Unit], line: str, newline: str, rest: str, whole: bool) -> bool:
        for end in _END.finditer(line):
            gap = end.group(1) or end.group(2) or ""
            candidate = line[: end.end() - len(gap)]
            if _ORDINAL.search(candidate):
                following = _WORD.match(line, end.end())
                if not following and not whole:
                    return False
                if following and following.group().casefold() in MONTHS:
                    continue
            if self._complete(candidate):
                found.append(self._unit(candidate, self._shape()))
                self._before, self._buffer = gap, self._buffer[end.end() :]
                return True
        if not whole:
            return False
        text = line.rstrip()
        if text or self._prefix.strip():
            found.append(self._unit(text, self._shape()))
            self._before = line[len(text) :]
        self._buffer = rest
        self._end_line(newline)
        return True

    def _complete(self, candidate: str) -> bool:
        """Whether a sentence ends there: not within code, brackets or after an abbreviation."""
        if candidate.count("`") % 2 or candidate.count("[") > candidate.count("]"):
            return False
        return candidate[-1] in "。！？」』）" or len(sentences(f"{_MARKER.sub('', candidate).rstrip()} X")) > 1

    def _shape(self) -> Shape:
        return Shape.HEADING if "#" in self._prefix else Shape.SENTENCE

    def _unit(self, text: str, shape: Shape) -> Unit:
        unit = Unit(text=text, shape=shape, line=self._line, before=self._before, prefix=self._prefix)
        self._before = self._prefix = ""
        return unit

    def _end_line(self, newline: str) -> None:
        self._before += newline
        self._line += 1
        self._in_line = False
        self._prefix = ""


def parts(text: str, numbers: list[int]) -> list[str | int]:
    """The text with its markers as the numbers of their sources: ``numbers`` has that of marker 1 first. Code has no markers."""
    found: list[str | int] = []
    position = 0
    spans = [span.span() for span in _SPAN.finditer(text)]
    for marker in _MARKER.finditer(text):
        if not any(low <= marker.start() < high for low, high in spans) and 1 <= int(marker[1]) <= len(numbers):
            found += [text[position : marker.start()], numbers[int(marker[1]) - 1]]
            position = marker.end()
    return [part for part in (*found, text[position:]) if part != ""]
