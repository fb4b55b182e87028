"""How likely it is that what was found answers the question: it decides whether there is an answer, and how sure it sounds."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

import structlog
from pydantic import TypeAdapter, ValidationError

from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.answering.grounding.meaning import Embed
from core.answering.quoting.passages import passages
from core.answering.quoting.quotes import covered
from core.answering.refusing.wanted import has
from core.answering.terms import terms
from core.errors import FootnoteError, TransientError
from core.models import Signals
from core.outage import Outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

COMPARED = 8
"""Passages whose meaning is compared with the question's: those that are best by words. Measured: the mean AUROC is
.003 lower than with all of the best five chunks (some 25), at a third of the time."""
_ABOVE = 0.4
"""What a word of the title or the headings counts beside a word of the passage itself."""
_READ = 600
"""Characters of a passage that are compared."""
_PATIENCE_SECONDS = 0.5
NAMED = 0.6
"""From this share of the question's content words in the best document on it is answered, however unlikely that looks: an error
code or a name that stands there is what was asked for."""
HAS = 0.5
"""Unless what has the kind of thing that is asked for says so much less of it: that is the right page without the fact."""
_SECONDS = 5.0
"""A calibration counts after so long in every process."""
_TIMEOUT = 1.0

log = structlog.get_logger(__name__)


class Verdict(StrEnum):
    REFUSE = "refuse"
    UNSURE = "unsure"
    """Answer, and say so."""
    SURE = "sure"


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What speaks for an answer."""

    coverage: float
    agreement: float
    lead: float
    nearest: float
    """Cosine of the question and the passage (a sentence, an item, a row) that is nearest to it."""
    has: float = 1.0
    """As of :func:`core.answering.refusing.wanted.has`."""

    @classmethod
    def of(cls, signals: Signals, nearest: float, has: float) -> Signs:
        return cls(coverage=signals.coverage, agreement=signals.agreement, lead=signals.lead, nearest=nearest, has=has)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A logistic regression on the signs, and what is made of its result: below ``low`` there is no answer, below ``high`` an
    unsure one.

    ``has`` is not fitted: where the documents that answer are taken away, as a calibration does, it says nothing.
    """

    coverage: float
    agreement: float
    lead: float
    nearest: float
    bias: float
    low: float
    high: float
    has: float = 8.0

    def probability(self, signs: Signs) -> float:
        """That the documents have the answer."""
        weighed = self.coverage * signs.coverage + self.agreement * signs.agreement + self.lead * signs.lead
        weighed += self.nearest * signs.nearest + self.has * (signs.has - 1) + self.bias
        return 1 / (1 + math.exp(-weighed))

    def verdict(self, signs: Signs, covered: float) -> Verdict:
        """``covered`` is the share of the question's words in the best document."""
        probability = self.probability(signs)
        if probability < self.low:
            return Verdict.UNSURE if names(signs, covered) else Verdict.REFUSE
        return Verdict.UNSURE if probability < self.high else Verdict.SURE


def names(signs: Signs, covered: float) -> bool:
    """Whether it is answered, however unlikely that looks."""
    return covered >= NAMED and signs.has >= HAS


MEASURED = {
    "all-MiniLM-L6-v2-int8": Rule(
        coverage=2.18,
        agreement=2.04,
        lead=3.5,
        nearest=5.57,
        bias=-5.35,
        low=0.3,
        high=0.5,
    )
}
"""By embedding model; of another one nothing is known before it is calibrated.

Fitted on three company knowledge bases, one of them our own (tests/data/company). Each tested with what was fitted on the other
two, AUROC with the documents that answer taken away: .96, .85, .70; questions that nobody could answer .96, .90. The first three
signs alone: .96, .78, .71, .94, .87. The right page without the fact, on 20 questions of our own, which are meant to mislead and
were seen when ``has`` was written: .43 without it and .71 with it, 2 and 9 of them refused, for 2 of 273 and 1 of 300 questions
more that have an answer.

On the questions that it was fitted on, all three sets together, it refuses 4 of 5 and 18 of 22 that have no answer, and 0 %,
1.7 % and 20 % of those that have one (words alone, the rule of quotes: 4 of 5, 13 of 22, 2.2 %, 5 % and 19 %).
"""
_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)


class Rules:
    """The rule of a workspace, by the name of the embedding model: as it was calibrated, else as it was measured. While Redis is
    away what was known last counts.
    """

    def __init__(self, redis: Redis, model: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._key = f"footnote:confidence:{model}"
        self._rule = self.measured = MEASURED.get(model)
        self._read_at = -math.inf
        self._clock = clock
        self._outage = Outage("how sure an answer must be is as it was known last, or as measured", timeout=_TIMEOUT)

    async def rule(self) -> Rule | None:
        """None where nothing is known of the model."""
        if self._clock() - self._read_at >= _SECONDS:
            try:
                raw = await self._outage.reach(lambda: cast("Any", self._redis.get(self._key)))
                self._rule = _RULE.validate_json(raw) if raw else self.measured
            except (TransientError, ValidationError):
                pass
            self._read_at = self._clock()
        return self._rule

    async def keep(self, rule: Rule) -> None:
        """From now on. Raises TransientError when it could not be written."""
        await self._outage.reach(lambda: cast("Any", self._redis.set(self._key, _RULE.dump_json(rule))))
        self._rule, self._read_at = rule, self._clock()

    async def forget(self) -> None:
        """As measured again. Raises TransientError."""
        await self._outage.reach(lambda: cast("Any", self._redis.delete(self._key)))
        self._rule, self._read_at = self.measured, self._clock()


class Confidence:
    def __init__(self, embed: Embed, rules: Rules) -> None:
        self._embed = embed
        self._rules = rules

    async def verdict(
        self, question: str, evidence: Sequence[Evidence], signals: Signals | None, embed: Embed | None = None
    ) -> Verdict | None:
        """None where nothing can be told: then words alone decide. ``embed`` is the same embedding, for this question alone."""
        rule = await self._rules.rule() if signals else None
        if signals is None or rule is None or (near := await nearest(question, evidence, embed or self._embed)) is None:
            return None
        return rule.verdict(Signs.of(signals, near, has(question, evidence)), covered(question, evidence))


async def nearest(question: str, evidence: Sequence[Evidence], embed: Embed) -> float | None:
    """As of :class:`Signs`; None where there is nothing to compare, or the embedding does not come in time."""
    texts = _best_by_words(question, evidence)
    if not texts:
        return None
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            asked, *vectors = await asyncio.gather(embed(question), *(embed(text) for text in texts))
    except (FootnoteError, TimeoutError) as error:
        log.warning("confidence.not_embedded", reason=type(error).__name__)
        return None
    return max(sum(map(float.__mul__, asked, vector)) for vector in vectors)


def _best_by_words(question: str, evidence: Sequence[Evidence]) -> list[str]:
    wanted = frozenset(terms(question))
    best = max((hit.score for item in evidence for hit in item.hits), default=0.0)
    scored: dict[str, float] = {}
    for item in evidence:
        for hit in item.hits:
            standing = hit.score / best if best > 0 else 1.0
            for passage in passages(plain(hit.chunk.text)):
                own = wanted & set(terms(passage.text))
                above = wanted & set(terms(" ".join((item.title, *hit.chunk.headings, passage.header))))
                # Some count although no word is shared: the question may say it in other words.
                share = (len(own) + _ABOVE * len(above - own)) / max(1, len(wanted)) + 0.1
                text = passage.text[:_READ]
                scored[text] = max(scored.get(text, 0.0), share * standing)
    return sorted(scored, key=lambda text: -scored[text])[:COMPARED]
