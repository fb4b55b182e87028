"""What kind of thing a question asks for (a sum, a time, a person), and whether what was found has one: the right page without
the fact seldom has. English questions only; of all others nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from core.answering.evidence import Evidence
from core.answering.footnotes import plain
from core.answering.grounding.facts import Kind, facts
from core.answering.quoting.passages import passages
from core.answering.terms import terms

_ABOVE = 0.4
"""What a word of the title or the headings counts beside a word of the passage itself."""

Given = Callable[[str, str], bool]
"""Of a passage and the question: whether it has such a thing, and not only because the question has it."""


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.VERBOSE)


def _says(text: str) -> Given:
    pattern = _pattern(text)
    return lambda passage, question: bool(pattern.search(passage))


def _person(passage: str, question: str) -> bool:
    known = facts(question)
    return bool(_ROLE.search(passage)) or any(fact.kind is Kind.NAME and not fact.stands_in(known) for fact in facts(passage))


_ROLE = _pattern(
    r"""\b(?:managers?|leads?|heads?|directors?|officers?|teams?|owners?|admin\w*|engineers?|lawyers?|counsel|desk|department
    |every(?:one|body)|any(?:one|body)|no(?:body|[ ]one)|all|employees?|staff|you|we|board|council|committee|group)\b"""
)
_SUM = _says(
    r"""[€$£¥%]|\b(?:eur|usd|gbp|chf|jpy|nok|sek|dkk|euros?|dollars?|pounds?|kroner|cents?|francs?|free|included|nothing|unpaid
    |no[ ]c(?:ost|harge)|per[ ]cent)\b"""
)
_DURATION = _says(
    r"""\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?|sec|min|hrs?|forever|indefinite\w*|permanent\w*
    |overnight|immediate\w*|until|till|once|as[ ]long[ ]as)\b|\d\s?(?:ms|s|h|d)\b"""
)
_MOMENT = _says(
    r"""\d|\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|august|september|october
    |november|december|spring|summer|autumn|winter|noon|midnight|morning|afternoon|evening|daily|weekly|monthly|yearly|annual\w*
    |quarterly|every|before|after|once|when\w*|until|till|by|during|as[ ]soon|immediate\w*|never|always
    |(?:week|month|quarter|year)(?:s|ly)?)\b"""
)
_QUANTITY = _says(
    r"""\d|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen
    |eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|dozen|half|both|none|no
    |unlimited|single|a[ ]pair|twice|once|every|daily|weekly|monthly|yearly|annual\w*|quarterly)\b"""
)
_MASS = _says(r"\d[\d.,]*\s?(?:kg|g|mg|t|lbs?|oz)\b|\b(?:kilos?|kilograms?|grams?|tonn?es?|tons?|pounds|ounces)\b")
_LENGTH = _says(
    r"\d[\d.,]*\s?(?:mm|cm|m|km|in|ft|px|[\"'×x])|\b(?:metre|meter|kilomet|centimet|millimet|mile|inch|feet|foot|yard)"
)
_KINDS: Sequence[tuple[re.Pattern[str], Given]] = (
    (
        _pattern(
            r"""\A\W*(?:(?:and|so|to|for|by|from)[ ])?who(?:m|se)?\b
            |\b(?:what|which)[ ](?:person|doctor|company|supplier|vendor|lawyer)\b"""
        ),
        _person,
    ),
    (
        _pattern(
            r"""\bhow[ ]much\b.*\b(?:costs?|pay|pays|paid|charged?|charges|earns?|spen[dt]|fined?|fees?|prices?|salary|worth
            |owe)\b
            |\bwhat[ ](?:do|does|did|will|would)\b.*\b(?:cost|pay|paid|charge)\b
            |\b(?:price|costs?|fee|fine|salary)[ ](?:of|for|per)\b
            |\bhow[ ](?:expensive|pricey|cheap)\b"""
        ),
        _SUM,
    ),
    (_pattern(r"\bhow[ ](?:heavy|much[ ].*\bweigh)|\bweight[ ]of\b"), _MASS),
    (_pattern(r"\btemperature\b"), _says(r"°|\b(?:degrees?|celsius|fahrenheit|kelvin)\b")),
    (_pattern(r"\bhow[ ](?:tall|deep|wide|high)\b|\b(?:width|height|depth|distance)[ ](?:of|between)\b"), _LENGTH),
    (_pattern(r"\b(?:what|which)[ ](?:percentage|share|per[ ]?cent)\b"), _says(r"%|\bper[ ]?cent\b|\b(?:half|third|all)\b|\d")),
    (_pattern(r"\bhow[ ]long\b|\bmean[ ]time\b"), _DURATION),
    (
        _pattern(
            r"\b(?:what|which)[ ](?:day|date|time|month|year|week)\b|\A\W*(?:(?:and|so|since|until|by)[ ])?when\b",
        ),
        _MOMENT,
    ),
    (_pattern(r"\bhow[ ](?:many|often|old|big|large|fast|much|far)\b"), _QUANTITY),
    (_pattern(r"\be?-?mail[ ]address\b"), _says(r"\S@\S")),
    (_pattern(r"\b(?:phone|telephone)[ ]number\b|\bhotline\b"), _says(r"\+?\d[\d ()/-]{4,}\d|\bext(?:ension)?\b")),
    (_pattern(r"\b(?:pin|door|access|alarm|entry)[ ]codes?\b|\bpin\b|\b(?:what|which)[ ](?:version|port)\b"), _says(r"\d")),
)
"""What asks for a kind of thing, and what such a thing looks like: rather too much than too little. The first one counts."""
_SEVERAL = _pattern(
    r"\?\W*\w|\b(?:and|or)\b[^.?!]{0,30}\b(?:what|which|who(?:m|se)?|when|where|how|why)\b|\bincluding\b",
)
"""What is asked for together may stand in several places."""
_WHO_IS = _pattern(r"\bwho(?:'s|[ ]is|[ ]was)[ ]\w+\W*\Z")
"""Asks what there is to say of a person."""
_NUMBER = re.compile(r"\w*\d[\w.,]*")


def has(question: str, evidence: Sequence[Evidence]) -> float:
    """How much of the question's words the best passage has that has what is asked for, as a share of what the best passage of
    all has of them: 1 where nothing in particular is asked for.
    """
    wanted = frozenset(terms(question))
    given = _given(question)
    if given is None or not wanted:
        return 1.0
    repeated = set(_NUMBER.findall(question))
    best = holding = 0.0
    for item in evidence:
        for hit in item.hits:
            for passage in passages(plain(hit.chunk.text)):
                own = wanted & set(terms(passage.text))
                above = wanted & set(terms(" ".join((item.title, *hit.chunk.headings, passage.header))))
                share = len(own) + _ABOVE * len(above - own)
                best = max(best, share)
                if share > holding:
                    text = _NUMBER.sub(lambda each: "" if each[0] in repeated else each[0], f"{passage.header} {passage.text}")
                    holding = share if given(text, question) else holding
    return holding / best if best else 1.0


def _given(question: str) -> Given | None:
    if _SEVERAL.search(question) or _WHO_IS.search(question):
        return None
    return next((given for asked, given in _KINDS if asked.search(question)), None)
