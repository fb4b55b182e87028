"""Lines of mrkdwn, packed into sections that can be shown apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from bots.slack.markup import FENCE, WHOLE, Line, Span, cut, marked, size

_STYLE = 12
"""Characters that a change of style can add: three marks closed, three opened, and their boundaries."""


def pack(lines: Iterable[Line], limit: int) -> Iterator[str]:
    """Sections of at most ``limit`` characters. Code blocks and emphasis are closed at the end and opened again."""
    page: list[str] = []
    used, code = 0, False
    fence = len(FENCE) + 1

    def finished() -> str:
        return "\n".join([*page, FENCE] if code else page).strip("\n")

    for line in lines:
        for part in _fitted(line, limit - 2 * fence):
            opening = line.code and not code
            if code and not line.code:
                page.append(FENCE)
                used, code = used + fence, False
            if used + size(part) + 1 + (2 * fence if opening else fence if code else 0) > limit:
                if finished().strip():
                    yield finished()
                page, used = ([FENCE], fence) if code else ([], 0)
            if opening:
                page.append(FENCE)
                used, code = used + fence, True
            if page or part:
                page.append(part)
                used += size(part) + 1
    if finished().strip():
        yield finished()


def _fitted(line: Line, room: int) -> Iterator[str]:
    """The line, in as many parts as ``room`` characters require."""
    whole = line.first + marked(line.spans)
    if size(whole) <= room:
        yield whole if line.code else whole.rstrip()
        return
    if line.code:
        yield from cut(whole, room)
        return
    prefix, part, used = line.first, list[Span](), size(line.first)
    for atom in _atoms(line.spans, room - size(line.first) - _STYLE):
        cost = size(atom.text) + (_STYLE if not part or part[-1].style != atom.style else 0)
        if part and used + cost > room:
            yield (prefix + marked(part)).rstrip()
            prefix, part, used = line.rest, [], size(line.rest)
            cost = size(atom.text) + _STYLE
        part.append(atom)
        used += cost
    yield (prefix + marked(part)).rstrip()


def _atoms(spans: Iterable[Span], room: int) -> Iterator[Span]:
    for span in spans:
        if span.solid:
            yield span
            continue
        for word in re.findall(r"\s+|\S+", span.text):
            for piece in cut(word, min(WHOLE, room)):
                yield replace(span, text=piece)
