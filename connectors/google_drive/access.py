"""Who may read a Drive item, from its permissions. What is not understood grants nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.models import EVERYONE, NOBODY, Access, Principal

_ROLES = frozenset({"owner", "organizer", "fileOrganizer", "writer", "commenter", "reader"})

Readers = frozenset[Principal]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """A permission that gives its principal the right to read, and to find."""

    principal: Principal
    direct: bool
    """Given on the item itself. In My Drive nothing tells, and all of them count."""
    organizer: bool
    """A manager of the shared drive: limited folders are open to those."""
    expires: datetime | None


def grants(permissions: Iterable[Mapping[str, Any]], source: str, at: datetime) -> tuple[Grant, ...]:
    """Those of ``permissions`` that count at this moment."""
    found = (_grant(permission, source) for permission in permissions)
    return tuple(grant for grant in found if grant and (grant.expires is None or grant.expires > at))


def _grant(permission: Mapping[str, Any], source: str) -> Grant | None:
    # A view is a copy on the web, or the mere name of a limited folder. A link that is not to be found by search is for
    # those who were given it, and nobody who asks a question was.
    if permission.get("deleted") or permission.get("pendingOwner") or permission.get("view"):
        return None
    if permission.get("role") not in _ROLES:
        return None
    kind, address = permission.get("type"), str(permission.get("emailAddress") or "").lower()
    principal = None
    if kind == "user" and address:
        principal = f"user:{address}"
    elif kind == "group" and address:
        principal = group(source, address)
    elif kind in {"domain", "anyone"} and permission.get("allowFileDiscovery") is True:
        principal = EVERYONE if kind == "anyone" else f"domain:{str(permission.get('domain') or '').lower()}"
    if principal is None or principal == "domain:":
        return None
    details = permission.get("permissionDetails") or ()
    expires = permission.get("expirationTime")
    return Grant(
        principal=principal,
        direct=not details or any(not detail.get("inherited") for detail in details),
        organizer=permission["role"] == "organizer",
        expires=datetime.fromisoformat(expires) if expires else None,
    )


def group(source: str, name: str) -> Principal:
    """A Google group by its address, or those who may read an item in a shared drive, or the drive, by its id."""
    return f"group:{source}:{name}"


def organizers(source: str, id: str) -> Principal:
    """Those who manage a shared drive, and so all that is in it."""
    return group(source, f"{id}/organizers")


def access_of(readers: Readers | None) -> Access:
    """None: unknown, which is nobody."""
    return Access(gates=(readers,)) if readers else NOBODY
