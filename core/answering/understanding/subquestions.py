"""A question that one page hardly answers, taken apart: each part is searched for by itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import structlog
from langchain_core.language_models import BaseChatModel

from core.answering.leak import LeakGuard
from core.answering.model import stream
from core.answering.prompts import SUBQUESTIONS
from core.answering.terms import content_words
from core.answering.thoughts import without_thoughts
from core.answering.visible import visible
from core.errors import FootnoteError
from core.models import Hit

MOST = 3
SECONDS = 3.0
"""So long may the model think about the parts; then the question is searched for as it stands."""
PART = 0.9
"""What the best hit for a part counts beside the best hit for the question itself: the question comes first."""
_LONGEST = 300
_FEW, _SEVERAL = 3, 6
"""Content words that a question has at least which asks for more than one thing; and if only an "and" says so."""

_THING = r"(?P<{}>[^\s,?;:]+(?:\s+[^\s,?;:]+){{0,4}}?)"
_VERSUS = re.compile(
    rf"(?P<before>.*?){_THING.format('one')}\s+(?:vs\.?|versus)\s+{_THING.format('other')}(?P<after>[,?;:].*|$)", re.I
)
_BETWEEN = re.compile(
    rf"(?P<before>.*?)\b(?:difference|differences|differ|distinction|distinguish|choice|choose|compare|comparison)\s+between\s+"
    rf"{_THING.format('one')}\s+and\s+{_THING.format('other')}(?P<after>\s+(?:in|for|when|regarding|with|on|about|at)\b.*|[,?;:].*|$)",
    re.I,
)
_COMPARE = re.compile(
    rf"(?P<before>.*?)\bcompare\s+{_THING.format('one')}\s+(?:and|with|to)\s+{_THING.format('other')}"
    r"(?P<after>\s+(?:in|for|when|regarding|on|about|at)\b.*|[,?;:.].*|$)",
    re.I,
)
_DIFFER = re.compile(
    rf"(?P<before>how (?:does|do|is|are)\s+){_THING.format('one')}\s+(?:differ|different)\s+from\s+{_THING.format('other')}"
    r"(?P<after>\s+(?:in|for|when|regarding|on|about|at)\b.*|[,?;:].*|$)",
    re.I,
)
_COMPARED = re.compile(r"\b(?:than|both|compared|versus|vs|differ\w*|between|either|respectively|same as)\b", re.I)
_AND = re.compile(r"\band\b|\bas well as\b", re.I)
_ASKED_TWICE = re.compile(r"(?:\band|[,;]) (?:what|who|how|when|where|which)\b", re.I)
_CHAINED = re.compile(
    r"\b(?:of|in|for|by|to) the (?:\w+ ){1,3}(?:that|who|which|where|whose)\b|\bwhose\b"
    r"|\bthe (?:team|person|owner|office|manager|customer|service) (?:that|who|which|of|for)\b",
    re.I,
)
_NAME = re.compile(r"(?<!^)(?<![.?!] )\b[A-Z][\w-]*(?:\s+(?:[A-Z][\w-]*|\d+))*")
_LITTLE = frozenset({"difference", "differences", "compare", "main", "key"})

log = structlog.get_logger(__name__)


def compared(question: str) -> tuple[str, ...]:
    """The two things that a question compares, each with the rest of the question; empty when it compares none."""
    text = " ".join(question.split())
    for pattern in (_BETWEEN, _COMPARE, _DIFFER, _VERSUS):
        if match := pattern.fullmatch(text):
            break
    else:
        return ()
    before = match["before"]
    one, other = _thing(match["one"]), _thing(match["other"].rstrip(".!"))
    if pattern is _VERSUS:
        # Only the end of what stands before it is the name.
        before, one = _named(f"{before}{match['one']}".split(), other)
    rest = [word for word in content_words(f"{before} {match['after']}") if word.casefold() not in _LITTLE]
    if not (content_words(one) and content_words(other)) or one.casefold() == other.casefold():
        return ()
    return tuple(" ".join((thing, *rest)) for thing in (one, other))


def needed(question: str) -> bool:
    """Whether a question may ask for more than one page says, by its look alone: it compares, joins or follows a chain."""
    words = content_words(question)
    if len(words) < _FEW:
        return False
    if _COMPARED.search(question) or _CHAINED.search(question) or _ASKED_TWICE.search(question):
        return True
    return bool(_AND.search(question)) and (len(words) >= _SEVERAL or len(_NAME.findall(question)) > 1)


async def split(question: str, model: BaseChatModel, silence: float, seconds: float = SECONDS) -> tuple[str, ...]:
    """The model's parts of a question, at most :data:`MOST`; none when it needs none, takes too long, fails or repeats its
    instructions.
    """
    prompt = SUBQUESTIONS.format_messages(question=question)
    guard = LeakGuard(prompt[0].text)
    said = ""
    with suppress(TimeoutError):
        try:
            async with asyncio.timeout(seconds):
                said = "".join([guard.feed(piece) async for piece in without_thoughts(stream(model, prompt, silence))])
                said += guard.close()
        except FootnoteError as error:
            log.info("question.not_split", reason=str(error))
            return ()
    lines = (re.sub(r"^\s*(?:[-*•]|\d+[.)])\s*", "", line).strip("\"'“” ") for line in visible(said).splitlines())
    parts = [line for line in dict.fromkeys(lines) if content_words(line) and len(line) <= _LONGEST]
    own = question.casefold().strip(" ?")
    parts = [part for part in parts if part.casefold().strip(" ?") != own]
    return tuple(parts[:MOST]) if len(parts) > 1 else ()


def joined(whole: Sequence[Hit], parts: Sequence[Sequence[Hit]]) -> tuple[Hit, ...]:
    """The hits for the question and for its parts, best first: each list by its best score, so that each part's best page
    stands beside the question's own. At most as many as the longest list has.
    """
    best: dict[str, Hit] = {}
    for weight, hits in ((1.0, whole), *((PART, part) for part in parts)):
        top = max((hit.score for hit in hits), default=0.0)
        if top <= 0:
            continue
        for hit in hits:
            share = weight * hit.score / top
            if hit.chunk.id not in best or best[hit.chunk.id].score < share:
                # What words alone say of a document can be compared within one list only.
                best[hit.chunk.id] = replace(hit, score=share, words=None)
    most = max(map(len, (whole, *parts)), default=0)
    return tuple(sorted(best.values(), key=lambda hit: (-hit.score, hit.chunk.id))[:most])


def _thing(text: str) -> str:
    return re.sub(r"^(?:the|a|an|our|your)\s+", "", text.strip(), flags=re.I)


def _named(words: Sequence[str], other: str) -> tuple[str, str]:
    """What stands before a "vs" as the rest of the question and a name that is about as long as the other one."""
    length = max(1, min(len(words), len(other.split())))
    return " ".join(words[:-length]), _thing(" ".join(words[-length:]))
