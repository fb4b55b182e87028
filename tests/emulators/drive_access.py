"""Who may open, see and find what in an emulated Drive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from tests.emulators.drive_item import Grant, Item

if TYPE_CHECKING:
    from tests.emulators.drive_world import Drive

ROLES = ("reader", "commenter", "writer", "fileOrganizer", "organizer", "owner")


class Source(NamedTuple):
    """A grant, and the item that it was given on."""

    grant: Grant
    origin: Item


class Access:
    """The rules. What is known of folders is kept until the world changes."""

    def __init__(self, world: Drive) -> None:
        self._world = world
        self._revision = -1
        self._principals: dict[str, frozenset[str]] = {}
        self._roles: dict[tuple[str, str, bool], str | None] = {}
        self._sources: dict[str, tuple[Source, ...]] = {}

    def _refresh(self) -> None:
        if self._revision != self._world.revision:
            self._revision = self._world.revision
            self._principals, self._roles, self._sources = {}, {}, {}

    def principals(self, email: str) -> frozenset[str]:
        """What this account is: itself, its domain, anyone, and each group that it is in, however deep."""
        self._refresh()
        if email not in self._principals:
            user = f"user:{email}"
            domain = f"domain:{email.partition('@')[2]}"
            held = {user, domain}
            while more := {group for group, members in self._world.groups.items() if members & held} - held:
                held |= more
            alive = user not in self._world.deleted_accounts
            self._principals[email] = frozenset(held | {"anyone"}) if alive else frozenset()
        return self._principals[email]

    def live(self, grant: Grant) -> bool:
        """Whether it gives anything now."""
        return (
            grant.view is None
            and not grant.pending_owner
            and grant.principal not in self._world.deleted_accounts
            and (grant.expires is None or grant.expires > self._world.now())
        )

    def role(self, email: str, item: Item, *, link: bool = True) -> str | None:
        """The highest role of an account on an item; with ``link`` also as somebody who knows the address."""
        self._refresh()
        key = (email, item.id, link)
        if key in self._roles:
            return self._roles[key]
        held = self.principals(email)
        own = [
            grant.role
            for grant in item.grants.values()
            if grant.principal in held and (link or grant.discoverable) and self.live(grant)
        ]
        inherited = self.role(email, item.parent, link=link) if item.parent else None
        if inherited and (inherited == "organizer" or not item.limited):
            own.append("writer" if inherited == "owner" else inherited)
        if held and item.owner == email:
            own.append("owner")
        best = max(own, key=ROLES.index, default=None)
        if item.children is not None and not self._expires(item):
            self._roles[key] = best
        return best

    def _expires(self, item: Item) -> bool:
        return any(grant.expires for at in (item, *item.ancestors()) for grant in at.grants.values())

    def sees(self, email: str, item: Item) -> bool:
        """Whether an account is told that this is there. Who may open the folder around a limited one sees its name."""
        return self.role(email, item) is not None or (
            item.limited and item.parent is not None and self.role(email, item.parent) is not None
        )

    def finds(self, email: str, item: Item) -> bool:
        """Whether a search of the account comes upon it: as it is seen, but not by its address alone."""
        return self.role(email, item, link=False) is not None or (
            item.limited and item.parent is not None and self.role(email, item.parent, link=False) is not None
        )

    def sources(self, item: Item) -> tuple[Source, ...]:
        """All grants that count on an item, its own first. A limited folder lets through only organizers."""
        self._refresh()
        if item.id not in self._sources:
            inherited = self.sources(item.parent) if item.parent else ()
            if item.limited:
                inherited = tuple(source for source in inherited if source.grant.role == "organizer")
            own = tuple(Source(grant, item) for grant in item.all_grants())
            if item.children is None:
                return own + inherited
            self._sources[item.id] = own + inherited
        return self._sources[item.id]

    def shut_out(self, item: Item) -> Iterator[Source]:
        """The grants of the folder around that a limited folder does not let through."""
        if item.limited and item.parent:
            passed = {id(source.grant) for source in self.sources(item)}
            yield from (source for source in self.sources(item.parent) if id(source.grant) not in passed)

    def finders(self, item: Item) -> frozenset[str]:
        """Principals (``anyone`` included) that find an item without being given its address."""
        return frozenset(
            source.grant.principal for source in self.sources(item) if source.grant.discoverable and self.live(source.grant)
        )
