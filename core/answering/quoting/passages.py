"""What can be quoted: a sentence, a list item, a whole table row, a whole code block, and what must be read before it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_RULE = re.compile(r"[\s|:+=-]+")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+(?=\S)|(?<=[。！？])[」』）]*")
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|ca|approx|no|nr|fig|sec|pp?|mr|mrs|ms|dr|prof|inc|ltd|st|z\.b|bzw|usw)|\b[A-Za-z]|^\d{1,3})\.$",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"(?:it|its|this|these|those|that|they|their|them|he|she|his|her|such|both|otherwise|then|there|"
    r"er|sie|es|dies\w*|ihr\w*|sonst|il|elle|ils|elles|ce|cela|esto|eso)\b",
    re.IGNORECASE,
)
_SHORT = 8
"""Words below which a list item that is no sentence says nothing by itself."""


class Kind(StrEnum):
    SENTENCE = "sentence"
    ITEM = "item"
    ROW = "row"
    CODE = "code"


@dataclass(frozen=True, kw_only=True)
class Passage:
    text: str
    """Word for word as in the chunk."""
    kind: Kind
    block: int
    """Passages of one paragraph, list or table share it: only these may be read on from one to the next."""
    header: str = ""
    """Of a row: its table's head line, as written."""
    after: int | None = None
    """Which of the passages before it must be read first: the line that leads into a list or a code block, or the sentence
    that "It must be ..." speaks of.
    """


def passages(text: str) -> list[Passage]:
    """All passages of a chunk's text, in reading order."""
    found: list[Passage] = []
    lines = text.splitlines()
    position = block = 0
    while position < len(lines):
        start, line = position, lines[position]
        block += 1
        if not line.strip():
            position += 1
        elif fence := _FENCE.match(line):
            position = _end_of_code(lines, position, fence.group(1))
            found.append(Passage(text="\n".join(lines[start:position]), kind=Kind.CODE, block=block))
        elif _is_row(line):
            while position < len(lines) and _is_row(lines[position]):
                position += 1
            found += _rows(lines[start:position], block)
        elif _ITEM.match(line):
            position += 1
            while position < len(lines) and _continues_item(lines[position]):
                position += 1
            found.append(Passage(text="\n".join(lines[start:position]).strip(), kind=Kind.ITEM, block=block))
        else:
            while position < len(lines) and _is_prose(lines[position]):
                position += 1
            prose = " ".join(piece.strip() for piece in lines[start:position])
            found += [Passage(text=sentence, kind=Kind.SENTENCE, block=block) for sentence in sentences(prose)]
    return [replace(passage, after=_before(found, index)) for index, passage in enumerate(found)]


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; abbreviations, initials and list numbers do not end one."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        candidate = text[start : end.end()].strip()
        if candidate and not _NO_END.search(candidate):
            found.append(candidate)
            start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def _before(found: list[Passage], index: int) -> int | None:
    passage = found[index]
    above = found[index - 1] if index else None
    match passage.kind:
        case Kind.SENTENCE if above and above.block == passage.block and _PRONOUN.match(passage.text):
            return index - 1
        case Kind.CODE if above and above.text.endswith(":"):
            return index - 1
        case Kind.ITEM if len(passage.text.split()) < _SHORT and not passage.text.endswith((".", "!", "。")):
            lead = next((at for at in range(index - 1, -1, -1) if found[at].kind is not Kind.ITEM), None)
            return lead if lead is not None and found[lead].text.endswith(":") else None
        case _:
            return None


def _end_of_code(lines: list[str], start: int, fence: str) -> int:
    for position in range(start + 1, len(lines)):
        closing = lines[position].strip()
        if closing.startswith(fence) and not closing.strip(fence[0]):
            return position + 1
    return len(lines)


def _is_row(line: str) -> bool:
    return line.lstrip().startswith("|") and line.count("|") > 1


def _continues_item(line: str) -> bool:
    return line[:1] in {" ", "\t"} and bool(line.strip()) and not _ITEM.match(line)


def _is_prose(line: str) -> bool:
    return bool(line.strip()) and not (_FENCE.match(line) or _is_row(line) or _ITEM.match(line))


def _rows(lines: list[str], block: int) -> list[Passage]:
    header, body = "", lines
    if len(lines) > 1 and _RULE.fullmatch(lines[1]):
        header, body = lines[0].strip(), lines[2:]
    rows = [line.strip() for line in body if not _RULE.fullmatch(line)]
    return [Passage(text=row, kind=Kind.ROW, block=block, header=header) for row in rows]
