"""What a Confluence must be able to tell of who may read, whichever it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.confluence.access import Gate, Restrictions
from connectors.confluence.listing import Listing, Space


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    id: str
    name: str
    email: str
    """Empty when Confluence does not show it."""
    active: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    members: Mapping[str, frozenset[str]]
    """Of each group, the ids of its accounts."""
    users: Mapping[str, User]
    """By account id."""


class Readers(Protocol):
    """Cloud or Data Center. All raise as :class:`connectors.confluence.site.Site`."""

    async def of_spaces(self, spaces: Sequence[Space]) -> Mapping[str, Gate]:
        """Who may read each space, by its id."""
        ...

    async def restrictions(self, listing: Listing) -> Restrictions:
        """Of all that is listed, and of what stands above it."""
        ...

    async def people(self, groups: Collection[str], accounts: Collection[str]) -> People:
        """Who is in these groups, and all about these accounts and those in the groups."""
        ...

    async def names(self, accounts: Collection[str]) -> Mapping[str, str]:
        """What people see in place of an account's id, as far as there is such an account."""
        ...
