"""What a sentence states that can be compared exactly: numbers with their units, dates, times, names, identifiers.

Every fact has a normal form, so that ``1,000``, ``1000`` and ``one thousand`` are equal, ``3 March 2026`` is ``2026-03-03``
and ``two weeks`` are ``14 days``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.answering.terms import content_words


class Kind(StrEnum):
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    NAME = "name"
    CODE = "code"
    """An identifier: ``ERR-1234``, ``user_name``, ``/etc/hosts``, ``ana@acme.com``, ``v3.2``."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    kind: Kind
    readings: frozenset[str]
    """Its normal forms; several where it can be read in several ways (``3/4/2026``, ``1.500``)."""
    plain: frozenset[str] = frozenset()
    """Of a number: its value as it was written, without its unit."""
    unit: str = ""
    """Of a number: ``minute`` for all durations below a month, ``percent``, ``eur``; empty when it stands alone."""
    start: int
    end: int
    """Where in the text."""

    def stands_in(self, facts: Sequence[Fact]) -> bool:
        return any(self.equals(other) for other in facts)

    def equals(self, other: Fact) -> bool:
        if self.kind is Kind.NUMBER and other.kind is Kind.DATE:
            # "Changed in 2026" of what was changed on 3 March 2026; never the reverse.
            return not self.unit and bool(self.readings & {reading.partition("-")[0] for reading in other.readings})
        if self.kind is not other.kind:
            return False
        if self.kind is Kind.DATE:
            return any(_same_day(one, two) for one in self.readings for two in other.readings)
        if self.unit and other.unit:
            return self.unit == other.unit and bool(self.readings & other.readings)
        # "30" in a column of days, "30 days" in the answer.
        return bool(self.readings & other.readings or self.plain & other.plain)

    def rivals(self, other: Fact) -> bool:
        """Whether ``other`` could stand in the place of this one: the same kind and unit, another value."""
        return self.kind is other.kind and self.unit == other.unit and not self.equals(other)


_MONTHS = (
    "january jan januar janvier enero jänner|february feb februar février febrero|march mar märz mars marzo"
    "|april apr avril abril|may mai mayo|june jun juni juin junio|july jul juli juillet julio|august aug août agosto"
    "|september sept sep septembre septiembre|october oct oktober okt octobre octubre|november nov novembre noviembre"
    "|december dec dezember dez décembre diciembre"
)
MONTHS = {name: number for number, names in enumerate(_MONTHS.split("|"), 1) for name in names.split()}
_DAYS = (
    "monday mon montag lundi lunes|tuesday tue dienstag mardi martes|wednesday wed mittwoch mercredi miércoles"
    "|thursday thu donnerstag jeudi jueves|friday fri freitag vendredi viernes|saturday sat samstag samedi sábado"
    "|sunday sun sonntag dimanche domingo"
)
_WEEKDAY = {name: str(number) for number, names in enumerate(_DAYS.split("|"), 1) for name in names.split()}
_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_SMALL = {word: number for number, word in enumerate(_ONES)} | {
    word: 10 * number
    for number, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_OTHERS = {
    **dict(
        zip(
            ["zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"], range(2, 13), strict=True
        )
    ),
    **{"zwanzig": 20, "dreißig": 30, "vierzig": 40, "fünfzig": 50, "hundert": 100},
    **dict(
        zip(
            ["deux", "trois", "quatre", "cinq", "sept", "huit", "neuf", "dix", "onze", "douze"],
            (2, 3, 4, 5, 7, 8, 9, 10, 11, 12),
            strict=True,
        )
    ),
    **{"vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50},
    **dict(
        zip(
            ["dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce"],
            range(2, 13),
            strict=True,
        )
    ),
    **{"veinte": 20, "treinta": 30, "cuarenta": 40, "cincuenta": 50},
}
"""Number words that do not mean something else in English; ``once`` and ``six`` do."""
_OTHERS.pop("once")
_SCALE = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000, "dozen": 12}
_MOST = 10**15
"""Larger numbers are not spoken of in words: "two billion billion billion" is a joke, or an attack."""
_ORDINALS = {
    **dict(
        zip(
            ["third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"],
            range(3, 13),
            strict=True,
        )
    ),
}
_TIMES = {"once": 1.0, "twice": 2.0, "thrice": 3.0}

_UNITS = {
    "percent": "% percent prozent pourcent per\u00a0cent pct",
    "eur": "€ eur euro euros",
    "usd": "$ usd dollar dollars",
    "gbp": "£ gbp pound pounds",
    "chf": "chf franken",
    "jpy": "¥ jpy yen 円",
    "second": "s sec secs second seconds sekunde sekunden seconde secondes segundo segundos 秒",
    "minute": "min mins minute minutes minuten minuto minutos 分",
    "hour": "h hr hrs hour hours stunde stunden heure heures hora horas 時間",
    "day": "day days tag tage tagen jour jours día días 日 日間",
    "week": "week weeks woche wochen semaine semaines semana semanas 週間",
    "month": "month months monat monate monaten mois mes meses か月 ヶ月",
    "year": "year years jahr jahre jahren an ans année années año años 年",
    "b": "byte bytes",
    "kb": "kb kilobyte kilobytes",
    "mb": "mb megabyte megabytes mib",
    "gb": "gb gigabyte gigabytes gib",
    "tb": "tb terabyte terabytes tib",
    "ms": "ms millisecond milliseconds",
    "km": "km kilometer kilometers kilometre kilometres",
    "m": "meter meters metre metres",
    "kg": "kg kilo kilos kilogram kilograms",
    "person": "person persons people personen personnes personas employees mitarbeiter",
}
_UNIT = {word: unit for unit, words in _UNITS.items() for word in words.split(" ")}
_IN = {
    "second": ("minute", 1 / 60),
    "hour": ("minute", 60.0),
    "day": ("minute", 1440.0),
    "week": ("minute", 10080.0),
    "year": ("month", 12.0),
}
_QUALIFIERS = "(?:working|business|calendar|full|paid|consecutive|bank|public|whole|more|additional|extra|us|of|further)"

_NAMED_MONTH = "|".join(sorted(map(re.escape, MONTHS), key=len, reverse=True))
_DATE = re.compile(
    rf"""\b(?P<y1>\d{{4}})-(?P<m1>\d{{1,2}})-(?P<d1>\d{{1,2}})\b
    |(?P<y2>\d{{4}})年(?P<m2>\d{{1,2}})月(?:(?P<d2>\d{{1,2}})日)?
    |\b(?P<a>\d{{1,2}})[./](?P<b>\d{{1,2}})[./](?P<y3>\d{{4}})\b
    |\b(?P<d4>\d{{1,2}})(?:st|nd|rd|th|\.)?[ ](?:of[ ]|de[ ])?(?P<m4>{_NAMED_MONTH})\b\.?(?:,?[ ](?:de[ ])?(?P<y4>\d{{4}})\b)?
    |\b(?P<m5>{_NAMED_MONTH})\b\.?[ ](?P<d5>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:,?[ ](?P<y5>\d{{4}})\b)?
    |\b(?P<m6>{_NAMED_MONTH})\b\.?,?[ ](?:de[ ])?(?P<y6>\d{{4}})\b""",
    re.IGNORECASE | re.VERBOSE,
)
_TIME = re.compile(
    r"\b(?P<h>\d{1,2})(?:[:.](?P<m>\d{2}))?[ ]?(?P<half>[ap])\.?m\b\.?"
    r"|\b(?P<h2>[01]?\d|2[0-4]):(?P<m2>[0-5]\d)\b(?![:\d])"
    r"|\b(?P<h3>[01]?\d|2[0-4])(?:[ ]Uhr\b|[ ]?時(?!間))|\b(?P<word>noon|midnight)\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"""(?<![\w.+-])(?P<mail>[\w.+-]+@[\w-]+\.[\w.-]*\w)
    |`(?P<span>[^`\n]+)`
    |(?<![\w/])(?P<path>(?:~|\.{1,2})?/[\w.-]+(?:/[\w.-]+)+/?|(?<!-)[\w-]+(?:/[\w.-]+){2,})
    |(?<!\w)(?P<flag>--?[a-zA-Z][\w-]+)
    |\b(?P<ticket>[A-Za-z]+(?:[-_][A-Za-z]+){0,8}[-_]\d+[\w-]*|[A-Z]+\d+[A-Z0-9]*|[A-Za-z]+\d+[A-Za-z]\w*)\b
    |\b(?P<snake>\w+(?:_\w+)+|[a-z]+(?:[A-Z][a-z0-9]+)+|(?:[A-Z][a-z0-9]+){2,}(?=\b))\b
    |\b(?P<version>v\d+(?:\.\d+)*|\d+(?:\.\d+){2,})\b""",
    re.VERBOSE,
)
_NUMBER = re.compile(
    r"""(?P<before>(?:[€$£¥]|\b(?:EUR|USD|GBP|CHF|JPY))[ ]?)?
    (?P<digits>(?<![A-Za-z0-9_.,])
        (?:\d{1,3}(?:([,.'\u2019\u00a0\u202f ])\d{3})(?:\3\d{3})*(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?))
    (?P<scale>[ ]?(?:k|K|m|M|bn)(?![A-Za-z])|[ ](?:thousand|million|billion|hundred|dozen)\b)?
    (?P<ordinal>st|nd|rd|th)?""",
    re.VERBOSE,
)
_RANGE = re.compile(
    r"[ ]?(?:-|–|—|to|or|and|bis|à|a)[ ]?(?:\d[\d.,]*|[a-z]+(?=[ ](?:days|weeks|hours|months|years)))", re.IGNORECASE
)
_UNIT_AFTER = re.compile(rf"[ \u00a0-]?(?:{_QUALIFIERS}[ -])*([%€$£¥円]|[^\W\d_]+)", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NAME = re.compile(r"(?:(?<=\W)|^)[^\W\d_a-z][\w'’&-]*(?:[ ](?:(?:of|and|the|de|von|van|der|&)[ ])?[^\W\d_a-z][\w'’&-]*)*")
_STARTS = re.compile(r"(?:\A|[.!?:;]\s+|\n\s*)[\s\"'“(*_#>|•-]*(?:\d+[.)]\s+)?\Z")


_Take = Callable[[int, int, Kind, set[str]], None]
_Count = Callable[[int, int, set[float], str], None]


def facts(text: str, *, names: bool = True, known: frozenset[str] = frozenset()) -> list[Fact]:
    """All facts of ``text`` in reading order. Without ``names`` capitals mean nothing, as in German. At the start of a sentence
    they mean something where the name is ``known``.
    """
    text = unicodedata.normalize("NFKC", text)
    found: list[Fact] = []
    taken = [False] * len(text)

    def take(start: int, end: int, kind: Kind, readings: set[str]) -> None:
        if readings and not any(taken[start:end]):
            taken[start:end] = [True] * (end - start)
            found.append(Fact(kind=kind, readings=frozenset(readings), start=start, end=end))

    def count(start: int, end: int, values: set[float], unit: str = "") -> None:
        if not unit and (ranged := _RANGE.match(text, end)):
            # "10 to 14 days": the unit of both.
            unit = _unit(text, ranged.end())[0]
        if not any(taken[start:end]):
            taken[start:end] = [True] * (end - start)
            plain, readings = frozenset(map(_written, values)), frozenset(_written(value * _factor(unit)) for value in values)
            kind, unit = Kind.NUMBER, _IN.get(unit, (unit,))[0]
            found.append(Fact(kind=kind, readings=readings, plain=plain, unit=unit, start=start, end=end))

    for match in _DATE.finditer(text):
        take(match.start(), match.end(), Kind.DATE, _dates(match))
    for match in _CODE.finditer(text):
        span = match.group("span")
        code = (span or match.group()).casefold().strip("`.,;:")
        if span and re.fullmatch(r"[\d.,]+", code):
            continue
        take(match.start(), match.end(), Kind.CODE, {" ".join(code.split())})
    for match in _TIME.finditer(text):
        take(match.start(), match.end(), Kind.TIME, {_clock(match)})
    for match in _NUMBER.finditer(text):
        values = _digits(match)
        unit, end = _unit(text, match.end())
        if before := (match["before"] or "").strip():
            unit = _UNIT[before.casefold()]
        count(match.start(), end, values, unit)
    _spelled(text, take, count)
    if names:
        for match in _NAME.finditer(text):
            _take_name(text, match, take, known)
    return sorted(found, key=lambda fact: fact.start)


def _dates(match: re.Match[str]) -> set[str]:
    """``2026-03-03``; ``*-03-03`` without a year, ``2026-03-*`` without a day."""
    parts = match.groupdict()
    for number in "12456":
        if month := parts.get(f"m{number}"):
            year, day = parts.get(f"y{number}"), parts.get(f"d{number}")
            # What is matched without regard to case need not be known when folded: "APR\u0130L".
            named = int(month) if month.isdecimal() else MONTHS.get(month.casefold(), 0)
            # "may" and "mar" are words, too: a month without a number beside it is none.
            return {f"{year or '*'}-{named:02}-{f'{int(day):02}' if day else '*'}"} if 1 <= named <= 12 else set()
    one, two, year = int(parts["a"]), int(parts["b"]), parts["y3"]
    return {f"{year}-{month:02}-{day:02}" for month, day in ((one, two), (two, one)) if month <= 12 and day <= 31}


def _same_day(one: str, two: str) -> bool:
    """The first may say less than the second, or the second may leave out the year."""
    return all(a == b or "*" in {a, b} for a, b in zip(one.split("-"), two.split("-"), strict=True))


def _clock(match: re.Match[str]) -> str:
    parts = match.groupdict()
    if word := parts["word"]:
        return "720" if word.casefold() == "noon" else "0"
    hour = int(parts["h"] or parts["h2"] or parts["h3"])
    minute = int(parts["m"] or parts["m2"] or 0)
    if half := parts["half"]:
        hour = hour % 12 + (12 if half.casefold() == "p" else 0)
    return str((60 * hour + minute) % 1440)


def _digits(match: re.Match[str]) -> set[float]:
    written = match["digits"]
    values: set[float] = set()
    if separator := match[3]:
        whole = written if re.fullmatch(r"\d{1,3}(?:\D\d{3})+", written) else re.sub(r"[.,]\d{1,2}\Z", "", written)
        fraction = written[len(whole) + 1 :]
        values.add(float(f"{whole.replace(separator, '')}.{fraction or 0}"))
        if separator == "." and written.count(".") == 1 and not fraction:
            values.add(float(written))
    else:
        values.add(float(written.replace(",", ".")))
    scale = (match["scale"] or "").strip().casefold()
    factor = {"k": 1e3, "m": 1e6, "bn": 1e9}.get(scale) or _SCALE.get(scale, 1)
    return {value * factor for value in values}


def _unit(text: str, position: int) -> tuple[str, int]:
    """What is counted, and where it ends; empty when the next word is no known unit."""
    after = _UNIT_AFTER.match(text, position)
    if after is None:
        return "", position
    word = after[1].casefold()
    if word == "per" and text[after.end() :].casefold().startswith(" cent"):
        return "percent", after.end() + 5
    unit = _UNIT.get(word, "")
    return unit, after.end() if unit else position


def _factor(unit: str) -> float:
    return _IN[unit][1] if unit in _IN else 1.0


def _written(value: float) -> str:
    return f"{value:.0f}" if value >= 1e6 else f"{value:.6g}"


def _spelled(text: str, take: _Take, count: _Count) -> None:
    """``twenty-one thousand``, ``a dozen``, ``third``, ``twice``, ``Monday``."""
    words = list(_WORDS.finditer(text))
    position = 0
    while position < len(words):
        match = words[position]
        word = match.group().casefold()
        position += 1
        if word in _TIMES:
            count(match.start(), match.end(), {_TIMES[word]}, "times")
        elif word in _WEEKDAY and (len(word) > 3 or match.group()[0].isupper()):
            take(match.start(), match.end(), Kind.NAME, {f"weekday {_WEEKDAY[word]}"})
        elif word in _ORDINALS and not text[match.end() :].lstrip(" -").casefold().startswith("part"):
            count(match.start(), match.end(), {float(_ORDINALS[word])}, "")
        elif (value := _value(word)) is not None:
            end = match.end()
            while position < len(words) and text[end : words[position].start()].strip(" -") in {"", "and"}:
                following = words[position].group().casefold()
                if following in _SCALE and value < _MOST:
                    value *= _SCALE[following]
                elif following == "and" and position + 1 < len(words) and value >= 100:
                    position += 1
                    continue
                elif (more := _value(following)) is not None and value >= 20 and more < value:
                    value += more
                else:
                    break
                end = words[position].end()
                position += 1
            unit, unit_end = _unit(text, end)
            # "One" is a pronoun more often than a number.
            if value != 1 or unit:
                count(match.start(), unit_end, {float(value)}, unit)


def _value(word: str) -> int | None:
    tens, _, ones = word.partition("-")
    if tens in _SMALL and (not ones or ones in _SMALL):
        return _SMALL[tens] + _SMALL.get(ones, 0)
    return _OTHERS.get(word, _SCALE.get(word) if word == "dozen" else None)


def _take_name(text: str, match: re.Match[str], take: _Take, known: frozenset[str]) -> None:
    """A run of capitalised words; at the start of a sentence the first one says nothing, unless others follow."""
    start, name = match.start(), match.group()
    if _STARTS.search(text, 0, start) or _STARTS.search(text[:start]):
        first, _, rest = name.partition(" ")
        if not rest and first.casefold() not in known and not (first.isupper() and len(first) > 1):
            return
        if not content_words(first) or first.casefold() in _OPENERS:
            start, name = start + len(first) + 1, rest
    for found in re.finditer(r"[^\W\d_a-z][\w'’&-]*", name):
        word = re.sub(r"['’]s?\Z", "", found.group())
        if word.casefold() not in _NO_NAMES and len(word) > 1:
            take(start + found.start(), start + found.end(), Kind.NAME, {word.casefold()})


_OPENERS = frozenset(
    [
        "contact",
        "ask",
        "see",
        "open",
        "write",
        "call",
        "click",
        "select",
        "choose",
        "since",
        "according",
        "during",
        "note",
        "each",
        "under",
        "set",
        "run",
        "install",
    ]
)
_NO_NAMES = frozenset(
    [
        "i",
        "i'm",
        "i'll",
        "ok",
        "yes",
        "no",
        "the",
        "a",
        "an",
        "it",
        "its",
        "mr",
        "mrs",
        "ms",
        "dr",
        "and",
        "or",
        "of",
        "per",
        "pm",
        "am",
    ]
)
