"""The part of CQL that a connector needs, really parsed: https://developer.atlassian.com/cloud/confluence/cql-fields.

Times are read in the zone of the account that asks, to the minute, as Confluence's search index keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.emulators.confluence_world import Content


@dataclass(frozen=True)
class Indexed:
    """What the search knows of a content: its last change may be older than the last one there was."""

    content: Content
    modified: datetime


Test = Callable[[Indexed], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign><=|>=|!=|!~|[=<>~(),])|(?P<word>[^\s=<>!~(),"']+))"""
)
_TYPES = {"page", "blogpost", "attachment", "comment", "folder"}
_TIMES = {"lastmodified": "modified", "created": "created"}
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class CqlError(ValueError):
    """Could not parse cql."""


@dataclass(frozen=True)
class Cql:
    matches: Test
    order: tuple[tuple[str, bool], ...]
    """Fields, and whether they descend."""

    def select(self, index: list[Indexed]) -> list[Content]:
        found = [entry for entry in index if self.matches(entry)]
        found.sort(key=lambda entry: entry.content.number)
        for field, descending in reversed(self.order):
            found.sort(key=_ORDERS[field], reverse=descending)
        return [entry.content for entry in found]


_ORDERS: dict[str, Callable[[Indexed], str | float]] = {
    "lastmodified": lambda entry: entry.modified.timestamp(),
    "created": lambda entry: entry.content.created.at.timestamp(),
    "title": lambda entry: entry.content.title,
    "id": lambda entry: entry.content.number,
}


def parse(text: str, *, zone: str, now: datetime) -> Cql:
    """Raises CqlError."""
    return _Parser(text, ZoneInfo(zone), now).query()


class _Parser:
    def __init__(self, text: str, zone: ZoneInfo, now: datetime) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise CqlError(f"Could not parse cql : {text}")
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        self._text = text
        self._zone = zone
        self._now = now

    def query(self) -> Cql:
        matches = self._either() if self._tokens and not self._ahead("order") else lambda entry: True
        order = self._order() if self._word("order") else ()
        if self._tokens:
            raise self._error()
        return Cql(matches, order)

    def _either(self) -> Test:
        tests = [self._both()]
        while self._word("or"):
            tests.append(self._both())
        return lambda entry: any(test(entry) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._word("and"):
            tests.append(self._one())
        return lambda entry: all(test(entry) for test in tests)

    def _one(self) -> Test:
        if self._word("not"):
            test = self._one()
            return lambda entry: not test(entry)
        if self._sign("("):
            test = self._either()
            self._need(")")
            return test
        return self._condition()

    def _condition(self) -> Test:
        field = self._take("word").lower()
        negated = self._word("not")
        if self._word("in"):
            self._need("(")
            values = [self._value()]
            while self._sign(","):
                values.append(self._value())
            self._need(")")
            operator = "in"
        elif negated:
            raise self._error()
        else:
            operator, values = self._take("sign"), [self._value()]
            if operator in {"!=", "!~"}:
                negated, operator = True, operator.removeprefix("!")
        test = self._test(field, operator, values)
        return (lambda entry: not test(entry)) if negated else test

    def _test(self, field: str, operator: str, values: list[str]) -> Test:
        if field in _TIMES and operator in {"=", ">", ">=", "<", "<="}:
            return self._time(field, operator, values[0])
        if operator == "~" and field == "title":
            wanted = values[0].lower().strip("*")
            return lambda entry: wanted in entry.content.title.lower()
        if operator not in {"=", "in"}:
            raise self._error(f"Operator {operator} is not supported by the field {field}")
        held = frozenset(values)
        if field == "type" and not held <= _TYPES:
            raise self._error(f"type {', '.join(sorted(held - _TYPES))}")
        tests: dict[str, Test] = {
            "type": lambda entry: entry.content.kind in held,
            "space": lambda entry: entry.content.holder.space.key in held,
            "space.key": lambda entry: entry.content.holder.space.key in held,
            "space.type": lambda entry: entry.content.holder.space.type in held,
            "id": lambda entry: entry.content.id in held or str(entry.content.number) in held,
            "content": lambda entry: entry.content.id in held or str(entry.content.number) in held,
            "container": lambda entry: entry.content.holder is not entry.content and entry.content.holder.id in held,
            "parent": lambda entry: entry.content.parent is not None and entry.content.parent.id in held,
            "ancestor": lambda entry: any(above.id in held for above in entry.content.ancestors),
            "label": lambda entry: bool(held & entry.content.labels.keys()),
            "title": lambda entry: entry.content.title in held,
            "creator": lambda entry: entry.content.created.author.id in held,
        }
        if field not in tests:
            raise self._error(f"No field exists with name '{field}'")
        return tests[field]

    def _time(self, field: str, operator: str, value: str) -> Test:
        """A day without a time is its first minute, or all of it for ``=``."""
        start, length = self._moment(value)

        def test(entry: Indexed) -> bool:
            at = (entry.modified if _TIMES[field] == "modified" else entry.content.created.at).replace(second=0, microsecond=0)
            if operator == "=":
                return start <= at < start + length
            return {">": at > start, ">=": at >= start, "<": at < start, "<=": at <= start}[operator]

        return test

    def _moment(self, value: str) -> tuple[datetime, timedelta]:
        if span := re.fullmatch(r"now\((?:[\"']?([-+]\d+)([mhdw])[\"']?)?\)", value):
            shift = timedelta(**{_SPANS[span[2]]: int(span[1])}) if span[1] else timedelta()
            return (self._now + shift).replace(second=0, microsecond=0), timedelta(minutes=1)
        for pattern, length in (
            ("%Y-%m-%d %H:%M", timedelta(minutes=1)),
            ("%Y/%m/%d %H:%M", timedelta(minutes=1)),
            ("%Y-%m-%d", timedelta(days=1)),
            ("%Y/%m/%d", timedelta(days=1)),
        ):
            try:
                return datetime.strptime(value, pattern).replace(tzinfo=self._zone).astimezone(UTC), length
            except ValueError:
                continue
        raise self._error(f"Could not parse date {value}")

    def _order(self) -> tuple[tuple[str, bool], ...]:
        if not self._word("by"):
            raise self._error()
        order = []
        while True:
            field = self._take("word").lower()
            if field not in _ORDERS:
                raise self._error(f"Cannot order by {field}")
            descending = self._word("desc")
            if not descending:
                self._word("asc")
            order.append((field, descending))
            if not self._sign(","):
                return tuple(order)

    # Tokens.

    def _value(self) -> str:
        kind, token = self._tokens.pop(0) if self._tokens else ("", "")
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        if kind != "word":
            raise self._error()
        if token.lower() == "now" and self._sign("("):
            inner = self._value() if not self._ahead(")") else ""
            self._need(")")
            return f"now({inner})"
        return token

    def _ahead(self, token: str) -> bool:
        return bool(self._tokens) and self._tokens[0][0] != "text" and self._tokens[0][1].lower() == token

    def _word(self, word: str) -> bool:
        if self._ahead(word):
            self._tokens.pop(0)
            return True
        return False

    _sign = _word

    def _need(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._error()

    def _take(self, kind: str) -> str:
        if not self._tokens or self._tokens[0][0] != kind:
            raise self._error()
        return self._tokens.pop(0)[1]

    def _error(self, why: str = "") -> CqlError:
        return CqlError(f"Could not parse cql : {self._text}" + (f" ({why})" if why else ""))
