"""To whom contents are left. Cloud and Data Center tell it alike."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from connectors.confluence.access import NO_ONE, Gate, Restrictions
from connectors.confluence.client import FAILURES, Answer, Client, understood
from connectors.http import Rejected
from core.models import Principal
from core.together import all_of

EXPAND = "restrictions.read.restrictions.user,restrictions.read.restrictions.group"
"""What brings them into a listing of contents."""
AT_ONCE = 100
"""Users, and groups, that are told at once."""
MAX_PAGES = 100
OUTAGE = 5
"""Contents, none of whose restrictions can be read: then it is not the contents."""


class RestrictionReader:
    def __init__(
        self, client: Client, root: str, user: Callable[[Answer], Principal | None], group: Callable[[Answer], Principal | None]
    ) -> None:
        """``root`` of the REST API v1; ``user`` and ``group`` say who it is that an answer describes, None if it does not
        say: somebody who is gone.
        """
        self._client = client
        self._root = root
        self._user = user
        self._group = group

    def listed(self, content: Answer) -> tuple[str, Gate | None] | None:
        """Content id and gate from a listing with :data:`EXPAND`; None when it does not tell all."""
        read = (content.get("restrictions") or {}).get("read")
        if not read:
            return None
        named = self._named(read)
        return (str(content["id"]), _gate(named.who)) if named.is_all else None

    async def one_by_one(self, ids: Collection[str]) -> Restrictions:
        """What cannot be read is left to nobody. Raises AuthError or TransientError when none of many can be read."""
        gates: dict[str, Gate | None] = {}
        refused: list[Rejected] = []

        async def ask(id: str) -> None:
            try:
                gates[id] = await self._one(id)
            except Rejected as error:
                if error.status != 404:
                    refused.append(error)

        await all_of(map(ask, ids))
        if len(refused) >= OUTAGE and not gates:
            raise self._client.explained(refused[0], f"{self._root}/content/…/restriction")
        return gates | dict.fromkeys(set(ids) - gates.keys(), NO_ONE)

    async def _one(self, id: str) -> Gate | None:
        path = f"{self._root}/content/{id}/restriction/byOperation/read"
        who: list[Principal | None] = []
        start = 0
        for _ in range(MAX_PAGES):
            params = {"expand": "restrictions.user,restrictions.group", "start": start, "limit": AT_ONCE}
            named = understood(self._named, await self._client.json(path, params, failures=FAILURES), path)
            who += named.who
            if named.is_all:
                break
            start += named.longest
        return _gate(who)

    def _named(self, read: Answer) -> _Named:
        users, groups = read["restrictions"]["user"], read["restrictions"]["group"]
        return _Named(
            who=[*map(self._user, users["results"]), *map(self._group, groups["results"])],
            longest=max(len(users["results"]), len(groups["results"])),
            is_all=all(
                len(part["results"]) < part.get("limit", AT_ONCE) and "next" not in part.get("_links", {})
                for part in (users, groups)
            ),
        )


@dataclass(frozen=True, kw_only=True)
class _Named:
    """Users and groups, as far as they are told at once: both lists are cut at the same place."""

    who: list[Principal | None]
    longest: int
    is_all: bool


def _gate(who: Collection[Principal | None]) -> Gate | None:
    """Without anybody named there is no restriction; with nobody but those who are gone, it is left to nobody."""
    return frozenset(filter(None, who)) if who else None
