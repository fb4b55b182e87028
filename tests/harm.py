"""What an answer looks like to people, and what in it could harm them. Nothing here knows how the product prevents it."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bots.discord import render as discord
from bots.slack import render as slack
from bots.terminal.chat import TerminalReply
from core.models import Answer
from tests.emulators.slack_rules import flaws, refusal, texts

ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://+[^\s/]|www\.\w|(?<![a-z0-9])(?:mailto|tel|data|javascript):[+/\w])[^\s<>()|`*\"]*", re.IGNORECASE
)
"""Whatever any program could take for an address that can be followed."""
BROKEN = "\u200b"
"""What we break mentions and marks with. No source and no model brings one."""
OPENING = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,})")
"""The first line of a block of code."""
INVISIBLE = {"Cc", "Cf", "Co", "Cs"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the same answer looks like everywhere."""

    answer: Answer
    slack: tuple[str, ...]
    discord: tuple[str, ...]
    terminal: str

    @property
    def everything(self) -> str:
        return "\n".join([*self.slack, *self.discord, self.terminal, self.answer.text, self.answer.remarks])


async def seen(answer: Answer, pieces: Sequence[str] = ()) -> Seen:
    """``pieces`` were streamed before."""
    in_slack: list[str] = []
    for posted in slack.render(answer):
        assert refusal(posted.arguments()) is None
        assert flaws(posted.arguments()) == []
        assert all(part["verbatim"] is True for part in _mrkdwn(posted.blocks))
        in_slack += [posted.text, *texts(posted.blocks)]
    out = io.StringIO()
    reply = TerminalReply(out)
    for piece in pieces:
        await reply.stream(piece)
    await reply.answer(answer)
    in_discord = tuple(text for card in discord.render(answer) for text in (card.text, card.small) if text)
    return Seen(answer=answer, slack=tuple(in_slack), discord=in_discord, terminal=out.getvalue())


def without_code(text: str) -> str:
    """Nothing links or pings inside code, neither in Slack nor in Discord."""
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text, flags=re.DOTALL)


def without_markdown_code(text: str) -> str:
    """As a reader of Markdown sees it: fences first, then code spans."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        opening = OPENING.match(line)
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opening:
            fence = opening.group(1)
        else:
            lines.append(line)
    return re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", "\n".join(lines), flags=re.DOTALL)


def harms(seen: Seen, pages: Collection[str]) -> list[str]:
    """All that leads, loads or pings where it should not, and all that nobody can see."""
    found = []
    for text in (*map(without_code, (*seen.slack, *seen.discord)), without_markdown_code(seen.terminal)):
        found += [address for address in ADDRESS.findall(text) if address.rstrip(".,]") not in pages]
        found += re.findall(r"!\[[^\]]*\]\([^()\s]+\)", text)
    for text in seen.slack:
        found += [link for link in re.findall(r"<([^<>]*)>", text) if link.partition("|")[0] not in pages]
        found += re.findall(r"@(?:channel|here|everyone)\b", without_code(text), re.IGNORECASE)
    for text in map(without_code, seen.discord):
        found += re.findall(r"@(?:everyone|here)|<(?:@[!&]?|#|a?:\w+:|/\w+:)\d+>", text)
        found += [url for url in re.findall(r"\]\(<?([^)>]*)", text) if url not in pages]
    visible = seen.everything.replace(BROKEN, "").translate({ord("\n"): None, ord("\t"): None})
    found += [repr(character) for character in visible if unicodedata.category(character) in INVISIBLE]
    found += [hex(ord(character)) for character in visible if 0xFE00 <= ord(character) <= 0xFE0E]
    return found


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _mrkdwn(blocks: tuple[slack.Block, ...]) -> Iterator[dict[str, object]]:
    """All but what stands on buttons, where nothing is markup."""
    for block in blocks:
        for part in [block["text"]] if "text" in block else block["elements"]:
            if part.get("type") == "mrkdwn":
                yield part
