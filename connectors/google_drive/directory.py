"""Who is in which Google group: asked of the Admin SDK, as an administrator who lets us."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import httpx

from connectors.google_drive.access import Readers
from connectors.google_drive.credential import MEMBERS_SCOPE, ServiceAccount
from connectors.google_drive.rest import Rest
from connectors.http import Rejected
from core.ports import Limiter
from core.settings import DriveConfig

GOOGLE = "https://www.googleapis.com"
ADMIN = "https://admin.googleapis.com"
PAGE = 200
"""The most that Google gives at once."""


class Directory:
    def __init__(
        self, config: DriveConfig, admin: str, limiter: Limiter, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """``admin`` is the administrator to act as."""
        self._admin = admin
        self._rest = Rest(
            "Google Directory",
            ADMIN if config.api_url.rstrip("/") == GOOGLE else config.api_url,
            ServiceAccount(config.credentials, MEMBERS_SCOPE, subject=admin, transport=transport),
            limiter,
            setup=f"enable the Admin SDK API in its Cloud project, and let {admin}, an administrator, be acted for",
            transport=transport,
        )

    async def close(self) -> None:
        await self._rest.close()

    async def members(self, groups: Iterable[str]) -> dict[str, Readers]:
        """By the group's address the people in it, those of groups in it included. A group that is gone, or of another
        organization, has nobody in it that we know of.
        """
        addresses = sorted(groups)
        return dict(zip(addresses, await asyncio.gather(*map(self._members, addresses)), strict=True))

    async def _members(self, group: str) -> Readers:
        path = f"/admin/directory/v1/groups/{quote(group, safe='')}/members"
        params = {"includeDerivedMembership": "true", "maxResults": PAGE}
        found: set[str] = set()
        try:
            async for page in self._rest.pages(path, params, kind="admin#directory#members"):
                found.update(principal for member in page.get("members") or () if (principal := self._principal(member)))
        except Rejected:
            return frozenset()
        return frozenset(found)

    def _principal(self, member: Mapping[str, str]) -> str | None:
        kind, address = member.get("type"), str(member.get("email") or "").lower()
        if kind == "USER" and address and member.get("status", "ACTIVE") == "ACTIVE":
            return f"user:{address}"
        if kind == "CUSTOMER":
            # Everybody in the organization, which is the administrator's.
            return f"domain:{self._admin.rpartition('@')[2].lower()}"
        return None
