"""A service account's key as a credential: signed assertions are exchanged for access tokens (RFC 7523)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from connectors.http import is_loopback
from core.errors import AuthError, TransientError
from core.models import now
from core.redaction import register

DRIVE_SCOPE = "https://www.googleapis.com/auth/drive.readonly"
MEMBERS_SCOPE = "https://www.googleapis.com/auth/admin.directory.group.member.readonly"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = timedelta(hours=1)
"""The longest that Google gives a token for."""
_EARLY = timedelta(minutes=5)
"""So long before its end a token is replaced, so that none ends on its way."""
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class ServiceAccount:
    """The key file is read whenever a token is needed, so that a renewed key is picked up without a restart."""

    def __init__(
        self,
        path: Path,
        scope: str,
        *,
        subject: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """``subject`` is whom it acts as, by domain-wide delegation; without one it is itself."""
        self._path = path
        self._scope = scope
        self._subject = subject
        self._clock = clock
        self._client = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, headers={"User-Agent": "Footnote"})
        self._turn = asyncio.Lock()
        self._token = ""
        self._until = clock()

    async def close(self) -> None:
        await self._client.aclose()

    async def headers(self) -> Mapping[str, str]:
        async with self._turn:
            if not self._token or self._clock() >= self._until:
                await self._fetch()
            return {"Authorization": f"Bearer {self._token}"}

    async def renew(self) -> bool:
        self._token = ""
        return True

    async def email(self) -> str:
        """The account's address: what folders and drives must be shared with. Raises AuthError for a bad key file."""
        return str((await self._key())["client_email"])

    async def _key(self) -> Mapping[str, Any]:
        try:
            key = json.loads(await asyncio.to_thread(self._path.read_bytes))
        except OSError as error:
            raise AuthError(f"the key file {self._path} cannot be read ({error.strerror}): {_NEW_KEY}") from error
        except ValueError as error:
            raise AuthError(f"the key file {self._path} is not JSON: {_NEW_KEY}") from error
        wanted = ("client_email", "private_key", "token_uri")
        if not isinstance(key, dict) or not all(isinstance(key.get(name), str) for name in wanted):
            raise AuthError(f"the key file {self._path} is not a service account's: {_NEW_KEY}")
        register(key["private_key"])
        if not key["token_uri"].startswith("https://") and not is_loopback(key["token_uri"]):
            raise AuthError(f"the token_uri in the key file {self._path} is not https: {_NEW_KEY}")
        return key

    async def _fetch(self) -> None:
        key = await self._key()
        form = {"grant_type": _GRANT, "assertion": self._assertion(key)}
        try:
            answer = await self._client.post(key["token_uri"], data=form)
        except httpx.HTTPError as error:
            raise TransientError(f"Google gives no access token ({type(error).__name__}); it is tried again") from error
        try:
            body = answer.json()
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        if answer.status_code == 200 and isinstance(body.get("access_token"), str):
            self._token = body["access_token"]
            self._until = self._clock() + timedelta(seconds=float(body.get("expires_in", 3600))) - _EARLY
        elif answer.status_code in {400, 401, 403} and "error" in body:
            raise self._refused(str(body["error"]), key["client_email"])
        else:
            raise TransientError(f"Google gives no access token (status {answer.status_code}); it is tried again")

    def _assertion(self, key: Mapping[str, Any]) -> str:
        from google.auth import crypt, jwt

        at = int(self._clock().timestamp())
        claims = {
            "iss": key["client_email"],
            "scope": self._scope,
            "aud": key["token_uri"],
            "iat": at,
            "exp": at + int(_LIFETIME.total_seconds()),
        }
        if self._subject:
            claims["sub"] = self._subject
        try:
            signer = crypt.RSASigner.from_string(key["private_key"], key.get("private_key_id"))
            assertion: bytes = jwt.encode(signer, claims)
        except ValueError as error:
            raise AuthError(f"the private key in the key file {self._path} is damaged: {_NEW_KEY}") from error
        return assertion.decode()

    def _refused(self, error: str, email: str) -> AuthError:
        # Only the code: its description is theirs to word.
        code = error if error.isidentifier() else "unknown error"
        if self._subject:
            return AuthError(
                f"Google does not let {email} act as {self._subject} ({code}): in its admin console, under domain-wide "
                f"delegation, allow this account {MEMBERS_SCOPE}, and name an administrator in directory_admin"
            )
        return AuthError(
            f"Google refused the key of {email} ({code}): was it deleted, is the account disabled, or is this machine's clock "
            f"wrong? Put a new key into {self._path}; the next sync picks it up"
        )


_NEW_KEY = "save the JSON key of a service account there, and see that Footnote may read it"
