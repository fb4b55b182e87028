"""Who is in which Google group: asked of the Admin SDK, as an administrator who lets us."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import httpx

from connectors.google_drive.access import Readers
from connectors.google_drive.client import is_transient, reason_of
from connectors.google_drive.credential import MEMBERS_SCOPE, ServiceAccount
from connectors.http import Http, Rejected
from core.errors import AuthError, TransientError
from core.ports import Limiter
from core.settings import DriveConfig

GOOGLE = "https://www.googleapis.com"
ADMIN = "https://admin.googleapis.com"
PAGE = 200
"""The most that Google gives at once."""
_SETUP = frozenset({"insufficientPermissions", "accessNotConfigured", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "SERVICE_DISABLED"})


class Directory:
    def __init__(
        self,
        config: DriveConfig,
        admin: str,
        limiter: Limiter,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``admin`` is the administrator to act as."""
        self._admin = admin
        self._account = ServiceAccount(config.credentials, MEMBERS_SCOPE, subject=admin, transport=transport)
        base = ADMIN if config.api_url.rstrip("/") == GOOGLE else config.api_url
        self._http = Http("Google Directory", base, self._account, limiter, is_transient=is_transient, transport=transport)

    async def close(self) -> None:
        await self._http.close()
        await self._account.close()

    async def members(self, groups: Iterable[str]) -> dict[str, Readers]:
        """By the group's address the people in it, those of groups in it included. A group that is gone, or of another
        organization, has nobody in it that we know of.
        """
        addresses = sorted(groups)
        return dict(zip(addresses, await asyncio.gather(*map(self._members, addresses)), strict=True))

    async def _members(self, group: str) -> Readers:
        found: set[str] = set()
        params: dict[str, str | int] = {"includeDerivedMembership": "true", "maxResults": PAGE}
        while True:
            try:
                page = await self._http.json(f"/admin/directory/v1/groups/{quote(group, safe='')}/members", params)
            except Rejected as error:
                if reason_of(error.body) in _SETUP:
                    raise AuthError(
                        f"{self._admin} cannot read who is in {group} ({reason_of(error.body)}): name an administrator in "
                        "directory_admin, and enable the Admin SDK API in the service account's Cloud project"
                    ) from error
                return frozenset()
            if not isinstance(page, dict) or page.get("kind") != "admin#directory#members":
                raise TransientError("Google Directory answered with something else than members; it is asked again")
            found.update(principal for member in page.get("members") or () if (principal := self._principal(member)))
            if not page.get("nextPageToken"):
                return frozenset(found)
            params["pageToken"] = page["nextPageToken"]

    def _principal(self, member: Mapping[str, str]) -> str | None:
        kind, address = member.get("type"), str(member.get("email") or "").lower()
        if kind == "USER" and address and member.get("status", "ACTIVE") == "ACTIVE":
            return f"user:{address}"
        if kind == "CUSTOMER":
            # Everybody in the organization, which is the administrator's.
            return f"domain:{self._admin.rpartition('@')[2].lower()}"
        return None
