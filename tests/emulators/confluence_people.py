"""The accounts and groups of an emulated Confluence site."""

from __future__ import annotations

import hashlib
import itertools
import uuid

from tests.emulators.confluence_world import AccessClass, Account, Group


class People:
    """``data_center`` decides what ids look like. Every change makes ``revision`` rise."""

    def __init__(self, *, data_center: bool) -> None:
        self.data_center = data_center
        self.revision = 0
        self.accounts: dict[str, Account] = {}
        self.groups: dict[str, Group] = {}
        self._ids = itertools.count(65537)
        self.everybody = self.group("confluence-users")
        self.bot = self.user("Footnote")
        self.author = self.user("Wilma Writer")

    def user(self, name: str, *, email: str | None = None, shows_email: bool = True, time_zone: str = "UTC") -> Account:
        """A licensed person: a member of the group of all."""
        username = name.lower().replace(" ", ".")
        unique = self._uuid()
        account = Account(
            id=unique.replace("-", "") if self.data_center else f"712020:{unique}",
            name=name,
            email=email if email is not None else f"{username}@acme.com",
            username=username,
            shows_email=shows_email,
            time_zone=time_zone,
        )
        self.accounts[account.id] = account
        self.join(self.everybody, account)
        return account

    def deactivate(self, account: Account) -> None:
        account.active = False
        self._changed()

    def reactivate(self, account: Account) -> None:
        account.active = True
        self._changed()

    def show_email(self, account: Account, visible: bool = True) -> None:
        account.shows_email = visible
        self._changed()

    def group(self, name: str, *members: Account) -> Group:
        group = Group(name if self.data_center else self._uuid(), name)
        self.groups[group.id] = group
        self.join(group, *members)
        return group

    def join(self, group: Group, *accounts: Account) -> None:
        group.members.update((account.id, account) for account in accounts)
        self._changed()

    def leave(self, group: Group, *accounts: Account) -> None:
        for account in accounts:
            group.members.pop(account.id, None)
        self._changed()

    def delete_group(self, group: Group) -> None:
        """Restrictions and permissions go on naming it, but nobody is in it."""
        del self.groups[group.id]
        group.members.clear()
        self._changed()

    def principals(self, account: Account | None) -> frozenset[str]:
        """All that this account holds; None is somebody who is not logged in."""
        if account is None or not account.active:
            return frozenset({AccessClass.ANONYMOUS.principal})
        groups = {group.principal for group in self.groups.values() if account.id in group.members}
        admin = {AccessClass.ADMINS.principal} if account.administers else set()
        return frozenset({AccessClass.ANONYMOUS.principal, AccessClass.LICENSED.principal, account.principal, *groups, *admin})

    def _uuid(self) -> str:
        return str(uuid.UUID(hashlib.sha256(f"{next(self._ids)}".encode()).hexdigest()[:32]))

    def _changed(self) -> None:
        self.revision += 1
