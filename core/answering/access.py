"""From a person to the principals that they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.models import EVERYONE, Principal


def expand(principals: Iterable[Principal], groups: Mapping[Principal, Iterable[Principal]]) -> frozenset[Principal]:
    """All that these principals imply: everyone, the domain of each e-mail address, and the groups that hold any of them.

    Groups may stand in groups; ``groups`` maps a group principal to its members.
    """
    held = {EVERYONE, *principals}
    held |= {f"domain:{name.rpartition('@')[2]}" for name in held if name.startswith("user:") and "@" in name}
    while joined := {group for group, members in groups.items() if group not in held and not held.isdisjoint(members)}:
        held |= joined
    return frozenset(held)
