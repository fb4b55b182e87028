"""What a question is limited to, where it says so beyond doubt: a source, a folder, a person, a time of the last edit.

A question about a time or a tool is not one within it: "What was our revenue in 2025?" and "How do I share a file on Drive?"
limit nothing. So a limit is believed only beside a word for pages, or for their being edited.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.answering.terms import content_words
from core.models import Principal, Scope

_PAGES = r"(?:pages|docs|documents|documentation|files|articles|notes|posts|runbooks|guides|policies)"
_EDITED = r"(?:edited|updated|changed|modified|revised|written|created|published|added|new)"
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_DAY = rf"(?:\d{{4}}-\d\d-\d\d|(?:{_NTH} )?(?:{_MONTH})\b\.?(?: {_NTH}(?!\d))?(?:,? \d{{4}})?|\d{{4}})"
_TIME = (
    rf"(?:(?P<relative>(?:in |during |over |within )?(?:the )?(?:this|last|past|previous) "
    rf"(?:(?P<count>\d{{1,9}}|two|three|four|six) )?"
    rf"(?P<unit>day|week|month|quarter|year)s?|today|yesterday)"
    rf"|(?P<way>since|after|before|until|in|on|during|from) (?P<day>{_DAY}))"
)
_IS = r"(?:(?:that|which)\s+)?(?:(?:were|was|are|is|has|have)\s+)?(?:been\s+)?(?:last\s+)?"
_WHEN = re.compile(
    rf"(?:\bnew\s+(?P<new>{_PAGES})|\b(?P<pages>{_PAGES}))\s+(?:{_IS}{_EDITED}\s+|(?=from\s|since\s))(?:from\s+(?=the|this|last))?{_TIME}"
    rf"|\b(?:were |was )?last (?:edited|updated|changed|modified)\s+{_TIME.replace('?P<', '?P<l_')}"
    rf"|^what\s+(?:(?:was|were|has|have)\s+)?(?:been\s+)?(?:edited|updated|changed|modified)\s+{_TIME.replace('?P<', '?P<w_')}"
    rf"|^what\s+(?:was|has been)\s+(?P<subject>(?:written|edited|updated|changed)\s+(?:on|about|in)\s.{{1,80}}?)\s+"
    rf"{_TIME.replace('?P<', '?P<s_')}",
    # A dotless i is no i: what is looked up below is spelled exactly so.
    re.I | re.A,
)
_BY = re.compile(
    rf"\b{_PAGES}\s+(?:(?:that|which) (?:were|was|are|is) )?(?:(?:last )?(?:written|edited|updated|created|owned|maintained) )?"
    rf"(?:by|of|from)\s+(?P<who>[^\s,?!;]+@[^\s,?!;]+\w|[^\W\d_][\w'’.-]*(?:\s+[^\W\d_][\w'’.-]*){{0,2}})"
    rf"|(?P<whose>[^\W\d_][\w.-]*(?:\s+[^\W\d_][\w.-]*){{1,2}})['’]s?\s+{_PAGES}"
    rf"|\b(?:written|owned|maintained)\s+by\s+(?P<whom>[^\s,?!;]+@[^\s,?!;]+\w|[^\W\d_][\w'’.-]*(?:\s+[^\W\d_][\w'’.-]*){{0,2}})",
    re.I,
)
_OF = re.compile(r"\b(?:(?:that|which) (?:were|was|are|is) )?(?:(?:last )?[a-z]+ed |written )?(?:by|of|from)\s", re.I)
_HOW = re.compile(r"how (?:do|can|to|does|should)\b|can i\b", re.I)
_WITHIN = r"(?:in|from|of|under|below|inside)"
_KIND = r"(?P<kind>space|folder|section|directory)"
_ITS_PAGES = r"(?:pages|docs|documents|files)"
_NUMBERS = {"two": 2, "three": 3, "four": 4, "six": 6}
_CALLED = {"google drive": "drive", "gdrive": "drive"}


@dataclass(frozen=True, kw_only=True)
class Places:
    """What there is to be limited to, as far as the audience may know of it."""

    sources: Collection[str] = ()
    paths: Collection[tuple[str, ...]] = ()
    people: Mapping[Principal, Collection[Principal]] = field(default_factory=dict)
    """Owners, with the addresses by which each is known: ``user:ana@acme.com``."""


@dataclass(frozen=True, kw_only=True)
class Filtered:
    text: str
    """The question without the words that limit it, or as it was if hardly a word is left."""
    scope: Scope = field(default_factory=Scope)
    sources: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    """Each limit as people read it: ``by Ana Berg``, ``edited since 1 March 2026``."""


def filtered(question: str, places: Places, at: datetime) -> Filtered:
    """``at`` is now, in the time zone in which whoever asks counts days."""
    found = Filtered(text=" ".join(question.split()))
    for look in (_source, _path, _person):
        found = look(found, places)
    found = _time(found, at)
    if not found.said or not content_words(found.text):
        return Filtered(text=question, scope=found.scope, sources=found.sources, said=found.said)
    return found


def names_folder(question: str) -> bool:
    """Whether it says anything that could be a folder: only then it is worth a look which there are."""
    return bool(re.search(rf"\b(?:{_KIND}|{_ITS_PAGES})\b", question, re.I))


def names_person(question: str) -> bool:
    """As :func:`names_folder`, for who looks after pages."""
    return bool(_BY.search(question))


def _source(found: Filtered, places: Places) -> Filtered:
    names = {name.casefold(): name for name in places.sources}
    names |= {called: names[name] for called, name in _CALLED.items() if name in names}
    if not names or _HOW.match(found.text):
        return found
    name = rf"(?:the |our )?(?P<name>{'|'.join(re.escape(name) for name in sorted(names, key=len, reverse=True))})"
    place = re.search(
        rf"\b{_PAGES}\s+(?:(?:that|which) (?:are|is) )?(?:in|on|from)\s+{name}\b(?! (?:api|plugin|page|account))"
        rf"|\b(?:only|just|look|search) (?:in|on|from|at|through)\s+{name.replace('?P<name>', '?P<only>')}\b(?:\s+for\b)?"
        rf"|^(?:according to|in)\s+{name.replace('?P<name>', '?P<first>')}\s*[,:]"
        rf"|\baccording to\s+{name.replace('?P<name>', '?P<told>')}\b"
        rf"|\bwhat (?:does|do)\s+{name.replace('?P<name>', '?P<says>')}\s+say\b",
        found.text,
        re.I,
    )
    if place is None:
        return found
    said = next(value for value in place.groupdict().values() if value)
    # As it was found: letters that are alike there may be others in lower case.
    chosen = next(name for called, name in names.items() if re.fullmatch(re.escape(called), said, re.I))
    return _limited(found, place, said=f"from {chosen}", sources=(chosen,))


def _path(found: Filtered, places: Places) -> Filtered:
    by_name: dict[str, list[tuple[str, ...]]] = {}
    for known in places.paths:
        by_name.setdefault(known[-1].casefold(), []).append(known)
    # Of two folders of one name nobody knows which is meant.
    names = {name: paths[0] for name, paths in by_name.items() if len(paths) == 1}
    if not names:
        return found
    for match in re.finditer(
        rf"\b{_WITHIN}\s+(?:the |our )?{_KIND.replace('kind', 'before')}\s+"
        rf"(?:[\"'“‘](?P<quoted_after>[^\"'”’]+)[\"'”’]|(?P<after>[\w&/.-]+(?: [\w&/.-]+){{0,4}}))"
        rf"|\b{_WITHIN}\s+(?:the |our )?(?:[\"'“‘](?P<quoted>[^\"'”’]+)[\"'”’]|(?P<name>[\w&/ .-]{{1,80}}?))\s+"
        rf"(?:{_KIND}|{_ITS_PAGES})\b",
        found.text,
        re.I,
    ):
        said = (match["quoted"] or match["name"] or match["quoted_after"] or match["after"]).strip()
        path: tuple[str, ...] | None = names.get(said.casefold())
        end = match.end()
        while path is None and match["after"] and " " in said:
            said = said.rpartition(" ")[0]
            path, end = names.get(said.casefold()), match.start("after") + len(said)
        if path is not None:
            kind = (match["kind"] or match["before"] or "folder").casefold()
            text = f"{found.text[: match.start()]}{found.text[end:]}"
            return _with(found, text, said=f"in the {kind} {path[-1]}", path=path)
    return found


def _person(found: Filtered, places: Places) -> Filtered:
    for match in _BY.finditer(found.text):
        group = next(name for name in ("who", "whose", "whom") if match[name])
        words = match[group].rstrip(".?!:").split()
        # What stands beside a name is not part of it: the longest run of words that is somebody.
        for length in range(len(words), 0, -1):
            said = " ".join(words[-length:] if group == "whose" else words[:length])
            if people := _called(said, places.people):
                at = match.start(group) + (match[group].rindex(said) if group == "whose" else 0)
                begin, end = at, at + len(said)
                if group == "whose":
                    end += len(re.match(r"\.*['’]s?\s*", found.text[end:]).group())  # type: ignore[union-attr]
                elif group == "who":
                    begin = match.start() + _OF.search(match.group()).start()  # type: ignore[union-attr]
                else:
                    begin = match.start()
                return _with(found, f"{found.text[:begin]}{found.text[end:]}", said=f"by {said}", people=people)
    return found


def _called(said: str, people: Mapping[Principal, Collection[Principal]]) -> tuple[Principal, ...]:
    """The owners that an address, or all parts of a name, mean: none if they mean several people."""
    wanted = said.casefold()
    parts = set(re.split(r"[\s.'’-]+", wanted)) - {""}
    found: dict[str, set[Principal]] = {}
    for owner, addresses in people.items():
        for address in addresses:
            kind, _, value = address.partition(":")
            local = value.partition("@")[0].casefold()
            if kind == "user" and (value.casefold() == wanted or (len(parts) > 1 and set(re.split(r"[._-]+", local)) == parts)):
                found.setdefault(address, set()).add(owner)
    return tuple(sorted(*found.values())) if len(found) == 1 else ()


def _time(found: Filtered, at: datetime) -> Filtered:
    match = _WHEN.search(found.text)
    if match is None:
        return found
    parts = {
        name.removeprefix("l_").removeprefix("w_").removeprefix("s_"): value for name, value in match.groupdict().items() if value
    }
    span = _relative(parts, at) if "relative" in parts else _dated(parts["way"].casefold(), parts["day"], at)
    if span is None:
        return found
    since, until, said = span
    kept = parts.get("pages") or parts.get("new") or parts.get("subject") or ("What changed" if match.start() == 0 else "")
    text = f"{found.text[: match.start()]}{kept}{found.text[match.end() :]}"
    return _with(found, text, said=said, since=since, until=until)


_Span = tuple[datetime | None, datetime | None, str]


def _relative(parts: Mapping[str, str], at: datetime) -> _Span:
    today = at.replace(hour=0, minute=0, second=0, microsecond=0)
    said = parts["relative"].casefold()
    if said == "today":
        return today, None, "edited today"
    if said == "yesterday":
        return today - timedelta(days=1), today, "edited yesterday"
    unit = parts["unit"].casefold()
    if "count" in parts or "past" in said.split():
        count = _NUMBERS.get(parts.get("count", "1").casefold()) or int(parts.get("count", "1"))
        since = _back(at, unit, min(count, 1000))
        return since, None, f"edited since {_written(since)}"
    begin = _begin(today, unit)
    if "this" in said.split():
        return begin, None, f"edited since {_written(begin)}"
    before = _begin(begin - timedelta(days=1), unit)
    return before, begin, f"edited from {_written(before)} to {_written(begin - timedelta(days=1))}"


def _begin(day: datetime, unit: str) -> datetime:
    match unit:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    return day.replace(month=1, day=1)


def _back(at: datetime, unit: str, count: int) -> datetime:
    today = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit in {"day", "week"}:
        return today - timedelta(days=count * (7 if unit == "week" else 1))
    months = today.year * 12 + today.month - 1 - count * {"month": 1, "quarter": 3, "year": 12}[unit]
    year, month = max(months // 12, 1), months % 12 + 1
    return today.replace(year=year, month=month, day=min(today.day, 28))


def _dated(way: str, day: str, at: datetime) -> _Span | None:
    """The time that a date and its preposition mean; None when there is no such day."""
    spoken = _spoken(day.casefold().replace(",", " ").replace(".", " "), at)
    if spoken is None:
        return None
    begin, end, said = spoken
    match way:
        case "since":
            return begin, None, f"edited since {_written(begin)}"
        case "after":
            return end, None, f"edited after {said}"
        case "before" | "until":
            until = begin if way == "before" else end
            return None, until, f"edited {way} {said}"
    return begin, end, f"edited {'on' if end - begin <= timedelta(days=1) else 'in'} {said}"


def _spoken(day: str, at: datetime) -> tuple[datetime, datetime, str] | None:
    """Begin and end of a day, a month or a year, and how it is written. Without a year it is the last one that there was."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if re.fullmatch(r"\d{4}", day):
            year = int(day)
            begin = midnight.replace(year=year, month=1, day=1)
            return begin, begin.replace(year=year + 1), day
        if iso := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", day):
            begin = midnight.replace(year=int(iso[1]), month=int(iso[2]), day=int(iso[3]))
            return begin, begin + timedelta(days=1), _written(begin)
        words = [re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", word) for word in day.split()]
        month = next(number for number, name in enumerate(_MONTHS, 1) for word in words if word in {name, name[:3]})
        given = next((int(word) for word in words if re.fullmatch(r"\d{4}", word)), None)
        number = next((int(word) for word in words if re.fullmatch(r"\d{1,2}", word)), None)
        year = given or (at.year if (month, number or 1) <= (at.month, at.day) else at.year - 1)
        begin = midnight.replace(year=year, month=month, day=number or 1)
        if number:
            return begin, begin + timedelta(days=1), _written(begin)
        end = begin.replace(year=year + month // 12, month=month % 12 + 1)
        return begin, end, f"{_MONTHS[month - 1].capitalize()} {year}"
    except (ValueError, OverflowError, StopIteration):
        return None


def _written(day: datetime) -> str:
    return f"{day.day} {_MONTHS[day.month - 1].capitalize()} {day.year}"


def _limited(found: Filtered, match: re.Match[str], *, said: str, sources: tuple[str, ...]) -> Filtered:
    kept = re.match(rf"{_PAGES}\b", match.group(), re.I)
    text = f"{found.text[: match.start()]}{kept.group() if kept else ''}{found.text[match.end() :]}"
    return Filtered(text=_tidied(text), scope=found.scope, sources=sources, said=(*found.said, said))


def _with(found: Filtered, text: str, *, said: str, **limits: object) -> Filtered:
    scope = Scope(**{**vars(found.scope), **limits})
    return Filtered(text=_tidied(text), scope=scope, sources=found.sources, said=(*found.said, said))


def _tidied(text: str) -> str:
    return re.sub(r"\s+([?.!,])", r"\1", " ".join(text.split())).strip(" ,:")


def spoken(said: Sequence[str]) -> str:
    """``by Ana Berg and edited in 2025``."""
    *others, last = said
    return f"{', '.join(others)} and {last}" if others else last
