"""Who may read what in Confluence Cloud. Restrictions, groups and anonymous access are in the REST API v1 only."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import starmap
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from connectors.confluence.access import NO_ONE, Gate, Restrictions, account, group
from connectors.confluence.client import Answer, Client, results_of, slices, understood
from connectors.confluence.cloud import PAGE_LIMIT, SPACES_AT_ONCE, V1, V2, lanes
from connectors.confluence.listing import Listing, Space
from connectors.confluence.readers import People, User
from connectors.confluence.restrictions import EXPAND, RestrictionReader
from connectors.http import Rejected
from core.errors import AuthError
from core.models import EVERYONE, Principal
from core.together import Together, all_of

USERS_AT_ONCE = 250
MEMBERS = 200

_CLASSES = frozenset({"all-licensed-users", "all-product-admins", "authenticated-users", "jsm-project-admins"})
"""Those who are meant without being named. Who they are Confluence does not say: a group of nobody we know."""
_ANONYMOUS = "anonymous-users"


class CloudReaders:
    """:class:`connectors.confluence.readers.Readers`."""

    def __init__(self, client: Client, source: str) -> None:
        """``source`` is the name in the principals."""
        self._client = client
        self._source = source
        self._restricted = RestrictionReader(
            client,
            V1,
            user=lambda found: account(source, key) if (key := found.get("accountId")) else None,
            group=lambda found: group(source, key) if (key := found.get("id")) else None,
        )

    async def of_spaces(self, spaces: Sequence[Space]) -> Mapping[str, Gate]:
        async with Together() as tasks:
            open_to_all = tasks.create_task(self._open_to_all(spaces))
            granted = tasks.create_task(all_of(map(self._granted, spaces)))
        return {
            space.id: gate | (frozenset({EVERYONE}) if space.key in open_to_all.result() else NO_ONE)
            for space, gate in zip(spaces, granted.result(), strict=True)
        }

    async def restrictions(self, listing: Listing) -> Restrictions:
        gates: dict[str, Gate | None] = {}
        if listing.is_whole:
            found = await all_of(map(self._restrictions_in, lanes(list(listing.spaces.values()))))
            gates = {id: gate for some in found for id, gate in some}
        # The search knows of a new page some seconds after it is there.
        others = (listing.pages.keys() | listing.above.keys()) - gates.keys()
        return gates | dict(await self._restricted.one_by_one(others))

    async def people(self, groups: Collection[str], accounts: Collection[str]) -> People:
        asked = [group for group in groups if group not in _CLASSES]
        members = dict(zip(asked, await all_of(map(self._members, asked)), strict=True))
        users = await self._users(frozenset(accounts).union(*members.values()))
        return People(members=members, users={user.id: user for user in users})

    async def names(self, accounts: Collection[str]) -> Mapping[str, str]:
        return {user.id: user.name for user in await self._users(accounts)}

    async def _open_to_all(self, spaces: Sequence[Space]) -> set[str]:
        """The keys of the spaces that may be read without logging in. Only v1 says so; where it may not be asked, none is."""

        def read(space: Answer) -> tuple[str, bool]:
            granted = (item for item in space.get("permissions", ()) if item.get("anonymousAccess"))
            operations = (item.get("operation", {}) for item in granted)
            return space["key"], any((it.get("operation"), it.get("targetType")) == ("read", "space") for it in operations)

        def asked(some: Sequence[Space]) -> Mapping[str, Any]:
            return {"spaceKey": [space.key for space in some], "expand": "permissions"}

        key = itemgetter("key")
        try:
            found = await all_of(
                self._client.counted(f"{V1}/space", asked(some), key, read, limit=SPACES_AT_ONCE)
                for some in slices(spaces, SPACES_AT_ONCE)
            )
        except (AuthError, Rejected):
            return set()
        return {key for some in found for key, is_open in some if is_open}

    async def _granted(self, space: Space) -> Gate:
        """Those with the permission to read a space, and no other. A role is who it was assigned to."""
        root = f"{V2}/spaces/{space.id}"
        found = await self._client.listed(f"{root}/permissions", {"limit": PAGE_LIMIT}, _permission)
        principals = [principal for principal in found if principal]
        roles = {id for kind, id in principals if kind == "role" and id not in _CLASSES | {_ANONYMOUS}}
        if roles:
            assigned = await self._client.listed(f"{root}/role-assignments", {"limit": PAGE_LIMIT}, _assignment)
            principals += [(kind, id) for role, kind, id in assigned if role in roles]
        return frozenset(filter(None, starmap(self._principal, principals)))

    def _principal(self, kind: str, id: str) -> Principal | None:
        match kind:
            case "user":
                return account(self._source, id)
            case "group":
                return group(self._source, id)
            case "role" | "access_class" if id == _ANONYMOUS:
                return EVERYONE
            case "role" | "access_class" if id in _CLASSES:
                return group(self._source, id)
            case _:
                return None

    async def _restrictions_in(self, spaces: Sequence[Space]) -> list[tuple[str, Gate | None]]:
        keys = ", ".join(json.dumps(space.key) for space in spaces)
        params = {"cql": f"space in ({keys}) and type in (page, blogpost)", "expand": EXPAND, "limit": PAGE_LIMIT}
        found = await self._client.listed(f"{V1}/content/search", params, self._restricted.listed)
        return [gate for gate in found if gate is not None]

    async def _members(self, group_id: str) -> frozenset[str]:
        path = f"{V1}/group/{quote(group_id, safe='')}/membersByGroupId"

        def key(found: Answer) -> str:
            return found.get("accountId") or ""

        try:
            return frozenset(filter(None, await self._client.counted(path, {}, key, key, limit=MEMBERS)))
        except Rejected as error:
            if error.status == 404:
                return frozenset()
            raise

    async def _users(self, ids: Collection[str]) -> list[User]:
        async def ask(some: Sequence[str]) -> list[User]:
            found = await self._client.json(f"{V2}/users-bulk", body={"accountIds": list(some)})
            return [understood(_user, user, "users-bulk") for user in results_of(found, "users-bulk")]

        return [user for some in await all_of(map(ask, slices(sorted(ids), USERS_AT_ONCE))) for user in some]


def _user(found: Answer) -> User:
    return User(
        id=found["accountId"],
        name=found.get("displayName") or found.get("publicName") or "",
        email=found.get("email") or "",
        active=found.get("accountStatus") == "active",
    )


def _permission(found: Answer) -> tuple[str, str] | None:
    operation, principal = found["operation"], found["principal"]
    if (operation["key"], operation["targetType"]) != ("read", "space"):
        return None
    return principal["type"], principal["id"]


def _assignment(found: Answer) -> tuple[str, str, str]:
    return found["roleId"], found["principal"]["principalType"].lower(), found["principal"]["principalId"]
