"""The service account's key, and the tokens that Google gives for it (RFC 7523)."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.emulators.drive_errors import Refused, TokenRefused
from tests.emulators.drive_world import Drive

GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUTH = "https://www.googleapis.com/auth/"
READ = frozenset({f"{_AUTH}drive", f"{_AUTH}drive.readonly"})
METADATA = READ | {f"{_AUTH}drive.metadata", f"{_AUTH}drive.metadata.readonly"}
DIRECTORY = frozenset(f"{_AUTH}admin.directory.group{part}" for part in ("", ".readonly", ".member", ".member.readonly"))
_HOUR = 3600


@dataclass(frozen=True)
class Token:
    """``email`` is whom it acts as."""

    email: str
    scopes: frozenset[str]
    expires: float


class Accounts:
    """Gives out access tokens and knows whose they are. ``lifetime`` is in seconds.

    ``delegated`` are the scopes in which the service account may act as any user of the domain.
    """

    def __init__(self, drive: Drive, *, lifetime: float = _HOUR, delegated: frozenset[str] = DIRECTORY) -> None:
        self.lifetime = lifetime
        self.delegated = delegated
        self.token_uri = GOOGLE_TOKEN_URI
        self.issued = 0
        self._drive = drive
        self._number = 0
        self._valid = True
        self._tokens: dict[str, Token] = {}

    # What an administrator does.

    def revoke_tokens(self) -> None:
        """All access tokens so far; the key gets new ones."""
        self._tokens.clear()

    def revoke(self) -> None:
        """The key and all its tokens."""
        self._valid = False
        self.revoke_tokens()

    def replace_key(self) -> None:
        """Another key is valid from now on: write the credentials again."""
        self._number += 1
        self._valid = True
        self.revoke_tokens()

    def credentials(self) -> dict[str, str]:
        """The key file of the service account."""
        private = _key(self._number).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "acme-footnote",
            "private_key_id": self._key_id,
            "private_key": private.decode(),
            "client_email": self._drive.bot,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": self.token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "universe_domain": "googleapis.com",
        }

    @property
    def _key_id(self) -> str:
        return f"{self._number:040x}"

    # What the endpoint does.

    def issue(self, scopes: frozenset[str] = READ, *, email: str | None = None) -> str:
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self.issued += 1
        self._tokens[token] = Token(email or self._drive.bot, scopes, time.monotonic() + self.lifetime)
        return token

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer of the token endpoint."""
        if form.get("grant_type") != GRANT_TYPE:
            raise TokenRefused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
        claims = self._verified(form.get("assertion", ""))
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes or not scopes <= METADATA | DIRECTORY:
            raise TokenRefused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        subject = claims.get("sub")
        if subject in {None, self._drive.bot}:
            email = self._drive.bot
        else:
            email = str(subject).lower()
            if not scopes <= self.delegated:
                text = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of"
                raise TokenRefused("unauthorized_client", f"{text} the scopes requested.", status=401)
            if email not in self._drive.users or f"user:{email}" in self._drive.deleted_accounts:
                raise TokenRefused("invalid_grant", "Invalid email or User ID")
        token = self.issue(scopes, email=email)
        return {"access_token": token, "expires_in": int(self.lifetime), "token_type": "Bearer"}

    def _verified(self, assertion: str) -> dict[str, Any]:
        try:
            head, body, signature = assertion.split(".")
            header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
        except ValueError:
            raise TokenRefused("invalid_grant", "Invalid JWT: Failed to parse.") from None
        if claims.get("iss") != self._drive.bot:
            raise TokenRefused("invalid_grant", "Invalid grant: account not found")
        if header.get("alg") != "RS256" or not self._valid or header.get("kid", self._key_id) != self._key_id:
            raise TokenRefused("invalid_grant", "Invalid JWT Signature.")
        try:
            public = _key(self._number).public_key()
            public.verify(_decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise TokenRefused("invalid_grant", "Invalid JWT Signature.") from None
        if claims.get("aud") not in {self.token_uri, GOOGLE_TOKEN_URI}:
            raise TokenRefused("invalid_grant", "Invalid JWT: Invalid audience")
        now = time.time()
        issued, expires = float(claims.get("iat", 0)), float(claims.get("exp", 0))
        if not issued - 300 <= now < expires <= issued + _HOUR:
            text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            raise TokenRefused("invalid_grant", f"{text} Check your iat and exp values in the JWT claim.")
        return dict(claims)

    def bearer(self, header: str | None, scopes: frozenset[str]) -> Token:
        """Whose request it is. Refuses one without a valid token, or with one for other things."""
        token = self._tokens.get((header or "").removeprefix("Bearer "))
        if token is None or token.expires < time.monotonic():
            text = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid"
            raise Refused("authError", f"{text} authentication credential.", location=("Authorization", "header"))
        if not token.scopes & scopes:
            raise Refused("insufficientPermissions", "Request had insufficient authentication scopes.")
        return token


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    # Real keys, made once in a process: each takes a tenth of a second.
    # Half as long as Google's: each reading of a key checks it, and of a long one that takes 30 ms.
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)
