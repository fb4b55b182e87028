"""Answers and notices as Discord messages, none of them blank."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from rich.cells import cell_len

from bots.discord.cards import LIMIT, PLAIN_LIMIT, Card, length
from bots.discord.dialect import inline, literal, masked, pieces, safe_url
from bots.discord.markdown import Block, Span, parse, plain
from core.models import Answer, Citation, Link

_TABLE_WIDTH = 72
"""Cells of a code block in a narrow window; a wider table becomes a list."""
_WRITING = "-# Writing…"
_HALF = re.compile(r"!?\[[^\]\n]*\Z|!?\[[^\]\n]*\]\([^)\n]*\Z|[*_~`]+\Z|(?<!\S)[|#>-]+\Z")
"""A link or a mark at the end of a text."""
_MARKS = {
    "`": re.compile("`"),
    "*": re.compile(r"(?<!\*)\*(?![*\s])|(?<=\S)(?<!\*)\*(?!\*)"),
    "**": re.compile(r"\*\*"),
    "~~": re.compile("~~"),
}

Frame = Callable[[str, bool], str]
"""Puts a text into its place, a list or a quote; the flag tells the beginning of the block."""


def render(answer: Answer) -> list[Card]:
    """The messages that show an answer, in order: its text, and in small print what the reader should know and its sources.

    Markers link to their page where that costs no further message; the source list links always.
    """
    links = {url for citation in answer.citations if (url := safe_url(citation.url))}
    blocks, tail = parse(answer.text), list(_tail(answer))
    linked = _with_tail(_texts(_cite(blocks, answer.citations), links, LIMIT), tail)
    if len(linked) == 1:
        return linked
    return min(linked, _with_tail(_texts(blocks, links, LIMIT), tail), key=len)


def notice(markdown: str) -> list[Card]:
    """The messages that show a notice: a refusal, a report, a greeting."""
    return [Card(text=text) for text in _texts(parse(markdown), (), PLAIN_LIMIT) or ["…"]]


def growing(markdown: str) -> Card | None:
    """The first message of an answer that is still being written; None when there is nothing to see yet.

    It links nothing, because nothing is cited yet, and shows no mark whose other half is still to come.
    """
    texts = _texts(parse(_closed(markdown)), (), LIMIT - length(_WRITING))
    return Card(text=texts[0], small=_WRITING) if texts else None


def _texts(blocks: Sequence[Block], links: Collection[str], limit: int) -> list[str]:
    texts: list[str] = []
    above: Block | None = None
    for block in blocks:
        for part in _parts(block, links, limit):
            _append(texts, part, "\n" if above and _together(above, block) else "\n\n", limit)
            above = block
    return texts


def _append(texts: list[str], part: str, gap: str, limit: int) -> None:
    if texts and length(texts[-1] + gap + part) <= limit:
        texts[-1] += gap + part
        return
    body, _, last = texts[-1].rpartition("\n\n") if texts else ("", "", "")
    if body and re.fullmatch(r"#{1,3} .+", last) and length(last + gap + part) <= limit:
        # A heading goes with what it is the heading of.
        texts[-1:] = [body, last + gap + part]
    else:
        texts.append(part)


def _with_tail(texts: Sequence[str], tail: Sequence[str]) -> list[Card]:
    cards = [Card(text=text) for text in texts]
    for line in tail:
        last = cards[-1] if cards else Card(text="")
        small = f"{last.small}\n{line}" if last.small else line
        if cards and length(last.text) + length(small) <= LIMIT:
            cards[-1] = replace(last, small=small)
        else:
            cards.append(Card(text="", small=line))
    return cards or [Card(text="…")]


def _closed(markdown: str) -> str:
    """A text that breaks off anywhere, without what only its rest would explain: half a link, half a mark, half a table."""
    whole, _, last = markdown.rpartition("\n\n")
    if whole.count("```") % 2 or "```" in last:
        return markdown
    last = _HALF.sub("", last)
    if last.lstrip().startswith("|") and last.count("\n") < 2:
        last = ""
    for mark, found in _MARKS.items():
        if len(found.findall(last)) % 2:
            # What is written of its inside shows in its style.
            last = last.rstrip() + mark
    return "\n\n".join(filter(None, (whole, last)))


def _together(above: Block, below: Block) -> bool:
    in_one_list = above.quoted == below.quoted and above.indent > 0 and below.indent > 0
    return above is below or above.kind == "heading" or in_one_list


def _parts(block: Block, links: Collection[str], limit: int) -> Iterator[str]:
    """A block as texts within the limit; nearly always one."""
    match block.kind:
        case "paragraph":
            indent = "  " * (block.indent - 1)
            marker = f"{block.marker} " if block.marker else "  " if block.indent else ""
            yield from _wrapped(block.spans, _frame(indent + marker, "  " * block.indent, block.quoted), links, limit)
        case "heading" if block.level <= 3:
            yield from _wrapped(block.spans, _frame("#" * block.level + " ", "", block.quoted), links, limit)
        case "heading":
            bold = [replace(span, bold=True) for span in block.spans]
            yield from _wrapped(bold, _frame("", "", block.quoted), links, limit)
        case "code":
            yield from _fenced(block.code.splitlines(), block.language, limit)
        case "table":
            yield from _table(block, links, limit)
        case "rule":
            return


def _frame(first: str, rest: str, quoted: bool) -> Frame:
    def frame(text: str, start: bool) -> str:
        text = (first if start else rest) + text.replace("\n", "\n" + rest)
        return "> " + text.replace("\n", "\n> ") if quoted else text

    return frame


def _wrapped(spans: Iterable[Span], frame: Frame, links: Collection[str], limit: int) -> Iterator[str]:
    """Spans as framed texts within the limit, broken at a line, a sentence or a word, never inside a link."""
    words = list(_words(spans))
    start = True
    while words:
        fitting = _fitting(words, frame, start, links, limit)
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


def _fitting(words: Sequence[Span], frame: Frame, start: bool, links: Collection[str], limit: int) -> int:
    """How many of the words one message takes."""
    total = length(frame("", start))
    line = length(frame("\n", start)) - total
    for count, (piece, closing) in enumerate(pieces(words, links)):
        total += length(piece) + piece.count("\n") * (line - 1)
        if total + length(closing) > limit:
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


def _fenced(lines: Iterable[str], language: str, limit: int, header: Sequence[str] = ()) -> Iterator[str]:
    """Lines in as many closed fences as they need; each opens with the language and the header."""
    opening = [f"```{language if re.fullmatch(r'[A-Za-z0-9+#.-]{1,20}', language) else ''}", *map(_unfenced, header)]
    room = limit - length("\n".join([*opening, "", "```"]))
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


def _table(block: Block, links: Collection[str], limit: int) -> Iterator[str]:
    rows = [[plain(cell).replace("\n", " ") for cell in row] for row in block.rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 3 * (len(widths) - 1) > _TABLE_WIDTH:
        for row in block.rows[1:]:
            yield from _wrapped(_listed(block.rows[0], row), _frame("- ", "  ", block.quoted), links, limit)
        return
    head, *body = (" │ ".join(map(_padded, row, widths)).rstrip() for row in rows)
    yield from _fenced(body, "", limit, [head, "─┼─".join("─" * width for width in widths)])


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
    if answer.remarks:
        yield f"-# {literal(_short(answer.remarks, 800))}"
    for citation in answer.citations:
        # Discord shows the date in the reader's own language and time zone.
        updated = f"<t:{int(citation.updated_at.timestamp())}:d>"
        yield f"-# [{citation.number}] {_linked(citation)} · updated {updated}"
        for place in citation.also_at:
            yield f"-# also at {_linked(place)}"
    if answer.near:
        yield "-# Nearest pages:"
    for page in answer.near:
        yield f"-# {_linked(page)}"


def _linked(document: Citation | Link) -> str:
    title = _short(document.title or document.document_id, 200)
    url = safe_url(document.url)
    return masked(title, url) if url else literal(title)


def _short(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
