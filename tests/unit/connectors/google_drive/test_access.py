"""Permissions as Drive tells them, and whom they let read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.google_drive.access import access_of, grants
from core.models import NOBODY, Access

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def principals(*permissions):
    return {grant.principal for grant in grants(permissions, "drive", NOON)}


def user(**fields):
    return {"type": "user", "role": "reader", "emailAddress": "Bob@Acme.com", **fields}


def test_people_groups_and_domains_are_principals_in_lower_case():
    assert principals(
        user(),
        {"type": "group", "role": "writer", "emailAddress": "Eng@acme.com"},
        {"type": "domain", "role": "reader", "domain": "Acme.com", "allowFileDiscovery": True},
        {"type": "anyone", "role": "reader", "allowFileDiscovery": True},
    ) == {"user:bob@acme.com", "group:drive:eng@acme.com", "domain:acme.com", "everyone"}


@pytest.mark.parametrize(
    "permission",
    [
        {"type": "anyone", "role": "reader", "allowFileDiscovery": False},
        {"type": "anyone", "role": "reader"},
        {"type": "domain", "role": "reader", "domain": "acme.com", "allowFileDiscovery": False},
        {"type": "domain", "role": "reader", "allowFileDiscovery": True},
        user(deleted=True),
        user(emailAddress=None),
        user(pendingOwner=True),
        user(view="published", role="publishedReader"),
        user(view="metadata"),
        user(role="somethingNew"),
        user(expirationTime="2026-11-02T11:59:59.000Z"),
        {"type": "robot", "role": "reader", "emailAddress": "bob@acme.com"},
    ],
    ids=lambda permission: " ".join(f"{name}={value}" for name, value in permission.items()),
)
def test_what_lets_nobody_find_the_file_grants_nothing(permission):
    assert principals(permission) == set()


def test_a_grant_counts_until_it_expires():
    [grant] = grants([user(expirationTime="2026-11-02T12:00:01.000Z")], "drive", NOON)
    assert grant.expires == datetime(2026, 11, 2, 12, 0, 1, tzinfo=UTC)


def test_a_grant_is_direct_unless_all_of_it_is_inherited():
    inherited, own = {"inherited": True}, {"inherited": False}
    [above] = grants([user(permissionDetails=[inherited])], "drive", NOON)
    [both] = grants([user(permissionDetails=[inherited, own])], "drive", NOON)
    [mine] = grants([user()], "drive", NOON)
    assert (above.direct, both.direct, mine.direct) == (False, True, True)


def test_nobody_reads_what_is_unknown_or_granted_to_nobody():
    assert access_of(None) == access_of(frozenset()) == NOBODY
    assert access_of(frozenset({"user:bob@acme.com"})) == Access(gates=(frozenset({"user:bob@acme.com"}),))
