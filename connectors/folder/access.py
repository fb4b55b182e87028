"""Who may read the files of a folder.

A file ``.access.toml`` says it for the folder it lies in and everything below::

    read = ["group:people-ops"]               # who may read what is here

    [files]                                   # more, by pattern
    "salaries/*.md" = ["user:ana@acme.com"]   # relative to this folder
    "board-*" = ["group:board"]               # without a slash: at any depth

Every declaration that applies to a file is one more gate, so that a folder inside another one, a pattern or a file's
own front matter can narrow who may read and never widen it. Without any declaration everyone may. What cannot be
understood admits nobody: see :class:`AccessUnknown`.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from connectors.folder.names import Parts
from core.errors import DocumentError
from core.models import EVERYONE, Access, Principal
from core.principals import parse_principal

ACCESS_FILE = ".access.toml"
_MISTAKEN = {".access", "access.toml", ".access.toml", ".access.yaml", ".access.yml", ".access.json", ".access.txt"}
_EXPECTED = 'write a list such as ["group:people-ops", "user:ana@acme.com"]'

Gates = tuple[frozenset[Principal], ...]


class AccessUnknown(DocumentError):
    """It cannot be told who may read this document, so nobody may."""


def is_mistaken_name(name: str) -> bool:
    """True for a name that somebody chose to restrict access and that would silently restrict nothing."""
    return name != ACCESS_FILE and name.casefold() in _MISTAKEN


def principals(value: object, where: str) -> frozenset[Principal]:
    """A declared reader or list of readers, checked. Raises AccessUnknown that names the place and the value."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names:
        raise AccessUnknown(f"{where} names no reader: {_EXPECTED}")
    return frozenset(_principal(name, where) for name in names)


def _principal(name: object, where: str) -> Principal:
    if not isinstance(name, str):
        raise AccessUnknown(f"{where} names {name!r}, which is not text: {_EXPECTED}")
    try:
        return parse_principal(name)
    except ValueError as error:
        raise AccessUnknown(f"{where}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Rule:
    pattern: Parts
    readers: frozenset[Principal]


@dataclass(frozen=True, kw_only=True)
class AccessFile:
    """One ``.access.toml``: its rules, or the reason why it admits nobody."""

    folder: Parts
    rules: tuple[Rule, ...] = ()
    error: str | None = None


def parse_access_file(text: str, folder: Parts, where: str) -> AccessFile:
    """The rules of one file. What is wrong in it becomes its ``error``: nobody reads what lies below."""
    try:
        return AccessFile(folder=folder, rules=tuple(_rules(text, where)))
    except AccessUnknown as error:
        return AccessFile(folder=folder, error=str(error))


def _rules(text: str, where: str) -> Iterable[Rule]:
    try:
        declared = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise AccessUnknown(f"{where} is not valid TOML, so nobody may read the files below it: {error}") from error
    patterns = declared.pop("files", {})
    readers = [declared.pop(key) for key in ("read", "access") if key in declared]
    if declared:
        raise AccessUnknown(f"{where} says {next(iter(declared))!r}, which means nothing here: it takes `read` and `[files]`")
    if len(readers) > 1 or not isinstance(patterns, dict) or not (readers or patterns):
        raise AccessUnknown(f'{where} does not say who may read: write read = ["group:people-ops"], or patterns below [files]')
    if readers:
        yield Rule(pattern=("**",), readers=principals(readers[0], where))
    for pattern, names in patterns.items():
        yield Rule(pattern=_pattern(pattern, where), readers=principals(names, f"{where}, {pattern!r},"))


def _pattern(text: str, where: str) -> Parts:
    parts = tuple(_fold(part) for part in text.strip("/").split("/"))
    if not text.strip("/") or any(part in {"", ".", ".."} for part in parts):
        raise AccessUnknown(f"{where} has the pattern {text!r}: write a path below this folder, such as salaries/*.md")
    return parts if "/" in text.rstrip("/") else ("**", *parts)


def gates_of(files: Iterable[AccessFile], path: Parts) -> Gates:
    """The gates that these access files put before the file at ``path``. Raises AccessUnknown if one of them is broken."""
    gates: list[frozenset[Principal]] = []
    for file in files:
        if file.error:
            raise AccessUnknown(file.error)
        below = tuple(_fold(part) for part in path[len(file.folder) :])
        gates += (rule.readers for rule in file.rules if _matches(rule.pattern, below))
    return tuple(gates)


def access_of(gates: Gates) -> Access:
    """Distinct gates in a stable order; everyone if there is none."""
    return Access(gates=tuple(sorted(set(gates), key=sorted)) or (frozenset({EVERYONE}),))


def _matches(pattern: Parts, path: Parts) -> bool:
    """Whether the pattern names this path or a folder above it; ``**`` stands for any number of folders."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(pattern[1:], path[start:]) for start in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _matches(pattern[1:], path[1:])


def _fold(part: str) -> str:
    # A rule that misses its file over upper case or a decomposed umlaut would publish it.
    return unicodedata.normalize("NFC", part).casefold()
