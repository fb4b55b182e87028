"""Answers and notices as Discord messages.

Source of the limit: a bot's message has at most 2,000 characters and is not blank. Discord's clients count UTF-16
units and its servers code points; the former are never fewer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from rich.cells import cell_len

from bots.discord.dialect import inline, literal, masked, pieces, safe_url
from bots.discord.markdown import Block, Span, parse, plain
from core.models import Answer, Citation

LIMIT = 2000
_TABLE_WIDTH = 72
"""Cells of a code block in a narrow window; a wider table becomes a list."""

Frame = Callable[[str, bool], str]
"""Puts a text into its place, a list or a quote; the flag tells the beginning of the block."""


def render(answer: Answer) -> list[str]:
    """The messages that show an answer, in order: its text, what the reader should know, its sources.

    Markers link to their page where that costs no further message; the source list links always.
    """
    links = {url for citation in answer.citations if (url := safe_url(citation.url))}
    blocks, tail = parse(answer.text), list(_tail(answer))
    linked = _messages(_cite(blocks, answer.citations), tail, links)
    if len(linked) == 1:
        return linked
    return min(linked, _messages(blocks, tail, links), key=len)


def notice(markdown: str) -> list[str]:
    """The messages that show a notice: a refusal, a report, a greeting."""
    return _messages(parse(markdown), [], ())


def length(text: str) -> int:
    """In UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _messages(blocks: Sequence[Block], tail: Sequence[str], links: Collection[str]) -> list[str]:
    messages = [""]
    above: Block | None = None
    for block in blocks:
        for part in _parts(block, links):
            _append(messages, part, gap="\n" if above and _together(above, block) else "\n\n")
            above = block
    for line in tail:
        _append(messages, line, gap="\n" if line is not tail[0] else "\n\n")
    return messages if messages[0] else ["…"]


def _append(messages: list[str], part: str, gap: str) -> None:
    text = messages[-1] + gap + part if messages[-1] else part
    if length(text) <= LIMIT:
        messages[-1] = text
        return
    body, _, last = messages[-1].rpartition("\n\n")
    if body and re.fullmatch(r"#{1,3} .+", last) and length(last + gap + part) <= LIMIT:
        # A heading goes with what it is the heading of.
        messages[-1:] = [body, last + gap + part]
    else:
        messages.append(part)


def _together(above: Block, below: Block) -> bool:
    in_one_list = above.quoted == below.quoted and above.indent > 0 and below.indent > 0
    return above is below or above.kind == "heading" or in_one_list


def _parts(block: Block, links: Collection[str]) -> Iterator[str]:
    """A block as texts within the limit; nearly always one."""
    match block.kind:
        case "paragraph":
            indent = "  " * (block.indent - 1)
            marker = f"{block.marker} " if block.marker else "  " if block.indent else ""
            yield from _wrapped(block.spans, _frame(indent + marker, "  " * block.indent, block.quoted), links)
        case "heading" if block.level <= 3:
            yield from _wrapped(block.spans, _frame("#" * block.level + " ", "", block.quoted), links)
        case "heading":
            bold = [replace(span, bold=True) for span in block.spans]
            yield from _wrapped(bold, _frame("", "", block.quoted), links)
        case "code":
            yield from _fenced(block.code.splitlines(), block.language)
        case "table":
            yield from _table(block, links)
        case "rule":
            return


def _frame(first: str, rest: str, quoted: bool) -> Frame:
    def frame(text: str, start: bool) -> str:
        text = (first if start else rest) + text.replace("\n", "\n" + rest)
        return "> " + text.replace("\n", "\n> ") if quoted else text

    return frame


def _wrapped(spans: Iterable[Span], frame: Frame, links: Collection[str]) -> Iterator[str]:
    """Spans as framed texts within the limit, broken at a line, a sentence or a word, never inside a link."""
    words = list(_words(spans))
    start = True
    while words:
        fitting = _fitting(words, frame, start, links)
        if fitting == 0:
            words[:1] = _halves(words[0])
            continue
        if fitting < len(words):
            fitting = _breaking_point(words, fitting)
        if text := inline(words[:fitting], links):
            yield frame(text, start)
            start = False
        words = words[fitting:]


def _words(spans: Iterable[Span]) -> Iterator[Span]:
    for span in spans:
        if span.url or span.code:
            yield span
        else:
            yield from (replace(span, text=text) for text in re.findall(r"\n|[^\S\n]+|\S+", span.text))


def _fitting(words: Sequence[Span], frame: Frame, start: bool, links: Collection[str]) -> int:
    """How many of the words one message takes."""
    total = length(frame("", start))
    line = length(frame("\n", start)) - total
    for count, (piece, closing) in enumerate(pieces(words, links)):
        total += length(piece) + piece.count("\n") * (line - 1)
        if total + length(closing) > LIMIT:
            return count
    return len(words)


def _halves(word: Span) -> list[Span]:
    """Of what is too long for a message by itself. A link gives up its target first: the label says more."""
    if word.url:
        return [replace(word, url="")]
    middle = len(word.text) // 2
    return [replace(word, text=word.text[:middle]), replace(word, text=word.text[middle:])]


def _breaking_point(words: Sequence[Span], fitting: int) -> int:
    spaces = [at for at in range(fitting, 0, -1) if words[at - 1].text.isspace()]
    late = [at for at in spaces if at > fitting // 2]
    lines = [at for at in late if words[at - 1].text == "\n"]
    sentences = [at for at in late if at > 1 and words[at - 2].text.endswith((".", "!", "?", "]"))]
    return next(iter(lines or sentences or spaces), fitting)


def _fenced(lines: Iterable[str], language: str, header: Sequence[str] = ()) -> Iterator[str]:
    """Lines in as many closed fences as they need; each opens with the language and the header."""
    opening = [f"```{language if re.fullmatch(r'[A-Za-z0-9+#.-]{1,20}', language) else ''}", *map(_unfenced, header)]
    room = LIMIT - length("\n".join([*opening, "", "```"]))
    pending: list[str] = []
    for line in lines:
        for piece in _cut(_unfenced(line), room):
            if pending and length("\n".join([*pending, piece])) > room:
                yield "\n".join([*opening, *pending, "```"])
                pending = []
            pending.append(piece)
    if any(line.strip() for line in (*header, *pending)):
        yield "\n".join([*opening, *pending, "```"])


def _unfenced(line: str) -> str:
    return line.replace("```", "`\u200b`\u200b`")


def _cut(line: str, room: int) -> Iterator[str]:
    while length(line) > room:
        count = room if length(line[:room]) <= room else room // 2
        yield line[:count]
        line = line[count:]
    yield line


def _table(block: Block, links: Collection[str]) -> Iterator[str]:
    rows = [[plain(cell).replace("\n", " ") for cell in row] for row in block.rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 3 * (len(widths) - 1) > _TABLE_WIDTH:
        for row in block.rows[1:]:
            yield from _wrapped(_listed(block.rows[0], row), _frame("- ", "  ", block.quoted), links)
        return
    head, *body = (" │ ".join(map(_padded, row, widths)).rstrip() for row in rows)
    yield from _fenced(body, "", [head, "─┼─".join("─" * width for width in widths)])


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - cell_len(cell))


def _listed(header: Sequence[tuple[Span, ...]], row: Sequence[tuple[Span, ...]]) -> list[Span]:
    spans: list[Span] = []
    for name, cell in zip(header, row, strict=True):
        if plain(cell).strip():
            spans += [Span(text=" · ")] if spans else []
            spans += [Span(text=plain(name), bold=True), Span(text=": ")] if plain(name).strip() else []
            spans += cell
    return spans


def _cite(blocks: Sequence[Block], citations: Sequence[Citation]) -> list[Block]:
    """Markers as links to what they cite."""
    urls = {f"[{citation.number}]": url for citation in citations if (url := safe_url(citation.url))}
    if not urls:
        return list(blocks)
    marker = re.compile("|".join(map(re.escape, urls)))

    def cited(spans: Iterable[Span]) -> Iterator[Span]:
        for span in spans:
            number = f"[{span.text.strip('[]')}]"
            if span.url and number in urls:
                # "[1](elsewhere)" would lead a reader who trusts a footnote astray.
                yield replace(span, text=number, url=urls[number])
            elif span.url or span.code:
                yield span
            else:
                end = 0
                for found in marker.finditer(span.text):
                    yield replace(span, text=span.text[end : found.start()])
                    yield replace(span, text=found[0], url=urls[found[0]])
                    end = found.end()
                yield replace(span, text=span.text[end:])

    def cited_rows(block: Block) -> tuple[tuple[tuple[Span, ...], ...], ...]:
        return tuple(tuple(tuple(cited(cell)) for cell in row) for row in block.rows)

    return [replace(block, spans=tuple(cited(block.spans)), rows=cited_rows(block)) for block in blocks]


def _tail(answer: Answer) -> Iterator[str]:
    if answer.notice:
        yield f"-# {literal(_short(answer.notice, 800))}"
    for citation in answer.citations:
        title = _short(citation.title or citation.document_id, 200)
        url = safe_url(citation.url)
        # Discord shows the date in the reader's own language and time zone.
        updated = f"<t:{int(citation.updated_at.timestamp())}:d>"
        yield f"-# [{citation.number}] {masked(title, url) if url else literal(title)} · updated {updated}"


def _short(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
