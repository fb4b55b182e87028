"""Answers as models write them, long and short, in many scripts: the same ones for the same number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.models import Answer, AnswerMode, Citation
from tests.fakes import answer

LONGEST = 30_000
"""Characters."""
_WORDS = {
    "en": ["leave", "days", "travel", "policy", "of", "budget", "approves", "who", "&", "<forms>", "a>b", "don't", "1_000"],
    "he": ["ימי", "חופשה", "מדיניות", "נסיעות", "מי", "מאשר", "תקציב", "שבוע", "מלון", "קבלות"],
    "ar": ["أيام", "الإجازة", "سياسة", "السفر", "من", "يوافق", "الميزانية", "أسبوع", "فندق", "إيصالات"],
    "ja": ["休暇", "日数", "出張規程", "承認", "予算", "週", "ホテル", "領収書", "は", "を", "に"],
    "emoji": ["👍", "👩\u200d👩\u200d👧\u200d👦", "🏳️\u200d🌈", "🇳🇴", "🫠", "✅", "1️⃣", "🤦🏽\u200d♂️", "leave", "days"],
    "hostile": ["@channel", "<!here>", "<@U123>", "@everyone", "*a", "_b", "`d", "[x](https://evil.example)", "&amp;", "]("],
}  # fmt: skip


def generated(number: int) -> Answer:
    """A whole answer: its text, footnotes, a notice and what may be asked next."""
    dice = random.Random(number)
    words = _WORDS[dice.choice([*_WORDS])]
    size = dice.choice([200, 800, 3_000, 9_000, LONGEST] if number % 10 == 0 else [60, 200, 800, 3_000])
    parts: list[str] = []
    while sum(map(len, parts)) < size:
        parts.append(dice.choice(_BLOCKS)(dice, words))
    cited = dice.randrange(0, 9)
    return replace(
        answer("\n\n".join(parts)[:LONGEST], id=f"{number:032x}"),
        mode=dice.choice([*AnswerMode]),
        notice=dice.choice(["", _sentence(dice, words)]),
        citations=tuple(_citation(dice, words, each) for each in range(1, cited + 1)),
        follow_ups=tuple(_sentence(dice, words) + "?" for _ in range(dice.randrange(4))),
        escalates=dice.random() < 0.3,
    )


def _sentence(dice: random.Random, words: list[str]) -> str:
    said = [dice.choice(words) for _ in range(dice.randrange(1, 40))]
    if dice.random() < 0.3:
        said[0] = f"**{said[0]}**"
    if dice.random() < 0.5:
        said.append(f"[{dice.randrange(1, 12)}]")
    if dice.random() < 0.02:
        said.append("x" * dice.randrange(1_000, 8_000))
    return " ".join(said)


def _list(dice: random.Random, words: list[str]) -> str:
    mark = dice.choice(["- ", "1. ", "* "])
    return "\n".join(f"{'  ' * dice.randrange(3)}{mark}{_sentence(dice, words)}" for _ in range(dice.randrange(1, 12)))


def _table(dice: random.Random, words: list[str]) -> str:
    columns = dice.randrange(1, 8)
    rows = [" | ".join(dice.choice(words).replace("|", "") for _ in range(columns)) for _ in range(dice.randrange(1, 30))]
    return "\n".join([f"| {rows[0]} |", f"|{'---|' * columns}", *(f"| {row} |" for row in rows[1:])])


def _code(dice: random.Random, words: list[str]) -> str:
    lines = [" " * dice.randrange(8) + " ".join(dice.choice(words) for _ in range(dice.randrange(12))) for _ in range(30)]
    fence = dice.choice(["```", "```python", "~~~", "````"])
    closing = "" if dice.random() < 0.1 else "\n" + fence.rstrip("python")
    return f"{fence}\n" + "\n".join(lines[: dice.randrange(1, 30)]) + closing


def _quote(dice: random.Random, words: list[str]) -> str:
    return "\n".join(f"> {_sentence(dice, words)}" for _ in range(dice.randrange(1, 5)))


def _heading(dice: random.Random, words: list[str]) -> str:
    return f"{'#' * dice.randrange(1, 5)} {' '.join(dice.choice(words) for _ in range(5))}"


_BLOCKS: list[Callable[[random.Random, list[str]], str]] = [_sentence, _sentence, _list, _table, _code, _quote, _heading]


def _citation(dice: random.Random, words: list[str], number: int) -> Citation:
    return Citation(
        number=number,
        document_id=f"wiki:{number}",
        title=_sentence(dice, words),
        url=dice.choice([f"https://wiki.acme.com/{number}?a=1&b=2", "file:///srv/a b.md", f"https://wiki.acme.com/{'x' * 2000}"]),
        quote=_sentence(dice, words),
        updated_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=dice.randrange(300)),
    )
