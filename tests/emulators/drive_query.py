"""The search terms of files.list that the emulator understands; any other is refused as Google refuses nonsense."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.emulators.drive_errors import invalid
from tests.emulators.drive_item import Item

if TYPE_CHECKING:
    from tests.emulators.drive_world import Drive

Test = Callable[[Item], bool]
_TOKEN = re.compile(r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z.]+)|(?P<sign>!=|<=|>=|=|<|>|\(|\)))")
_COMPARE: dict[str, Callable[[datetime, datetime], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    "=": lambda one, other: one == other,
    ">=": lambda one, other: one >= other,
    ">": lambda one, other: one > other,
}


@dataclass(frozen=True)
class Term:
    test: Test
    within: frozenset[str] | None = None
    """The folders in one of which it must be, if the term says so."""


@dataclass(frozen=True)
class Query:
    term: Term
    parents: frozenset[str]
    """All folders that are named in it."""

    def among(self, world: Drive) -> Iterable[Item]:
        """The items that it is about."""
        within = self.term.within
        about = world.items.values() if within is None else (i for id in sorted(within) for i in world.children(id))
        return (item for item in about if self.term.test(item))


def query_of(text: str | None, world: Drive, email: str) -> Query:
    """What an account searches for. Refuses what cannot be read."""
    return _Parser(text, world, email).parse() if text else Query(Term(lambda item: True), frozenset())


class _Parser:
    def __init__(self, text: str, world: Drive, email: str) -> None:
        self._world, self._email = world, email
        self._tokens: list[str] = []
        self._parents: set[str] = set()
        at = 0
        text = text.rstrip()
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise _wrong()
            self._tokens.append(token[0].strip())
            at = token.end()

    def parse(self) -> Query:
        term = self._either()
        if self._tokens:
            raise _wrong()
        return Query(term, frozenset(self._parents))

    def _either(self) -> Term:
        term = self._both()
        while self._accept("or"):
            term = _or(term, self._both())
        return term

    def _both(self) -> Term:
        term = self._one()
        while self._accept("and"):
            term = _and(term, self._one())
        return term

    def _one(self) -> Term:
        if self._accept("not"):
            term = self._one()
            return Term(lambda item: not term.test(item))
        if self._accept("("):
            term = self._either()
            self._expect(")")
            return term
        first = self._next()
        if first.startswith("'"):
            self._expect("in")
            self._expect("parents")
            parent = _string(first)
            self._parents.add(parent)
            return Term(lambda item: item.parent is not None and item.parent.id == parent, frozenset({parent}))
        return Term(self._test(first))

    def _test(self, name: str) -> Test:
        match name:
            case "trashed":
                return self._is(lambda item: item.trashed)
            case "sharedWithMe":
                return self._is(self._shared_with_me, bare=True)
            case "mimeType":
                return self._text(lambda item: item.mime_type)
            case "name":
                return self._text(lambda item: item.name)
            case "shortcutDetails.targetId":
                return self._text(lambda item: item.target.id if item.target else None)
            case "modifiedTime":
                return self._time(lambda item: item.modified)
        raise _wrong()

    def _is(self, test: Test, *, bare: bool = False) -> Test:
        if bare and self._peek() not in {"=", "!="}:
            return test
        sign, value = self._next(), self._next()
        if sign not in {"=", "!="} or value not in {"true", "false"}:
            raise _wrong()
        wanted = (value == "true") == (sign == "=")
        return lambda item: test(item) == wanted

    def _text(self, of: Callable[[Item], str | None]) -> Test:
        sign, value = self._next(), _string(self._next())
        if sign not in {"=", "!="}:
            raise _wrong()
        return lambda item: (of(item) == value) == (sign == "=")

    def _time(self, of: Callable[[Item], datetime]) -> Test:
        sign, value = self._next(), _string(self._next())
        try:
            compare, wanted = _COMPARE[sign], datetime.fromisoformat(value)
        except (KeyError, ValueError):
            raise _wrong() from None
        wanted = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)
        return lambda item: compare(of(item), wanted)

    def _shared_with_me(self, item: Item) -> bool:
        held = self._world.access.principals(self._email)
        return item.drive is None and any(
            grant.principal in held and grant.discoverable and self._world.access.live(grant) for grant in item.grants.values()
        )

    def _peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _next(self) -> str:
        if not self._tokens:
            raise _wrong()
        return self._tokens.pop(0)

    def _accept(self, token: str) -> bool:
        if self._peek() == token:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise _wrong()


def _or(one: Term, other: Term) -> Term:
    within = None if one.within is None or other.within is None else one.within | other.within
    return Term(lambda item: one.test(item) or other.test(item), within)


def _and(one: Term, other: Term) -> Term:
    return Term(lambda item: one.test(item) and other.test(item), other.within if one.within is None else one.within)


def _string(token: str) -> str:
    if not token.startswith("'"):
        raise _wrong()
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _wrong() -> Exception:
    return invalid("Invalid Value", "q")
