"""Who is let in to an emulated Confluence, where, and for what."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from tests.emulators.confluence_http import Refused, Route
from tests.emulators.confluence_world import Account


class Credentials:
    """A classic token with its address is good on a Cloud site; a scoped one at the gateway alone, also without the
    address; a personal one as a bearer at a Data Center.
    """

    def __init__(self, account: Account, *, scopes: Iterable[str] | None, data_center: bool) -> None:
        self._account = account
        self.token: str | None = "token-1"
        self.scopes = None if scopes is None else frozenset(scopes)
        self._data_center = data_center
        self._tokens = 1

    @property
    def email(self) -> str:
        return self._account.email

    def revoke(self) -> None:
        self.token = None

    def renew(self) -> str:
        self._tokens += 1
        self.token = f"token-{self._tokens}"
        return self.token

    def check(self, authorization: str, route: Route, *, gateway: bool) -> None:
        """Raises Refused."""
        scheme, _, secret = authorization.partition(" ")
        bearer = scheme == "Bearer" and secret == self.token
        basic = scheme == "Basic" and _basic(secret) == (self.email, self.token)
        if self._data_center:
            granted = bearer
        elif self.scopes is None:
            if scheme == "Bearer" and not gateway:
                raise Refused(403, "Failed to parse Connect Session Auth Token")
            granted = basic and not gateway
        else:
            granted = gateway and (basic or bearer)
        if self.token is None or not granted or not self._account.active:
            raise Refused(401, "Unauthorized", code="UNAUTHORIZED")
        if self.scopes is not None and not route.scopes & self.scopes:
            raise Refused(401, "Unauthorized; scope does not match", code="UNAUTHORIZED")


def _basic(secret: str) -> tuple[str, str]:
    try:
        email, _, token = base64.b64decode(secret, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return email, token
