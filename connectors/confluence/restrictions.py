"""To whom contents are left. Cloud and Data Center tell it alike."""

from __future__ import annotations

from collections.abc import Callable, Collection

from connectors.confluence.access import NO_ONE, Gate, Restrictions
from connectors.confluence.client import FAILURES, Answer, Client
from connectors.confluence.together import all_of
from connectors.http import Rejected
from core.models import Principal

EXPAND = "restrictions.read.restrictions.user,restrictions.read.restrictions.group"
"""What brings them into a listing of contents."""
AT_ONCE = 100
"""Users, and groups, that are told at once."""
MAX_PAGES = 100
OUTAGE = 5
"""Contents, none of whose restrictions can be read: then it is not the contents."""


class RestrictionReader:
    def __init__(
        self, client: Client, root: str, user: Callable[[Answer], Principal], group: Callable[[Answer], Principal]
    ) -> None:
        """``root`` of the REST API v1; ``user`` and ``group`` say who it is that an answer describes."""
        self._client = client
        self._root = root
        self._user = user
        self._group = group

    def listed(self, content: Answer) -> tuple[str, Gate | None] | None:
        """Content id and gate from a listing with :data:`EXPAND`; None when it does not tell all."""
        read = (content.get("restrictions") or {}).get("read")
        return (str(content["id"]), self._gate(read) or None) if read and _is_last(read) else None

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
        path, gate = f"{self._root}/content/{id}/restriction/byOperation/read", NO_ONE
        for page in range(MAX_PAGES):
            params = {"expand": "restrictions.user,restrictions.group", "start": page * AT_ONCE, "limit": AT_ONCE}
            read = await self._client.json(path, params, failures=FAILURES)
            gate |= self._gate(read)
            if _is_last(read):
                break
        return gate or None

    def _gate(self, read: Answer) -> Gate:
        named = read["restrictions"]
        return frozenset([*map(self._user, named["user"]["results"]), *map(self._group, named["group"]["results"])])


def _is_last(read: Answer) -> bool:
    """Long lists are cut, both at the same place."""
    parts = (read["restrictions"]["user"], read["restrictions"]["group"])
    return all(len(part["results"]) < part.get("limit", AT_ONCE) and "next" not in part.get("_links", {}) for part in parts)
