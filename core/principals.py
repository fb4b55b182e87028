"""Principals as people write them, and from a person to all that they hold."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from core.models import EVERYONE, Principal

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


def parse_principal(name: str) -> Principal:
    """``name`` as it is compared everywhere: platforms report addresses in any case, files have any Unicode form.

    Raises ValueError, with what is wrong, for what could never be anybody.
    """
    name = unicodedata.normalize("NFC", name)
    kind, _, value = name.partition(":")
    if name == EVERYONE:
        return name
    plain = value == value.strip() and value.isprintable() and not set(value) & {",", "\ufffd"}
    if kind in {"user", "domain"}:
        name = name.lower()
    fits = {
        "user": not re.search(r"\s", value),
        "group": True,
        "role": True,
        "channel": True,
        "workspace": True,
        "domain": bool(_DOMAIN.fullmatch(value.lower())),
    }
    if not value or not plain or not fits.get(kind, False):
        raise ValueError(
            f"{name!r} is no reader: use everyone, user:ana@acme.com, group:NAME, domain:acme.com, role:ID, channel:slack:ID "
            "or workspace:slack:ID"
        )
    return name


def expand(principals: Iterable[Principal], groups: Mapping[Principal, Iterable[Principal]]) -> frozenset[Principal]:
    """All that these principals imply: everyone, the domain of each e-mail address, and the groups that hold any of them.

    Groups may stand in groups; ``groups`` maps a group principal to its members.
    """
    held = _implied(principals)
    while joined := {group for group, members in groups.items() if group not in held and not held.isdisjoint(members)}:
        held |= joined
    return frozenset(held)


def expand_all(
    readers: Iterable[frozenset[Principal]], groups: Mapping[Principal, Iterable[Principal]]
) -> frozenset[frozenset[Principal]]:
    """As :func:`expand` for each of many readers, in one pass over the groups; those who imply the same become one."""
    all_held = [_implied(reader) for reader in readers]
    known = frozenset().union(groups, *all_held)
    around: defaultdict[Principal, list[Principal]] = defaultdict(list)
    for group, members in groups.items():
        for member in known.intersection(members):
            around[member].append(group)
    return frozenset(_joined(held, around) for held in all_held)


def _implied(principals: Iterable[Principal]) -> set[Principal]:
    held = {EVERYONE, *principals}
    return held | {f"domain:{name.rpartition('@')[2]}" for name in held if name.startswith("user:") and "@" in name}


def _joined(held: set[Principal], around: Mapping[Principal, Iterable[Principal]]) -> frozenset[Principal]:
    """``held`` with the groups around it; ``around`` maps a principal to the groups that name it."""
    new = held
    while new := set().union(*(around[name] for name in new if name in around)) - held:
        held |= new
    return frozenset(held)
