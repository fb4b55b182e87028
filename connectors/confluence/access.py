"""Who may read what: the space, and every restricted page above, and the page itself must let a reader in."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.confluence.listing import Listing, Page
from core.models import EVERYONE, NOBODY, PUBLIC, Access, Principal

Gate = frozenset[Principal]
Restrictions = Mapping[str, Gate | None]
"""Content id to those whom it is left to; None for content that is not restricted. What is missing is unknown."""

NO_ONE: Gate = frozenset()


def account(source: str, id: str) -> Principal:
    return f"account:{source}:{id}"


def group(source: str, id: str) -> Principal:
    return f"group:{source}:{id}"


class Gates:
    """Attachments and comments have the access of their page."""

    def __init__(self, listing: Listing, readers: Mapping[str, Gate], restrictions: Restrictions) -> None:
        """``readers``: of each space, by its id."""
        self._listing = listing
        self._readers = readers
        self._restrictions = restrictions
        self._known: dict[tuple[Gate, ...], Access] = {}

    def of(self, page: Page) -> Access:
        """What is unknown admits nobody: a restriction that cannot be read, a parent that cannot be seen."""
        above = self._listing.ancestors(page)
        if above is None:
            return NOBODY
        own = (self._restrictions.get(content.id, NO_ONE) for content in (*above, page))
        every = (self._readers.get(page.space_id, NO_ONE), *(gate for gate in own if gate is not None))
        gates = tuple(dict.fromkeys(gate for gate in every if EVERYONE not in gate))
        if gates not in self._known:
            self._known[gates] = NOBODY if not all(gates) else Access(gates=gates) if gates else PUBLIC
        return self._known[gates]

    @property
    def principals(self) -> frozenset[Principal]:
        """All that some access names."""
        return frozenset(
            principal for gate in (*self._readers.values(), *self._restrictions.values()) for principal in gate or NO_ONE
        )
