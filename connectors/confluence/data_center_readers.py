"""Who may read what in a Confluence Data Center."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from connectors.confluence.access import Gate, Restrictions, account, group
from connectors.confluence.client import Answer, Client, understood
from connectors.confluence.data_center import API, LIMIT, contents, everything
from connectors.confluence.listing import Listing, Space
from connectors.confluence.readers import People, User
from connectors.confluence.restrictions import EXPAND, RestrictionReader
from connectors.http import Rejected
from core.errors import AuthError
from core.models import EVERYONE, Principal
from core.together import all_of

PROFILE_AGE = timedelta(days=1)
"""How old an e-mail address may be: profiles are told one at a time."""


class DataCenterReaders:
    """:class:`connectors.confluence.readers.Readers`."""

    def __init__(self, client: Client, source: str, clock: Callable[[], datetime]) -> None:
        """``source`` is the name in the principals."""
        self._client = client
        self._source = source
        self._clock = clock
        self._emails: dict[str, tuple[str, datetime | None]] = {}
        """Of users by their key, and since when they are known."""
        self._restricted = RestrictionReader(
            client,
            API,
            user=lambda found: account(source, key) if (key := found.get("userKey")) else None,
            group=lambda found: group(source, name) if (name := found.get("name")) else None,
        )

    async def of_spaces(self, spaces: Sequence[Space]) -> Mapping[str, Gate]:
        return dict(zip((space.id for space in spaces), await all_of(map(self._readers, spaces)), strict=True))

    async def restrictions(self, listing: Listing) -> Restrictions:
        gates: dict[str, Gate | None] = {}
        if listing.is_whole:
            asked = contents(listing.spaces.values(), EXPAND)
            gates = dict(filter(None, await everything(self._client, asked, self._restricted.listed)))
        others = (listing.pages.keys() | listing.above.keys()) - gates.keys()
        return gates | dict(await self._restricted.one_by_one(others))

    async def people(self, groups: Collection[str], accounts: Collection[str]) -> People:
        found = dict(zip(groups, await all_of(map(self._members, groups)), strict=True))
        told = {member["userKey"]: member for members in found.values() for member in members}
        others = await all_of(self._account(key) for key in set(accounts) - told.keys())
        told |= {other["userKey"]: other for other in others if other is not None and "userKey" in other}
        users = await all_of(map(self._user, told.values()))
        return People(
            members={id: frozenset(member["userKey"] for member in members) for id, members in found.items()},
            users={user.id: user for user in users},
        )

    async def names(self, accounts: Collection[str]) -> Mapping[str, str]:
        found = await all_of(map(self._account, accounts))
        return {user["userKey"]: user.get("displayName", "") for user in found if user is not None and "userKey" in user}

    async def _readers(self, space: Space) -> Gate:
        path = f"{API}/space/{quote(space.key, safe='')}/permissions"
        try:
            granted = await self._client.value(path)
        except Rejected as error:
            if error.status != 404:
                raise self._client.explained(error, path) from error
            return await self._readers_before_9_1(space)
        reading = {"operationKey": "read", "targetType": "space"}

        def subject(item: Answer) -> Principal | None:
            return self._principal(item["subject"]) if reading.items() <= item["operation"].items() else None

        return frozenset(filter(None, (understood(subject, item, path) for item in granted)))

    def _principal(self, subject: Answer) -> Principal | None:
        match subject:
            case {"type": "user", "userKey": key}:
                return account(self._source, key)
            case {"type": "group", "name": name}:
                return group(self._source, name)
            case {"type": "anonymous"}:
                return EVERYONE
            case _:
                return None

    async def _readers_before_9_1(self, space: Space) -> Gate:
        path = "/rpc/json-rpc/confluenceservice-v2/getSpacePermissionSets"
        try:
            sets = await self._client.value(path, body=[space.key])
        except Rejected as error:
            raise AuthError(
                f"Confluence at {self._client.url} does not say who may read the space {space.key}: before version 9.1 it does "
                "so by its remote API (JSON-RPC), which an administrator has to switch on"
            ) from error
        readers: set[Principal] = set()
        for user, named in understood(_viewers, sets, path):
            if named:
                readers.add(group(self._source, named))
            elif user:
                found = await self._client.found(f"{API}/user", {"username": user})
                readers |= {account(self._source, found["userKey"])} if found and "userKey" in found else set()
            else:
                readers.add(EVERYONE)
        return frozenset(readers)

    async def _members(self, name: str) -> list[Answer]:
        """Nobody when the group is gone, or cannot be asked for: servers refuse a slash in its name."""
        path = f"{API}/group/{quote(name, safe='')}/member"
        try:
            found = await self._client.counted(
                path, {"expand": "status"}, lambda user: user.get("userKey") or "", dict, limit=LIMIT
            )
        except Rejected:
            return []
        return [user for user in found if user.get("userKey")]

    async def _account(self, key: str) -> Answer | None:
        return await self._client.found(f"{API}/user", {"key": key, "expand": "status"})

    async def _user(self, told: Answer) -> User:
        return User(
            id=told["userKey"],
            name=told.get("displayName", ""),
            email=await self._email(told["userKey"], told.get("username", "")),
            active=told.get("status", "current") == "current",
        )

    async def _email(self, key: str, username: str) -> str:
        """Only the profile tells it, and only where it may be seen."""
        email, since = self._emails.get(key, ("", None))
        # A clock that was ahead, and is not any more, must not keep an address for long.
        if since is None or not timedelta() <= self._clock() - since <= PROFILE_AGE:
            profile = await self._client.found(f"/rest/mobile/latest/profile/{quote(username, safe='')}", {})
            email = (profile or {}).get("email") or ""
            self._emails[key] = email, self._clock()
        return email


def _viewers(sets: Any) -> list[tuple[str | None, str | None]]:
    """User and group of each permission to view a space; of the anonymous one, neither."""
    granted = [item for found in sets if found["type"] == "VIEWSPACE" for item in found["spacePermissions"]]
    return [(item.get("userName"), item.get("groupName")) for item in granted]
